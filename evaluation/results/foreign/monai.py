"""The ``<metric>_raw.csv`` that MONAI's ``MetricsSaver`` writes, one a metric: filename, the classes, mean.

MONAI 1.5 repeats ``mean`` in the heading of its second file and all after it, whose rows are then shorter.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from evaluation.errors import DamagedResultsError, UnknownLayoutError
from evaluation.results.foreign.nnunet import case_id_of
from evaluation.results.foreign.value import Value, read_number
from medseg_demo.reading.table import read_table

MONAI_METRICS = {
    "surface_dice": "nsd",
    "normalized_surface": "nsd",
    "generalized_dice": "generalized_dice",
    "dice": "dice",
    "iou": "iou",
}


def read_monai(path: Path, name: str, test_set: str) -> list[Value]:
    """The values of a report, or of all of a folder.

    Raises:
        UnknownLayoutError: There is none.
        DamagedResultsError: A row does not fit the heading, or a cell is no number.
    """
    files = sorted(path.glob("*_raw.csv")) if path.is_dir() else [path]
    if not files:
        raise UnknownLayoutError(
            f"{path.name}: has no <metric>_raw.csv. MONAI's MetricsSaver writes them; name their folder."
        )
    return [value for file in files for value in _read_report(file, name, test_set)]


def _read_report(file: Path, name: str, test_set: str) -> list[Value]:
    metric = _metric(file.stem.removesuffix("_raw"))
    (_, header), *rows = read_table(file, ragged=True) or [(1, [])]
    if len(header) < 2 or header[0].lower() != "filename":
        raise UnknownLayoutError(
            f"{file.name}: is no raw report of MONAI. Its first line has to be filename, the classes, mean."
        )
    while header[-2:] == ["mean", "mean"]:
        header = header[:-1]
    classes = [column for column in header[1:] if column != "mean"] or ["mean"]
    values = []
    for case_id, (line, row) in zip(_case_ids([row[0] for _, row in rows]), rows, strict=True):
        if len(row) != len(header):
            raise DamagedResultsError(
                f"{file.name}: line {line} has {len(row)} cells, but the heading has {len(header)}. Export it again."
            )
        for label, text in zip(classes, row[1:], strict=False):
            try:
                number = read_number(text)
            except ValueError:
                raise DamagedResultsError(f"{file.name}: line {line}: {text!r} is no number. Correct it.") from None
            values.append(Value(name, case_id, label, metric, number, test_set, f"line {line} of {file.name}"))
    return values


def _metric(name: str) -> str:
    return next((ours for theirs, ours in MONAI_METRICS.items() if theirs in name.lower()), name)


def _case_ids(files: Sequence[str]) -> list[str]:
    """The files' stems, or, where images of several folders are called alike, their whole names without a root."""
    stems = [case_id_of(file) for file in files]
    if len(set(stems)) == len(stems):
        return stems
    parents = [PurePosixPath(file.replace("\\", "/")).parent.name for file in files]
    return [f"{parent}_{stem}" for parent, stem in zip(parents, stems, strict=True)]
