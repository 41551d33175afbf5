"""The loop behind the Segment button: file after file, what fails is noted, Stop keeps what is done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medseg_demo.image import MedicalImage
from medseg_demo.readers import read_image, stem
from medseg_demo.segmentation import Segmentation, SegmentOptions
from medseg_demo.ui.downloads import safe_stem, write_outcome
from medseg_demo.ui.engine import Engine
from medseg_demo.ui.faults import explain
from medseg_demo.ui.state import Choices, Outcome, Run, StopRequest, Work

# (files done, files in all, name of the present one, its share that is done)
Report = Callable[[int, int, str, float], None]


class Stopped(Exception):  # noqa: N818 (nothing went wrong)
    """The visitor pressed Stop."""


@dataclass(frozen=True, eq=False)
class Job:
    """One run over files, ready to start.

    Attributes:
        engine: Runs the network.
        choices: What the controls said.
        options: The same, for one segmentation.
        folder: Where the files of the run are written.
        stop: Ends the run early.
        report: Told about the progress.
    """

    engine: Engine
    choices: Choices
    options: SegmentOptions
    folder: Path
    stop: StopRequest
    report: Report

    def run(self, work: Work) -> Iterator[Run]:
        """Segment every file of the work; a Run after each. The last one is whole, or marked as partial."""
        run = Run(self.choices, folder=self.folder)
        for index, file in enumerate(work.files):
            try:
                outcome, segmentation = self._one(file, work.image, index, len(work.files), run)
            except Stopped:
                yield replace(run, partial=True)
                return
            run = replace(run, outcomes=(*run.outcomes, outcome), shown=run.shown or segmentation)
            yield run

    def _one(
        self, file: Path, image: MedicalImage | None, index: int, total: int, run: Run
    ) -> tuple[Outcome, Segmentation | None]:
        name = safe_stem(stem(file), [outcome.name for outcome in run.outcomes])

        def progress(done: int, of: int) -> None:
            if self.stop.raised:
                raise Stopped
            self.report(index, total, name, done / of)

        progress(0, 1)
        try:
            image = image or read_image(file, settings=self.engine.settings)
            segmentation = self.engine.segment(
                image, self.choices.checkpoint or "", options=self.options, progress=progress
            )
            return write_outcome(segmentation, file, name, self.folder), segmentation
        except Stopped:
            raise
        except Exception as error:
            return Outcome(file, file.name, error=explain(error)), None
