"""(e) The viewer in a headless Chromium: redraws of a 512² image, and slices of a 256³ volume through Gradio."""

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.programs import server
from benchmarks.ratio import Ratio
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, standalone_html, viewer_value

REDRAW_MS, SLICE_MS = 16, 100
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
READY = "document.querySelector('.mv-host')?.viewer?.slice"

# What changes from one redraw to the next: the costliest thing that a person can drag in each mode.
MODES = {
    "fill": {"layout": "side", "view": "overlay", "mode": "fill"},
    "outline": {"layout": "side", "view": "overlay", "mode": "outline"},
    "errors": {"layout": "side", "view": "overlay", "mode": "errors"},
    "probability": {"layout": "side", "view": "probability"},
    "swipe": {"layout": "swipe", "view": "overlay", "mode": "fill"},
    "agreement": {"layout": "agreement", "view": "overlay", "mode": "fill"},
}

# Reading one pixel back makes the browser finish the drawing before the clock is read again.
REDRAWS = """async ([changes, rounds]) => {
  const { viewer } = document.querySelector(".mv-host");
  viewer.set(changes);
  await new Promise((done) => setTimeout(done, 200));
  const times = [];
  for (let i = 0; i < rounds + 5; i += 1) {
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    viewer.state.thresholds = viewer.state.thresholds.map(() => 0.3 + (i % 40) / 100);
    viewer.state.window = [i, 4000];
    viewer.drawNow();
    for (const pane of viewer.panes) pane.painter.context.getImageData(0, 0, 1, 1);
    times.push(performance.now() - start);
  }
  return times.slice(5);
}"""

# From the key, or the slider's event, to the frame in which the wanted slice is on the stage.
SLICES = """async ([steps, isFar]) => {
  const { viewer } = document.querySelector(".mv-host");
  const stage = document.querySelector(".mv-stage");
  const slider = document.querySelector(".mv-slices input");
  const times = [];
  for (const step of steps) {
    await new Promise((done) => setTimeout(done, 400));
    const start = performance.now();
    if (isFar) {
      slider.value = step;
      slider.dispatchEvent(new Event("input"));
    } else stage.dispatchEvent(new KeyboardEvent("keydown", { key: step, bubbles: true }));
    const wanted = viewer.state.point[0];
    while (viewer.slice.index !== wanted || viewer.frame) await new Promise(requestAnimationFrame);
    viewer.painter.context.getImageData(0, 0, 1, 1);
    times.push(performance.now() - start);
  }
  return times;
}"""


def measure(*, rounds: int) -> Iterator[Ratio]:
    """The 95th percentile of each counts, for a person notices the slow ones."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 1000})
        yield from _redraws(page, 10 * rounds)
        yield from _slices(page, 3 * rounds)
        browser.close()


def _redraws(page: object, rounds: int) -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "viewer.html"
        for name, changes in MODES.items():
            # one pane, as an image of 512² has it, unless the mode is about two
            path.write_text(standalone_html([_image(1 if changes["layout"] == "side" else 2)]), encoding="utf-8")
            page.goto(path.as_uri())
            page.wait_for_function(READY)
            times = page.evaluate(REDRAWS, [changes, rounds])
            yield _ratio(f"(e) redraw of 512², {name}", times, REDRAW_MS)


def _slices(page: object, rounds: int) -> Iterator[Ratio]:
    random = np.random.default_rng(0)
    with server(["-m", "benchmarks.viewer_app"]) as (url, *_):
        page.goto(url)
        page.wait_for_function(READY, timeout=120_000)
        near = page.evaluate(SLICES, [["ArrowUp"] * rounds, False])
        far = page.evaluate(SLICES, [random.permutation(256)[:rounds].tolist(), True])
    yield _ratio("(e) next slice of 256³", near, SLICE_MS)
    yield _ratio("(e) far slice of 256³", far, SLICE_MS)


def _ratio(name: str, times: list[float], limit: float) -> Ratio:
    median, late = statistics.median(times), float(np.percentile(times, 95))
    return Ratio(
        name, f"best {min(times):.1f}, median {median:.1f}, 95 % within {late:.1f} ms", "–", late, "at most", limit
    )


def _image(predictions: int) -> dict[str, object]:
    """Noise, which no canvas can skip, with probabilities and a reference."""
    random = np.random.default_rng(0)
    image = MedicalImage(
        random.integers(0, 4096, (512, 512)).astype(np.uint16), "YX", Geometry(), "noise", "PNG", 16, (0.0, 4095.0)
    )
    named = []
    for number in range(predictions):
        probabilities = random.random((1, 512, 512)).astype(np.float16)
        labels = LabelMap((probabilities[0] > 0.5).astype(np.uint8), ("a",))
        named.append(NamedPrediction(f"net-{number}", labels, probabilities, 0.5))
    return viewer_value(image, named, reference=named[0].label_map)


def _chromium() -> str:
    found = next((path for path in (os.environ.get("CHROMIUM"), *map(shutil.which, CHROMIUM)) if path), None)
    if found is None:
        raise SystemExit("No Chromium found: install it, or name one in CHROMIUM.")
    return found
