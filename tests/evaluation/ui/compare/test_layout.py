"""The layout of the Compare tab, and the hint that it shares with the other tabs that take files."""

import gradio as gr
import pytest

from evaluation.ui.compare import layout as compare_layout
from evaluation.ui.evaluate import layout as evaluate_layout
from medseg_demo.settings import Settings
from medseg_demo.ui.segment import layout as segment_layout


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda settings: compare_layout.lay_out(settings)[0],
        lambda settings: segment_layout.lay_out(settings)[0],
        evaluate_layout.lay_out,
    ],
)
def test_the_largest_file_is_named_where_files_are_added(lay_out):
    with gr.Blocks():
        parts = lay_out(Settings(max_file_mb=300))
    hints = [part.value for name, part in parts.items() if name.endswith("_hint")]
    assert "At most 300 MiB a file." in " ".join(hints)
