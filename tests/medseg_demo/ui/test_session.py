from contextlib import suppress
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from medseg_demo.errors import OptionError
from medseg_demo.segmenting.turns import Cancelled, Turns
from medseg_demo.ui.segment.state import Choices, Work
from medseg_demo.ui.session import Running, Session, Sessions


@pytest.fixture(autouse=True)
def upload_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))


def request(name: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=name)


@pytest.fixture
def sessions():
    with gr.Blocks():
        return Sessions().add_state()


def test_every_visitor_gets_a_session_of_his_own():
    with gr.Blocks() as page:
        state = Sessions().add_state().state
    first, second = SessionState(page)[state._id], SessionState(page)[state._id]
    first.part(Work).given = "mine"
    assert first.part(Work).given == "mine"
    assert second.part(Work).given != "mine"
    assert state.value.part(Work).given != "mine"


def test_each_tab_remembers_its_own():
    session = Session()
    assert session.part(Work) is session.part(Work)
    assert session.part(Choices) is not session.part(Work)


def test_a_closed_page_ends_its_session_and_no_other(sessions):
    first, second = (sessions.opened(Session(), request(name)) for name in ("abc123", "def456"))
    for session in (first, second):
        (session.folder / "mine.png").write_bytes(b"x")
    with first.running("segment") as going, second.running("segment") as ending:
        sessions.end(request("def456"))
        going.check()
        with pytest.raises(Cancelled):
            ending.check()
        assert (going.visitor_left, ending.visitor_left) == (False, True)
    assert [path.name for path in first.folder.iterdir()] == ["mine.png"]
    assert list(second.folder.iterdir()) == []


def test_what_a_run_wrote_after_its_session_ended_is_deleted():
    session = Session("abc123")
    with session.running("segment"):
        session.end()
        (session.folder / "late.png").write_bytes(b"x")
    assert list(session.folder.iterdir()) == []


def test_the_end_of_the_server_ends_all(sessions):
    opened = [sessions.opened(Session(), request(name)) for name in ("abc123", "def456")]
    with opened[0].running("segment") as first, opened[1].running("compare") as second:
        sessions.end_all()
        assert first.stopped.is_set()
        assert second.stopped.is_set()


def test_a_session_name_cannot_leave_the_folder(tmp_path):
    assert Session("../../etc").folder.parent == Session("abc").folder.parent
    assert Session("").folder.is_relative_to(tmp_path / "gradio")


def test_an_expired_state_takes_its_files_along(sessions):
    session = Session("abc")
    (session.folder / "mine.png").write_bytes(b"x")
    sessions.state.delete_callback(session)
    assert list(session.folder.iterdir()) == []


def test_stop_ends_the_runs_of_one_tab_and_a_second_press_changes_nothing():
    session = Session("abc")
    with session.running("segment") as segment, session.running("evaluate") as evaluate:
        session.stop("segment")
        session.stop("segment")
        with pytest.raises(Cancelled):
            segment.check()
        evaluate.check()
    with session.running("segment") as again:
        again.check()


def test_a_queued_run_is_told_its_place_and_leaves_the_queue_at_stop():
    turns, told, session = Turns(small=1), [], Session("abc")

    def stop_soon(ahead: int, seconds: float | None) -> None:
        told.append((ahead, seconds))
        session.stop("segment")

    with (
        turns.job("someone"),
        session.running("segment") as running,
        pytest.raises(Cancelled),
        running.job(turns, waiting=stop_soon),
    ):
        pytest.fail("it was let in")
    assert told == [(1, None)]
    with turns.job("next"):
        pass  # nobody is before it


def test_stop_cancels_the_job_that_computes():
    running = Running("segment", "abc")
    with running.job(Turns()) as job:
        assert job.owner == "abc"
        running.cancel()
        with pytest.raises(Cancelled):
            job.check()


def test_a_run_segments_as_a_job_of_its_own(engine, square):
    running = Running("case", "abc")
    assert running.segment(engine, square, "bright").checkpoint == "bright"
    running.cancel()
    with pytest.raises(Cancelled):
        running.segment(engine, square, "bright")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timed(clock):
    with gr.Blocks():
        return Sessions(max_runs=1, clock=clock).add_state()


def test_a_session_is_of_the_visitor_who_began_it(sessions):
    sessions.claim("abc", ("anna",))
    sessions.claim("abc", ("aida", "anna"))
    for visitor in ("ben", ""):
        assert not sessions.is_of("abc", (visitor,))
        with pytest.raises(OptionError, match="another browser"):
            sessions.claim("abc", (visitor,))
    assert sessions.is_of("abc", ("anna",))
    assert sessions.is_of("unknown", ("ben",))
    assert sessions.is_of("", ("ben",))


def test_what_nobody_has_used_for_an_hour_ends(timed, clock):
    old, running = (timed.opened(Session(), request(name)) for name in ("old", "running"))
    ended = []
    timed.on_end(ended.append)
    with running.running("segment") as going:
        for session in (old, running):
            (session.folder / "mine.png").write_bytes(b"x")
        clock.now = 3599
        assert timed.sweep() == []
        clock.now = 3601
        assert timed.sweep() == ["old"]
        going.check()
    assert ended == ["old"]
    assert list(old.folder.iterdir()) == []
    assert list(running.folder.iterdir()) != []


def test_results_of_sessions_that_nothing_runs_in_can_make_room(timed):
    first, second = (timed.opened(Session(), request(name)) for name in ("first", "second"))
    with second.running("segment"):
        for session in (first, second):
            (session.folder / "mine.png").write_bytes(bytes(100))
        (place,) = timed.places()
        assert place.size == 100
        place.delete()
    assert list(first.folder.iterdir()) == []
    assert list(second.folder.iterdir()) != []


def test_one_visitor_has_so_many_runs_in_all_his_sessions(timed):
    asked = SimpleNamespace(session_hash="a", cookies={"medseg-visitor-00000000": "0" * 32})
    first = timed.opened(Session(), asked)
    second = timed.of_client(SimpleNamespace(session_hash="b", cookies={"medseg-visitor-00000000": "0" * 32}))
    with first.running("segment"), pytest.raises(gr.Error, match="of your runs go on"), second.running("api"):
        pytest.fail("it was let in")
    with second.running("api"):
        pass


def test_the_name_of_a_folder_tells_nothing_of_its_session(sessions):
    session = sessions.opened(Session(), request("abc123"))
    assert "abc123" not in session.folder.name
    assert len(session.folder.name) == 32
    assert session.folder == Session("abc123").folder


def test_what_a_failed_call_wrote_goes_and_what_others_answered_stays():
    running = Running("api", "abc")
    with running.new_folder() as kept:
        (kept / "label_map.png").touch()
    with suppress(ZeroDivisionError), running.new_folder() as failed:
        (failed / "label_map.png").touch()
        raise ZeroDivisionError
    assert [path.name for path in kept.iterdir()] == ["label_map.png"]
    assert not failed.exists()
    assert kept.parent == Session("abc").folder
