"""The command ``python -m evaluation clicks``: what a prompted checkpoint is worth after so many clicks.

Objects are the connected pieces of a class in single planes (the axial ones of a volume), at most so many of a test
set, chosen by a seed with as few of one case as can be. The first click is made in the middle of the object, each other
one where most is wrong.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from evaluation.results.origins import test_set_folder
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.language.terminal import say
from medseg_demo.settings import Settings
from medseg_demo.writing.whole import whole_file

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint
    from medseg_demo.prompting.objects import Target
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.test_sets.test_set import TestSet

AFTER = (1, 3, 5, 10)
MOST = max(AFTER)
WANTED = 0.9  # the Dice that clicks are counted to


@dataclass(frozen=True)
class ObjectScores:
    """One object and what came out.

    Attributes:
        test_set: Its name.
        name: Of the object.
        case_id: Of its case.
        group: What belongs together.
        checkpoint: The prompted one, or the automatic one.
        seen: Whether the checkpoint learned from this test set; None of an automatic one.
        dice: After each click; one value of an automatic checkpoint.
    """

    test_set: str
    name: str
    case_id: str
    group: str
    checkpoint: str
    seen: bool | None
    dice: tuple[float, ...]


def add_clicks(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    parser = commands.add_parser("clicks", help="Dice after 1, 3, 5 and 10 simulated clicks")
    parser.add_argument(
        "--checkpoint", required=True, nargs="+", metavar="NAME", help="prompted; the first one is meant"
    )
    parser.add_argument(
        "--test-set", required=True, nargs="+", metavar="DIR", help="a folder, or a simulated one's name"
    )
    parser.add_argument("--split", default="test", help="default: test, where the test set has it")
    parser.add_argument("--beside", nargs="+", default=[], metavar="NAME", help="automatic ones, for their test sets")
    parser.add_argument("--objects", type=int, default=100, metavar="N", help="of each test set at most; default: 100")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a CSV file with a line for each object")
    parser.add_argument("--write", action="store_true", help="write the figures into the first checkpoint's card")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.segmenting.engine import Engine

    if options.objects < 1:
        raise OptionError(f"--objects is {options.objects}. Give 1 or more.")
    engine = Engine(settings)
    prompted = [_loaded(engine, name) for name in options.checkpoint]
    automatic = [_loaded(engine, name) for name in options.beside]
    found: list[ObjectScores] = []
    for test_set, targets in _targets(options, prompted[0], settings):
        for checkpoint in prompted:
            if checkpoint is prompted[0] or not learned_from(checkpoint, test_set.name):
                found += measured(engine, checkpoint, test_set.name, targets)
                say(_line(found, test_set.name, checkpoint.name))
        for checkpoint in automatic:
            if _fits(checkpoint, test_set):
                found += measured_automatic(engine, checkpoint, test_set, targets)
                say(_line(found, test_set.name, checkpoint.name))
    if options.output:
        _write_rows(found, options.output)
    if options.write:
        _write_card(engine, prompted[0], found)
    return 0


def _loaded(engine: "Engine", name: str) -> "Checkpoint":
    """By the name of a folder of the checkpoints folder, or by a folder's path."""
    from medseg_demo.models.checkpoint import load_folder

    return load_folder(Path(name)) if Path(name).is_dir() else engine.loaded(name)


def _targets(
    options: argparse.Namespace, checkpoint: "Checkpoint", settings: Settings
) -> Iterator[tuple["TestSet", "list[Target]"]]:
    from medseg_demo.prompting.objects import chosen_targets, planes_of
    from medseg_demo.test_sets.test_set import read_test_set

    for name in options.test_set:
        whole = read_test_set(test_set_folder(name, settings))
        has_splits = any(case.split for case in whole.cases)
        test_set = read_test_set(whole.folder, split=options.split) if has_splits else whole
        planes = list(planes_of(test_set, test_set.cases, checkpoint.card, settings=settings))
        if not planes:
            raise TestSetError([f"Test set {test_set.name!r} has no object to click at. Check its masks."])
        yield test_set, chosen_targets(planes, options.objects, seed=0)


def learned_from(checkpoint: "Checkpoint", test_set: str) -> bool:
    """Whether a prompted checkpoint's card names the test set among those that it learned from."""
    cases = checkpoint.card.training.get("train_cases")
    return isinstance(cases, dict) and test_set in cases


def measured(
    engine: "Engine", checkpoint: "Checkpoint", test_set: str, targets: "Sequence[Target]"
) -> Iterator[ObjectScores]:
    """Click at each object."""
    from medseg_demo.prompting.measure import dice_by_click

    seen = learned_from(checkpoint, test_set)
    with engine.job() as job:
        look = engine.looking(checkpoint, job)
        for target in targets:
            size = checkpoint.card.input_size[0]
            dice = dice_by_click(look, target.plane.image, target.mask, size, clicks=MOST)
            yield _scores(test_set, target, checkpoint.name, seen, dice)


