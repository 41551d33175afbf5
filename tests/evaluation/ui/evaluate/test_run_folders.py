"""Which results a visitor may open."""

import os
import time

import pytest

from evaluation.results.table import read_results, write_results
from evaluation.runs.predictions import find_prediction
from evaluation.ui.evaluate.run_folders import REFERENCE_RUNS, forget_old_visitors, list_runs, open_runs, visitor_folder
from medseg_demo.errors import OptionError
from medseg_demo.test_sets.simulated import NAME, ensure_simulated_nuclei
from medseg_demo.test_sets.test_set import data_hash, read_test_set

VISITOR = "0123456789abcdef" * 2


def test_reference_runs_come_first_and_folders_without_results_are_left_out(settings, reference_runs, squares_run):
    (settings.results_dir / "empty").mkdir()
    found = list_runs(settings, VISITOR)
    assert [folder.key for folder in found] == ["reference/lungs", "earlier/squares-run"]
    assert all(str(settings.results_dir) not in folder.label for folder in found)


def test_one_name_in_two_folders_keeps_both_runs_with_their_origins(settings, squares_run):
    other = settings.results_dir / "again"
    results = read_results(squares_run)
    results.table.loc[0, "dice"] = 0.1
    write_results(results, other)
    opened = open_runs(list_runs(settings, VISITOR))
    assert {name: folder.name for name, (_, folder) in opened.runs_on("squares").items()} == {
        "net": "again",
        "net (2)": "squares-run",
    }
    assert opened.origins["squares", "net (2)"][0].checkpoint == "net"


@pytest.mark.parametrize("name", ["", "..", "a/b", "A" * 32, "a" * 31])
def test_a_visitor_is_a_name_that_the_page_made(settings, name):
    with pytest.raises(OptionError):
        visitor_folder(settings, name)


def test_visitors_of_long_ago_are_forgotten(settings):
    old, new = (settings.results_dir / "visitors" / (letter * 32) for letter in "ab")
    for folder in (old, new):
        (folder / "evaluation").mkdir(parents=True)
    before = time.time() - 40 * 86400
    for path in (old / "evaluation", old):
        os.utime(path, (before, before))
    forget_old_visitors(settings)
    assert (old.exists(), new.exists()) == (False, True)


def test_the_first_reference_run_is_of_the_simulated_set_as_it_is_made_here(settings, tmp_path):
    assert list_runs(settings, VISITOR)[0].path == REFERENCE_RUNS / NAME
    test_set = read_test_set(ensure_simulated_nuclei(tmp_path / "simulated"))
    runs, digest = read_results(REFERENCE_RUNS / NAME).runs, data_hash(test_set)
    assert {run.test_set_hash for run in runs} == {digest}
    kept = [find_prediction(REFERENCE_RUNS / NAME, NAME, run.checkpoint, case.case_id)
            for run in runs for case in test_set.cases]  # fmt: skip
    assert len(kept) == 48
    assert None not in kept
