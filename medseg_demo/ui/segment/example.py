"""The finished example of the first paint: one image, really segmented once and shown to every visitor."""

import logging
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from medseg_demo.image import MedicalImage
from medseg_demo.reading import read_image
from medseg_demo.reading.studies import Study
from medseg_demo.samples import example_files, list_samples
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.segment.downloads import RunFiles, write_outcome, write_run
from medseg_demo.ui.segment.state import Choices, Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FinishedExample:
    """An example's result, as a visitor's own would look. It holds no one's data, so all visitors may share it."""

    studies: tuple[Study, ...]
    image: MedicalImage
    run: Run
    written: RunFiles


class Example:
    """Computes the example at most once. Safe to use from several threads.

    Args:
        engine: Segments the sample.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()
        self._finished: FinishedExample | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="medseg-example-")

    def start(self) -> None:
        """Begin computing in the background, so that the first visitor need not wait."""
        threading.Thread(target=self.get, name="example", daemon=True).start()

    def get(self) -> FinishedExample | None:
        """The example; None while there is no image that a checkpoint here was made for."""
        with self._lock:
            if self._finished is None:
                try:
                    self._finished = self._compute()
                except Exception:  # the page must open without an example too
                    logger.exception("The example could not be made")
            return self._finished

    def _compute(self) -> FinishedExample | None:
        found = self._study()
        if found is None:
            return None
        study, checkpoint = found
        image = read_image(study, settings=self.engine.settings)
        segmentation = self.engine.here.segment(image, checkpoint)
        outcome = write_outcome(segmentation, study, image.name, Path(self._folder.name))
        choices = Choices(checkpoint, segmentation.threshold or 0.5, denoise=segmentation.card.denoise)
        run = Run(choices, (study,), (outcome,), segmentation)
        return FinishedExample((study,), image, run, write_run([outcome], Path(self._folder.name)))

    def _study(self) -> tuple[Study, str] | None:
        """An image and the checkpoint for it: what lies as ``example.*`` in a checkpoint's folder, or else a sample."""
        usable = self.engine.usable()
        for entry in usable:
            for path in example_files(entry.folder):
                return Study(path), entry.name
        for sample in list_samples():
            if (suited := sample.suited(usable)) is not None:
                return Study(sample.path), suited.name
        return None
