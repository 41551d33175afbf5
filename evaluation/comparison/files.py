"""A comparison → files: every label map, the consensus, the tables as CSV, all of it as JSON, and a zip."""

import csv
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from evaluation.comparison.agreement import agreement
from evaluation.comparison.members import Comparison
from evaluation.results.table import json_ready
from medseg_demo import names
from medseg_demo.errors import OutputError
from medseg_demo.writing.label_map import write_label_map
from medseg_demo.writing.whole import whole_file, write_text

FORMAT_VERSION = 1


@dataclass(frozen=True)
class ComparisonFiles:
    """What was written.

    Attributes:
        label_maps: By the member's name, the consensus last.
        members: One row for each label map and class, as CSV.
        pairs: One row for each two label maps and class, as CSV.
        document: Everything that is no picture, as JSON.
    """

    label_maps: Mapping[str, Path]
    members: Path
    pairs: Path
    document: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file."""
        return *self.label_maps.values(), self.members, self.pairs, self.document


def write_comparison(
    comparison: Comparison, folder: Path, *, written: Mapping[str, Path] | None = None
) -> ComparisonFiles:
    """Write a comparison.

    Args:
        comparison: What to write.
        folder: Made if missing; files of the same names are replaced.
        written: Label maps by member that lie elsewhere already, and stay there; the consensus is written anyway.

    Raises:
        OutputError: A file cannot be written.
    """
    stem, written = names.safe_stem(comparison.image.name), written or {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder.name}: cannot be written ({error.strerror}). Choose another folder.") from None
    stay = {
        member.name: written[member.name]
        for member in comparison.shown
        if member.name in written and member is not comparison.consensus
    }
    files = ComparisonFiles(
        label_maps=_write_label_maps(comparison, folder, stem, stay),
        members=folder / f"{stem}_members.csv",
        pairs=folder / f"{stem}_pairs.csv",
        document=folder / f"{stem}_comparison.json",
    )
    _write_csv(member_rows(comparison), files.members)
    _write_csv(pair_rows(comparison), files.pairs)
    text = json.dumps(json_ready(to_document(comparison)), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(files.document, text + "\n")
    return files


def zip_files(files: ComparisonFiles, path: Path) -> Path:
    """Put every file into one zip; label maps are compressed as they are.

    Raises:
        OutputError: It cannot be written.
    """
    with whole_file(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        for file in files.paths:
            packed = zipfile.ZIP_DEFLATED if file.suffix in (".csv", ".json") else zipfile.ZIP_STORED
            archive.write(file, file.name, packed)
    return path


def member_rows(comparison: Comparison) -> list[dict[str, object]]:
    """One row for each label map and class: what it is, how large, how near to the reference, what it cost."""
    scores = {(score.name, score.class_name): score for score in comparison.scores}
    members = {member.name: member for member in comparison.shown}
    rows = []
    for size in comparison.sizes:
        member, score = members[size.name], scores.get((size.name, size.class_name))
        cost = member.cost
        rows.append(
            {
                "image": comparison.image.name,
                "name": member.name,
                "kind": member.kind,
                "class_name": size.class_name,
                "size": size.size,
                "size_unit": size.unit,
                "dice": score.dice if score else None,
                "hd95": score.hd95 if score else None,
                "distance_unit": score.distance_unit if score else "",
                "seconds": None if member.seconds is None else round(member.seconds, 4),
                "parameters": cost.parameters if cost else None,
                "weights_mb": cost.weights_mb if cost else None,
                "memory_mb": cost.memory_mb if cost else None,
            }
        )
    return rows


def pair_rows(comparison: Comparison) -> list[dict[str, object]]:
    """One row for each two label maps and class."""
    return [{"image": comparison.image.name, **asdict(pair)} for pair in comparison.pairs]


def to_document(comparison: Comparison) -> dict[str, object]:
    """Everything that is no picture, as plain values; infinity and NaN are among them."""
    image, found = comparison.image, comparison.disagreement
    spacing = image.geometry.spacing_mm
    return {
        "format_version": FORMAT_VERSION,
        "image": image.name,
        "shape": list(image.shape),
        "spacing_mm": None if spacing is None else list(spacing),
        "members": [
            {
                "name": member.name,
                "kind": member.kind,
                "threshold": member.threshold,
                "checkpoint_sha256": member.digest or None,
                "warnings": list(member.warnings),
            }
            for member in comparison.shown
        ],
        "sizes_and_scores": member_rows(comparison),
        "pairs": pair_rows(comparison),
        "consensus": None
        if comparison.consensus is None
        else {"method": comparison.method, "name": comparison.consensus.name, "tied_pixels": comparison.tied},
        "agreement": _agreement(comparison),
        "disagreement": {
            "pixels": found.pixels,
            "share": found.share,
            "regions_found": found.found,
            "connectivity": 26 if image.is_volume else 8,
            "regions": [asdict(region) for region in found.regions],
        },
        "partial": comparison.partial,
    }


def _agreement(comparison: Comparison) -> dict[str, int]:
    """For each number of members, on how many pixels so many give the most frequent label."""
    counts = np.bincount(agreement([member.label_map for member in comparison.members]).ravel())
    return {str(number): int(count) for number, count in enumerate(counts) if count}


def _write_label_maps(comparison: Comparison, folder: Path, stem: str, stay: Mapping[str, Path]) -> dict[str, Path]:
    """Every label map by its member's name; no two get one file, however alike the names."""
    files: dict[str, Path] = {}
    taken = [names.stem(path) for path in stay.values()]
    for member in comparison.shown:
        if member.name not in stay:
            taken.append(names.free_name(f"{stem}_{names.safe_stem(member.name)}", taken))
            path = folder / taken[-1]
            files[member.name] = write_label_map(member.label_map, comparison.image, path, algorithm=member.name)
        else:
            files[member.name] = stay[member.name]
    return files


def _write_csv(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "" if _is_nan(value) else value for key, value in row.items()})


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
