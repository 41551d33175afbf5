"""The viewer's script and style, and a page of viewers that works from a disk without a network."""

import html
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Literal

Host = Literal["gradio", "page"]

SCRIPTS = (
    "dom.js",
    "unpack.js",
    "planes.js",
    "marks.js",
    "slices.js",
    "live.js",
    "volume.js",
    "camera.js",
    "layers.js",
    "heat.js",
    "channels.js",
    "outline.js",
    "patterns.js",
    "outcomes.js",
    "agreement.js",
    "draw.js",
    "readout.js",
    "classes.js",
    "regions.js",
    "notes.js",
    "edit/voxels.js",
    "edit/shapes.js",
    "edit/click.js",
    "edit/tools.js",
    "edit/sync.js",
    "edit/editor.js",
    "edit/keys.js",
    "edit/bar.js",
    "toolbar.js",
    "controls.js",
    "stage.js",
    "panes.js",
    "rulers.js",
    "crop.js",
    "pointer.js",
    "keys.js",
    "viewer.js",
)

STYLES = ("viewer.css", "stage.css", "panel.css", "edit/edit.css", "narrow.css")

# As specific as an id, so that Gradio's rules for buttons and inputs do not win.
GRADIO_SELECTOR = ":is(.mv-host, #mv-host)"

# Follows the system's choice of light or dark, as the class that Gradio uses too.
THEME_SCRIPT = """
(() => {
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", follow);
follow();
})();
"""

PAGE_STYLE = """
body { max-width: 1100px; margin: 0 auto; padding: 16px; background: #f4f6f8; font: 14px/1.4 system-ui, sans-serif; }
.dark body { background: #0f1519; }
.mv-host { margin: 0 0 20px; }
"""


NO_REFERRER = '<meta name="referrer" content="no-referrer">'

# No address is ever asked. What lies inside the file runs: scripts, WebAssembly, and a worker by way of a blob.
POLICY = f"""<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' blob: 'wasm-unsafe-eval'; worker-src blob:; style-src 'unsafe-inline'; img-src data: blob:; \
connect-src 'none'; base-uri 'none'; form-action 'none'">
{NO_REFERRER}"""


@cache
def viewer_script(host: Host | None) -> str:
    """All of the viewer's JavaScript, for the body of one function: it leaves no global name behind.

    Args:
        host: "gradio" expects what gr.HTML hands to ``js_on_load``; "page" mounts every ``.mv-host`` whose next
            sibling holds a value as JSON; None mounts nothing, for a script that goes on and does so itself.
    """
    style = f"const VIEWER_STYLE = {json.dumps(_style_rule(GRADIO_SELECTOR))};\n" if host == "gradio" else ""
    return '"use strict";\n' + style + "\n".join(map(_read, (*SCRIPTS, f"mount_{host}.js") if host else SCRIPTS))


@cache
def viewer_css() -> str:
    """The viewer's style, to be nested in one selector."""
    return "\n".join(_read(name) for name in STYLES)


def standalone_html(values: Sequence[dict[str, object]], *, title: str = "Viewer") -> str:
    """A self-contained page with one viewer for each value.

    Args:
        values: From ``viewer_value``. Only the slices that they hold can be shown.
        title: Of the page.
    """
    viewers = "\n".join(viewer_html(value) for value in values)
    body = f"<script>{THEME_SCRIPT}</script>\n<main>\n{viewers}\n</main>\n{mounted_viewers()}"
    return whole_html(title, PAGE_STYLE, body)


def whole_html(title: str, style: str, body: str, *, rules: str = POLICY) -> str:
    """A page of its own that holds everything.

    Args:
        title: Of the page.
        style: Beside the viewer's.
        body: Markup.
        rules: What the page may ask for; they come before all that is given to it.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{rules}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{style} {viewer_style_rule()}</style>
</head>
<body>
{body}
</body>
</html>
"""


def mounted_viewers() -> str:
    """The script behind the last ``viewer_html`` of a page."""
    return f"<script>(() => {{\n{viewer_script('page')}\n}})();</script>"


def viewer_html(value: dict[str, object]) -> str:
    """The markup of one viewer in a page that also holds ``viewer_style_rule`` and ``viewer_script("page")``."""
    # In a script element only "<" could end it early.
    data = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
    return f'<div class="mv-host"></div>\n<script type="application/json">{data}</script>'


def viewer_style_rule() -> str:
    """The viewer's style as one rule."""
    return _style_rule(".mv-host")


def _style_rule(selector: str) -> str:
    return f"{selector} {{ {viewer_css()} }}"


def _read(name: str) -> str:
    return resources.files("medseg_demo.rendering").joinpath("viewer", name).read_text(encoding="utf-8")
