"""Links into the page: the names that an address may hold, checked against those that there are.

``?sample=NAME`` with ``&checkpoint=NAME`` or ``&compare=NAME,NAME``; ``?run=FOLDER,FOLDER`` with ``&set=``,
``&metric=``, ``&class=``, ``&case=ID`` and ``&checkpoint=NAME``; or ``?tab=NAME``. Nothing of a link is stored, and no
path or other file can be named by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medseg_demo.errors import OptionError
from medseg_demo.samples import Sample, list_samples
from medseg_demo.segmenting.engine import Engine

TABS = ("segment", "compare", "follow", "evaluate", "live", "models")
KEYS = ("tab", "sample", "compare", "run", "set", "metric", "class", "case", "checkpoint")
OWN = "mine/"  # what the links to a visitor's own runs begin with
LONGEST = 60  # characters of a wrong name that are shown
MOST = 4


@dataclass(frozen=True)
class Place:
    """What the Evaluate tab shows. What is empty is as the tab chooses it.

    Attributes:
        runs: The names of the runs' folders; of a visitor's own, which open in that visitor's browser alone, keys.
        test_set: One of them.
        metric: A metric.
        class_name: A class; empty for all.
        case: The case that is open; whether it exists is known once the runs are read.
        checkpoint: Whose prediction of it is shown.
    """

    runs: tuple[str, ...] = ()
    test_set: str = ""
    metric: str = ""
    class_name: str = ""
    case: str = ""
    checkpoint: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """As parameters of an address."""
        said = {
            "run": ",".join(self.runs), "set": self.test_set, "metric": self.metric, "class": self.class_name,
            "case": self.case, "checkpoint": self.checkpoint,
        }  # fmt: skip
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class Link:
    """What an address asks for.

    Attributes:
        tab: Which tab opens.
        sample: The sample to segment or compare; None for none.
        checkpoints: What segments it; empty for those that suit it.
        place: What the Evaluate tab shows; None where it opens as it does without a link.
    """

    tab: str
    sample: Sample | None = None
    checkpoints: tuple[str, ...] = ()
    place: Place | None = None


def read_link(parameters: Mapping[str, str], engine: Engine) -> Link | None:
    """What the parameters of an address ask for; None where they ask for nothing.

    Raises:
        OptionError: One names something that is not here; what there is, is listed.
    """
    given = {key: str(parameters[key]) for key in KEYS if key in parameters}
    if not given:
        return None
    if "run" in given:
        others = (given.get(key, "") for key in ("set", "metric", "class", "case", "checkpoint"))
        return Link("evaluate", place=Place(_runs(given["run"], engine), *others))
    if "tab" in given:
        return Link(_known(given["tab"], "tab", TABS))
    if "sample" not in given:
        raise OptionError("The link names no sample and no run. Add sample= or run= to it.")
    samples = {sample.name: sample for sample in list_samples()}
    sample = samples[_known(given["sample"], "sample", list(samples))]
    usable = [entry.name for entry in engine.usable()]
    if "compare" in given:
        names = list(dict.fromkeys(name for name in given["compare"].split(",")[: MOST + 1] if name))
        if not 2 <= len(names) <= MOST:
            raise OptionError(f"The link compares {len(names)} checkpoints. Name two to {MOST}, with commas between.")
        return Link("compare", sample, tuple(_known(name, "checkpoint", usable) for name in names))
    checkpoint = given.get("checkpoint")
    return Link("segment", sample, (_known(checkpoint, "checkpoint", usable),) if checkpoint else ())


def _runs(text: str, engine: Engine) -> tuple[str, ...]:
    """Names of runs; whether a visitor has those of one visitor is known once the browser has told its name."""
    from evaluation.ui.evaluate.run_folders import list_runs

    shared = [folder.path.name for folder in list_runs(engine.settings, "")]
    names = [text] if text in shared else text.split(",")
    return tuple(dict.fromkeys(name if name.startswith(OWN) else _known(name, "run", shared) for name in names))


def _known(name: str, kind: str, known: Sequence[str]) -> str:
    if name in known:
        return name
    shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
    there = f"Choose one of: {', '.join(known)}." if known else "There is none here."
    raise OptionError(f"The link names the {kind} {shown!r}, which is not here. {there}")
