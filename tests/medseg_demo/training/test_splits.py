from pathlib import Path

import pytest

from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.test_set import TestSet
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.splits import divide


def cases_of(groups: dict[str, int], split: str | None = None) -> tuple[Case, ...]:
    return tuple(
        Case(f"{group}{number}", (Path("a.png"),), Path("b.png"), split, group)
        for group, count in groups.items()
        for number in range(count)
    )


def set_of(*cases: Case) -> TestSet:
    return TestSet("patients", Path("patients"), None, cases)


PATIENTS = {"a": 4, "b": 1, "c": 2, "d": 3, "e": 2, "f": 1}


def test_each_case_is_validated_once_and_no_group_is_torn_apart():
    given = set_of(*cases_of({"a": 4, "b": 1, "c": 2}, "train"), *cases_of({"d": 3, "e": 2, "f": 1}, "val"))
    folds = [divide(given, TrainingConfig(fold=f"{number}/3")) for number in (1, 2, 3)]
    assert sorted(case.case_id for _, val in folds for case in val) == sorted(case.case_id for case in given.cases)
    for train, val in folds:
        assert {case.group for case in train} & {case.group for case in val} == set()
        assert len(train) + len(val) == 13
        assert 4 <= len(val) <= 5


def test_test_cases_are_in_no_fold():
    given = set_of(*cases_of(PATIENTS, "train"), *cases_of({"t": 5}, "test"))
    train, val = divide(given, TrainingConfig(fold="2/2"))
    assert "t" not in {case.group for case in (*train, *val)}


def test_a_fold_does_not_depend_on_the_order_of_the_cases_or_on_the_seed():
    cases = cases_of(PATIENTS)
    first = divide(set_of(*cases), TrainingConfig(fold="1/3", seed=1))
    again = divide(set_of(*reversed(cases)), TrainingConfig(fold="1/3", seed=2))
    assert {case.case_id for case in first[1]} == {case.case_id for case in again[1]}


@pytest.mark.parametrize("split", [None, "train"])
def test_a_share_is_validated_on_where_no_split_is(split):
    cases = cases_of({f"p{number}": 1 for number in range(20)}, split)
    train, val = divide(set_of(*cases), TrainingConfig(val_share=0.2))
    assert (len(train), len(val)) == (16, 4)
    train, val = divide(set_of(*cases_of({"a": 1, "b": 1})), TrainingConfig(val_share=0.99))
    assert (len(train), len(val)) == (1, 1)


@pytest.mark.parametrize(
    ("cases", "changes", "said"),
    [
        (cases_of({"a": 9}), {"fold": "1/2"}, r"1 group\(s\) of cases .* into 2 parts"),
        (cases_of({"a": 9}), {"val_share": 0.2}, r"1 group\(s\)"),
        (cases_of({"a": 2}, "val"), {"val_share": 0.2}, "has a split 'val'. Remove val_share"),
        (cases_of({"a": 2}, "test"), {"fold": "1/2"}, "no case in split 'train'; its splits are test"),
        (cases_of({"a": 2}), {}, "no case in split 'train'; it has no splits.* val_share, such as 0.2"),
    ],
)
def test_what_cannot_be_divided_is_told(cases, changes, said):
    with pytest.raises(TestSetError, match=said):
        divide(set_of(*cases), TrainingConfig(**changes))
