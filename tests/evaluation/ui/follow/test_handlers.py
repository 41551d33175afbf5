"""The Follow tab as plain functions."""

import html
import json
import zipfile
from functools import partial

import numpy as np
import pytest
from PIL import Image

from evaluation.ui.follow import handlers, texts
from evaluation.ui.follow.state import Request, Work

QUICKLY = Request("half", (), 1)


@pytest.fixture
def visits(tmp_path):
    """Three pictures of a bright square that grows, called by their dates."""
    paths = []
    for number, day in enumerate(("2024-01-01", "2024-03-01", "2024-12-31")):
        pixels = np.random.default_rng(number).integers(0, 20, (64, 64)).astype(np.uint8)
        pixels[20 : 30 + 4 * number, 20:40] += 200
        paths.append(tmp_path / f"scan_{day}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.fixture
def work(visitor) -> Work:
    return visitor.work(Work)


@pytest.fixture
def run(known_engine, visitor):
    return lambda request=QUICKLY: list(visitor.run(partial(handlers.run, known_engine), request, tab="follow"))


@pytest.fixture
def ready(known_engine, visitor, work, visits):
    handlers.take_files(known_engine, work, visits, "half", visitor.session.folder)
    return work


def test_the_tab_opens_with_what_to_do(known_engine, work):
    updates = handlers.open_tab(known_engine, work)
    assert texts.EMPTY_TITLE in updates["status"]
    assert "half" in [name for _, name in updates["checkpoint"]["choices"]]


def test_studies_are_listed_with_their_dates(known_engine, visitor, work, visits):
    Image.fromarray(np.eye(64, dtype=np.uint8)).save(visits[0].with_name("unknown.png"))
    files = [*visits[:2], visits[0].with_name("unknown.png")]
    card = handlers.take_files(known_engine, work, files, "half", visitor.session.folder)["preflight"]
    assert card.count("2024-") == 4  # in the names, and as dates
    assert texts.NO_DATE in card
    assert handlers.take_files(known_engine, work, [], "half", visitor.session.folder) == {"preflight": ""}
    assert work.given.studies == ()


def test_a_run_shows_figure_tables_viewer_and_files(run, ready):
    (last,) = run()
    assert "3 visits over 365 days with half" in last["status"]
    figure = json.loads(last["figure"])
    assert figure["light"]["layout"]["font"]["color"] != figure["dark"]["layout"]["font"]["color"]
    assert list(figure["light"]["data"][0]["y"]) == [200, 280, 360]
    assert "+80.0 %" in last["tables"]
    assert [one["name"] for one in last["viewer"]["predictions"]] == ["Visit 1", "Visit 3"]
    assert [one["name"] for one in last["viewer"]["channels"]] == [
        "picture of visit 3",
        "picture of visit 1",
        "difference",
    ]
    with zipfile.ZipFile(last["archive"]) as archive:
        assert {"changes.csv", "follow.html", "visit_03_difference.png"} <= set(archive.namelist())
    assert handlers.stale_mark(ready, QUICKLY) == ""
    assert texts.STALE in handlers.stale_mark(ready, Request("strict", (), 1))


def test_the_viewer_begins_with_the_pixels_of_the_later_visit(run, ready):
    run()
    pair = ready.result.pair
    assert pair.image.pixels[34, 30, 0] > 150  # where the square was not at the first visit
    assert pair.image.pixels[34, 30, 1] < 50
    assert np.allclose(pair.image.pixels[..., 2], 0, atol=pair.image.channel_windows[2][1] * 4)


def test_a_result_as_code(run, ready):
    (last,) = run(Request("half", ("0", "60", "365"), 1, 5.0, False))
    names = " ".join(f"scan_{day}.png" for day in ("2024-01-01", "2024-03-01", "2024-12-31"))
    expected = (
        f"python -m medseg_demo follow {names} --checkpoint half --dates 0 60 365 --repeats 1 --deviation 5.0 "
        "--no-registration --output results/follow"
    )
    assert expected in last["code_command"]
    program = html.unescape(last["code_python"])
    assert 'handle_file("scan_2024-03-01.png")' in program
    assert 'dates=["0", "60", "365"]' in program
    assert "register=False" in program
    assert 'api_name="/follow"' in program
    (last,) = run()
    assert "--dates" not in last["code_command"]
    assert "--no-registration" not in last["code_command"]


def test_simulated_visits_fill_the_tab(known_engine, visitor, work, run):
    updates = handlers.choose_simulated(known_engine, work, visitor.session.folder)
    assert updates["preflight"].count("simulated_2024-") == 3
    assert work.given.simulated
    assert work.given.dates[0].isoformat() == "2024-01-15"
    (last,) = run()
    assert "5 visits over 500 days" in last["status"]
    assert "write_visits" in last["code_command"]


def test_another_visit_and_its_slices(run, ready):
    assert texts.EXPIRED in handlers.open_visit(ready, "1")["status"]
    run()
    assert [one["name"] for one in handlers.open_visit(ready, "1")["viewer"]["predictions"]] == ["Visit 1", "Visit 2"]
    for place in ("1", "0", "9", "x", None):
        assert handlers.open_visit(ready, place) == {}
    assert handlers.send_slices(ready, "axial", [0], "key")["key"] == "key"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("", (), 1), texts.NO_CHECKPOINT),
        (Request("half", ("2024-01-01",), 1), "1 dates were given for 3 studies"),
        (Request("half", ("0", "0", "1"), 1), "same date"),
        (Request("half", (), 1, 120.0), "between 0 and 100 %"),
        (Request("nothing", (), 1), "does not exist"),
    ],
)
def test_what_cannot_be_done_is_told_and_the_result_stays(run, ready, request_, words):
    run()
    before = ready.result
    (last,) = run(request_)
    assert words in last["status"].replace("&#x27;", "'")
    assert set(last) == {"status"}
    assert ready.result is before


def test_one_study_and_none(known_engine, visitor, work, visits, run):
    assert texts.NO_STUDIES in run()[0]["status"]
    handlers.take_files(known_engine, work, visits[:1], "half", visitor.session.folder)
    assert "1 study was given" in run()[0]["status"]


def test_a_file_that_is_no_image(known_engine, visitor, work, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    card = handlers.take_files(known_engine, work, [tmp_path / "text.png"], "half", visitor.session.folder)
    assert texts.ERROR_TITLE in card["preflight"]


@pytest.mark.parametrize(
    ("typed", "dates"),
    [("", ()), (" 2024-01-01, 2024-02-01 ", ("2024-01-01", "2024-02-01")), ("0\n30;60", ("0", "30", "60"))],
)
def test_typed_dates(typed, dates):
    assert Request.of("half", typed, 3, None, True) == Request("half", dates, 3)
    assert Request.of(None, typed, None, 2, False).repeats == 4
