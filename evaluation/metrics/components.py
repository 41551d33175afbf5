"""Single lesions: which there are, and which of reference and prediction match.

A lesion is a component connected through faces, edges and corners, or an object that its map numbers. By default a
reference lesion is found when at least one of its pixels is predicted, and a predicted lesion is true when at least one
of its pixels lies in the reference: one large prediction may find several lesions. With a threshold above 0 lesions are
paired one to one, those of the greatest IoU first, and only pairs whose IoU exceeds the threshold match.
"""

import math
from dataclasses import dataclass

import numpy as np

from evaluation.metrics.counts import ratio

# The object numbers of reference and prediction; None where components are the objects.
Instances = tuple[np.ndarray | None, np.ndarray | None]
# Of volumes in mm³: balls of 6 and 12 mm. Of images in px those of COCO, 32² and 96².
SIZES = {2: (1024.0, 9216.0), 3: (100.0, 1000.0)}


@dataclass(frozen=True)
class LesionMatching:
    """When lesions match.

    Attributes:
        overlap: The IoU that a pair has to exceed, in [0, 1); 0 takes any shared pixel, and one may match several.
        smallest: Lesions below this size do not count, in mm³ or mm² (px without a spacing): those of the reference are
            no misses, and predicted ones no false positives unless they match.
        sizes: The limits between small, medium and large lesions, in the same unit; None for those of SIZES.
    """

    overlap: float = 0.0
    smallest: float = 0.0
    sizes: tuple[float, float] | None = None

    def limits(self, ndim: int) -> tuple[float, float]:
        """The limits between small, medium and large lesions."""
        return self.sizes or SIZES[ndim]


ANY_OVERLAP = LesionMatching()


def check_matching(matching: LesionMatching) -> None:
    """Raise ValueError unless the threshold is in [0, 1) and the size a finite number of at least 0."""
    if not 0 <= matching.overlap < 1:
        raise ValueError(f"The overlap of lesions is {matching.overlap!r}. Give a number from 0 to below 1.")
    if not (math.isfinite(matching.smallest) and matching.smallest >= 0):
        raise ValueError(f"The smallest lesion is {matching.smallest!r}. Give a finite number of at least 0.")
    if matching.sizes is not None and not 0 < matching.sizes[0] < matching.sizes[1]:
        raise ValueError(f"The limits of lesion sizes are {matching.sizes!r}. Give two, the smaller one first.")


@dataclass(frozen=True, eq=False)
class LesionCounts:
    """How many lesions there are, how many of them match, and how well.

    Attributes:
        sizes: Of each reference lesion that counts, in mm³, mm² or px.
        is_found: Whether it matches a predicted one.
        predicted: Lesions of the prediction that count.
        true: Those of them that match one of the reference.
        dices: Of each reference lesion that counts: its Dice with all predicted lesions that match it; 0 if missed.
        ious: Of each pair of the one-to-one matching at IoU above one half, as panoptic quality takes it.
        limits: Between small, medium and large lesions.
    """

    sizes: np.ndarray
    is_found: np.ndarray
    predicted: int
    true: int
    dices: np.ndarray
    ious: np.ndarray
    limits: tuple[float, float]

    @property
    def reference(self) -> int:
        """Lesions of the reference that count."""
        return len(self.sizes)

    @property
    def found(self) -> int:
        """Those of them that match a predicted one."""
        return int(np.count_nonzero(self.is_found))

    @property
    def false(self) -> int:
        """Predicted lesions that match none."""
        return self.predicted - self.true

    @property
    def precision(self) -> float:
        """The share of predicted lesions that are true; 0/0 is NaN."""
        return ratio(self.true, self.predicted)

    @property
    def recall(self) -> float:
        """The share of reference lesions that are found; 0/0 is NaN."""
        return ratio(self.found, self.reference)

    def recall_of_size(self, place: int) -> float:
        """The share of the small (0), medium (1) or large (2) reference lesions that are found; NaN without any."""
        inside = np.searchsorted(self.limits, self.sizes, side="right") == place
        return ratio(int(np.count_nonzero(self.is_found & inside)), int(np.count_nonzero(inside)))

    @property
    def f1(self) -> float:
        """Harmonic mean of the two: NaN without any lesion, 0 where none matches."""
        if not (self.true and self.found):
            return 0.0 if self.reference or self.predicted else float("nan")
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    @property
    def lesion_dice(self) -> float:
        """Sum of the lesions' Dice over reference lesions and false positives together; NaN without any lesion."""
        return ratio(float(self.dices.sum()), self.reference + self.false)

    @property
    def panoptic_quality(self) -> float:
        """Sum of the IoU of matched pairs / (pairs + half of the lesions without one); NaN without any lesion."""
        return ratio(float(self.ious.sum()), (self.reference + self.predicted) / 2)


