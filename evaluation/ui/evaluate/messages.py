"""Exceptions → the words a visitor sees, without the folders of the server."""

import re

from medseg_demo.ui.faults import explain

FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:'\"]+/)+")


def message(error: BaseException) -> str:
    """What to tell a visitor: of a path only the last name is left."""
    return FOLDERS.sub("", explain(error))
