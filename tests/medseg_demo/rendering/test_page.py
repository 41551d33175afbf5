import json
import re

import numpy as np
import pytest

from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.rendering import page, standalone_html, viewer_css, viewer_script, viewer_value

NASTY = "</script><script>alert(1)</script><b>"


def nasty_value() -> dict[str, object]:
    return viewer_value(MedicalImage(np.eye(3, dtype=np.uint8), "YX", Geometry(), NASTY, "PNG", 8, (0.0, 1.0)))


def test_a_name_cannot_end_the_data():
    text = standalone_html([nasty_value()], title=NASTY)
    assert NASTY not in text
    assert text.count("<script") == text.count("</script>") == 3  # theme, one value, the viewer


def test_the_page_asks_for_nothing_from_elsewhere():
    text = standalone_html([nasty_value()])
    assert not re.search(r"""(src|href)\s*=|@import|url\(|fetch\(|XMLHttpRequest|WebSocket""", text)
    # the only address is the name of the SVG standard, which nothing is fetched from
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("host", ["gradio", "page"])
def test_every_file_is_in_the_script(host):
    text = viewer_script(host)
    folder = page.resources.files("medseg_demo.rendering").joinpath("viewer")
    sources = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in (*folder.iterdir(), *folder.joinpath("edit").iterdir())
        if entry.name.endswith(".js")
    }
    left_out = {name for name, source in sources.items() if source not in text}
    assert left_out == {"mount_page.js" if host == "gradio" else "mount_gradio.js"}


def test_names_are_never_written_as_markup():
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", viewer_script("page"))


def test_inside_gradio_the_script_brings_the_style():
    """Not in css_template, which Gradio puts into the page anew at every value."""
    assert json.dumps(viewer_css())[1:-1] in viewer_script("gradio")
