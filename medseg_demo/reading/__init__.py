"""The only door for users' files: bytes of any origin → images, label maps and studies.

A file's kind is found from its bytes, never from its name. Nothing outside this package opens one.
"""

from medseg_demo.names import stem
from medseg_demo.reading.files import count_volumes, inspect_file, read_image
from medseg_demo.reading.formats import FORMATS, Choice, Format
from medseg_demo.reading.labels import compare_geometry, read_label_map
from medseg_demo.reading.listing import data_files_beside, lay_together
from medseg_demo.reading.studies import (
    Channels,
    Item,
    Series,
    Study,
    channel_groups,
    collect_files,
    collect_images,
    find_series,
    find_studies,
    item_stem,
)

__all__ = [
    "FORMATS",
    "Channels",
    "Choice",
    "Format",
    "Item",
    "Series",
    "Study",
    "channel_groups",
    "collect_files",
    "collect_images",
    "compare_geometry",
    "count_volumes",
    "data_files_beside",
    "find_series",
    "find_studies",
    "inspect_file",
    "item_stem",
    "lay_together",
    "read_image",
    "read_label_map",
    "stem",
]
