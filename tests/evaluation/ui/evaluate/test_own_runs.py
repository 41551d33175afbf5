"""A visitor's own runs: names, dates, and the end of them."""

import shutil
from dataclasses import replace

import pytest

from evaluation.results.table import Run, read_results, write_results
from evaluation.ui.evaluate import own_runs, places, result_handlers
from evaluation.ui.evaluate.board import Asked
from evaluation.ui.evaluate.run_folders import list_runs

VISITOR = "0123456789abcdef" * 2
KEY = "mine/evaluation"


@pytest.fixture
def own(engine, settings, reference_runs, squares_run):
    """The tab as somebody finds it who has a run."""
    shutil.copytree(squares_run, settings.results_dir / "visitors" / VISITOR / "evaluation")
    return places.open_tab(engine, VISITOR, "light")


def test_reference_runs_step_back_once_there_is_an_own_one(own):
    assert own["runs"]["value"] == [KEY]
    assert [key for _, key in own["runs"]["choices"]] == [KEY, "earlier/squares-run"]
    assert own["every_run"]["visible"]
    assert own["own_run"]["value"] == KEY


def test_reference_runs_are_offered_where_that_is_asked_for(engine, own):
    found = own_runs.offer(engine, own["board"], True)
    assert [key for _, key in found["runs"]["choices"]] == [KEY, "earlier/squares-run", "reference/lungs"]
    assert found["board"].every_run


def test_a_hidden_run_is_out_of_sight_until_it_is_shown_again(engine, settings, own):
    hidden = own_runs.hide(engine, own["board"], "earlier/squares-run")
    assert [key for _, key in hidden["runs"]["choices"]] == [KEY]
    assert hidden["own_run"]["choices"][1][0].endswith("hidden")
    again = own_runs.hide(engine, own["board"], "earlier/squares-run")
    assert len(again["runs"]["choices"]) == 2
    assert set(own_runs.hide(engine, own["board"], "mine/../x")) == {"status"}


def test_a_hidden_run_is_not_what_the_page_opens_with(engine, own):
    own_runs.hide(engine, own["board"], KEY)
    assert places.open_tab(engine, VISITOR, "light")["runs"]["value"] == ["reference/lungs"]


def test_a_run_is_called_as_its_owner_wants_and_its_date_is_told(engine, settings, own):
    path = settings.results_dir / "visitors" / VISITOR / "evaluation" / "run.json"
    path.write_text(path.read_text().replace('"moment": ""', '"moment": "2026-11-20T06:03:32+00:00"'))
    found = own_runs.rename(engine, own["board"], KEY, "  first \n try ")
    assert found["runs"]["choices"][0] == ("first try · 2026-11-20 06:03", KEY)
    assert found["runs"]["value"] == [KEY]
    assert own_runs.rename(engine, own["board"], KEY, "")["runs"]["choices"][0][0].startswith("My evaluation · squares")


def test_a_deleted_run_is_gone_and_the_reference_runs_are_back(engine, settings, own):
    label = next(one.label for one in list_runs(settings, VISITOR) if one.key == KEY)
    found = own_runs.delete(engine, own["board"], KEY, Asked())
    assert f"{label} is deleted" in found["status"]
    assert found["runs"]["value"] == ["reference/lungs"]
    assert found["board"].opened.folders[0].kind == "reference"
    assert [one.kind for one in list_runs(settings, VISITOR)] == ["reference", "earlier"]


def test_a_run_that_goes_on_is_not_deleted(engine, settings, own):
    found = own_runs.delete(engine, own["board"], KEY, Asked(), busy=True)
    assert "Stop it first" in found["status"]
    assert len(list_runs(settings, VISITOR)) == 3


@pytest.mark.parametrize("key", [None, "reference/lungs", "earlier/squares-run", "mine/../../squares-run"])
def test_runs_of_others_stay(engine, settings, own, key):
    assert set(own_runs.delete(engine, own["board"], key, Asked())) == {"status"}
    assert set(own_runs.rename(engine, own["board"], key, "x")) == {"status"}
    assert len(list_runs(settings, VISITOR)) == 3


@pytest.mark.parametrize(("digests", "sets"), [(("1", "2"), ["squares", "squares (2)"]), (("1", "1"), ["squares"])])
def test_test_sets_of_one_name_and_other_files_are_kept_apart(engine, settings, own, digests, sets):
    results = read_results(settings.results_dir / "squares-run")
    keys = []
    for name, digest in zip(("one", "two"), digests, strict=True):
        results.table["checkpoint"] = name
        results.table.loc[0, "reference_volume"] += len(keys)
        runs = (Run(name, "squares", test_set_hash=digest),)
        write_results(replace(results, runs=runs), settings.results_dir / name)
        keys.append(f"earlier/{name}")
    found = result_handlers.choose_runs(engine, own["board"], keys, Asked())
    assert [key for _, key in found["test_set"]["choices"]] == sets
    assert ("Other images under one name" in found["marks"]) == (len(sets) == 2)
