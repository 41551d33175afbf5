"""Heat maps → files: figures from 0 to 1 in the image's own geometry."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, HeatMap
from medseg_demo.writing.nifti import write_nifti
from medseg_demo.writing.whole import whole_file

HeatMapFormat = Literal["auto", "nifti", "npy", "png"]
SUFFIXES = {"nifti": ".nii.gz", "npy": ".npy", "png": ".png"}
MOST_GREY = 65_535  # of 16 bits: stands for 1


def heat_map_formats(heat: HeatMap) -> tuple[HeatMapFormat, ...]:
    """The formats in which a heat map can be written; a PNG holds no volume."""
    return ("nifti", "npy") if heat.values.ndim == 3 else ("png", "nifti", "npy")


def write_heat_map(
    heat: HeatMap, geometry: Geometry, path: Path, *, file_format: HeatMapFormat = "auto"
) -> Path:  # fmt: skip
    """Write a heat map.

    Args:
        heat: Of an image or a volume.
        geometry: The image's.
        path: The file without its suffix, which is added.
        file_format: "nifti" and "npy" hold the numbers as they are, in single precision; "png" is grey of 16 bits,
            65535 being 1. "auto" is PNG of an image, NIfTI of a volume.

    Returns:
        The file written.

    Raises:
        OptionError: The heat map cannot be written in that format.
        OutputError: The file cannot be written.
    """
    formats = heat_map_formats(heat)
    kind = formats[0] if file_format == "auto" else file_format
    if kind not in formats:
        known = ", ".join(formats if kind in get_args(HeatMapFormat) else get_args(HeatMapFormat))
        raise OptionError(f"This heat map is not written as {kind!r}. Choose one of: {known}.")
    path = path.parent / f"{path.name}{SUFFIXES[kind]}"
    values = heat.values.astype(np.float32)
    with whole_file(path) as draft:
        if kind == "nifti":
            write_nifti(values, geometry, draft)
        elif kind == "png":
            Image.fromarray(np.rint(MOST_GREY * values).astype(np.uint16)).save(draft, format="PNG")
        else:
            with draft.open("wb") as file:
                np.save(file, values, allow_pickle=False)
    return path
