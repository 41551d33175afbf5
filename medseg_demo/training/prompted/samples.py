"""One thing to learn from: a piece of an image around an object, varied at random, and the first prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional
from torch.utils.data import Dataset

from medseg_demo.prompting.frame import Frame, extent_of
from medseg_demo.prompting.objects import Plane
from medseg_demo.prompting.prompts import Click, Prompts, Scribble, planes
from medseg_demo.prompting.simulation import deepest
from medseg_demo.training.augmentation import IMAGE, LABEL
from medseg_demo.training.data import CASE, Batch

TOLD = "told"  # of a batch: the planes that tell the network of the object
OUTSIDE = -1.0  # of what lies beyond an image: black
PART = 0.7  # of the input's size: what has fewer pixels is seen as a whole
LARGEST_SHRINK = 2.0  # in one step of sampling; images are halved before


@dataclass(frozen=True)
class Chances:
    """How often what is drawn.

    Attributes:
        whole: The image as a whole is seen.
        part: Only a part of a large object is seen, as when a person looks at it from nearby.
        mask: There is a mask that is to be corrected.
        box: A box is drawn.
        scribble: A scribble is drawn in place of clicks.
        invert: Black becomes white.
        grey: A colour image becomes grey.
    """

    whole: float = 0.3
    part: float = 0.25
    mask: float = 0.35
    box: float = 0.2
    scribble: float = 0.12
    invert: float = 0.1
    grey: float = 0.2


class PromptedSamples(Dataset[Batch]):
    """Samples numbered through all epochs; each depends on the seed and its number alone.

    Every set has the same share of an epoch, and in it every case the same: a case of many objects counts as one of
    few.

    Args:
        sets: Of each test set its planes.
        size: Of the network's input.
        length: Samples of an epoch.
        seed: Of the training.
    """

    def __init__(self, sets: Sequence[Sequence[Plane]], *, size: int, length: int, seed: int) -> None:
        self.by_case = [_by_case(planes) for planes in sets]
        self.size, self.length, self.seed = size, length, seed
        self.chances = Chances()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Batch:
        """{"image": float32 (3, S, S), "told": float32 (4, S, S), "label": float32 (1, S, S), "case": the set}."""
        rng = np.random.default_rng([self.seed, number])
        chosen = number % len(self.by_case)
        cases = self.by_case[chosen]
        planes_of_case = cases[rng.integers(len(cases))]
        for _ in range(20):
            plane = planes_of_case[rng.integers(len(planes_of_case))]
            objects = plane.objects
            # Small ones, too, but large ones more often: by the root of their area.
            weights = np.sqrt(plane.sizes[np.array(objects) - 1].astype(float))
            mask = plane.mask(int(rng.choice(objects, p=weights / weights.sum())))
            image, label = _view(plane.image, mask, self.size, rng, self.chances)
            if label.sum() >= 12:
                break
        told = self._told(label, rng)
        return {
            IMAGE: _varied(image, rng, self.chances),
            TOLD: torch.from_numpy(told),
            LABEL: torch.from_numpy(label[None].astype(np.float32)),
            CASE: torch.tensor(chosen),
        }

    def _told(self, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The first prompts, and a mask that is to be corrected, of what is seen of an object, bool (S, S)."""
        prompts = Prompts(box=_box(mask, rng)) if rng.random() < self.chances.box else Prompts()
        if rng.random() < self.chances.scribble:
            prompts = Prompts(scribbles=_scribbles(mask, rng), box=prompts.box)
        elif prompts.box is None or rng.random() < 0.5:
            prompts = Prompts(clicks=_clicks(mask, rng), box=prompts.box)
        present = _wrong(mask, rng) if rng.random() < self.chances.mask else None
        return planes(prompts, Frame(0, 0, self.size, self.size), present)


def _by_case(planes_of_set: Sequence[Plane]) -> list[list[Plane]]:
    cases: dict[str, list[Plane]] = {}
    for plane in planes_of_set:
        cases.setdefault(plane.case.case_id, []).append(plane)
    return list(cases.values())


def _view(
    image: np.ndarray, mask: np.ndarray, size: int, rng: np.random.Generator, chances: Chances
) -> tuple[torch.Tensor, np.ndarray]:
    """A part that holds the object, turned, mirrored and stretched: float32 (C, S, S) and bool (S, S)."""
    height, width = mask.shape
    extent = extent_of(mask)
    assert extent is not None
    top, left, bottom, right = extent
    longest, all_of_it = max(bottom - top, right - left, 16), max(height, width)
    near = min(1.25 * longest, all_of_it)
    side = all_of_it if rng.random() < chances.whole else float(np.exp(rng.uniform(np.log(near), np.log(all_of_it))))
    side *= rng.uniform(0.9, 1.15)
    if longest > PART * size and rng.random() < chances.part:
        side = rng.uniform(PART * size, longest)
        inside = np.argwhere(mask)
        middle = inside[rng.integers(len(inside))] + rng.uniform(-side / 4, side / 4, 2)
    elif side >= all_of_it * 0.9:
        middle = np.array([height / 2, width / 2])
    else:
        slack = max(0.0, (side - 1.1 * longest) / 2)
        middle = np.array([(top + bottom) / 2, (left + right) / 2]) + rng.uniform(-slack, slack, 2)
    turn, stretch = np.deg2rad(rng.normal(0, 12)), np.exp(rng.normal(0, 0.08))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    planes_together = torch.from_numpy(np.concatenate([image.astype(np.float32) - OUTSIDE, mask[None]]))[None]
    shrink = side / size
    while shrink > LARGEST_SHRINK:
        planes_together = functional.avg_pool2d(planes_together, 2, ceil_mode=True)
        shrink /= 2
    half = np.array([side * stretch / width, side / stretch / height])  # in the sampler's units, where an image is 2
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.diag(half) @ rotation @ np.diag([mirror, 1.0])
    offset = 2 * np.array([middle[1] / width, middle[0] / height]) - 1
    theta = torch.from_numpy(np.column_stack([matrix, offset])).float()[None]
    grid = functional.affine_grid(theta, [1, 1, size, size], align_corners=False)
    seen = functional.grid_sample(planes_together, grid, mode="bilinear", align_corners=False)[0]
    return seen[:-1] + OUTSIDE, seen[-1].numpy() > 0.5


