"""Comparisons → files: every label map, the consensus, the tables as CSV, all of it as JSON, and a zip."""

import csv
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from evaluation.comparison.agreement import agreement
from evaluation.comparison.members import Comparison, Cost
from evaluation.comparison.several import Figures, summarise
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
    figures = Figures.of(comparison)
    _write_csv(member_rows(figures), files.members)
    _write_csv(pair_rows(figures), files.pairs)
    _write_json(to_document(comparison), files.document)
    return files


@dataclass(frozen=True)
class RunTables:
    """The tables of all images of a run; of a single one they are its own.

    Attributes:
        members: One row for each image, label map and class, as CSV.
        pairs: One row for each image, two label maps and class, as CSV.
        document: Everything that is no picture, as JSON.
        means: One row for each label map and class, over the images, as CSV; None of one image.
    """

    members: Path
    pairs: Path
    document: Path
    means: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file."""
        return tuple(path for path in (self.means, self.members, self.pairs, self.document) if path is not None)


def write_tables(figures: Sequence[Figures], written: Sequence[ComparisonFiles], folder: Path) -> RunTables:
    """Write the tables of all images of a run.

    Args:
        figures: One an image.
        written: From ``write_comparison``, in the same order.
        folder: Made already.

    Raises:
        OutputError: A file cannot be written.
    """
    if len(figures) == 1:
        (one,) = written
        return RunTables(one.members, one.pairs, one.document)
    tables = RunTables(
        folder / "all_members.csv", folder / "all_pairs.csv", folder / "all_comparisons.json", folder / "all_means.csv"
    )
    _write_csv([row for one in figures for row in member_rows(one)], tables.members)
    _write_csv([row for one in figures for row in pair_rows(one)], tables.pairs)
    _write_csv(mean_rows(figures), folder / "all_means.csv")
    images = [json.loads(one.document.read_text(encoding="utf-8")) for one in written]
    _write_json({"format_version": FORMAT_VERSION, "images": images, "means": mean_rows(figures)}, tables.document)
    return tables


def zip_files(files: Sequence[Path], path: Path) -> Path:
    """Put files into one zip; label maps are compressed as they are.

    Raises:
        OutputError: It cannot be written.
    """
    with whole_file(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        for file in files:
            packed = zipfile.ZIP_DEFLATED if file.suffix in (".csv", ".json") else zipfile.ZIP_STORED
            archive.write(file, file.name, packed)
    return path


def member_rows(figures: Figures) -> list[dict[str, object]]:
    """One row for each label map and class: what it is, how large, how near to the reference, what it cost."""
    scores = {(score.name, score.class_name): score for score in figures.scores}
    rows = []
    for size in figures.sizes:
        score = scores.get((size.name, size.class_name))
        rows.append(
            {
                "image": figures.image,
                "name": size.name,
                "kind": figures.kinds[size.name],
                "class_name": size.class_name,
                "size": size.size,
                "size_unit": size.unit,
                "dice": score.dice if score else None,
                "hd95": score.hd95 if score else None,
                "distance_unit": score.distance_unit if score else "",
                **_cost_columns(figures.costs.get(size.name)),
            }
        )
    return rows


def pair_rows(figures: Figures) -> list[dict[str, object]]:
    """One row for each two label maps and class."""
    return [{"image": figures.image, **asdict(pair)} for pair in figures.pairs]


def mean_rows(figures: Sequence[Figures]) -> list[dict[str, object]]:
    """One row for each label map and class: the means over the images, and over how many."""
    return [
        {
            "name": mean.name,
            "class_name": mean.class_name,
            "images": mean.images,
            "mean_dice": mean.dice,
            "images_with_dice": mean.scored,
            "mean_agreement": mean.agreement,
            "images_with_agreement": mean.agreed,
            "mean_size": mean.size,
            "size_unit": mean.unit,
            **_cost_columns(mean.cost),
        }
        for mean in summarise(figures)
    ]


def _cost_columns(cost: Cost | None) -> dict[str, object]:
    """What a checkpoint costs; nothing for what is none."""
    if cost is None:
        return dict.fromkeys(("seconds", "timed_passes", "load_seconds", "parameters", "weights_mb", "memory_mb"))
    return {
        "seconds": None if cost.seconds is None else round(cost.seconds, 4),
        "timed_passes": cost.passes,
        "load_seconds": None if cost.load_seconds is None else round(cost.load_seconds, 4),
        "parameters": cost.parameters,
        "weights_mb": cost.weights_mb,
        "memory_mb": cost.memory_mb,
    }


def to_document(comparison: Comparison) -> dict[str, object]:
    """Everything that is no picture, as plain values; infinity and NaN are among them."""
    image, found, figures = comparison.image, comparison.disagreement, Figures.of(comparison)
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
                "warnings": [*member.notes, *member.warnings],
            }
            for member in comparison.shown
        ],
        "sizes_and_scores": member_rows(figures),
        "pairs": pair_rows(figures),
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


def _write_json(document: Mapping[str, object], path: Path) -> None:
    write_text(path, json.dumps(json_ready(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write_csv(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})


def _cell(value: object) -> object:
    if isinstance(value, str):
        return names.as_cell(value)
    return "" if isinstance(value, float) and math.isnan(value) else value
