"""plotly.js as the plotly package carries it, for components that draw with it in the browser."""

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import gradio as gr

PLOTLY_JS = Path(find_spec("plotly").origin).parent / "package_data" / "plotly.min.js"  # type: ignore[union-attr, arg-type]


def plotly_loader() -> str:
    """JavaScript that defines ``loadPlotly()``, and this server's leave to hand out the file that it fetches."""
    gr.set_static_paths([PLOTLY_JS])
    return f"const PLOTLY = {PLOTLY_JS.as_posix()!r};\n{browser_file('plotly.js')}"


def browser_file(name: str) -> str:
    """A file of ``ui/browser``."""
    return resources.files("medseg_demo.ui").joinpath("browser", name).read_text(encoding="utf-8")
