"""What the Compare tab remembers of one visitor, in the session."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evaluation.comparison.agreement import Method
from evaluation.ui.corrections.work import Correcting
from medseg_demo.image import MedicalImage

if TYPE_CHECKING:
    from evaluation.comparison.files import ComparisonFiles, RunTables
    from evaluation.comparison.members import Comparison
    from evaluation.comparison.run import Asked
    from evaluation.comparison.several import Figures
    from medseg_demo.reading.studies import Study


@dataclass(frozen=True)
class Request:
    """What the controls say; each field is called like its control.

    Attributes:
        checkpoints: Names.
        references: Files of the references.
        label_maps: Files of label maps.
        classes: What is said of classes that are called differently, line by line.
        method: How the consensus is made; None for no consensus.
    """

    checkpoints: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    label_maps: tuple[str, ...] = ()
    classes: str = ""
    method: Method | None = None

    @classmethod
    def of(cls, *values: object) -> "Request":
        """From the values of the controls."""
        checkpoints, references, label_maps, classes, method = values
        return cls(
            tuple(dict.fromkeys(cast("list[str]", checkpoints or ()))),
            tuple(cast("list[str]", references or ())),
            tuple(cast("list[str]", label_maps or ())),
            str(classes or "").strip(),
            cast("Method", method) if method in ("majority", "staple") else None,
        )


@dataclass(frozen=True, eq=False)
class Given:
    """What a visitor chose or uploaded.

    Attributes:
        offered: All of it.
        studies: What is compared on: all that is offered, or the one that was chosen.
        image: The only study's image, once it was read; None for several.
    """

    offered: "tuple[Study, ...]" = ()
    studies: "tuple[Study, ...]" = ()
    image: MedicalImage | None = None


@dataclass(frozen=True, eq=False)
class Compared:
    """What became of one image.

    Attributes:
        study: What was read.
        name: Its stem, made unique among the images of the run.
        asked: What was compared on it.
        figures: What came out.
        files: Those that were written of it.
        error: Why it could not be compared; empty where it could.
    """

    study: "Study"
    name: str
    asked: "Asked | None" = None
    figures: "Figures | None" = None
    files: "ComparisonFiles | None" = None
    error: str = ""


@dataclass(frozen=True, eq=False)
class Result:
    """What is on the page.

    Attributes:
        studies: What it is of.
        request: What it was made with.
        comparison: That of the image in the viewer; None before there is one.
        position: The place of that image among ``succeeded``.
        outcomes: One an image, in their order; fewer while it goes on and where it is partial.
        tables: The tables of all images; None while it goes on.
        archive: The zip of all files.
        partial: Whether it was stopped before its end.
        folder: Where the files lie; None for the example, whose files are everybody's.
    """

    studies: "tuple[Study, ...]"
    request: Request
    comparison: "Comparison | None" = None
    position: int = 0
    outcomes: tuple[Compared, ...] = ()
    tables: "RunTables | None" = None
    archive: Path | None = None
    partial: bool = False
    folder: Path | None = None

    @property
    def succeeded(self) -> tuple[Compared, ...]:
        """The images that could be compared on."""
        return tuple(one for one in self.outcomes if not one.error)

    @property
    def figures(self) -> "tuple[Figures, ...]":
        """Their figures."""
        return tuple(one.figures for one in self.succeeded if one.figures is not None)

    @property
    def shown(self) -> Compared | None:
        """The image in the viewer, once it is done."""
        return self.succeeded[self.position] if self.succeeded else None


@dataclass(eq=False)
class Work:
    """One visitor's work on the tab.

    Attributes:
        given: What the next run is of.
        result: What is on the page.
        correcting: Which of its label maps is corrected by hand.
    """

    given: Given = field(default_factory=Given)
    result: Result | None = None
    correcting: Correcting = field(default_factory=Correcting)
