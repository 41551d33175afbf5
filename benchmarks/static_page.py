"""The page without a server beside Python: ``python -m benchmarks.static_page --test-sets DIR``.

Each network segments ``--cases`` images of the split ``val`` of the test set that suits it, and the bundled samples of
its kind, in headless Chromium without a network, and Python segments the same files on one thread, by turns. Printed:
Dice of both label maps (mean and worst), how many are equal pixel by pixel, and how much longer the page took. Of
volumes the middle slice counts, as an array.
"""

import argparse
import base64
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medseg_demo.exporting import export
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.reading import read_image
from medseg_demo.samples import list_samples
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import read_test_set

NETWORKS = tuple(f"{task}-unet-{size}" for task in ("lungs", "nuclei", "vessels") for size in ("lite0", "tiny"))
NETWORKS += ("hippocampus-unet2d-tiny",)
SETTINGS = Settings(device="cpu", precision="float32", threads=1)
LABELS = """() => {
  const { data } = document.querySelector(".mv-host").viewer.slice.views[0].labels;
  let text = "";
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return btoa(text);
}"""
IDLE = "#medseg-page[aria-busy=false]"


def files(task: str, test_sets: Path, cases: int, scratch: Path) -> Iterator[Path]:
    """Images of the validation split, evenly spread over it, and the samples."""
    if (test_sets / task).is_dir():
        found = read_test_set(test_sets / task, split="val").cases
        for case in found[:: max(1, len(found) // cases)][:cases]:
            yield single_image(case.image_path, scratch)
    for sample in list_samples():
        if sample.checkpoint.startswith(task):
            yield single_image(sample.path, scratch)


def single_image(path: Path, scratch: Path) -> Path:
    image = read_image(path)
    if not image.is_volume:
        return path
    slice_path = scratch / f"{path.name.split('.')[0]}.npy"
    np.save(slice_path, image.pixels[len(image.pixels) // 2])
    return slice_path


def dice(first: np.ndarray, second: np.ndarray) -> float:
    both = int((first > 0).sum() + (second > 0).sum())
    return 2 * int(((first == second) & (first > 0)).sum()) / both if both else 1.0


def compare(page: object, name: str, paths: Iterator[Path]) -> str:
    checkpoint = load_checkpoint(name, SETTINGS.checkpoints_dir)
    scores, ratios, equal = [], [], 0
    for path in paths:
        page.set_input_files("#medseg-file", path)
        page.wait_for_selector(IDLE)
        seconds = float(page.locator(".mp-scroll .mp-quiet").inner_text().split()[-2])
        image = read_image(path)
        start = time.perf_counter()
        expected = segment(image, checkpoint, settings=SETTINGS).label_map.labels
        ratios.append(seconds / (time.perf_counter() - start))
        found = np.frombuffer(base64.b64decode(page.evaluate(LABELS)), np.uint8).reshape(expected.shape)
        scores.append(dice(found, expected))
        equal += bool((found == expected).all())
    return (
        f"Dice mean {statistics.fmean(scores):.5f}, worst {min(scores):.5f}; {equal} of {len(scores)} equal pixel by "
        f"pixel; {statistics.median(ratios):.1f} times as long as Python"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-sets", type=Path, required=True, metavar="DIR")
    parser.add_argument("--cases", type=int, default=20, help="of each test set")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=NETWORKS)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver, tempfile.TemporaryDirectory() as scratch:
        browser = driver.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_context(offline=True, locale="en-GB").new_page()
        page.set_default_timeout(600_000)
        for name in options.only:
            path = Path(scratch) / f"{name}.html"
            export([name], "page", path)
            page.goto(path.as_uri())
            page.wait_for_selector(IDLE)
            paths = files(name.split("-")[0], options.test_sets, options.cases, Path(scratch))
            print(f"{name}, {path.stat().st_size / 1e6:.1f} MB: {compare(page, name, paths)}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
