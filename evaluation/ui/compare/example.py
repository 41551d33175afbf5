"""The finished comparison of the tab's first paint: the Segment tab's example by two checkpoints of one task."""

import logging
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from evaluation.ui.compare.state import Compared, Request, Result
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.segment.example import Example

logger = logging.getLogger(__name__)


class ComparisonExample:
    """Computes the example at most once. It holds no one's data, so all visitors may share it.

    Safe to use from several threads.

    Args:
        example: The Segment tab's, whose image is compared on.
    """

    def __init__(self, example: Example) -> None:
        self._example = example
        self._lock = threading.Lock()
        self._finished: Result | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="medseg-comparison-")

    def start(self) -> None:
        """Begin computing in the background, so that the first visitor need not wait; the Segment example first."""
        threading.Thread(target=self.get, name="comparison-example", daemon=True).start()

    def get(self) -> Result | None:
        """The example; None while no sample has two checkpoints of its task here."""
        with self._lock:
            if self._finished is None:
                try:
                    self._finished = self._compute()
                except Exception:  # the tab must open without an example too
                    logger.exception("The example of a comparison could not be made")
            return self._finished

    def _compute(self) -> Result | None:
        from evaluation.comparison.files import write_comparison, write_tables, zip_files
        from evaluation.comparison.run import Asked, compare_image
        from evaluation.comparison.several import Figures

        engine, finished = self._example.engine.here, self._example.get()
        shown = finished.run.shown if finished else None
        if finished is None or shown is None:
            return None
        names = tuple(peers(engine, shown.checkpoint))
        if len(names) < 2:
            return None
        asked = Asked(names)
        with engine.job(is_large=finished.image.is_volume) as job:
            *_, found = compare_image(engine, finished.image, asked, job)
        folder, figures = Path(self._folder.name), Figures.of(found)
        files = write_comparison(found, folder)
        one = Compared(finished.studies[0], finished.image.name, asked, figures, files)
        tables = write_tables([figures], [files], folder)
        archive = zip_files(files.paths, files.document.with_suffix(".zip"))
        return Result(finished.studies, Request(names), found, 0, (one,), tables, archive)


def peers(engine: Engine, checkpoint: str, *, most: int = 2) -> list[str]:
    """A checkpoint and the next ones that find the same classes in what it takes.

    Beside one for volumes stand those for single images too, which go through a volume slice by slice. There are fewer
    than ``most`` where there are no more, and they are those of the first usable one where the name is unknown here.
    """
    usable = engine.usable()
    first = next((entry for entry in usable if entry.name == checkpoint), usable[0] if usable else None)
    if first is None or first.card is None:
        return []
    alike = [
        entry.name
        for entry in usable
        if entry.card is not None
        and entry.name != first.name
        and entry.card.class_names == first.card.class_names
        and (first.card.is_3d or not entry.card.is_3d)
    ]
    return [first.name, *_preferred(alike, first.card.task, engine)][:most]


def _preferred(names: Sequence[str], task: str, engine: Engine) -> list[str]:
    """Those of the same task first, and of these whichever was best on its test split."""
    cards = {entry.name: entry.card for entry in engine.usable() if entry.card is not None}

    def place(name: str) -> tuple[bool, float]:
        figures = cards[name].scores.get("test")
        dice = figures.get("dice_mean") if isinstance(figures, dict) else None
        return cards[name].task != task, -dice if isinstance(dice, int | float) else 0.0

    return sorted(names, key=place)
