from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from medseg_demo.segmenting.pipeline import SegmentOptions
from medseg_demo.ui.session import Choices, Outcome, Run, Work, end_session, forget, session_folder
from medseg_demo.ui.studies import Study


@pytest.fixture(autouse=True)
def upload_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))


def test_choices_become_options():
    choices = Choices("c", 0.3, True, "median", 20.0, True)
    assert choices.options(multiclass=False) == SegmentOptions(0.3, True, "median", 20, True)
    assert choices.options(multiclass=True).threshold is None


def test_an_emptied_number_keeps_all_components():
    assert Choices("c", smallest_component=None).options(multiclass=False).smallest_component == 0


def test_every_visitor_gets_an_own_work():
    with gr.Blocks() as page:
        state = gr.State(Work())
    first, second = SessionState(page)[state._id], SessionState(page)[state._id]
    first.stop.raised, first.given = True, "mine"
    assert not second.stop.raised
    assert second.given != "mine"
    assert state.value.given != "mine"


def test_succeeded_leaves_failures_out(tmp_path):
    good, bad = Outcome(Study(tmp_path), "good"), Outcome(Study(tmp_path), "bad", error="no")
    assert Run(Choices(), outcomes=(bad, good)).succeeded == (good,)


def test_visitors_have_folders_of_their_own(tmp_path):
    first, second = session_folder("abc123"), session_folder("def456")
    (first / "mine.png").write_bytes(b"x")
    end_session(SimpleNamespace(session_hash="def456"))
    assert (first / "mine.png").exists()
    assert not second.exists()
    end_session(SimpleNamespace(session_hash="abc123"))
    assert not first.exists()


def test_a_session_name_cannot_leave_the_folder(tmp_path):
    assert session_folder("../../etc").parent == session_folder("abc").parent
    assert session_folder(None).is_relative_to(tmp_path / "gradio")


def test_forgetting_deletes_the_files():
    folder = session_folder("abc")
    forget(Work(folder=folder))
    assert not folder.exists()
    forget(Work())
