"""Which cases are learned from and which are validated on: the test set's splits, a fold of them, or a share."""

import hashlib
from collections.abc import Sequence

from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.test_set import TestSet
from medseg_demo.training.config import TrainingConfig

Divided = tuple[tuple[Case, ...], tuple[Case, ...]]


def divide(test_set: TestSet, config: TrainingConfig) -> Divided:
    """The cases for training and those for validation; no group is in both, where a fold or a share is asked for.

    Neither depends on the seed nor on the order of the cases, so that trainings of several seeds are comparable, and
    the folds 1/n to n/n validate each case once. Cases of other splits, such as ``test``, are in neither.

    Raises:
        TestSetError: A split has no case, or there are fewer groups than parts.
    """
    if config.fold:
        number, parts = map(int, config.fold.split("/"))
        return _without(_pool(test_set, config.train_split, config.val_split), number - 1, parts, test_set.name)
    if config.val_share:
        if config.val_split in test_set.splits:
            raise TestSetError(
                [f"Test set {test_set.name!r} has a split {config.val_split!r}. Remove val_share, which is for none."]
            )
        return _share(_pool(test_set, config.train_split), config.val_share, test_set.name)
    train, val = (_of_split(test_set, split) for split in (config.train_split, config.val_split))
    return train, val


def _of_split(test_set: TestSet, split: str) -> tuple[Case, ...]:
    if cases := tuple(case for case in test_set.cases if case.split == split):
        return cases
    found = f"its splits are {', '.join(test_set.splits)}" if test_set.splits else "it has no splits"
    raise TestSetError(
        [
            f"Test set {test_set.name!r} has no case in split {split!r}; {found}. Name splits in cases.csv, or set "
            "val_share, such as 0.2, or fold in the configuration."
        ]
    )


def _pool(test_set: TestSet, *splits: str) -> tuple[Case, ...]:
    """The cases of these splits, or all where the test set has none."""
    if not test_set.splits:
        return test_set.cases
    if cases := tuple(case for case in test_set.cases if case.split in splits):
        return cases
    return _of_split(test_set, splits[0])


def _groups(cases: Sequence[Case]) -> list[list[Case]]:
    """The cases of each group, in an order that nobody chose."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group or case.case_id, []).append(case)
    return [groups[name] for name in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())]


def _without(cases: tuple[Case, ...], number: int, parts: int, name: str) -> Divided:
    """The largest groups first, each to the smallest part: as scikit-learn's GroupKFold does it."""
    groups = sorted(_groups(cases), key=len, reverse=True)
    _check_groups(len(groups), parts, name)
    folds: list[list[Case]] = [[] for _ in range(parts)]
    for group in groups:
        min(folds, key=len).extend(group)
    return _divided(cases, folds[number])


def _share(cases: tuple[Case, ...], share: float, name: str) -> Divided:
    groups, chosen = _groups(cases), list[Case]()
    _check_groups(len(groups), 2, name)
    for group in groups[:-1]:
        if chosen and len(chosen) + len(group) / 2 > share * len(cases):
            break
        chosen += group
    return _divided(cases, chosen)


def _divided(cases: Sequence[Case], val: Sequence[Case]) -> Divided:
    ids = {case.case_id for case in val}
    train = tuple(case for case in cases if case.case_id not in ids)
    return train, tuple(case for case in cases if case.case_id in ids)


def _check_groups(groups: int, parts: int, name: str) -> None:
    if groups < parts:
        raise TestSetError(
            [
                f"Test set {name!r} has {groups} group(s) of cases for training and validation, which cannot be "
                f"divided into {parts} parts. Add cases, or correct the column group of cases.csv."
            ]
        )
