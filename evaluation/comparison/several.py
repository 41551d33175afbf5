"""What comparisons of several images say together.

Of each image its figures are kept and its pictures are not, so that a hundred volumes can be compared.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from evaluation.comparison.agreement import ClassSize, PairAgreement
from evaluation.comparison.members import Comparison, Cost, Kind, Score
from evaluation.metrics.volume import SizeUnit


@dataclass(frozen=True)
class Figures:
    """What a comparison of one image says, without its pictures.

    Attributes:
        image: Its name.
        is_volume: Whether it is one.
        kinds: What each label map is, by its name, in the order in which they are shown.
        costs: Of the checkpoints among them.
        sizes: Of every class in every label map.
        scores: Of every label map against the reference; none without one.
        pairs: Each two of the label maps.
        share: Of all pixels, those on which the members differ.
        regions: In how many regions.
    """

    image: str
    is_volume: bool
    kinds: Mapping[str, Kind]
    costs: Mapping[str, Cost]
    sizes: tuple[ClassSize, ...]
    scores: tuple[Score, ...]
    pairs: tuple[PairAgreement, ...]
    share: float
    regions: int

    @classmethod
    def of(cls, comparison: Comparison) -> "Figures":
        """Those of a comparison."""
        found = comparison.disagreement
        return cls(
            image=comparison.image.name,
            is_volume=comparison.image.is_volume,
            kinds={member.name: member.kind for member in comparison.shown},
            costs={member.name: member.cost for member in comparison.shown if member.cost},
            sizes=comparison.sizes,
            scores=comparison.scores,
            pairs=comparison.pairs,
            share=found.share,
            regions=found.found,
        )

    def dice(self, class_name: str) -> dict[str, float]:
        """Dice of every label map against the reference, by its name."""
        return _filled({one.name: one.dice for one in self.scores if one.class_name == class_name})

    def agreement(self, class_name: str) -> dict[str, float]:
        """The mean Dice of every label map with each of the others; reference and consensus are none of them."""
        pairs = {
            (pair.first, pair.second): pair.dice
            for pair in self.pairs
            if pair.class_name == class_name and self._votes(pair.first) and self._votes(pair.second)
        }
        filled = _filled(pairs)
        return {
            name: fmean(dice for pair, dice in filled.items() if name in pair)
            for name in self.kinds
            if any(name in pair for pair in filled)
        }

    def _votes(self, name: str) -> bool:
        return self.kinds[name] in ("checkpoint", "label map")


@dataclass(frozen=True)
class Mean:
    """One class of one label map over several images.

    Attributes:
        name: The label map's.
        class_name: The class.
        images: How many images it is there on.
        dice: The mean against the references, NaN without any.
        scored: Over how many images.
        agreement: The mean agreement with the others, NaN without any.
        agreed: Over how many images.
        size: The mean, in ``unit``; NaN where the units differ from image to image.
        unit: "ml", "mm2", "voxels" or "px".
        cost: Of a checkpoint: the median time of the images, with the loading of the first.
    """

    name: str
    class_name: str
    images: int
    dice: float
    scored: int
    agreement: float
    agreed: int
    size: float
    unit: SizeUnit
    cost: Cost | None


def summarise(figures: Sequence[Figures]) -> tuple[Mean, ...]:
    """The means over several images, by label map and class.

    Where a class is on an image neither in a label map nor in its reference, the metric says nothing; but as soon as
    another label map has a value on that image, it counts 1 there, since finding nothing was right. Otherwise the one
    that raises a false alarm on a healthy case would look better than those that do not.
    """
    held = {(size.name, size.class_name): None for one in figures for size in one.sizes}
    members, classes = dict.fromkeys(name for name, _ in held), dict.fromkeys(class_name for _, class_name in held)
    return tuple(
        _mean(figures, name, class_name) for name in members for class_name in classes if (name, class_name) in held
    )


def _mean(figures: Sequence[Figures], name: str, class_name: str) -> Mean:
    sizes = [size for one in figures for size in one.sizes if (size.name, size.class_name) == (name, class_name)]
    units = {size.unit for size in sizes}
    dice = _known(one.dice(class_name).get(name) for one in figures)
    agreement = _known(one.agreement(class_name).get(name) for one in figures)
    return Mean(
        name=name,
        class_name=class_name,
        images=len(sizes),
        dice=fmean(dice) if dice else math.nan,
        scored=len(dice),
        agreement=fmean(agreement) if agreement else math.nan,
        agreed=len(agreement),
        size=fmean(size.size for size in sizes) if len(units) == 1 else math.nan,
        unit=sizes[0].unit,
        cost=_cost([one.costs[name] for one in figures if name in one.costs]),
    )


def _cost(costs: Sequence[Cost]) -> Cost | None:
    if not costs:
        return None
    seconds = [cost.seconds for cost in costs if cost.seconds is not None]
    first = costs[0]
    return Cost(
        first.parameters,
        first.network_bytes,
        None if first.load_seconds is None or not seconds else first.load_seconds + median(seconds),
        median(seconds) if seconds else None,
        sum(cost.passes for cost in costs),
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and not math.isnan(value)]


def _filled(values: dict) -> dict:
    """Values of several label maps on one image: where one has a value, finding nothing was right for the others."""
    if all(map(math.isnan, values.values())):
        return values
    return {key: 1.0 if math.isnan(value) else value for key, value in values.items()}