def measured_automatic(
    engine: "Engine", checkpoint: "Checkpoint", test_set: "TestSet", targets: "Sequence[Target]"
) -> Iterator[ObjectScores]:
    """What a checkpoint that segments on its own gives of each object.

    A pixel of its label map counts where no other object of the class is nearer, so that each object has its own part.
    """
    from scipy import ndimage

    from medseg_demo.prompting.measure import dice
    from medseg_demo.test_sets.case import read_case_image

    labels: dict[str, np.ndarray] = {}
    for target in targets:
        plane = target.plane
        if plane.case.case_id not in labels:
            image = read_case_image(plane.case, settings=engine.settings)
            found = engine.segment(image, checkpoint).label_map
            labels = {plane.case.case_id: found.labels if found.is_volume else found.labels[np.newaxis]}
        axis, index = map(int, plane.name.rpartition("/")[2].split("-"))
        value = int(plane.labels[target.mask][0])
        nearest = ndimage.distance_transform_edt(plane.labels != value, return_distances=False, return_indices=True)
        own = plane.pieces[tuple(nearest)] == target.number
        prediction = (labels[plane.case.case_id].take(index, axis) == value) & own
        yield _scores(test_set.name, target, checkpoint.name, None, [dice(target.mask, prediction)])


def _fits(checkpoint: "Checkpoint", test_set: "TestSet") -> bool:
    return tuple(checkpoint.card.class_names) == tuple(test_set.class_names or ())


def _scores(test_set: str, target: "Target", checkpoint: str, seen: bool | None, dice: Sequence[float]) -> ObjectScores:
    case = target.plane.case
    rounded = tuple(round(one, 4) for one in dice)
    return ObjectScores(
        test_set, target.case.case_id, case.case_id, case.group or case.case_id, checkpoint, seen, rounded
    )


def figures(found: Sequence[ObjectScores]) -> dict[str, object]:
    """What a card says of one checkpoint on one test set.

    Every case counts the same: what is told of it is the mean over its objects. The interval is that of the mean after
    three clicks (95 %, BCa bootstrap over groups).

    Args:
        found: Of that checkpoint and test set.

    Returns:
        For a prompted one ``dice_1``, ``dice_3``, ``dice_5``, ``dice_10``, ``dice_3_low``, ``dice_3_high``,
        ``clicks_to_90`` (an object that never gets there counts as 10) and ``never_90`` (the share of these); for an
        automatic one ``dice``; and ``objects`` and ``n``, the cases.
    """
    from medseg_demo.prompting.measure import clicks_to

    said: dict[str, object] = {}
    if found[0].seen is None:
        said["dice"] = _mean_of_cases(found, [one.dice[0] for one in found])
    else:
        for after in AFTER:
            said[f"dice_{after}"] = _mean_of_cases(found, [one.dice[after - 1] for one in found])
        said["dice_3_low"], said["dice_3_high"] = _interval(found, [one.dice[2] for one in found])
        clicks = [clicks_to(one.dice, WANTED) for one in found]
        said["clicks_to_90"] = round(fmean(one or MOST for one in clicks), 2)
        said["never_90"] = round(fmean(one is None for one in clicks), 4)
    return {**said, "objects": len(found), "n": len({one.case_id for one in found})}


def _mean_of_cases(found: Sequence[ObjectScores], values: Sequence[float]) -> float:
    return round(fmean(map(fmean, _by([one.case_id for one in found], values))), 4)


def _by(keys: Sequence[str], values: Sequence[float]) -> list[list[float]]:
    parts: dict[str, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        parts.setdefault(key, []).append(value)
    return list(parts.values())


def _interval(found: Sequence[ObjectScores], values: Sequence[float]) -> tuple[float | None, float | None]:
    from scipy.stats import bootstrap

    means = [fmean(part) for part in _by([one.group for one in found], values)]
    if len(means) < 5 or np.ptp(means) == 0:
        return None, None
    low, high = bootstrap(
        (means,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    return round(float(low), 4), round(float(high), 4)


def _line(found: Sequence[ObjectScores], test_set: str, checkpoint: str) -> str:
    said = figures([one for one in found if (one.test_set, one.checkpoint) == (test_set, checkpoint)])
    about = f"{test_set}, {checkpoint}: {said['objects']} objects of {said['n']} cases, "
    if "dice" in said:
        return about + f"on its own {said['dice']:.3f}"
    dice = ", ".join(f"{after}: {said[f'dice_{after}']:.3f}" for after in AFTER)
    return (
        about + f"Dice after clicks {dice}; clicks to {WANTED:g}: {said['clicks_to_90']}, never {said['never_90']:.0%}"
    )


def _write_rows(found: Sequence[ObjectScores], path: Path) -> None:
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        after = [f"dice_{click}" for click in range(1, MOST + 1)]
        writer.writerow(["test_set", "object", "case_id", "group", "checkpoint", "learned_from", *after])
        for one in found:
            seen = "" if one.seen is None else "yes" if one.seen else "no"
            writer.writerow([one.test_set, one.name, one.case_id, one.group, one.checkpoint, seen, *one.dice])


def _write_card(engine: "Engine", checkpoint: "Checkpoint", found: Sequence[ObjectScores]) -> None:
    """Put the figures beside those of ``val``."""
    from medseg_demo.models.card import write_card

    folder = engine.entry(checkpoint.name).folder
    scores = {"val": checkpoint.card.scores.get("val", {})}
    keys = dict.fromkeys((one.test_set, one.checkpoint, one.seen) for one in found)
    for test_set, name, seen in keys:
        how = "alone" if seen is None else "clicks" if seen else "clicks, not learned from"
        own = [one for one in found if (one.test_set, one.checkpoint, one.seen) == (test_set, name, seen)]
        scores[f"{test_set}: {name if seen is None else how}"] = figures(own)
    write_card(checkpoint.card.model_copy(update={"scores": scores}), folder)
