"""A follow-up → files. Visits are called by their numbers: no date, file name or identifier stands in any file."""

import csv
import json
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from medseg_demo import names
from medseg_demo.following.follow import FollowUp
from medseg_demo.following.pictures import side_by_side
from medseg_demo.following.plot import follow_figure
from medseg_demo.following.words import Table, measure_name, notes, tables
from medseg_demo.rendering.page import whole_html
from medseg_demo.writing.label_map import LabelMapFormat, write_label_map
from medseg_demo.writing.whole import whole_file, write_text

FORMAT_VERSION = 1
CHANGES, LESIONS, DOCUMENT, PAGE = "changes.csv", "lesions.csv", "follow.json", "follow.html"

PAGE_STYLE = """
body { max-width: 1000px; margin: 0 auto; padding: 16px; background: #ffffff; color: #1f2933;
  font: 14px/1.45 system-ui, sans-serif; }
.table { overflow-x: auto; } table { border-collapse: collapse; margin: 0 0 20px; }
th, td { padding: 4px 10px; border-bottom: 1px solid #e2e6ea; text-align: left; white-space: nowrap; }
"""


def visit_name(place: int) -> str:
    """What the files of a visit are called, by its place from 0."""
    return f"visit_{place + 1:02}"


def write_follow_up(found: FollowUp, folder: Path, *, file_format: LabelMapFormat = "auto") -> list[Path]:
    """Write the label maps, the registered ones and pictures of differences, the tables, the plot and all as JSON.

    Args:
        found: The follow-up.
        folder: Must be there.
        file_format: Of the label maps.

    Raises:
        OutputError: A file cannot be written.
    """
    paths = []
    first = found.visits[0]
    for place, visit in enumerate(found.visits):
        target = folder / visit_name(place)
        paths.append(write_label_map(visit.label_map, visit.dated.image, target, file_format=file_format))
        if visit.laid is not None:
            on_first = visit.laid.lay_labels(visit.label_map)
            target = folder / f"{visit_name(place)}_on_first"
            kind: LabelMapFormat = "auto" if file_format == "dicom-seg" else file_format
            paths.append(write_label_map(on_first, None, target, file_format=kind))
            paths.append(folder / f"{visit_name(place)}_difference.png")
            with whole_file(paths[-1]) as draft:
                side_by_side(first, visit).save(draft)
    _write_rows(folder / CHANGES, change_rows(found))
    _write_rows(folder / LESIONS, lesion_rows(found))
    document = json.dumps(to_document(found), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / DOCUMENT, f"{document}\n")
    write_text(folder / PAGE, _page(found))
    return [*paths, *(folder / name for name in (CHANGES, LESIONS, DOCUMENT, PAGE))]


def change_rows(found: FollowUp) -> list[dict[str, Any]]:
    """A row a class, measure and visit: the value, its deviation, and the change since the first visit."""
    rows = []
    for one in found.series:
        for place, (day, value, sd) in enumerate(zip(one.days, one.values, one.deviations, strict=True)):
            change = one.change(0, place) if place else None
            rows.append(
                {
                    "class_name": one.class_name, "measure": one.measure, "channel": one.channel or "",
                    "unit": one.unit, "visit": place + 1, "day": day, "value": value, "sd": sd,
                    "half_interval": None if sd is None else one.factor * sd,
                    "change": change and change.difference, "change_half_interval": change and change.margin,
                    "percent": change and change.percent, "percent_low": change and change.percent_low,
                    "percent_high": change and change.percent_high, "verdict": change.verdict if change else "",
                }
            )  # fmt: skip
    return rows


def lesion_rows(found: FollowUp) -> list[dict[str, Any]]:
    """A row a lesion and visit."""
    names_of = {one.label: one.class_name for one in found.series}
    units = {one.label: one.unit for one in found.series if one.measure == "size"}
    return [
        {
            "class_name": names_of[one.label], "lesion": one.number, "visit": one.visit + 1, "event": one.event,
            "pixels": one.pixels, "size": one.size, "unit": units[one.label],
        }
        for one in found.lesions
    ]  # fmt: skip


def to_document(found: FollowUp) -> dict[str, Any]:
    """The whole follow-up as plain values."""
    visits = []
    for place, visit in enumerate(found.visits):
        laid = visit.laid
        motion = laid and {"shift": laid.shift_mm, "degrees": laid.degrees, "mutual_information": laid.information}
        spacing = visit.label_map.geometry.spacing_mm
        visits.append(
            {
                "visit": place + 1,
                "day": visit.dated.day,
                "shape": list(visit.label_map.labels.shape),
                "spacing_mm": None if spacing is None else list(spacing),
                "registration": motion,
                "classes": [row.as_dict() for row in visit.measured.classes],
            }
        )
    return {
        "format_version": FORMAT_VERSION,
        "checkpoint": found.checkpoint,
        "checkpoint_sha256": found.digest,
        "options": asdict(found.options),
        "visits": visits,
        "changes": change_rows(found),
        "trends": [
            {"class_name": one.class_name, "measure": measure_name(one), "unit": one.unit, **asdict(trend)}
            for one in found.series
            if (trend := one.trend) is not None
        ],
        "lesions": lesion_rows(found),
        "notes": notes(found),
    }


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="replace") as file:
        if not rows:
            return
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: names.as_cell(cell) if isinstance(cell, str) else cell for key, cell in row.items()} for row in rows
        )


def _page(found: FollowUp) -> str:
    """The plot and the tables as one file that needs no network."""
    from plotly.io import to_html

    figure = to_html(follow_figure(found), include_plotlyjs=True, full_html=False, config={"displaylogo": False})
    head = "".join(f"<p>{escape(line)}</p>" for line in notes(found))
    body = f"<main><h1>Follow-up with {escape(found.checkpoint)}</h1>{head}{figure}"
    return whole_html("Follow-up", PAGE_STYLE, body + "".join(map(_table, tables(found))) + "</main>")


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<h2>{escape(table.title)}</h2><div class="table">{grid}</div>'
