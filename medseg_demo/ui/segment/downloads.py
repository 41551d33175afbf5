"""The files behind the download buttons: label map, overlay, measurements, and all of them as a zip."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from medseg_demo.reading.studies import Study
from medseg_demo.rendering import most_labelled_slice, overlay_picture
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui.segment.state import Outcome
from medseg_demo.writing.heat_map import write_heat_map
from medseg_demo.writing.label_map import write_label_map
from medseg_demo.writing.measurements import summary, write_csv, write_json
from medseg_demo.writing.whole import whole_file

THUMBNAIL_SIDE = 360


@dataclass(frozen=True)
class RunFiles:
    """The files that hold a whole run."""

    measurements_json: Path
    measurements_csv: Path
    everything: Path


def write_outcome(segmentation: Segmentation, source: Study, name: str, folder: Path) -> Outcome:
    """Write what belongs to one study: its label map and its overlay.

    Args:
        segmentation: The result.
        source: What it was made from.
        name: The stem of the files.
        folder: The run's folder, made if missing.

    Raises:
        OutputError: A file cannot be written.
    """
    for part in ("label_maps", "overlays", "heat_maps", "thumbnails"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    overlay, thumbnail = folder / "overlays" / f"{name}_overlay.png", folder / "thumbnails" / f"{name}.png"
    label_map = write_label_map(segmentation.label_map, segmentation.image, folder / "label_maps" / name)
    heat, geometry = segmentation.heat, segmentation.image.geometry
    heat_map = None if heat is None else write_heat_map(heat, geometry, folder / "heat_maps" / f"{name}_heat")
    picture = _overlay(segmentation)
    with whole_file(overlay) as draft:
        picture.save(draft, compress_level=1)
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    with whole_file(thumbnail) as draft:
        picture.save(draft)
    return Outcome(
        source=source,
        name=name,
        checkpoint=segmentation.checkpoint,
        options=segmentation.options,
        summary=summary(segmentation, name),
        measurements=segmentation.measurements,
        label_map=label_map,
        overlay=overlay,
        heat_map=heat_map,
        doubts=segmentation.doubts,
        thumbnail=thumbnail,
        pseudonym=segmentation.image.pseudonym,
    )


def write_run(outcomes: Sequence[Outcome], folder: Path) -> RunFiles:
    """Write the measurements of all outcomes, and the zip of everything that the run wrote.

    Raises:
        OutputError: A file cannot be written.
    """
    done = [outcome for outcome in outcomes if outcome.error is None]
    title = done[0].name if len(done) == 1 else "medseg"
    files = RunFiles(
        folder / f"{title}_measurements.json", folder / f"{title}_measurements.csv", folder / f"{title}_results.zip"
    )
    write_json([outcome.summary for outcome in done], files.measurements_json)
    rows = [(outcome.name, outcome.checkpoint, row) for outcome in done for row in outcome.measurements]
    write_csv(rows, files.measurements_csv)
    with whole_file(files.everything) as draft, zipfile.ZipFile(draft, "w") as archive:
        for path in (files.measurements_json, files.measurements_csv):
            archive.write(path, path.name, zipfile.ZIP_DEFLATED)
        paths = (path for one in done for path in (one.label_map, one.overlay, one.heat_map) if path is not None)
        for path in paths:
            archive.write(path, f"{path.parent.name}/{path.name}", zipfile.ZIP_STORED)  # compressed as they are
    return files


def _overlay(segmentation: Segmentation) -> Image.Image:
    """The image with its label map over it; of a volume, the slice with most of it."""
    image, label_map = segmentation.image, segmentation.label_map
    index = most_labelled_slice(label_map, len(image.slices))
    return overlay_picture(image, label_map, slice_index=index)
