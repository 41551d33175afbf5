"""One value of a file that another program wrote, and how numbers and metrics are spelled there."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evaluation.errors import DamagedResultsError
from evaluation.metrics.table import METRICS

NOTHING = {"", "nan", "na", "n/a", "#n/a", "none", "null", "-", "--", "–"}
INFINITE = {
    "inf": math.inf,
    "infinity": math.inf,
    "∞": math.inf,
    "-inf": -math.inf,
    "-infinity": -math.inf,
    "-∞": -math.inf,
}
SUMS = {"mean", "average", "avg", "std", "stdev", "sd", "median"}
UNIT = re.compile(
    r"(?i)(?P<name>.+?)[\s_]*(?:[(\[]\s*(?P<inside>%|percent|mm|px|ml|mm2|mm²|voxels?)\s*[)\]]|(?P<bare>%|[\s_](?:mm|pct|percent|px)))"
)
UNITS = {"%": "%", "percent": "%", "pct": "%", "mm2": "mm2", "mm²": "mm2", "voxel": "voxels"}
# Other names of our metrics, as letters and digits only. What is only alike (ASD, F1) keeps a name of its own.
SPELLINGS = {
    "dice": "dsc dicecoefficient dicescore dicesimilaritycoefficient dicesimilarity meandice sorensendice dc dicecoef",
    "iou": "jaccard jaccardindex jaccardcoefficient jaccardscore intersectionoverunion jc ji meaniou",
    "precision": "ppv positivepredictivevalue",
    "recall": "sensitivity tpr truepositiverate sens",
    "specificity": "tnr truenegativerate spec",
    "accuracy": "acc",
    "hd95": "95hd hausdorff95 hausdorffdistance95 95hausdorff 95hausdorffdistance robusthausdorff hausdorffdist95",
    "hd": "hausdorff hausdorffdistance hd100 maxhausdorff",
    "assd": "averagesymmetricsurfacedistance avgsymmetricsurfacedistance averagesymmetricsurfacedist",
    "masd": "meanaveragesurfacedistance",
    "nsd": "surfacedice normalizedsurfacedice normalisedsurfacedice normalizedsurfacedistance",
    "volume_error": "relativevolumeerror relativevolumedifference rvd",
    "mcc": "matthewscorrelationcoefficient",
    "cldice": "centrelinedice centerlinedice",
    "boundary_iou": "biou",
}  # fmt: skip


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


BY_SPELLING = {_plain(name): name for name in METRICS} | {
    spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings.split()
}


@dataclass(frozen=True)
class Value:
    """One number of a file; its class is called as the file calls it: a label or a name.

    Attributes:
        checkpoint: What was scored.
        case_id: On which case.
        class_name: Of which class.
        metric: By which metric, as ``spell_metric`` gives it or as the file has it.
        value: The number; NaN where the cell is empty.
        test_set: Of which test set.
        place: Where it stands in the file, for messages.
        units: ``size_unit`` and ``distance_unit``, as far as the file says.
        metadata: What else the file says of the case.
        error: Why the case has no values, where the file says that it failed.
    """

    checkpoint: str
    case_id: str
    class_name: str
    metric: str
    value: float
    test_set: str
    place: str
    units: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def spell_metric(name: str) -> tuple[str | None, str]:
    """The name of our metric that a file means, and the unit that stands behind it; None where it is none of ours.

    ``"Dice (%)"`` is ``("dice", "%")``, and ``"HD95_mm"`` ``("hd95", "mm")``.
    """
    bare, unit = split_unit(name)
    if unit and (known := BY_SPELLING.get(_plain(bare))):
        return known, unit
    return BY_SPELLING.get(_plain(name)), ""


def split_unit(name: str) -> tuple[str, str]:
    """A heading without the unit that stands behind it, and the unit: ``"HD95 liver (mm)"``; empty without one."""
    apart = UNIT.fullmatch(name)
    if not apart:
        return name, ""
    unit = (apart["inside"] or apart["bare"]).strip(" _").lower()
    return apart["name"], UNITS.get(unit, unit)


def read_number(text: str) -> float:
    """A number as tables have it: with a decimal comma or point, in per cent, empty or infinite.

    Raises:
        ValueError: It is none.
    """
    bare = text.strip().lower().replace("\u2212", "-").replace("\u00a0", "")
    if bare in NOTHING:
        return math.nan
    if bare.lstrip("+") in INFINITE:
        return INFINITE[bare.lstrip("+")]
    if bare.endswith("%"):
        return read_number(bare[:-1]) / 100
    if re.fullmatch(r"[+-]?\d*,\d+(?:e[+-]?\d+)?", bare):
        bare = bare.replace(",", ".")
    return float(bare)


def sums_up(name: str) -> bool:
    """Whether a row or a class of this name is no case or class, but what others come to: "mean", "Average (std)"."""
    words = set(re.split(r"[\W_\d]+", name.lower())) - {""}
    return bool(words & SUMS) and words <= SUMS | {"foreground", "overall", "all", "of", "dev", "standard", "deviation"}


def without_sums(values: Sequence[Value]) -> tuple[list[Value], tuple[str, ...]]:
    """The values without those that sum up cases or classes, where there are others; and notes that say so."""
    kept, notes = list(values), []
    for kind, name_of in (("case", lambda value: value.case_id), ("class", lambda value: value.class_name)):
        sums = {name for name in map(name_of, kept) if sums_up(name)}
        rest = [value for value in kept if name_of(value) not in sums]
        if sums and rest:
            kept = rest
            notes.append(f"{', '.join(map(repr, sorted(sums)))} of the file is no {kind}, and was left out.")
    return kept, tuple(notes)


def as_shares(values: Sequence[Value], file: str) -> tuple[list[Value], tuple[str, ...]]:
    """Values of metrics between 0 and 1 that are given in per cent, as shares; and notes that say so.

    One checkpoint's values of one metric are per cent where most of those that are not 0 exceed 1, and some 2: a
    single 87 among shares is rather a slip of one.

    Raises:
        DamagedResultsError: One is neither.
    """
    by_column: dict[tuple[str, str], list[float]] = defaultdict(list)
    for value in values:
        if value.metric in METRICS and METRICS[value.metric].range == (0, 1) and math.isfinite(value.value):
            by_column[value.checkpoint, value.metric].append(value.value)
    percent = {column for column, numbers in by_column.items() if _are_per_cent(numbers)}
    made = [replace(one, value=one.value / 100) if (one.checkpoint, one.metric) in percent else one for one in values]
    for given, one in zip(values, made, strict=True):
        if (
            (one.checkpoint, one.metric) in by_column
            and not -1e-6 <= one.value <= 1 + 1e-6
            and not math.isnan(one.value)
        ):
            raise DamagedResultsError(
                f"{file}: {given.place}: {given.value:g} is no {one.metric}, which lies between 0 and 1, or 0 and 100 "
                "per cent. Correct it, or write per cent into the heading: dice (%)."
            )
    metrics = sorted({metric for _, metric in percent})
    return made, tuple(f"The values of {metric} are per cent, and were divided by 100." for metric in metrics)


def _are_per_cent(numbers: Sequence[float]) -> bool:
    return max(numbers) > 2 and 2 * sum(number > 1 for number in numbers) > sum(number != 0 for number in numbers)
