"""What the app remembers of one visitor, in ``gr.State``: nothing here is shared between visitors."""

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import gradio as gr
from gradio.utils import get_upload_folder

from medseg_demo.image import MedicalImage
from medseg_demo.reading.studies import Study
from medseg_demo.segmenting.measure import ClassMeasurement
from medseg_demo.segmenting.pipeline import Segmentation, SegmentOptions
from medseg_demo.segmenting.prepare import Denoise

LIFETIME_S = 3600
SESSIONS = "medseg-sessions"


@dataclass(frozen=True)
class Choices:
    """What the controls say, in the order in which they stand on the page."""

    checkpoint: str | None = None
    threshold: float = 0.5
    flips: bool = False
    denoise: Denoise = "none"
    smallest_component: int = 0
    fill_holes: bool = False

    def options(self, *, multiclass: bool) -> SegmentOptions:
        """As options of one segmentation; a checkpoint of several classes has no threshold."""
        return SegmentOptions(
            threshold=None if multiclass else self.threshold,
            flips=self.flips,
            denoise=self.denoise,
            smallest_component=int(self.smallest_component or 0),
            fill_holes=self.fill_holes,
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one study.

    Attributes:
        source: What was read.
        name: Its stem, made unique among the files of the run.
        error: Why it could not be segmented; None where it could.
        checkpoint: What segmented it.
        options: How.
        summary: What is written to JSON.
        measurements: One a class.
        label_map: The written label map.
        overlay: The written overlay picture.
        thumbnail: A small one for the gallery.
    """

    source: Study
    name: str
    error: str | None = None
    checkpoint: str = ""
    options: SegmentOptions | None = None
    summary: dict[str, object] = field(default_factory=dict)
    measurements: tuple[ClassMeasurement, ...] = ()
    label_map: Path | None = None
    overlay: Path | None = None
    thumbnail: Path | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """The result on the page.

    Attributes:
        choices: What it was made with.
        studies: What it was made of.
        outcomes: One a study, in their order; fewer where it is partial.
        shown: The segmentation in the viewer.
        position: Its place among ``succeeded``.
        partial: Whether it was stopped before its end.
        folder: Where its files lie; None for the example, whose files are everybody's.
    """

    choices: Choices
    studies: tuple[Study, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    shown: Segmentation | None = None
    position: int = 0
    partial: bool = False
    folder: Path | None = None

    @property
    def succeeded(self) -> tuple[Outcome, ...]:
        """The outcomes that are results, in the order of the gallery."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is None)


class StopRequest:
    """A flag that the Stop button raises while another handler runs."""

    def __init__(self) -> None:
        self.raised = False


@dataclass(frozen=True, eq=False)
class Given:
    """What a visitor chose or uploaded.

    Attributes:
        offered: All of it.
        studies: What the Segment button would segment: all that is offered, or the one that was chosen.
        image: The only study's image, once it was read; None for several.
    """

    offered: tuple[Study, ...] = ()
    studies: tuple[Study, ...] = ()
    image: MedicalImage | None = None


@dataclass(eq=False, kw_only=True)
class SessionWork:
    """One visitor's work: one object for the whole session, which the handlers change in place.

    Handlers overlap: a file may be added while a run goes on. Each replaces only the part that it made, so that none
    brings back an older part of another's; a run keeps to what was given when it began.

    Attributes:
        folder: Where the visitor's files lie; None until there are some.
        stop: Raised to end a run early.
    """

    folder: Path | None = None
    stop: StopRequest = field(default_factory=StopRequest)


@dataclass(eq=False, kw_only=True)
class Work(SessionWork):
    """That of the Segment tab.

    Attributes:
        given: What the next run is of.
        run: The result on the page.
    """

    given: Given = field(default_factory=Given)
    run: Run | None = None


def known_folder(folder: Path) -> PurePath:
    """What of the path of an uploaded file's folder the visitor knows: what a zip held, and nothing of the server's.

    Gradio puts each file into a folder called by its hash; zips are unpacked into one of the session.
    """
    uploads = Path(get_upload_folder())
    if not folder.is_relative_to(uploads):
        return PurePath()
    parts = folder.relative_to(uploads).parts
    return PurePath(*parts[3:]) if parts[:1] == (SESSIONS,) else PurePath()


def session_folder(session: str | None) -> Path:
    """The visitor's folder for results, made if missing.

    It lies in Gradio's own temporary folder, from where Gradio serves files without another copy.
    """
    folder = _folder(session)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def forget(work: SessionWork) -> None:
    """Delete a visitor's files when Gradio drops the visitor's state."""
    if work.folder is not None:
        shutil.rmtree(work.folder, ignore_errors=True)


def end_session(request: gr.Request) -> None:
    """Delete a visitor's files once the page is closed."""
    shutil.rmtree(_folder(request.session_hash), ignore_errors=True)


def _folder(session: str | None) -> Path:
    name = re.sub(r"[^A-Za-z0-9]", "", session or "") or "none"
    return Path(get_upload_folder()) / SESSIONS / name
