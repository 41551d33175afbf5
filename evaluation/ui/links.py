"""Links into the page: the names that an address may hold, checked against those that there are.

``?sample=NAME`` with ``&checkpoint=NAME`` or ``&compare=NAME,NAME``, or ``?run=FOLDER`` with ``&case=ID``. Nothing of a
link is stored, and no path or other file can be named by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from medseg_demo.errors import OptionError
from medseg_demo.samples import Sample, list_samples
from medseg_demo.segmenting.engine import Engine

KEYS = ("sample", "checkpoint", "compare", "run", "case")
OWN = "mine/"  # what the links to a visitor's own runs begin with
LONGEST = 60  # characters of a wrong name that are shown
MOST = 4


@dataclass(frozen=True)
class Link:
    """What an address asks for.

    Attributes:
        kind: Which tab opens.
        sample: The sample to segment; None for a run.
        checkpoints: What segments it; empty for those that suit it.
        run: The name of a run's folder; of a visitor's own, which opens in that visitor's browser alone, its key.
        case: A case of it; empty for none. Whether it exists is known once the run is read.
    """

    kind: Literal["segment", "compare", "run"]
    sample: Sample | None = None
    checkpoints: tuple[str, ...] = ()
    run: str = ""
    case: str = ""


def read_link(parameters: Mapping[str, str], engine: Engine) -> Link | None:
    """What the parameters of an address ask for; None where they ask for nothing.

    Raises:
        OptionError: One names something that is not here; what there is, is listed.
    """
    given = {key: str(parameters[key]) for key in KEYS if key in parameters}
    if not given:
        return None
    if given.get("run", "").startswith(OWN):  # whether the visitor has it is known once the browser has told its name
        return Link("run", run=given["run"], case=given.get("case", ""))
    if "run" in given:
        return Link("run", run=_known(given["run"], "run", _run_names(engine)), case=given.get("case", ""))
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


def _run_names(engine: Engine) -> list[str]:
    """The runs that everybody may open; those of one visitor are none of them."""
    from evaluation.ui.evaluate.run_folders import list_runs

    return [folder.path.name for folder in list_runs(engine.settings, "")]


def _known(name: str, kind: str, known: Sequence[str]) -> str:
    if name in known:
        return name
    shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
    there = f"Choose one of: {', '.join(known)}." if known else "There is none here."
    raise OptionError(f"The link names the {kind} {shown!r}, which is not here. {there}")
