"""The command ``python -m evaluation calibrate``: from where on a checkpoint's results may have failed.

Each case of ``val`` is segmented. A failure is a mean Dice under a level; the threshold of the score is set so that few
good results are doubted, and how many failures are found so is counted. The same is counted on ``test``, on which
nothing is chosen.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluation.metrics import dice
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.language.terminal import say
from medseg_demo.models.card import BESIDE, Failure, FailureRates
from medseg_demo.numbers import percent
from medseg_demo.settings import Settings
from medseg_demo.writing.whole import whole_file

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.test_sets.test_set import TestSet

LEAST_CASES = 20  # fewer say nothing of rates
LEVEL, WORST = 0.8, 10  # a failure is a Dice under it, or among so many percent of the worst
MOST_FALSE_ALARMS = 0.1  # of the good results of val


class Outcome(NamedTuple):
    """One case: the mean Dice of its classes, 1 where they are rightly absent, and how sure the result is."""

    dice: float
    score: float


def add_calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    parser = commands.add_parser("calibrate", help="from where on a checkpoint's results may have failed")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a name that `checkpoints` lists")
    parser.add_argument("--test-set", required=True, metavar="DIR", help="its split val sets the threshold")
    parser.add_argument("--level", type=float, help="a Dice under it is a failure; default: 0.8, or the worst tenth")
    parser.add_argument("--test", action="store_true", help="measure the threshold on the split test as well")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.test_sets.test_set import read_test_set

    if options.level is not None and not 0 < options.level <= 1:
        raise OptionError(f"The level is {options.level}. Give a Dice above 0 and up to 1.")
    splits = ["val", *(["test"] if options.test else [])]
    test_sets = [read_test_set(Path(options.test_set), split=split) for split in splits]
    engine = Engine(settings)
    for name in options.names:
        folder, checkpoint = engine.entry(name).folder, engine.loaded(name)
        measured = [list(outcomes(engine, checkpoint, one)) for one in test_sets]
        failure = calibrated(measured[0], checkpoint.digest, level=options.level)
        if options.test:
            failure = failure.model_copy(update={"test": rates(measured[1], failure.level, failure.threshold)})
        file, kind = BESIDE["failure"]
        with whole_file(folder / file) as draft:
            draft.write_bytes(kind.dump_json(failure, indent=2) + b"\n")
        say(
            f"{name}: a failure is a Dice under {failure.level:.3f}; doubted is what is sure to less than "
            f"{percent(failure.threshold)}"
        )
        for split, found in (("val", failure), ("test", failure.test)):
            if found:
                say(f"  {split}: {_line(found)}")
        if not failure.tells:
            say("  Failures are doubted no more often than good results, so that nothing will be said of them.")
    return 0


def _line(found: FailureRates) -> str:
    hits, false_alarms = (percent(float("nan") if one is None else one) for one in (found.hits, found.false_alarms))
    return f"{found.cases} cases, {found.failures} failures; hits {hits}, false alarms {false_alarms}"


def outcomes(engine: "Engine", checkpoint: "Checkpoint", test_set: "TestSet") -> Iterator[Outcome]:
    """Segment each case of a test set.

    Raises:
        TestSetError: Classes of test set and checkpoint do not match.
        CaseError: A file cannot be read.
        MedsegError: The checkpoint cannot take an image.
    """
    from evaluation.runs.cases import read_case
    from evaluation.runs.classes import match_classes
    from medseg_demo.segmenting.failure import sureness

    match = match_classes(
        test_set.name, test_set.labels, checkpoint.name, checkpoint.card.class_names, named=checkpoint.has_card
    )
    for case in test_set.cases:
        data = read_case(case, class_names=match.labels.class_names, settings=engine.settings)
        result = engine.here.segment(data.image, checkpoint)
        predicted = match.translate(result.label_map.labels)
        values = range(1, len(match.labels.class_names) + 1)
        found = [dice(data.reference.labels == value, predicted == value) for value in values]
        known = [one for one in found if not np.isnan(one)]
        yield Outcome(float(np.mean(known)) if known else 1.0, sureness(result))


def calibrated(val: Sequence[Outcome], digest: str, *, level: float | None = None) -> Failure:
    """The threshold that doubts at most a tenth of the good results of ``val``, as high as it can be.

    Args:
        val: Its outcomes.
        digest: Of the checkpoint.
        level: A Dice under it is a failure; None: 0.8, or what a tenth of the cases lies under where that is more.

    Raises:
        TestSetError: There are too few cases, or no good result among them.
    """
    if len(val) < LEAST_CASES:
        raise TestSetError([f"The split val has {len(val)} case(s), and rates need at least {LEAST_CASES}: n/a."])
    level = level or max(LEVEL, float(np.percentile([one.dice for one in val], WORST)))
    good = sorted(one.score for one in val if one.dice >= level)
    if not good:
        raise TestSetError([f"Every case of val has a Dice under {level:g}. Choose a lower --level."])
    threshold = good[int(MOST_FALSE_ALARMS * len(good))]
    found = rates(val, level, threshold)
    return Failure(**found.model_dump(), level=level, threshold=threshold, checkpoint_sha256=digest)


def rates(outcomes: Sequence[Outcome], level: float, threshold: float) -> FailureRates:
    """How many failures and how many good results are doubted."""
    doubted = {is_failure: [one.score < threshold for one in outcomes if (one.dice < level) == is_failure]
               for is_failure in (True, False)}  # fmt: skip
    shares = {key: float(np.mean(values)) if values else None for key, values in doubted.items()}
    return FailureRates(cases=len(outcomes), failures=len(doubted[True]), hits=shares[True], false_alarms=shares[False])
