import gradio as gr
import pytest

from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.ui import texts
from medseg_demo.ui.models_tab import ModelsTab


@pytest.fixture
def tab(engine) -> ModelsTab:
    with gr.Blocks():
        return ModelsTab(engine)


def test_every_checkpoint_is_there(tab):
    overview, unusable, choice, card, weaknesses, notes = tab.fill()
    assert "bright things" in overview
    assert "broken" in unusable
    assert [name for _, name in choice["choices"]] == ["bands", "bright"]
    assert "bands" in card
    assert (weaknesses, notes) == ("", "")


def test_the_chosen_card_is_shown(tab):
    card, weaknesses, notes = tab.show("bright")
    assert "bright things" in card
    assert weaknesses == notes == "## Weaknesses\n\nShadows."
    assert tab.show("gone") == ("", "", "")


def test_an_empty_folder_is_said(tmp_path):
    with gr.Blocks():
        overview, unusable, choice, *_ = ModelsTab(Engine(Settings(checkpoints_dir=tmp_path))).fill()
    assert texts.NO_CHECKPOINT_TITLE in overview
    assert unusable == ""
    assert not choice["visible"]
