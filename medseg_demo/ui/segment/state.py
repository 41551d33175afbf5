"""What the Segment tab remembers of one visitor, in the session."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from medseg_demo.image import LabelMap, MedicalImage, Pseudonym
from medseg_demo.models.card import Denoise, ModelCard
from medseg_demo.reading.studies import Study
from medseg_demo.segmenting.channels import to_channels
from medseg_demo.segmenting.measure import ClassMeasurement
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui.correct.corrections import Corrected, Corrections

UNNAMED = re.compile(r"class_\d+")  # as ``read_label_map`` calls classes that a file does not name


@dataclass(frozen=True)
class Choices:
    """What the controls say; each field is called like its control."""

    checkpoint: str | None = None
    threshold: float | None = 0.5  # None: that of the checkpoint's card
    flips: bool = False
    denoise: Denoise = "none"
    smallest_component: int = 0
    fill_holes: bool = False
    crop: str = ""
    channel_order: str = ""
    deidentify: bool = False
    explain: str = ""

    def options(self, card: ModelCard | None) -> SegmentOptions:
        """As options of one segmentation; where the most probable class wins there is no threshold."""
        return SegmentOptions(
            threshold=self.threshold if card is None or card.takes_threshold else None,
            flips=self.flips,
            denoise=None if card and card.denoise == self.denoise else self.denoise,
            smallest_component=int(self.smallest_component or 0),
            fill_holes=self.fill_holes,
            crop=self.crop or None,  # type: ignore[arg-type]  # which reads the text
            channels=to_channels(self.channel_order),
            explain=self.explain or "",
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
        heat_map: The written heat map; None where none was asked for.
        thumbnail: A small one for the gallery.
        doubts: That the result may have failed.
        pseudonym: Under which all of it is written; None where it is written as its source's.
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
    heat_map: Path | None = None
    thumbnail: Path | None = None
    doubts: tuple[str, ...] = ()
    pseudonym: Pseudonym | None = None


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


@dataclass(frozen=True, eq=False)
class Given:
    """What a visitor chose or uploaded.

    Attributes:
        offered: All of it.
        studies: What the Segment button would segment: all that is offered, or the one that was chosen.
        position: Which of the studies is in the viewer before a run.
        image: That study's image; None where it could not be read.
        over: A label map that is laid over it.
        over_name: The name of the label map's file.
        crop: The crop box that the viewer shows over it, as on the page.
        key: Of the viewer's value that shows the image; empty until one did.
        notes: What was found beside images, in sentences.
    """

    offered: tuple[Study, ...] = ()
    studies: tuple[Study, ...] = ()
    position: int = 0
    image: MedicalImage | None = None
    over: LabelMap | None = None
    over_name: str = ""
    crop: str = ""
    key: str = ""
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class Work:
    """One visitor's work on the tab.

    Attributes:
        given: What the next run is of.
        run: The result on the page.
        has_sample: Whether a sample was pressed, which chose a checkpoint.
        outdated: Folders of results that left the page; they go when the next run is done.
        folder: The visitor's, once the page is open.
        corrected: The corrections of the run's results, by the names of their outcomes.
        corrections: Which of them the viewer shows.
        kept: Corrected label maps of earlier runs that nobody saved.
    """

    given: Given = field(default_factory=Given)
    run: Run | None = None
    has_sample: bool = False
    outdated: list[Path] = field(default_factory=list)
    folder: Path | None = None
    corrected: dict[str, Corrected] = field(default_factory=dict)
    corrections: Corrections = field(default_factory=Corrections)
    kept: list[Path] = field(default_factory=list)

    def reference_of(self, segmentation: Segmentation) -> LabelMap | None:
        """What lies over the image that was segmented; classes without names have those of the checkpoint."""
        given, classes = self.given, segmentation.label_map.class_names
        if given.over is None or given.image is None or given.image.pixels is not segmentation.image.pixels:
            return None
        own = given.over.class_names
        if all(map(UNNAMED.fullmatch, own)) and len(own) <= len(classes):
            return replace(given.over, class_names=classes)
        return given.over
