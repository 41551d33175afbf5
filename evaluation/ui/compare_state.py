"""What the Compare tab remembers of one visitor, in ``gr.State``: nothing here is shared between visitors."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evaluation.comparison import Method
from medseg_demo.image import MedicalImage
from medseg_demo.ui.state import StopRequest

if TYPE_CHECKING:
    from evaluation.compared import Comparison
    from evaluation.comparison_files import ComparisonFiles
    from medseg_demo.ui.studies import Study


@dataclass(frozen=True)
class Request:
    """What the controls say, in the order in which they stand on the page.

    Attributes:
        checkpoints: Names.
        reference: The file of the reference.
        label_maps: Files of label maps.
        method: How the consensus is made; None for no consensus.
    """

    checkpoints: tuple[str, ...] = ()
    reference: str | None = None
    label_maps: tuple[str, ...] = ()
    method: Method | None = None

    @classmethod
    def of(cls, *values: object) -> "Request":
        """From the values of the controls."""
        checkpoints, reference, label_maps, method = values
        return cls(
            tuple(dict.fromkeys(cast("list[str]", checkpoints or ()))),
            cast("str | None", reference or None),
            tuple(cast("list[str]", label_maps or ())),
            cast("Method", method) if method in ("majority", "staple") else None,
        )


@dataclass(frozen=True, eq=False)
class Work:
    """One visitor's work.

    Attributes:
        folder: Where the visitor's files lie; None until there are some.
        studies: What was uploaded.
        source: The one of them that is compared on.
        image: That one, read.
        result_source: What the result is of: an upload changes ``source``, and leaves the result as it is.
        request: What the result was made with.
        result: The comparison on the page.
        files: Those of the result; None while it is not finished.
        archive: The zip of them.
        stop: Raised to end a run early.
    """

    folder: Path | None = None
    studies: "tuple[Study, ...]" = ()
    source: "Study | None" = None
    image: MedicalImage | None = None
    result_source: "Study | None" = None
    request: Request | None = None
    result: "Comparison | None" = None
    files: "ComparisonFiles | None" = None
    archive: Path | None = None
    stop: StopRequest = field(default_factory=StopRequest)


def forget(work: Work) -> None:
    """Delete a visitor's files when Gradio drops the visitor's state."""
    if work.folder is not None:
        shutil.rmtree(work.folder, ignore_errors=True)
