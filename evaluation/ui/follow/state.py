"""What the Follow tab remembers of one visitor, in the session."""

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo.image import MedicalImage

if TYPE_CHECKING:
    from medseg_demo.following.follow import FollowUp
    from medseg_demo.image import LabelMap
    from medseg_demo.reading.studies import Study


@dataclass(frozen=True)
class Request:
    """What the controls say; each field is called like its control.

    Attributes:
        checkpoint: Its name; empty where none is chosen.
        dates: As they were typed, one a study; none takes those of the files.
        repeats: How often each visit is measured again.
        deviation: Of repeated sizes, in %; None takes that of the repeats.
        registered: Whether later visits are laid on the first one.
    """

    checkpoint: str = ""
    dates: tuple[str, ...] = ()
    repeats: int = 4
    deviation: float | None = None
    registered: bool = True

    @classmethod
    def of(cls, *values: object) -> "Request":
        """From the values of the controls."""
        checkpoint, dates, repeats, deviation, registered = values
        return cls(
            str(checkpoint or ""),
            tuple(re.split(r"[\s,;]+", str(dates).strip())) if dates and str(dates).strip() else (),
            int(repeats) if isinstance(repeats, int | float) else 4,
            float(deviation) if isinstance(deviation, int | float) else None,
            bool(registered),
        )


@dataclass(frozen=True, eq=False)
class Given:
    """What was uploaded.

    Attributes:
        studies: In the order of the list.
        stems: What each is called.
        dates: Of each by its files; None where they do not say.
        simulated: Whether they were drawn here, and not uploaded.
    """

    studies: "tuple[Study, ...]" = ()
    stems: tuple[str, ...] = ()
    dates: tuple[date | None, ...] = ()
    simulated: bool = False


@dataclass(frozen=True, eq=False)
class Pair:
    """A later visit and the first one on the first one's grid, for the viewer.

    Attributes:
        image: Its channels are the later visit, the first one and their difference.
        label_maps: Of the first and of the later visit.
        position: The place of the later visit, from 1.
    """

    image: MedicalImage
    label_maps: "tuple[LabelMap, LabelMap]"
    position: int


@dataclass(frozen=True, eq=False)
class Result:
    """What is on the page.

    Attributes:
        given: What it is of.
        request: What it was made with.
        found: The follow-up.
        archive: The zip of all files.
        pair: The visits in the viewer.
    """

    given: Given
    request: Request
    found: "FollowUp"
    archive: Path
    pair: Pair


@dataclass(eq=False)
class Work:
    """One visitor's work on the tab.

    Attributes:
        given: What the next run is of.
        result: What is on the page.
    """

    given: Given = field(default_factory=Given)
    result: Result | None = None
