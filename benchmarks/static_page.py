"""The page without a server beside Python: ``python -m benchmarks.static_page PAGE.html --data DIR``.

Each network of the page segments ``--cases`` images of the split ``val`` of each test set that suits it, in headless
Chromium without a network, and Python segments the same files. Printed: Dice of both label maps (mean and worst), how
many are equal pixel by pixel, and seconds an image. Of volumes the middle slice counts, as an array.
"""

import argparse
import base64
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.reading import read_image
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import read_test_set

LABELS = """() => {
  const { data } = document.querySelector(".mv-host").viewer.slice.views[0].labels;
  let text = "";
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return btoa(text);
}"""
IDLE = "#medseg-page[aria-busy=false]"


def files(folder: Path, cases: int, scratch: Path) -> Iterator[Path]:
    """Images of the validation split, evenly spread over it."""
    found = read_test_set(folder, split="val").cases
    for case in found[:: max(1, len(found) // cases)][:cases]:
        path = case.image_path
        image = read_image(path)
        if image.is_volume:
            path = scratch / f"{path.name.split('.')[0]}.npy"
            np.save(path, image.pixels[len(image.pixels) // 2])
        yield path


def dice(first: np.ndarray, second: np.ndarray) -> float:
    both = int((first > 0).sum() + (second > 0).sum())
    return 2 * int(((first == second) & (first > 0)).sum()) / both if both else 1.0


def compare(page: object, name: str, paths: list[Path]) -> str:
    settings = Settings(device="cpu", precision="float32")
    checkpoint = load_checkpoint(name, settings.checkpoints_dir)
    scores, seconds, equal = [], [], 0
    for path in paths:
        page.set_input_files("#medseg-file", path)
        page.wait_for_selector(IDLE)
        text = page.locator(".mp-scroll .mp-quiet").inner_text()
        seconds.append(float(text.rsplit(": ", 1)[1].split(" ")[0]))
        expected = segment(read_image(path), checkpoint, settings=settings).label_map.labels
        found = np.frombuffer(base64.b64decode(page.evaluate(LABELS)), np.uint8).reshape(expected.shape)
        scores.append(dice(found, expected))
        equal += bool((found == expected).all())
    return (
        f"Dice mean {statistics.fmean(scores):.5f}, worst {min(scores):.5f}; {equal} of {len(scores)} equal pixel by "
        f"pixel; {statistics.median(seconds):.2f} s an image"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the test-set folders")
    parser.add_argument("--cases", type=int, default=20)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver, tempfile.TemporaryDirectory() as scratch:
        browser = driver.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_context(offline=True).new_page()
        page.set_default_timeout(600_000)
        page.goto(options.page.resolve().as_uri())
        page.wait_for_selector(IDLE)
        names = page.locator("#medseg-network-0 option").evaluate_all("(all) => all.map((one) => one.value)")
        for name in names:
            folder = options.data / name.split("-")[0]
            if not folder.is_dir():
                continue
            page.select_option("#medseg-network-0", name)
            page.wait_for_selector(IDLE)
            print(f"{name}: {compare(page, name, list(files(folder, options.cases, Path(scratch))))}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
