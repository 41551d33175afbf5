"""Layout of the Evaluate tab."""

from pathlib import Path

import gradio as gr
import pytest

from evaluation.ui.evaluate.layout import lay_out
from medseg_demo.settings import Settings


@pytest.mark.parametrize("public", [False, True])
def test_the_folder_of_the_test_sets_is_named_where_no_strangers_come(public):
    with gr.Blocks():
        parts = lay_out(Settings(test_sets_dir=Path("/data/sets"), public=public))
    assert ("/data/sets" in parts["test_sets"].info) is not public
