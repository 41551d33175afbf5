"""What a run does on the nodes of a Ray cluster: actors hold the networks, tasks look at cases and score them.

Nothing is printed and nothing of the run stays on a node, but what is fetched from addresses (see ``inputs``). What
goes wrong with a case is a reply, as in a run of one process. The module is light: processes that score start fast.
"""

import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, NamedTuple

from evaluation.runs.cases import CaseData, Reading, read_case
from evaluation.runs.classes import ClassMatch
from evaluation.runs.inputs import fetched
from evaluation.runs.predictors import CheckpointPredictor
from evaluation.runs.preflight import ExaminedCase, examine_case
from evaluation.runs.request import RunOptions
from evaluation.runs.scoring import ScoringPool
from evaluation.runs.work import Made, Scored, failed_by, make_prediction
from medseg_demo import __version__
from medseg_demo.errors import MedsegError
from medseg_demo.settings import ROOT, Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.writing.label_map import write_label_map

if TYPE_CHECKING:
    from medseg_demo.models.compute import Compute

Files = Mapping[str, bytes]  # path → bytes of a file

PROGRAMS = ("torch", "numpy", "scipy", "openvino")  # whose versions move numbers
STEM = "prediction"
NEVER = threading.Event()  # a worker is not told of Stop: it is ended


class Sent(NamedTuple):
    """A checkpoint on its way to the workers.

    Attributes:
        name: What it is called.
        folder: Its folder among the files.
        files: Its own, and those of its members.
    """

    name: str
    folder: str
    files: Files


@dataclass(frozen=True, eq=False)
class Work:
    """One case for one checkpoint.

    Attributes:
        examined: The case as the pre-flight found it.
        checkpoint: Its name.
        match: Its classes beside those of the test set.
        options: How the case is scored.
    """

    examined: ExaminedCase
    checkpoint: str
    match: ClassMatch
    options: RunOptions


class Ready(NamedTuple):
    """What a worker is.

    Attributes:
        versions: Of what moves numbers.
        computes: Where and by what the network of each checkpoint runs; empty where there is a fault.
        fault: Why it cannot work; empty where it can.
    """

    versions: Mapping[str, str]
    computes: "Mapping[str, Compute]"
    fault: str = ""


class Reply(NamedTuple):
    """What came out of a case.

    Attributes:
        scored: Its scores.
        suffix: Of its prediction's file; empty where there is none.
        prediction: The bytes of that file.
        size: Bytes that the case took in the object store.
    """

    scored: Scored
    suffix: str = ""
    prediction: bytes = b""
    size: int = 0


@cache
def versions() -> dict[str, str]:
    """What moves numbers on this machine: the program, by its files too, Python and the packages."""
    sha = hashlib.sha256()
    for package in ("evaluation", "medseg_demo"):
        for path in sorted((ROOT / package).rglob("*.py")):
            sha.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    found = {"medseg-demo": f"{__version__} ({sha.hexdigest()[:8]})", "Python": python_version()}
    for name in PROGRAMS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


class Networks:
    """Holds the checkpoints of a run loaded, and predicts cases with them, a few at once.

    Args:
        settings: Of the run; the cache folder is this machine's.
        checkpoints: Loaded by ``open``.
        threads: Processors that it may use.
        at_once: Cases that are in work at the same time, and are kept decoded.
    """

    def __init__(self, settings: Settings, checkpoints: list[Sent], threads: int, at_once: int) -> None:
        own = Settings.from_environment().cache_dir
        self._settings = replace(settings, cache_dir=own, threads=min(settings.threads or threads, threads))
        self._sent, self._at_once, self._lock = checkpoints, at_once, threading.Lock()
        self._readings: OrderedDict[tuple[object, ...], Reading] = OrderedDict()
        self._ready: Ready | None = None
        self._thread = threading.local()

    def open(self) -> Ready:
        """Load the checkpoints, once, and say what this worker is."""
        with self._lock:
            self._ready = self._ready or self._load()
        return self._ready

    def _load(self) -> Ready:
        from medseg_demo.models.checkpoint import load_folder
        from medseg_demo.segmenting.engine import Engine

        found = versions()
        try:
            self._engine = Engine.for_many(self._settings, self._at_once)
            self._checkpoints, computes = {}, {}
            for sent in self._sent:
                with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
                    for name, content in sent.files.items():
                        path = Path(folder, name)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(content)
                    loaded = load_folder(Path(folder, sent.folder), name=sent.name, cache_dir=self._settings.cache_dir)
                    computes[sent.name] = self._engine.compute_of(loaded)  # made ready: it needs no file any more
                    self._checkpoints[sent.name] = loaded
        except MedsegError as error:
            return Ready(found, {}, str(error))
        except OSError as error:
            return Ready(found, {}, f"a checkpoint cannot be written to its temporary folder ({error.strerror})")
        return Ready(found, computes)

    def predict(self, work: Work) -> Made | Scored | None:
        """Predict a case; what is wrong with it is told."""
        try:
            self._limit_threads()
            compute = self.open().computes[work.checkpoint]
            predictor = CheckpointPredictor(
                self._checkpoints[work.checkpoint], work.match, engine=self._engine, compute=compute
            )
            return make_prediction(work.examined, predictor, work.options, partial(self._read, work), NEVER)
        except Exception as error:
            return failed_by(error, work.examined.case.case_id, work.match.labels.class_names)

    def _limit_threads(self) -> None:
        """A case is prepared by one thread, as in a run of one process."""
        if not hasattr(self._thread, "limit"):
            from medseg_demo.models.compute import ThreadLimit

            self._thread.limit = ThreadLimit(1).apply()

    def _read(self, work: Work) -> CaseData:
        """The case, decoded once for checkpoints that predict it at the same time."""
        case = work.examined.case
        names = None if case.labels else work.match.labels.piece_names
        key = case.address, case.mask_path, case.case_id  # one file has several cases under stress
        with self._lock:
            reading = self._readings.setdefault(key, Reading())
            self._readings.move_to_end(key)
            while len(self._readings) > self._at_once:
                self._readings.popitem(last=False)
        return reading.get(names, partial(_read, case, names, self._settings))


def _read(case: Case, names: tuple[str, ...] | None, settings: Settings) -> CaseData:
    with fetched(case, settings) as local:
        return read_case(local, class_names=names, settings=settings)


def examine(case: Case, settings: Settings, pixels: bool) -> ExaminedCase:
    """Look at a case; nothing that was read is kept."""
    own = replace(settings, cache_dir=Settings.from_environment().cache_dir)
    return examine_case(case, own, lambda data: False, pixels=pixels)


def score(made: Made | Scored) -> Reply:
    """Score a case, and make the file of its prediction."""
    if isinstance(made, Scored):
        return Reply(made)
    scoring = made.scoring
    arrays = (scoring.reference, scoring.prediction, scoring.ignored, *scoring.instances, made.prediction.labels)
    size = sum(array.nbytes for array in arrays if array is not None)
    try:
        scores = made.scores(ScoringPool(0).score(scoring))
    except Exception as error:
        failed = failed_by(error, scoring.case_id, tuple(scoring.labels.values()))
        assert failed is not None, "nobody stops a worker"
        return Reply(failed, size=size)
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        path = write_label_map(made.prediction, None, Path(folder, STEM))
        return Reply(Scored(scores), path.name.removeprefix(STEM), path.read_bytes(), size)
