"""What is compared: methods. A method is one run, or several runs that are its folds or its seeds.

Folds hold different cases: their rows are pooled. Seeds (replicates) hold the same cases: of each case and class the
mean over the seeds is taken before anything is tested, so that the number of cases stays that of cases. In that mean
a seed whose prediction is correctly empty counts a perfect score as soon as another seed has a value there, and a
seed in which the case failed counts the metric's worst value. What is odd is said: two folds that share a case, seeds
that lack one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import pandas as pd

from evaluation.metrics.calibration import CALIBRATION
from evaluation.metrics.table import METRICS
from evaluation.results.table import IDENTITY, METHOD, NUMBERED, UNITS, Results, Run
from evaluation.results.words import number
from evaluation.statistics.policy import best, both_empty, worst
from medseg_demo.errors import OptionError

FOLD = re.compile(r"(?:^|[\s_/.-]+)fold[\s_-]?\d+(?!\d)", re.IGNORECASE)
SEED = re.compile(r"(?:^|[\s_/.-]+)seed[\s_-]?\d+(?!\d)", re.IGNORECASE)
# In the reason of a case that a folder of predictions, or an imported file, does not hold.
NOT_GIVEN = " has no prediction. "
NOT_IN_FILE = "The imported file holds no value for this case."
MOST_NAMED = 5

Value = TypeVar("Value")


@dataclass(frozen=True)
class Method:
    """One method on one test set.

    Attributes:
        name: What it is called.
        test_set: The test set.
        runs: Its runs, by their names of before.
        replicates: The same runs, those together whose cases make up the test set once: folds of one seed.
        notes: What is odd about them.
    """

    name: str
    test_set: str
    runs: tuple[str, ...]
    replicates: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it is made of, such as "A: 3 seeds of 5 folds each, averaged per case"."""
        seeds, folds = len(self.replicates), max(map(len, self.replicates))
        if seeds == 1:
            return f"{self.name}: {folds} folds, pooled"
        made = f"{seeds} seeds of {folds} folds each" if folds > 1 else f"{seeds} seeds"
        return f"{self.name}: {made}, averaged per case"


def guess_methods(results: Results) -> dict[str, tuple[str, ...]]:
    """The methods that the runs' own names and columns tell of.

    A column ``method`` says it; else runs whose names differ by ``fold_<k>`` or ``seed_<k>`` only are one method, as
    are runs of one name that hold different cases. Runs that stand alone are not named.
    """
    table = results.table
    names = table[["test_set", "checkpoint"]].drop_duplicates()
    if METHOD in table:
        told = table[table[METHOD] != ""].groupby("checkpoint", sort=False, observed=True)[METHOD].unique()
        return _several({str(run): str(method[0]) for run, method in told.items() if len(method) == 1})
    stems = {str(run): _stem(str(run)) for run in names["checkpoint"]}
    methods = _several({run: stem for run, stem in stems.items() if stem != run})
    taken = {run for runs in methods.values() for run in runs}
    numbered = _several({run: NUMBERED.sub("", run) for run in stems if run not in taken})
    return methods | {name: runs for name, runs in numbered.items() if _disjoint(table, runs)}


def _stem(run: str) -> str:
    """A run's name without its fold and its seed."""
    return SEED.sub("", FOLD.sub("", run)).strip(" _/.-") or "method"


