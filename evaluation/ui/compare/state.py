"""What the Compare tab remembers of one visitor, in the session."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evaluation.comparison.agreement import Method
from medseg_demo.image import MedicalImage

if TYPE_CHECKING:
    from evaluation.comparison.files import ComparisonFiles
    from evaluation.comparison.members import Comparison
    from medseg_demo.reading.studies import Study


@dataclass(frozen=True)
class Request:
    """What the controls say; each field is called like its control.

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
class Given:
    """What a visitor chose or uploaded.

    Attributes:
        studies: All of it.
        source: The one of them that is compared on.
        image: That one, read.
    """

    studies: "tuple[Study, ...]" = ()
    source: "Study | None" = None
    image: MedicalImage | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """A comparison on the page.

    Attributes:
        source: What it is of.
        request: What it was made with.
        comparison: The comparison itself.
        files: Those of it; None while it is not finished.
        archive: The zip of them.
    """

    source: "Study"
    request: Request
    comparison: "Comparison"
    files: "ComparisonFiles | None" = None
    archive: Path | None = None


@dataclass(eq=False)
class Work:
    """One visitor's work on the tab.

    Attributes:
        given: What the next run is of.
        result: What is on the page.
    """

    given: Given = field(default_factory=Given)
    result: Result | None = None
