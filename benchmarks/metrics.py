"""``python -m benchmarks.metrics``: how much faster ``score_case`` is than MONAI's functions.

Both score Dice, IoU, precision, recall, HD95, ASSD and NSD of one class of one case, by turns in one process, and
their values are compared. MONAI is called as its users call it, on float tensors that are made beforehand. The
masks have 15 % foreground: a ball beside its shifted copy, smooth blobs with a disturbed border, and noise.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_confusion_matrix_metric,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
    get_confusion_matrix,
)
from scipy.ndimage import gaussian_filter

from benchmarks.ratio import Ratio, machine, median_ms, table
from evaluation.metrics import score_case

FOREGROUND = 0.15
NAMES = ("dice", "iou", "precision", "recall", "hd95", "assd", "nsd")
SIZES = {"512²": (512, 512), "160³": (160, 160, 160)}
TARGETS = {"512²": 12, "160³": 12}

Masks = tuple[np.ndarray, np.ndarray]


def shifted_ball(shape: tuple[int, ...]) -> Masks:
    unit = math.pi if len(shape) == 2 else 4 / 3 * math.pi
    radius = (FOREGROUND * math.prod(shape) / unit) ** (1 / len(shape))
    squared = [
        sum((axis - n / 2 - shift) ** 2 for axis, n in zip(np.indices(shape), shape, strict=True)) for shift in (0, 3)
    ]
    return squared[0] <= radius**2, squared[1] <= radius**2


def blobs(shape: tuple[int, ...]) -> Masks:
    random = np.random.default_rng(0)
    smooth = gaussian_filter(random.standard_normal(shape), min(shape) / 20)
    rough = gaussian_filter(random.standard_normal(shape), min(shape) / 60)
    fields = smooth / smooth.std(), smooth / smooth.std() + 0.25 * rough / rough.std()
    return tuple(field > np.quantile(field, 1 - FOREGROUND) for field in fields)


def noise(shape: tuple[int, ...]) -> Masks:
    return tuple(np.random.default_rng(0).random((2, *shape)) < FOREGROUND)


KINDS = {"ball": shifted_ball, "blobs": blobs, "noise": noise}


def monai_scores(reference: torch.Tensor, prediction: torch.Tensor) -> dict[str, float]:
    masks, options = (prediction, reference), {"include_background": True}
    confusion = get_confusion_matrix(*masks)
    values = (
        compute_dice(*masks),
        compute_iou(*masks),
        compute_confusion_matrix_metric("precision", confusion),
        compute_confusion_matrix_metric("recall", confusion),
        compute_hausdorff_distance(*masks, percentile=95, **options),
        compute_average_surface_distance(*masks, symmetric=True, **options),
        compute_surface_dice(*masks, class_thresholds=[1.0], **options),
    )
    return {name: float(value) for name, value in zip(NAMES, values, strict=True)}


def compare(kind: str, size: str, *, rounds: int) -> Ratio:
    """The ratio for one kind and size of masks.

    Raises:
        AssertionError: If a value differs by more than 1e-6 of it.
    """
    masks = KINDS[kind](SIZES[size])
    maps = [mask.astype(np.uint8) for mask in masks]
    tensors = [torch.from_numpy(mask)[None, None].float() for mask in masks]
    sides: tuple[Callable[[], dict], Callable[[], dict]] = (
        lambda: score_case(*maps, labels={1: "object"}, metrics=NAMES)[0],
        lambda: monai_scores(*tensors),
    )
    ours, monai = (side() for side in sides)
    for name in NAMES:
        assert math.isclose(ours[name], monai[name], rel_tol=1e-6), (kind, size, name, ours[name], monai[name])
    seconds = [[_timed(side) for side in sides] for _ in range(rounds)]
    ours_ms, monai_ms = (median_ms(times) for times in zip(*seconds, strict=True))
    value = statistics.median(slow / fast for fast, slow in seconds)
    return Ratio(f"{kind} {size}", f"{ours_ms:.1f} ms", f"{monai_ms:.1f} ms", value, "at least", TARGETS[size])


def measure(*, rounds: int) -> list[Ratio]:
    return [compare(kind, size, rounds=rounds) for size in SIZES for kind in KINDS]


def _timed(run: Callable[[], dict]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs (medians are shown)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch; score_case and SciPy use one")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(machine(), f"; PyTorch with {arguments.threads} threads here, score_case with one", sep="", flush=True)
    print(table(measure(rounds=arguments.rounds)))


if __name__ == "__main__":
    main()
