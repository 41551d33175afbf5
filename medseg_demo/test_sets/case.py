"""One case of a test set: its files, and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One study with its reference.

    Attributes:
        case_id: Unique in its test set; the stem of its files.
        image_path: The image or volume.
        mask_path: Its reference label map.
        split: Such as "train", "val" or "test"; None where the test set has no splits.
        group: What must not be torn apart by splits or resampling, such as a patient; the case itself by default.
        metadata: Further columns of ``cases.csv``, as text.
    """

    case_id: str
    image_path: Path
    mask_path: Path
    split: str | None = None
    group: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
