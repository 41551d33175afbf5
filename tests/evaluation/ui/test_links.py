"""What the address of the page may ask for."""

import json

import pytest

from evaluation.ui.evaluate.board import Asked
from evaluation.ui.evaluate.places import asked_place, go, open_tab, place_of, told
from evaluation.ui.evaluate.texts import NO_CASE_TITLE, NO_RUN_TITLE
from evaluation.ui.links import Link, Place, read_link
from medseg_demo.errors import OptionError
from medseg_demo.samples import list_samples

SAMPLE = list_samples()[0].name


@pytest.mark.parametrize("parameters", [{}, {"__theme": "dark"}, {"unknown": "x"}])
def test_an_ordinary_address_asks_for_nothing(known_engine, parameters):
    assert read_link(parameters, known_engine) is None


def test_a_sample_and_a_checkpoint(known_engine):
    link = read_link({"sample": SAMPLE, "checkpoint": "strict", "__theme": "dark"}, known_engine)
    assert (link.tab, link.sample.name, link.checkpoints) == ("segment", SAMPLE, ("strict",))
    assert read_link({"sample": SAMPLE}, known_engine).checkpoints == ()


def test_a_comparison(known_engine):
    link = read_link({"sample": SAMPLE, "compare": "half,strict,half"}, known_engine)
    assert (link.tab, link.checkpoints) == ("compare", ("half", "strict"))


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
        ({"tab": "settings"}, "Choose one of: segment, compare, follow, evaluate, live, models"),
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


def test_a_tab_opens_as_it_is(known_engine):
    assert read_link({"tab": "models"}, known_engine) == Link("models")


@pytest.fixture
def opened(engine, first_paint):
    """Goes to the place of an address, from the tab as it is found."""

    def at(parameters: dict[str, str], board=None, asked=None):
        return go(engine, board or first_paint["board"], asked or Asked(), asked_place(engine, parameters))

    return at


def test_a_run_and_a_case_open(opened):
    updates = opened({"run": "squares-run", "case": "case_01"})
    assert updates["runs"]["value"] == ["earlier/squares-run"]
    assert updates["drawer"]["visible"]
    assert (updates["board"].case.case_id, updates["board"].case.checkpoint) == ("case_01", "net")
    assert "case_01" in updates["case_head"]


def test_the_page_opens_where_its_address_leads(engine, first_paint):
    place = Place(("lungs", "squares-run"), test_set="squares", case="case_02", checkpoint="net")
    updates = open_tab(engine, first_paint["board"].visitor, "dark", place)
    assert place_of(updates["board"]) == place
    assert updates["board"].latest.theme == "dark"
    assert "checkpoints" in updates


@pytest.mark.parametrize(
    "place",
    [
        Place(("lungs",)),
        Place(("lungs",), case="case_003", checkpoint="two"),
        Place(("lungs", "squares-run"), test_set="squares", metric="reference_volume"),
        Place(("squares-run", "lungs"), test_set="lungs", case="case_003", checkpoint="one"),
    ],
)
def test_what_the_address_says_leads_there(engine, opened, place):
    assert asked_place(engine, place.parameters) == place
    assert place_of(opened(place.parameters)["board"]) == place


def test_a_run_that_is_open_is_not_read_again(engine, opened, monkeypatch):
    first = opened({"run": "squares-run", "case": "case_01"})["board"]
    monkeypatch.setattr("evaluation.ui.evaluate.result_handlers.open_runs", None)
    back = opened({"run": "squares-run"}, first)
    assert (back["board"].case, back["drawer"]["visible"]) == (None, False)
    assert opened({"run": "squares-run", "case": "case_02"}, back["board"])["board"].case.case_id == "case_02"


def test_what_the_controls_say_stays_where_the_address_does_not_name_it(opened):
    updates = opened({"run": "lungs", "metric": "reference_volume"}, asked=Asked(empty="one"))
    assert updates["board"].answer.question.policy.empty == "one"


def test_the_browser_learns_which_visit_is_answered(first_paint):
    assert json.loads(told(first_paint["board"], 3)) == {"parameters": {"run": "lungs"}, "visit": 3}


def test_a_case_that_is_not_there_is_told(opened):
    updates = opened({"run": "lungs", "case": "<b>none</b>"})
    assert NO_CASE_TITLE in updates["status"]
    assert "<b>none" not in updates["status"]


def test_an_own_run_opens_in_the_browser_of_its_visitor_alone(engine, first_paint, squares_run, settings):
    mine = settings.results_dir / "visitors" / first_paint["board"].visitor
    mine.mkdir(parents=True)
    squares_run.rename(mine / "evaluation")
    place = read_link({"run": "mine/evaluation", "case": "case_01"}, engine).place
    own = go(engine, first_paint["board"], Asked(), place)
    assert own["board"].case.case_id == "case_01"
    assert place_of(own["board"]).runs == ("mine/evaluation",)
    other = open_tab(engine, "f" * 32, "light", place)
    assert NO_RUN_TITLE in other["status"]
    assert place_of(other["board"]).runs == ("lungs",)
    assert NO_RUN_TITLE in go(engine, first_paint["board"], Asked(), Place(("mine/../evaluation",)))["status"]
