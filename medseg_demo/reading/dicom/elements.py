"""Single elements of a DICOM dataset, whatever is wrong with their values; nothing of a patient is looked at.

Source: DICOM PS3.3, C.7.6.16.2 (functional groups).
"""

import itertools
import logging
import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"


def keep_pydicom_quiet() -> None:
    """Pydicom's warnings quote values, so what belongs to a patient would reach logs."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom\b")


def value_of(dataset: "Dataset", keyword: str) -> Any:
    """One element's value; None where it is absent, or so wrong that pydicom cannot convert it."""
    try:
        return dataset.get(keyword)
    except Exception:  # conversions raise many kinds
        return None


def as_numbers(value: Any) -> tuple[float, ...]:
    """The finite numbers of a value; empty where it holds anything else."""
    try:
        values = () if value is None else (value,) if isinstance(value, (int, float)) else tuple(value)
        found = tuple(float(v) for v in values)
    except (ValueError, TypeError, OverflowError):
        return ()
    return found if all(math.isfinite(v) for v in found) else ()


def numbers(dataset: "Dataset", keyword: str, *, group: str = "", frame: int = 0) -> tuple[float, ...]:
    """The finite numbers of one element; empty where it is absent or holds anything else.

    Args:
        dataset: The whole image.
        keyword: The element's keyword.
        group: The functional group that holds it in enhanced images.
        frame: The frame whose functional group is looked at, from 0.
    """
    # An enhanced image is what its groups say; what some programs write beside them is of the first frame.
    holders = itertools.chain(group_items(dataset, group, frame) if group else (), [dataset])
    return next(filter(None, (as_numbers(value_of(item, keyword)) for item in holders)), ())


def first(dataset: "Dataset", keyword: str, default: float, *, group: str = "", frame: int = 0) -> float:
    """The first number of an element; the default where it is absent or holds anything else."""
    return next(iter(numbers(dataset, keyword, group=group, frame=frame)), default)


def whole(dataset: "Dataset", keyword: str) -> int | None:
    """The first number of an element, if it is a whole one; None otherwise."""
    number = first(dataset, keyword, math.nan)
    return int(number) if abs(number) < 2**53 and number == math.floor(number) else None


def words(dataset: "Dataset", keyword: str) -> tuple[str, ...]:
    """The values of an element of text, in capitals; empty where it is absent."""
    value = value_of(dataset, keyword)
    values = [] if value is None else [value] if isinstance(value, (str, int, float)) else value
    return tuple(str(each).strip().upper() for each in values)


def word(dataset: "Dataset", keyword: str) -> str:
    """The first value of an element of text, in capitals; empty where it is absent."""
    return next(iter(words(dataset, keyword)), "")


def items(dataset: "Dataset", keyword: str) -> "list[Dataset]":
    """The items of a sequence; empty where it is absent or no sequence."""
    from pydicom import Sequence

    value = value_of(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


def item_of(dataset: "Dataset", keyword: str, index: int) -> "Dataset | None":
    """One item of a sequence, which may have very many; None where there is none."""
    try:
        item = dataset.get(keyword)[index]
    except Exception:  # as ``value_of``
        return None
    return item if hasattr(item, "get") else None


def group_items(dataset: "Dataset", group: str, frame: int) -> "Iterator[Dataset]":
    """The items of one functional group: a frame's own, before those that all frames share."""
    for sequence, index in ((PER_FRAME, frame), (SHARED, 0)):
        holder = item_of(dataset, sequence, index)
        if holder is not None:
            yield from items(holder, group)


def modality_code(dataset: "Dataset") -> str | None:
    """The modality, if it is a code such as "CT" and no free text."""
    text = value_of(dataset, "Modality")
    is_code = isinstance(text, str) and text.isascii() and text.replace("_", "").isalnum() and text.isupper()
    return text if is_code and len(text) <= 16 else None
