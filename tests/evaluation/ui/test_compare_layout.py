"""The layout of the Compare tab, and the hint that it shares with the Segment tab."""

import gradio as gr
import pytest

from evaluation.ui import compare_layout
from medseg_demo.settings import Settings
from medseg_demo.ui import segment_layout


@pytest.mark.parametrize("layout", [compare_layout, segment_layout])
def test_the_largest_file_is_named_where_files_are_added(layout):
    with gr.Blocks():
        parts, _ = layout.lay_out(Settings(max_file_mb=300))
    assert "300 MiB a file; MEDSEG_MAX_FILE_MB" in parts["upload_hint"].value
