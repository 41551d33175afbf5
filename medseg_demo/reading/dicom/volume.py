"""The slices of a DICOM series → one volume."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medseg_demo.errors import DamagedFileError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.dicom.file import Slice, read_slice
from medseg_demo.reading.dicom.slice_headers import SliceHeader, read_header
from medseg_demo.reading.dicom.stack import lay_out
from medseg_demo.reading.dicom.series import Series
from medseg_demo.reading.source import Source, check_size, decoding, open_source
from medseg_demo.settings import Settings


def read_series(series: Series, *, settings: Settings | None = None) -> MedicalImage:
    """Read a series.

    Values are those of the modality, each slice rescaled by its own slope and intercept. The display window is that of
    the slice in the middle.

    Args:
        series: From ``find_series`` or ``collect_images``.
        settings: The limits; those of Settings() by default. ``max_megavoxels`` counts for the volume.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    settings = settings or Settings()
    source = Source(Path(series.name), b"", 0)
    headers = list(_headers(series, settings))
    rows, columns, _ = headers[0].shape
    check_size((len(headers), rows, columns), source, settings)
    geometry = lay_out(headers)[0] if len(headers) > 1 else None
    with decoding(source, "DICOM"):
        pixels, slices = _read_slices(series, settings)
    middle = slices[len(slices) // 2]
    return build_image(
        source,
        pixels,
        file_format="DICOM series",
        bit_depth=slices[0].bit_depth,
        is_volume=True,
        geometry=geometry,
        window=middle.window,
        modality=headers[0].modality,
        notes=tuple(dict.fromkeys((*series.notes, *(note for part in slices for note in part.notes)))),
        source_files=series.paths,
    )


def _headers(series: Series, settings: Settings) -> Iterator[SliceHeader]:
    shape = None
    for path in series.paths:
        header = read_header(path, settings)
        shape = shape or (header.shape if header else None)
        if header is None or header.shape != shape:
            raise DamagedFileError(
                f"{series.name}: {path.name} is no longer a slice of this series. Choose the files again."
            )
        yield header


def _read_slices(series: Series, settings: Settings) -> tuple[np.ndarray, list[Slice]]:
    """The volume, and its slices without their pixels."""
    volume, described = np.empty(0), []
    for index, path in enumerate(series.paths):
        part = read_slice(open_source(path, settings), settings)
        if index == 0:
            volume = np.empty((len(series.paths), *part.pixels.shape), part.pixels.dtype)
        elif part.pixels.shape != volume.shape[1:]:
            raise DamagedFileError(f"{path.name}: its pixels have another shape than those of the first slice.")
        common = np.result_type(volume, part.pixels)
        volume = volume.astype(common, copy=False)
        volume[index] = part.pixels
        described.append(Slice(np.empty(0), part.bit_depth, part.window, part.notes))
    return volume, described
