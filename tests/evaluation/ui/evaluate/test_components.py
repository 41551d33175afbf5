"""The two components of plain JavaScript."""

import gradio as gr

from evaluation.ui.evaluate.components import STYLESHEET, Pickable, Plot


def test_the_events_that_handlers_use_are_there():
    with gr.Blocks():
        plot, parts = Plot(label="Plot", elem_id="plot"), Pickable(elem_id="parts")
    assert all(callable(event) for event in (plot.pick, plot.theme, parts.pick, parts.sort, parts.turn_page))
    assert all(callable(event) for event in (parts.navigate, parts.close))


def test_nothing_is_fetched_from_elsewhere():
    scripts = [path.read_text() for path in (STYLESHEET.parent / "browser").iterdir()] + [STYLESHEET.read_text()]
    assert not [text for text in scripts if "http://" in text or "https://" in text or "@import" in text]