def count_lesions(
    reference: np.ndarray,
    prediction: np.ndarray,
    instances: Instances = (None, None),
    matching: LesionMatching = ANY_OVERLAP,
    *,
    pixel_size: float = 1.0,
) -> LesionCounts:
    """Count the lesions of two boolean masks of the same shape, and those that match.

    Args:
        reference: Boolean mask.
        prediction: Boolean mask of the same shape.
        instances: The numbers of the objects in each, where there are some.
        matching: When lesions match.
        pixel_size: Of one pixel, in the unit of ``matching.smallest``.
    """
    (ours, pixels), (theirs, predicted_pixels) = (
        _objects(mask, own) for mask, own in zip((reference, prediction), instances, strict=True)
    )
    pairs, shared = _overlaps(ours, theirs, len(predicted_pixels) + 1)
    union = pixels[pairs[0] - 1] + predicted_pixels[pairs[1] - 1] - shared
    iou = shared / union
    order = np.argsort(-iou, kind="stable")
    is_match = np.ones(len(iou), bool) if not matching.overlap else _one_to_one(pairs, iou, order, matching.overlap)
    matches = pairs[:, is_match]
    counts = pixels * pixel_size >= matching.smallest
    found, true = np.zeros(len(pixels), bool), np.zeros(len(predicted_pixels), bool)
    found[matches[0] - 1], true[matches[1] - 1] = True, True
    # What matches only a lesion too small to count is neither true nor false.
    on_small, on_counted = np.zeros_like(true), np.zeros_like(true)
    on_small[matches[1][~counts[matches[0] - 1]] - 1] = True
    on_counted[matches[1][counts[matches[0] - 1]] - 1] = True
    predicted = on_counted | (~on_small & (predicted_pixels * pixel_size >= matching.smallest))
    panoptic = is_match if matching.overlap == 0.5 else _one_to_one(pairs, iou, order, 0.5)
    panoptic &= counts[pairs[0] - 1] & predicted[pairs[1] - 1]
    return LesionCounts(
        sizes=pixels[counts] * pixel_size,
        is_found=found[counts],
        predicted=int(np.count_nonzero(predicted)),
        true=int(np.count_nonzero(on_counted)),
        dices=_dices(pixels, predicted_pixels, matches, shared[is_match])[counts],
        ious=iou[panoptic],
        limits=matching.limits(reference.ndim),
    )


def _objects(mask: np.ndarray, instances: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The numbers 1, 2, … of a mask's objects, and the pixels of each."""
    if instances is not None:
        present, numbers = np.unique(np.where(mask, instances, 0), return_inverse=True)
        objects = numbers.reshape(mask.shape) + (0 if present[:1] == [0] else 1)
    else:
        from scipy.ndimage import label  # not cc3d's, which joins pixels across the edge of small images

        objects = label(mask, structure=np.ones((3,) * mask.ndim))[0]
    pixels = np.bincount(objects[mask])[1:] if mask.any() else np.zeros(0, np.int64)
    return objects, pixels


def _overlaps(ours: np.ndarray, theirs: np.ndarray, base: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of objects, (2, pairs), that share a pixel, and how many they share."""
    both = (ours > 0) & (theirs > 0)
    codes, shared = np.unique(ours[both].astype(np.int64) * base + theirs[both], return_counts=True)
    return np.stack(np.divmod(codes, base)), shared


def _one_to_one(pairs: np.ndarray, iou: np.ndarray, order: np.ndarray, threshold: float) -> np.ndarray:
    """Which pairs match where a lesion has one partner: the greatest IoU first, and none up to the threshold."""
    is_match = np.zeros(len(iou), bool)
    if threshold >= 0.5:  # then no lesion can have two
        return iou > threshold
    ours, theirs = set[int](), set[int]()
    for place in order[: np.count_nonzero(iou > threshold)]:
        one, other = pairs[0, place], pairs[1, place]
        if one not in ours and other not in theirs:
            ours.add(one)
            theirs.add(other)
            is_match[place] = True
    return is_match


def _dices(pixels: np.ndarray, predicted: np.ndarray, matches: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """The Dice of each reference lesion and all predicted lesions that match it; 0 where none does."""
    overlap = np.bincount(matches[0] - 1, weights=shared, minlength=len(pixels))
    matched = np.bincount(matches[0] - 1, weights=predicted[matches[1] - 1], minlength=len(pixels))
    return 2 * overlap / (pixels + matched) if len(pixels) else np.zeros(0)
