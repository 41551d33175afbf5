"""What the address of the page may ask for."""

from dataclasses import replace

import pytest

from evaluation.ui.evaluate.run_links import NO_CASE_TITLE, open_run
from evaluation.ui.links import read_link
from medseg_demo.errors import OptionError
from medseg_demo.samples import list_samples

SAMPLE = list_samples()[0].name


@pytest.mark.parametrize("parameters", [{}, {"__theme": "dark"}, {"unknown": "x"}])
def test_an_ordinary_address_asks_for_nothing(known_engine, parameters):
    assert read_link(parameters, known_engine) is None


def test_a_sample_and_a_checkpoint(known_engine):
    link = read_link({"sample": SAMPLE, "checkpoint": "strict", "__theme": "dark"}, known_engine)
    assert (link.kind, link.sample.name, link.checkpoints) == ("segment", SAMPLE, ("strict",))
    assert read_link({"sample": SAMPLE}, known_engine).checkpoints == ()


def test_a_comparison(known_engine):
    link = read_link({"sample": SAMPLE, "compare": "half,strict,half"}, known_engine)
    assert (link.kind, link.checkpoints) == ("compare", ("half", "strict"))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"sample": "../../secret"}, "Choose one of: chest-xray"),
        ({"sample": ""}, "which is not here"),
        ({"checkpoint": "half"}, "names no sample and no run"),
        ({"sample": SAMPLE, "checkpoint": "/some/folder"}, "Choose one of: half, other, strict"),
        ({"sample": SAMPLE, "checkpoint": "broken"}, "not here"),
        ({"sample": SAMPLE, "checkpoint": "owner/name"}, "not here"),
        ({"sample": SAMPLE, "compare": "half"}, "compares 1 checkpoints"),
        ({"sample": SAMPLE, "compare": ","}, "compares 0 checkpoints"),
        ({"sample": SAMPLE, "compare": "a,b,c,d,e,f"}, "compares 5 checkpoints"),
        ({"sample": SAMPLE, "compare": "half,<script>"}, "Choose one of"),
        ({"run": "../reference_runs"}, "not here"),
        ({"run": "visitors"}, "not here"),
    ],
)
def test_what_is_not_here_is_refused(known_engine, parameters, words):
    with pytest.raises(OptionError, match=words):
        read_link(parameters, known_engine)


def test_a_long_name_is_cut(known_engine):
    with pytest.raises(OptionError) as refused:
        read_link({"sample": "x" * 10_000}, known_engine)
    assert len(str(refused.value)) < 300


def test_runs_of_one_visitor_are_not_named(engine, reference_runs, squares_run, settings):
    mine = settings.results_dir / "visitors" / ("0" * 32)
    mine.mkdir(parents=True)
    squares_run.rename(mine / "secret")
    with pytest.raises(OptionError, match=r"Choose one of: lungs\."):
        read_link({"run": "secret"}, engine)


def test_a_run_and_a_case_open(engine, first_paint):
    link = read_link({"run": "squares-run", "case": "case_01"}, engine)
    updates = open_run(engine, first_paint["board"], link.run, link.case)
    assert updates["runs"]["value"] == ["earlier/squares-run"]
    assert updates["drawer"]["visible"]
    assert updates["board"].case.case_id == "case_01"
    assert "case_01" in updates["case_head"]


def test_a_run_without_a_case(engine, first_paint):
    updates = open_run(engine, first_paint["board"], "lungs", "")
    assert updates["runs"]["value"] == ["reference/lungs"]
    assert "drawer" not in updates or not updates["drawer"]["visible"]


def test_a_case_that_is_not_there_is_told(engine, first_paint):
    updates = open_run(engine, first_paint["board"], "lungs", "<b>none</b>")
    assert NO_CASE_TITLE in updates["status"]
    assert "<b>none" not in updates["status"]


def test_an_own_run_opens_in_the_browser_of_its_visitor_alone(engine, first_paint, squares_run, settings):
    mine = settings.results_dir / "visitors" / first_paint["board"].visitor
    mine.mkdir(parents=True)
    squares_run.rename(mine / "evaluation")
    link = read_link({"run": "mine/evaluation", "case": "case_01"}, engine)
    own = open_run(engine, first_paint["board"], link.run, link.case)
    assert own["board"].case.case_id == "case_01"
    other = replace(first_paint["board"], visitor="f" * 32)
    assert set(open_run(engine, other, link.run, link.case)) == {"status"}
    assert set(open_run(engine, first_paint["board"], "mine/../evaluation", "")) == {"status"}
