"""(c) A hundred images through ``medseg_demo segment``, against the bare network."""

import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.forward import CHECKPOINT, bare_forward
from benchmarks.images import write_chest_images
from benchmarks.ratio import Ratio
from medseg_demo.__main__ import main

IMAGES = 100
BATCH_SIZES = (2, 4, 8)  # the bare network is given the one that suits it best


def measure(*, rounds: int) -> Ratio:
    forwards = [bare_forward(size, IMAGES // size) for size in BATCH_SIZES]
    with tempfile.TemporaryDirectory() as folder:
        images = write_chest_images(Path(folder), IMAGES)
        seconds = []
        for _ in range(rounds + 1):
            # A run over one image holds start-up and model loading: the difference is the other images' time.
            ours = _segment(images) - _segment(images[:1])
            bare = [forward() / (IMAGES // size * size) for forward, size in zip(forwards, BATCH_SIZES, strict=True)]
            seconds.append((ours / (IMAGES - 1), *bare))
    ours, *bare = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
    best = min(bare)
    return Ratio(
        f"(c) `segment` over {IMAGES} images",
        f"{1 / ours:.0f} images/s",
        f"{1 / best:.0f} images/s in batches of {BATCH_SIZES[bare.index(best)]}",
        best / ours,
        "at least",
        0.65,
    )


def _segment(images: list[Path]) -> float:
    with tempfile.TemporaryDirectory() as output, contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        code = main(["segment", *map(str, images), "--checkpoint", CHECKPOINT, "--output", output])
        seconds = time.perf_counter() - start
    if code:
        raise RuntimeError(f"segment ended with exit code {code}")
    return seconds
