import re

import gradio as gr

from medseg_demo.ui.plotly_js import PLOTLY_JS, plotly_loader


def test_the_file_of_the_package_is_served_and_nothing_else_is_named():
    with gr.Blocks():
        script = plotly_loader()
    assert PLOTLY_JS.is_file()
    assert f"const PLOTLY = {PLOTLY_JS.as_posix()!r};" in script
    assert "function loadPlotly()" in script
    assert not re.search(r"https?://", script)
