"""Images that lie in a page as examples: of own ones their pixels alone, so that no header travels along."""

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from medseg_demo import names
from medseg_demo.errors import OptionError
from medseg_demo.exporting.page.networks import PageNetwork
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.reading import read_image
from medseg_demo.samples import Sample, list_samples
from medseg_demo.settings import Settings

MOST_SIDE = 1024  # of an image that travels as numbers; larger ones are reduced
MOST_FILE = 2 * 2**20
PICTURES = ("PNG", "JPEG")
MIDDLE = "middle slice"


@dataclass(frozen=True, eq=False)
class PageSample:
    """An example inside a page.

    Attributes:
        title: For its button.
        description: In a sentence.
        credit: Whom to name.
        licence: Of the image.
        networks: The names of those that suit it.
        file: What the page's reader is told that it is called.
        content: A picture or an array of NumPy's; gzipped.
        known: What the reader cannot see in it: window, spacing and the like.
    """

    title: str
    description: str
    credit: str
    licence: str
    networks: tuple[str, ...]
    file: str
    content: bytes
    known: dict[str, Any] = field(default_factory=dict)


def page_samples(networks: Sequence[PageNetwork], images: Sequence[Path], settings: Settings) -> list[PageSample]:
    """The given images, or else the bundled samples of what the networks were trained for.

    Raises:
        OptionError: An image is a volume.
        ReadError: An image cannot be read.
    """
    if images:
        every = tuple(network.name for network in networks)
        return [_packed(path, settings, title=names.shown(names.stem(path)), networks=every) for path in images]
    found = []
    for sample in list_samples():
        suited = tuple(one.name for one in networks if one.task == sample.task)
        if suited:
            found.append(_bundled(sample, suited, settings))
    return found


def _bundled(sample: Sample, networks: tuple[str, ...], settings: Settings) -> PageSample:
    return _packed(
        sample.path,
        settings,
        as_it_is=True,
        title=sample.title,
        description=sample.description,
        credit=sample.credit,
        licence=sample.licence,
        networks=networks,
    )


def _packed(
    path: Path, settings: Settings, *, title: str, networks: tuple[str, ...], as_it_is: bool = False, **more: Any
) -> PageSample:
    """An image for the page; of one that may go in as it is, which holds more than pixels, a volume gives a slice."""
    image = read_image(path, settings=settings)
    if as_it_is and image.is_volume:
        image, title = _middle_slice(image), f"{title} · {MIDDLE}"
    if image.is_volume or (image.channels > 1 and not image.is_colour):
        raise OptionError(f"{path.name}: a page holds single images, grey or in colour. Give such an image.")
    words = {"description": "", "credit": "", "licence": ""} | more
    if as_it_is and image.file_format in PICTURES and path.stat().st_size <= MOST_FILE:
        file = f"sample.{image.file_format.lower()}"
        return PageSample(title, networks=networks, file=file, content=_gzipped(path.read_bytes()), **words)
    pixels, factor = _reduced(image)
    spacing = image.geometry.spacing_mm
    known = {
        "window": list(image.display_window),
        "unit": image.unit,
        "modality": image.modality,
        "spacing": None if spacing is None else [step * factor for step in spacing],
    }
    return PageSample(title, networks=networks, file="sample.npy", content=_array(pixels), known=known, **words)


def _middle_slice(volume: MedicalImage) -> MedicalImage:
    spacing = volume.geometry.spacing_mm
    return replace(
        volume,
        pixels=volume.pixels[len(volume.pixels) // 2],
        axes="YX" if volume.channels == 1 else "YXC",
        geometry=Geometry(None if spacing is None else spacing[1:]),
    )


def _reduced(image: MedicalImage) -> tuple[np.ndarray, int]:
    """The pixels, and by which whole factor they were reduced; blocks are averaged."""
    pixels = image.pixels
    factor = -(-max(image.shape) // MOST_SIDE)
    if factor == 1:
        return pixels, 1
    height, width = (length // factor for length in image.shape)
    blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, -1)
    average = blocks.mean(axis=(1, 3)).reshape(height, width, *pixels.shape[2:])
    return (average if pixels.dtype.kind == "f" else np.rint(average)).astype(pixels.dtype), factor


def _array(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(pixels))
    return _gzipped(stream.getvalue())


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
