"""NRRD and MetaImage (MHA, MHD), through SimpleITK."""

import re
from collections.abc import Sequence

from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source

META_START = re.compile(rb"\s*(ObjectType|ObjectSubType|NDims|Comment|Name|ID)\s*[=:]")


def is_nrrd(source: Source) -> bool:
    """Whether the file starts as an NRRD does."""
    return source.head.startswith(b"NRRD000")


def is_meta_image(source: Source) -> bool:
    """Whether the file starts with a MetaImage header."""
    return META_START.match(source.head) is not None


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    raise NotImplementedError


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    raise NotImplementedError
