"""The loop behind the Segment button: study after study, what fails is noted, Stop keeps what is done."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from medseg_demo.image import MedicalImage, Pseudonym
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.names import safe_stem
from medseg_demo.prompting.blank import blank_segmentation
from medseg_demo.reading import read_image
from medseg_demo.reading.studies import Study, result_stems
from medseg_demo.segmenting.engine import Engine, Progress
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Cancelled, Job, Waiting
from medseg_demo.ui.faults import explain
from medseg_demo.ui.segment.downloads import write_outcome
from medseg_demo.ui.segment.state import Choices, Given, Outcome, Run
from medseg_demo.ui.session import Running, known_folder
from medseg_demo.writing.deidentify import deidentified, pseudonyms

# (studies done, studies in all, name of the present one, its steps that are done, its steps in all)
Report = Callable[[int, int, str, int, int], None]


@dataclass(frozen=True, eq=False)
class Studies:
    """What is segmented one after the other, ready to start.

    Attributes:
        engine: Runs the network.
        running: Its jobs, one a study, end with it.
        choices: What the controls said.
        options: The same, for one segmentation.
        folder: Where the files of the run are written.
        report: Told about the progress.
        waiting: By the name of a study, what is told while it is queued.
    """

    engine: Engine
    running: Running
    choices: Choices
    options: SegmentOptions
    folder: Path
    report: Report
    waiting: Callable[[str], Waiting]

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        """One for the whole run, also where it is replaced meanwhile."""
        return self.engine.loaded(self.choices.checkpoint or "")

    def segment(self, given: Given) -> Iterator[Run]:
        """Segment every study; a Run after each. The last one is whole, or marked as partial."""
        run = Run(self.choices, given.studies, folder=self.folder)
        new = pseudonyms(len(given.studies)) if self.choices.deidentify else [None] * len(given.studies)
        stems: list[str] = []
        for stem in result_stems(given.studies, known_folder):
            stems.append(safe_stem(stem, stems))
        for index, study in enumerate(given.studies):
            try:
                image = given.image if index == given.position else None
                outcome, segmentation = self._one(study, stems[index], image, index, run, new[index])
            except Cancelled:
                yield replace(run, partial=True)
                return
            run = replace(run, outcomes=(*run.outcomes, outcome), shown=run.shown or segmentation)
            yield run

    def _one(
        self, study: Study, name: str, image: MedicalImage | None, index: int, run: Run, new: Pseudonym | None
    ) -> tuple[Outcome, Segmentation | None]:
        def progress(done: int, of: int) -> None:
            self.running.check()
            self.report(index, len(run.studies), name, done, of)

        progress(0, 1)
        try:
            image = called(image or read_image(study, settings=self.engine.settings), study, name, run.studies)
            with self.running.job(self.engine, is_large=image.is_volume, waiting=self.waiting(name)) as job:
                segmentation = segmented(self.engine, image, self._checkpoint, self.options, progress, job)
            if new is not None:
                segmentation, name = deidentified(segmentation, new), new.name
            return write_outcome(segmentation, study, name, self.folder), segmentation
        except Cancelled:
            raise
        except Exception as error:
            return Outcome(study, name, error=explain(error)), None


def segmented(
    engine: Engine, image: MedicalImage, checkpoint: Checkpoint, options: SegmentOptions | None, progress: Progress,
    job: Job,
) -> Segmentation:  # fmt: skip
    """An image segmented; by a checkpoint that waits for clicks an empty label map, to click into."""
    if checkpoint.card.prompts:
        return blank_segmentation(image, checkpoint, engine.settings)
    return engine.segment(image, checkpoint, options=options, progress=progress, job=job)


def called(image: MedicalImage, study: Study, name: str, studies: Sequence[Study]) -> MedicalImage:
    """The image of one of several studies, under the name of its results where others are called alike."""
    return replace(image, name=name) if [one.stem for one in studies].count(study.stem) > 1 else image