def _several(method_of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for run, name in method_of.items():
        found[name] = (*found.get(name, ()), run)
    return {name: runs for name, runs in found.items() if len(runs) > 1}


def _disjoint(table: pd.DataFrame, runs: Sequence[str]) -> bool:
    rows = table[table["checkpoint"].isin(runs) & ~_not_given(table)]
    cases = rows[["test_set", "case_id", "checkpoint"]].drop_duplicates()
    return not cases.duplicated(["test_set", "case_id"]).any()


def chosen_methods(
    given: Sequence[str] | None, runs: Results, folders: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The methods that are named, or, where None is given, that the runs tell of; nothing keeps every run apart."""
    return guess_methods(runs) if given is None else parse_methods(given, runs, folders)


def runs_by_folder(origins: Mapping[tuple[str, str], tuple[Run, Path | None]]) -> dict[str, list[str]]:
    """The names of each folder's runs, from `trace_runs`."""
    folders: dict[str, list[str]] = {}
    for (_, name), (_, path) in origins.items():
        if path is not None and name not in folders.setdefault(str(path).rstrip("/"), []):
            folders[str(path).rstrip("/")].append(name)
    return folders


def parse_methods(
    given: Sequence[str], results: Results, folders: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Methods as a command line names them: ``NAME=RUN,RUN``.

    Args:
        given: The texts; a run is named by its name, by a pattern (``net-s*``), or by its folder.
        results: The merged results.
        folders: The runs of each folder, by the folder as it was given.

    Raises:
        OptionError: A text is not understood, a run is not there, or two methods claim it.
    """
    present = tuple(dict.fromkeys(map(str, results.table["checkpoint"])))
    methods: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, _, listed = text.partition("=")
        wanted = [one.strip() for one in listed.split(",") if one.strip()]
        if not name.strip() or not wanted or name.strip() in methods:
            raise OptionError(f"--method {text!r} is not understood. Give each method once, such as A=net-s0,net-s1.")
        runs = [run for one in wanted for run in _named(one, present, folders)]
        methods[name.strip()] = tuple(dict.fromkeys(runs))
    claimed = [run for runs in methods.values() for run in runs]
    twice = sorted({run for run in claimed if claimed.count(run) > 1})
    if twice:
        raise OptionError(f"Two methods claim the run {', '.join(twice)}. Give each run to one of them.")
    return methods


def _named(wanted: str, present: Sequence[str], folders: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if wanted in present:
        return [wanted]
    if wanted.rstrip("/") in folders:
        return folders[wanted.rstrip("/")]
    found = [run for run in present if fnmatchcase(run, wanted)]
    if not found:
        raise OptionError(f"There is no run {wanted!r}. There are: {', '.join(present)}.")
    return found


def as_methods(results: Results, methods: Mapping[str, Sequence[str]]) -> tuple[Results, tuple[Method, ...]]:
    """The results with methods in the place of their runs.

    Args:
        results: The merged results.
        methods: The runs of each method; runs that are not named stay as they are.

    Returns:
        The results, whose column ``checkpoint`` names the methods, and the methods on each test set. The runs of the
        results keep what all runs of a method share.

    Raises:
        OptionError: A method is called like a run that is not one of its own.
    """
    method_of = {run: name for name, runs in methods.items() for run in runs}
    names = list(map(str, pd.unique(results.table["checkpoint"])))
    for name in methods:
        if name in names and method_of.get(name) != name:
            raise OptionError(f"A run is called {name!r} already. Call the method something else.")
    if not method_of:
        return results, ()
    kept = _without_others_cases(results.table, method_of)
    found = tuple(_method(kept, name, runs, test_set) for name, runs in methods.items()
                  for test_set in _test_sets(kept, runs))  # fmt: skip
    table = kept.assign(checkpoint=kept["checkpoint"].map(lambda name: method_of.get(name, name)))
    return replace(results, table=_averaged(table, results), runs=_runs(results, method_of)), found


def _without_others_cases(table: pd.DataFrame, method_of: Mapping[str, str]) -> pd.DataFrame:
    """The rows without the cases that a run holds no prediction of, where another run of its method has one.

    A fold's folder of predictions that is scored on the whole test set lacks the other folds' cases; nobody's case is
    dropped, for one that no run of the method has stays failed.
    """
    lacking = _not_given(table)
    names = table["checkpoint"].map(lambda name: method_of.get(name, name)).astype(object)
    given = (~lacking).groupby([table["test_set"], names, table["case_id"]], observed=True).transform("any")
    return table[~(lacking & given)].reset_index(drop=True)


def _not_given(table: pd.DataFrame) -> pd.Series:
    reasons = table["error"].astype(str)
    return (table["status"] == "failed") & (reasons.str.contains(NOT_GIVEN, regex=False) | (reasons == NOT_IN_FILE))


def _test_sets(table: pd.DataFrame, runs: Sequence[str]) -> list[str]:
    return list(map(str, pd.unique(table.loc[table["checkpoint"].isin(runs), "test_set"])))


def _runs(results: Results, method_of: Mapping[str, str]) -> tuple[Run, ...]:
    """One run for each method and test set: what all of its runs share, partial if one of them is."""
    merged: dict[tuple[str, str], list[Run]] = {}
    for run in results.runs:
        merged.setdefault((run.test_set, method_of.get(run.checkpoint, run.checkpoint)), []).append(run)
    return tuple(
        replace(
            runs[0],
            checkpoint=name,
            checkpoint_hash=_shared(run.checkpoint_hash for run in runs) or "",
            test_set_hash=_shared(run.test_set_hash for run in runs) or "",
            moment=_shared(run.moment for run in runs) or "",
            parameters=_shared(run.parameters for run in runs),
            seconds=_median(run.seconds for run in runs),
            settings={key: value for key, value in runs[0].settings.items()
                      if all(run.settings.get(key) == value for run in runs)},
            partial=any(run.partial for run in runs),
        )
        for (_, name), runs in merged.items()
    )  # fmt: skip


def _shared(values: Iterable[Value]) -> Value | None:
    first, *others = set(values)
    return None if others else first


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _method(table: pd.DataFrame, name: str, runs: Sequence[str], test_set: str) -> Method:
    rows = table[(table["test_set"] == test_set) & table["checkpoint"].isin(runs)]
    cases = {run: set(rows.loc[rows["checkpoint"] == run, "case_id"]) for run in runs}
    cases = {run: held for run, held in cases.items() if held}
    replicates = _replicates(cases)
    notes = [note for replicate in replicates for note in _leaks(replicate, cases)]
    notes += _missing(replicates, cases)
    return Method(name, test_set, tuple(cases), replicates, tuple(f"{name}: {note}" for note in notes))


def _replicates(cases: Mapping[str, set[str]]) -> tuple[tuple[str, ...], ...]:
    """The runs of each seed: folds by their names, else runs that share no case."""
    named: dict[str, list[str]] = {}
    if all(FOLD.search(run) for run in cases) and len({FOLD.sub("", run) for run in cases}) < len(cases):
        for run in cases:
            named.setdefault(FOLD.sub("", run), []).append(run)
        groups = list(named.values())
        if not all(len(runs) > 1 and _mostly_same(runs, cases) for runs in groups):
            return tuple(map(tuple, groups))
    found: list[tuple[list[str], set[str]]] = []
    for run, held in cases.items():
        place = next((one for one in found if not one[1] & held), None)
        if place is None:
            found.append(([run], set(held)))
        else:
            place[0].append(run)
            place[1].update(held)
    return tuple(tuple(runs) for runs, _ in found)


def _mostly_same(runs: Sequence[str], cases: Mapping[str, set[str]]) -> bool:
    """Whether folds were all applied to the same test cases, as an ensemble's members are."""
    shared = set.intersection(*(cases[run] for run in runs))
    return 2 * len(shared) > max(len(cases[run]) for run in runs)


def _leaks(replicate: Sequence[str], cases: Mapping[str, set[str]]) -> list[str]:
    return [
        f"the folds {one} and {other} share {_listed(sorted(cases[one] & cases[other]))}; the mean of both counts"
        for one, other in combinations(replicate, 2)
        if cases[one] & cases[other]
    ]


def _missing(replicates: Sequence[Sequence[str]], cases: Mapping[str, set[str]]) -> list[str]:
    held = [set().union(*(cases[run] for run in replicate)) for replicate in replicates]
    every = set().union(*held) if held else set()
    return [
        f"the seed {' + '.join(replicate)} lacks {_listed(sorted(every - own))}; the mean of the others counts"
        for replicate, own in zip(replicates, held, strict=True)
        if every - own
    ]


def _listed(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - MOST_NAMED} more" if len(cases) > MOST_NAMED else ""
    return f"{len(cases)} case{'s' * (len(cases) != 1)} ({', '.join(cases[:MOST_NAMED])}{more})"


def _averaged(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row for each case, class and method, in order of appearance."""
    keys = ["test_set", "checkpoint", "case_id", "class_name"]
    if not table.duplicated(keys).any():
        return table
    cell = table.groupby(keys, sort=False, observed=True).ngroup().to_numpy()
    first = np.unique(cell, return_index=True)[1]
    failed = (table["status"] == "failed").to_numpy(dtype=bool)
    number = np.bincount(cell)
    lost = np.bincount(cell, failed) == number
    averaged = table.iloc[first].reset_index(drop=True)
    for metric in results.metrics:
        averaged[metric] = _mean_of(table, metric, cell, failed)
    averaged["status"] = np.where(lost, "failed", "ok")
    averaged["error"] = np.where(lost, averaged["error"], "")
    for column in (*results.metadata, *UNITS):
        texts = table[column].astype(object)
        named = texts.where(texts != "").groupby(cell, sort=True).first()
        averaged[column] = named.fillna("").to_numpy(dtype=object)
    if CALIBRATION in table:  # of all seeds together
        averaged[CALIBRATION] = table[CALIBRATION].astype(object).groupby(cell, sort=True).agg(" ".join).to_numpy()
    return averaged[[*IDENTITY, *(name for name in table if name not in IDENTITY)]]


def _mean_of(table: pd.DataFrame, metric: str, cell: np.ndarray, failed: np.ndarray) -> np.ndarray:
    """The mean of each cell's values, (cells,); NaN where none has one."""
    values = table[metric].to_numpy(dtype=float, copy=True)
    record = METRICS.get(metric)
    if record is not None and record.better is not None:
        values[failed] = worst(metric)
        valued = np.bincount(cell, ~np.isnan(values)) > 0
        values[both_empty(table) & np.isnan(values) & valued[cell]] = best(metric)
    usable = ~np.isnan(values)
    number = np.bincount(cell, usable)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(cell, np.where(usable, values, 0)) / number
    # A cell that failed everywhere has no value, as any failed row.
    return np.where(np.bincount(cell, failed) == np.bincount(cell), np.nan, means)


def method_notes(runs: Results, methods: Sequence[Method], metric: str) -> list[str]:
    """What each method is made of, how far its seeds are apart, and what is odd about it.

    Args:
        runs: The results from before `as_methods`.
        methods: The methods.
        metric: Of which the seeds' means are told.
    """
    notes = []
    for method in methods:
        means = _seed_means(runs.table, method, metric) if metric in runs.metrics else []
        spread = f"; means of the seeds {', '.join(map(number, means))}" if len(means) > 1 else ""
        notes += [f"{method.words}{spread}.", *method.notes]
    return notes


def _seed_means(table: pd.DataFrame, method: Method, metric: str) -> list[float]:
    """The mean of each seed over all of its finite values."""
    here = table[table["test_set"] == method.test_set]
    values = (here.loc[here["checkpoint"].isin(runs), metric].to_numpy(dtype=float) for runs in method.replicates)
    finite = (one[np.isfinite(one)] for one in values)
    return [float(one.mean()) if len(one) else np.nan for one in finite]


def run_of(runs: Results, methods: Sequence[Method], test_set: str, name: str, case_id: str) -> str:
    """The run whose prediction stands for a method's in a case: the first of its runs that has it."""
    method = next((one for one in methods if (one.test_set, one.name) == (test_set, name)), None)
    if method is None:
        return name
    table = runs.table
    rows = table[
        (table["test_set"] == test_set) & (table["case_id"] == case_id) & table["checkpoint"].isin(method.runs)
    ]
    holding = rows.loc[~_not_given(rows), "checkpoint"]
    return str(holding.iloc[0]) if len(holding) else method.runs[0]
