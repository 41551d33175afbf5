"""(h) A click on an image of 512²: from what was said of the object to the runs that the viewer does."""

import json
import time

import numpy as np
from scipy import ndimage

from benchmarks.forward import bare_network
from benchmarks.ratio import Ratio
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.compute import choose_compute
from medseg_demo.prompting.clicking import Clicking, Place
from medseg_demo.prompting.prompts import Click, Prompts
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings

CHECKPOINT = "any-clicks"
SIDE, OBJECTS, CLICKS = 512, 12, 4
MOST_S = 0.3


def blobs() -> tuple[MedicalImage, list[tuple[int, int]]]:
    """Bright blobs of several sizes in noise, and the middle of each."""
    random = np.random.default_rng(0)
    pixels, middles = np.full((SIDE, SIDE), 60.0), []
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(OBJECTS):
        y, x = 64 + 128 * (number // 4), 64 + 128 * (number % 4)
        radius = 8 + 4 * number
        pixels[(rows - y) ** 2 + ((columns - x) / 1.3) ** 2 < radius**2] = 170
        middles.append((y, x))
    noisy = ndimage.gaussian_filter(pixels, 1.5) + random.normal(0, 12, pixels.shape)
    image = MedicalImage(np.clip(noisy, 0, 255).astype(np.uint8), "YX", Geometry(), "blobs", "PNG", 8, (0.0, 255.0))
    return image, middles


def measure(*, rounds: int) -> Ratio:
    engine = Engine(Settings.from_environment())
    checkpoint = engine.loaded(CHECKPOINT)
    shape = (checkpoint.card.input_channels, *checkpoint.card.input_size)
    network = bare_network(checkpoint, choose_compute(engine.settings), 1, shape)
    image, middles = blobs()
    labels = np.zeros(image.shape, np.uint8)
    taken, bare = [], []
    for number in range(rounds + 1):
        clicking = Clicking(image, checkpoint.card)
        for place, (y, x) in enumerate(middles):
            prompts = Prompts()
            for click in range(CLICKS):
                prompts = prompts.added(Click(y + 3 * click, x - 2 * click))
                start = time.perf_counter()
                with engine.job() as job:
                    look = engine.looking(checkpoint, job)
                    runs = clicking.click(look, labels, 1, Place(0, 0), prompts, number=place)
                json.dumps(runs)
                taken.append((number, time.perf_counter() - start))
            start = time.perf_counter()
            network(1)
            bare.append(time.perf_counter() - start)
    seconds = [one for number, one in taken if number]  # the first round makes the network ready
    median, slow = float(np.median(seconds)), float(np.percentile(seconds, 95))
    return Ratio(
        f"(h) the answer to a click at {SIDE}², median; the ratio is to {MOST_S:g} s",
        f"{median:.3f} s (95 % within {slow:.3f} s)",
        f"{np.median(bare):.3f} s of the bare network once",
        median / MOST_S,
        "at most",
        1.0,
    )
