"""Files of the result in the viewer that are made only when they are asked for: other formats, and surfaces."""

import tempfile
import zipfile
from pathlib import Path

from medseg_demo.correcting.segmentation import CorrectedSegmentation
from medseg_demo.errors import OptionError
from medseg_demo.image import LabelMap
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui import texts
from medseg_demo.writing.heat_map import heat_map_formats, write_heat_map
from medseg_demo.writing.label_map import label_map_formats, label_map_suffix, write_label_map
from medseg_demo.writing.surface import extract, write_surface
from medseg_demo.writing.whole import whole_file

SUFFIX_NAMES = {".png": "PNG", ".nii.gz": "NIfTI", ".nrrd": "NRRD", ".dcm": "DICOM SEG"}
SLICES, DICOM_SEG = "png-slices", "dicom-seg"
HEAT = "heat-"
HEAT_NAMES = {"png": texts.HEAT_MAP_PNG, "nifti": texts.HEAT_MAP_NIFTI, "npy": texts.HEAT_MAP_NPY}
SURFACES = {"stl": texts.SURFACE_STL, "glb": texts.SURFACE_GLB}


def format_choices(segmentation: Segmentation) -> list[tuple[str, str]]:
    """(name, key) of every format that this result can be written in."""
    formats = {
        label_map_suffix(segmentation.label_map, one): one
        for one in reversed(label_map_formats(segmentation.image))  # so that a name's first key is kept
    }
    found = [(name, formats[suffix]) for suffix, name in SUFFIX_NAMES.items() if suffix in formats]
    choices = [(name, str(key)) for name, key in found]
    if segmentation.label_map.is_volume:
        choices += [(texts.PNG_SLICES, SLICES), *((title, key) for key, title in SURFACES.items())]
    heat = segmentation.heat
    return choices + [(HEAT_NAMES[one], HEAT + one) for one in (heat_map_formats(heat) if heat else ())]


def write_export(segmentation: Segmentation, key: str, folder: Path, name: str) -> Path:
    """Write the label map, or its surface, in one format.

    Args:
        segmentation: The result.
        key: Of ``format_choices``.
        folder: Made if missing.
        name: The file's stem.

    Raises:
        OptionError: The result cannot be written in that format.
        OutputError: The file cannot be written, or a surface is asked for where nothing was found.
    """
    formats = {key: title for title, key in format_choices(segmentation)}
    if key not in formats:
        raise OptionError(f"There is no format {key!r} for this result. Choose one of: {', '.join(formats.values())}.")
    folder.mkdir(parents=True, exist_ok=True)
    if key.startswith(HEAT) and segmentation.heat is not None:
        heat, geometry = segmentation.heat, segmentation.image.geometry
        kind = key.removeprefix(HEAT)
        return write_heat_map(heat, geometry, folder / f"{name}_heat", file_format=kind)  # type: ignore[arg-type]
    if key in SURFACES:
        return _write_surfaces(segmentation.label_map, folder / f"{name}.{key}")
    if key == SLICES:
        return _write_slices(segmentation.label_map, folder, name)
    return write_label_map(
        segmentation.label_map, segmentation.image, folder / name,
        file_format=key, algorithm=segmentation.checkpoint,  # type: ignore[arg-type]
        by_hand=isinstance(segmentation, CorrectedSegmentation),
    )  # fmt: skip


def holds_labels(key: str | None) -> bool:
    """Whether a format keeps every label, so that what was corrected is saved by it."""
    return key is not None and not key.startswith(HEAT) and key not in SURFACES


def _write_surfaces(label_map: LabelMap, path: Path) -> Path:
    return write_surface([extract(label_map, value + 1) for value in range(len(label_map.class_names))], path)


def _write_slices(label_map: LabelMap, folder: Path, name: str) -> Path:
    """Every axial slice as a palette PNG, in one zip."""
    path = folder / f"{name}_slices.zip"
    with (
        whole_file(path) as draft,
        tempfile.TemporaryDirectory(dir=folder) as slices,
        zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive,  # PNGs are compressed as they are
    ):
        for index, labels in enumerate(label_map.labels):
            one = write_label_map(LabelMap(labels, label_map.class_names), None, Path(slices, f"{name}_{index:04}"))
            archive.write(one, one.name)
            one.unlink()
    return path
