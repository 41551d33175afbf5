"""A visitor's own runs: names, dates, and the end of them."""

import shutil

import pytest

from evaluation.results.table import Run
from evaluation.ui.evaluate import own_runs, places
from evaluation.ui.evaluate.board import Asked
from evaluation.ui.evaluate.fragments import marks
from evaluation.ui.evaluate.run_folders import Opened, list_runs

VISITOR = "0123456789abcdef" * 2
KEY = "mine/evaluation"


@pytest.fixture
def own(engine, settings, reference_runs, squares_run):
    """The tab as somebody finds it who has a run."""
    shutil.copytree(squares_run, settings.results_dir / "visitors" / VISITOR / "evaluation")
    return places.open_tab(engine, VISITOR, "light")


def test_reference_runs_step_back_once_there_is_an_own_one(own):
    assert own["runs"]["value"] == [KEY]
    assert "reference/lungs" in [key for _, key in own["runs"]["choices"]]
    assert own["own_run"]["value"] == KEY


def test_a_run_is_called_as_its_owner_wants_and_its_date_is_told(engine, settings, own):
    path = settings.results_dir / "visitors" / VISITOR / "evaluation" / "run.json"
    path.write_text(path.read_text().replace('"moment": ""', '"moment": "2026-11-20T06:03:32+00:00"'))
    found = own_runs.rename(engine, own["board"], KEY, "  first \n try ")
    assert found["runs"]["choices"][1] == ("first try · 2026-11-20", KEY)
    assert found["runs"]["value"] == [KEY]
    assert own_runs.rename(engine, own["board"], KEY, "")["runs"]["choices"][1][0].startswith("My evaluation")


def test_a_deleted_run_is_gone_and_the_reference_runs_are_back(engine, settings, own):
    found = own_runs.delete(engine, own["board"], KEY, Asked())
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


@pytest.mark.parametrize(("digests", "told"), [(("1", "2"), True), (("1", "1"), False), (("1", ""), False)])
def test_runs_on_other_images_of_one_name_are_told(own, digests, told):
    runs = {
        ("set", name): (Run(name, "set", test_set_hash=digest), None)
        for name, digest in zip("ab", digests, strict=True)
    }
    results = own["board"].opened.results
    assert ("Other images under one name" in marks(Opened((), results, runs), Asked(test_set="set").question)) == told
