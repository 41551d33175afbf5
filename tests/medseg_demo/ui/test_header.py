from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.header import heading

WHY = "PyTorch runs 'bright' in place of OpenVINO: it has an operation that is not known."


def test_it_names_what_networks_run_on(engine):
    assert "Runs on CPU" in heading(engine)


def test_it_says_that_a_gpu_is_lent(engine, monkeypatch):
    monkeypatch.setattr(engine, "runs_elsewhere", True)
    assert "a GPU lent for seconds of your daily share; without it, and for Evaluate, on CPU" in heading(engine)


def test_it_says_once_why_something_slower_runs_them(engine, monkeypatch):
    monkeypatch.setattr(Engine, "note", "OpenVINO is not installed.")
    monkeypatch.setattr(Engine, "note_of", lambda self, name: "OpenVINO is not installed.")
    assert heading(engine, "bright").count("OpenVINO is not installed.") == 1


def test_it_says_why_the_network_that_is_shown_is_run_otherwise(engine, monkeypatch):
    monkeypatch.setattr(Engine, "note_of", lambda self, name: WHY if name == "bright" else "")
    assert "has an operation that is not known" in heading(engine, "bright")
    assert "has an operation" not in heading(engine, "bands")


def test_a_checkpoint_that_is_gone_has_no_note(engine):
    assert heading(engine, "gone") == heading(engine)