def _varied(image: torch.Tensor, rng: np.random.Generator, chances: Chances) -> torch.Tensor:
    """Other brightness, contrast, gamma, noise and sharpness: float32 (3, S, S), about −1 to 1."""
    values = ((image + 1) / 2).clamp(0, 1)
    if len(values) == 3 and rng.random() < chances.grey:
        values = values.mean(0, keepdim=True)
    if len(values) == 3:
        values = values[torch.from_numpy(rng.permutation(3))] if rng.random() < 0.2 else values
        values = values * torch.from_numpy(rng.uniform(0.8, 1.2, (3, 1, 1))).float()
    if rng.random() < chances.invert:
        values = 1 - values
    values = values.clamp(0, 1) ** float(np.exp(rng.normal(0, 0.3)))
    values = (values - 0.5) * float(np.exp(rng.normal(0, 0.2))) + 0.5 + float(rng.normal(0, 0.08))
    if rng.random() < 0.25:
        values = values + torch.from_numpy(rng.normal(0, rng.uniform(0, 0.08), values.shape)).float()
    if rng.random() < 0.2:
        values = torch.from_numpy(ndimage.gaussian_filter(values.numpy(), (0, *[rng.uniform(0.4, 1.5)] * 2)))
    return (2 * values - 1).clamp(-1.5, 1.5).expand(3, -1, -1).contiguous().float()


def _clicks(mask: np.ndarray, rng: np.random.Generator) -> tuple[Click, ...]:
    """One to three inside, the first in the middle or anywhere; none to three outside, near the border or anywhere."""
    inside = np.argwhere(mask)
    first = deepest(mask) if rng.random() < 0.6 else inside[rng.integers(len(inside))]
    chosen = [Click(float(first[0]), float(first[1]))]
    for _ in range(int(rng.choice(3, p=[0.65, 0.25, 0.1]))):
        y, x = inside[rng.integers(len(inside))]
        chosen.append(Click(float(y), float(x)))
    number = int(rng.choice(4, p=[0.6, 0.2, 0.12, 0.08]))
    if number:
        away = ndimage.distance_transform_edt(~mask)
        reach = 0.35 * np.sqrt(mask.sum()) + 6
        near = np.argwhere((away > 3) & (away < reach)) if rng.random() < 0.7 else np.argwhere(away > 3)
        for _ in range(number if len(near) else 0):
            y, x = near[rng.integers(len(near))]
            chosen.append(Click(float(y), float(x), positive=False))
    return tuple(chosen)


def _scribbles(mask: np.ndarray, rng: np.random.Generator) -> tuple[Scribble, ...]:
    """A line through the object, what of it lies inside."""
    inside = np.argwhere(mask)
    points = inside[rng.integers(len(inside), size=3)].astype(float)
    line = np.concatenate([np.linspace(a, b, 24) for a, b in pairwise(points)])
    held = [(float(y), float(x)) for y, x in line if mask[round(y), round(x)]]
    return (Scribble(tuple(held) or ((float(points[0][0]), float(points[0][1])),)),)


def _box(mask: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Around the object, as carelessly as people draw."""
    extent = extent_of(mask)
    assert extent is not None
    careless = 0.06 * max(extent[2] - extent[0], extent[3] - extent[1]) + 1
    top, left, bottom, right = (float(place + rng.normal(0, careless)) for place in extent)
    return min(top, bottom - 2), min(left, right - 2), max(bottom, top + 2), max(right, left + 2)


def _wrong(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask that is not quite that of the object: of a neighbouring slice, of another network, half of it."""
    size, extent = len(mask), extent_of(mask)
    assert extent is not None
    length = max(extent[2] - extent[0], extent[3] - extent[1])
    found = ndimage.shift(mask, np.rint(rng.normal(0, 0.06 * length + 0.5, 2)), order=0, mode="constant")
    depth = ndimage.distance_transform_edt(found) - ndimage.distance_transform_edt(~found)
    waves = ndimage.gaussian_filter(rng.normal(size=mask.shape), max(2.0, length * rng.uniform(0.05, 0.3)))
    waves *= rng.uniform(0, 0.15) * length / (waves.std() or 1)
    found = depth + waves > rng.normal(0, 0.05 * length)
    if rng.random() < 0.25:  # a piece is missing
        y, x = rng.integers(extent[0], extent[2] + 1), rng.integers(extent[1], extent[3] + 1)
        rows, columns = np.ogrid[:size, :size]
        found &= (rows - y) ** 2 + (columns - x) ** 2 > (rng.uniform(0.15, 0.5) * length) ** 2
    return found.astype(np.float32)
