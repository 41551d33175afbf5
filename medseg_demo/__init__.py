"""From a medical image to a label map: read, segment, measure."""

from typing import TYPE_CHECKING

__version__ = "0.2.0.dev0"

__all__ = [
    "LabelMap",
    "MedicalImage",
    "MedsegError",
    "SegmentOptions",
    "Segmentation",
    "Settings",
    "collect_images",
    "count_volumes",
    "list_checkpoints",
    "load_checkpoint",
    "read_image",
    "read_label_map",
    "segment",
    "write_label_map",
]

_HOMES = {
    "LabelMap": "image",
    "MedicalImage": "image",
    "MedsegError": "errors",
    "SegmentOptions": "segmenting.pipeline",
    "Segmentation": "segmenting.pipeline",
    "Settings": "settings",
    "collect_images": "reading",
    "count_volumes": "reading",
    "list_checkpoints": "models.catalog",
    "load_checkpoint": "models.catalog",
    "read_image": "reading",
    "read_label_map": "reading",
    "segment": "segmenting.pipeline",
    "write_label_map": "writing.label_map",
}

if TYPE_CHECKING:
    from medseg_demo.errors import MedsegError
    from medseg_demo.image import LabelMap, MedicalImage
    from medseg_demo.models.catalog import list_checkpoints, load_checkpoint
    from medseg_demo.reading import collect_images, count_volumes, read_image, read_label_map
    from medseg_demo.segmenting.options import SegmentOptions
    from medseg_demo.segmenting.pipeline import Segmentation, segment
    from medseg_demo.settings import Settings
    from medseg_demo.writing.label_map import write_label_map


def __getattr__(name: str) -> object:
    # Torch takes seconds to import: whoever only reads an image or asks for --help should not wait for it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
