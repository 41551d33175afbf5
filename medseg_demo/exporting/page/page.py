"""The page's HTML: style, scripts, networks and samples inside one file, and a policy that lets nothing out of it."""

import base64
import gzip
import json
import lzma
import re
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from importlib import resources

from medseg_demo.exporting.page.networks import PageNetwork
from medseg_demo.exporting.page.samples import PageSample
from medseg_demo.language import LANGUAGES, language, script_of_all
from medseg_demo.rendering.colours import MAX_CLASSES, hex_colour
from medseg_demo.rendering.intensity_code import CT_PRESETS
from medseg_demo.rendering.page import PAGE_STYLE, THEME_SCRIPT, viewer_script, whole_html

WORKER_SCRIPTS = (
    "numbers.js",
    "reading.js",
    "png.js",
    "dicom.js",
    "npy.js",
    "prepare.js",
    "segment.js",
    "measure.js",
    "fit.js",
    "worker.js",
)
PAGE_SCRIPTS = ("numbers.js", "shown.js", "downloads.js", "engine.js", "parts.js", "app.js")
RUNTIME, WASM, DICOM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.xz", "dicomParser.min.js"
LICENCES, NOTICES = "licences.txt", "onnxruntime-ThirdPartyNotices.txt.xz"
TITLE = "Segmentation in your browser"
NO_SCRIPT = "This page computes in the browser and needs JavaScript."


def whole_page(networks: Sequence[PageNetwork], samples: Sequence[PageSample], *, title: str = TITLE) -> str:
    """A page of its own, in every language.

    Args:
        networks: The first one opens.
        samples: The first one is segmented when the page opens.
        title: Of the page.
    """
    part = embedded(networks, samples, title=title, heading="h1")
    scripts = f"<script>{THEME_SCRIPT}</script>\n<script>{script_of_all()}</script>"
    return whole_html(title, PAGE_STYLE, f"{scripts}\n<main>\n{part}\n</main>")


def embedded(networks: Sequence[PageNetwork], samples: Sequence[PageSample], *, title: str, heading: str = "h2") -> str:
    """The same as a part of ``whole_html``, in the language of that page.

    Args:
        networks: At least one.
        samples: May be none.
        title: Of the part.
        heading: The element of its title.
    """
    files = {
        "worker": _compressed(worker_script().encode()),
        "wasm": _compressed(lzma.decompress(_vendored(WASM))),
        "licences": _compressed(_vendored(LICENCES) + lzma.decompress(_vendored(NOTICES))),
        **{f"network-{place}": network.content for place, network in enumerate(networks)},
        **{f"sample-{place}": sample.content for place, sample in enumerate(samples)},
    }
    data = "\n".join(
        f'<script type="text/plain" id="medseg-data-{name}">{base64.b64encode(content).decode("ascii")}</script>'
        for name, content in files.items()
    )
    no_script = " ".join(language(code).text(NO_SCRIPT) for code in LANGUAGES)
    return f"""<div id="medseg-page"><noscript>{no_script}</noscript></div>
<style>#medseg-page {{ {_source("page.css")} }}</style>
{data}
<script>(() => {{
{page_script(networks, samples, title=title, heading=heading)}
}})();</script>"""


def worker_script() -> str:
    """What the worker runs, as a classic script: opened from a disk, browsers load no module into a worker."""
    return "\n".join([_runtime(), _vendored(DICOM).decode(), *map(_source, WORKER_SCRIPTS)])


def _runtime() -> str:
    """ONNX Runtime's module as a script that leaves ``ort`` behind, its one global name."""
    module = _vendored(RUNTIME).decode().replace("import.meta.url", "self.location.href")
    body, names = re.fullmatch(r"(.*)export\s*\{([^{}]*)\};?\s*", module, re.DOTALL).groups()  # type: ignore[union-attr]
    pairs = (name.split(" as ") for name in names.split(","))
    return (
        f"const ort = (() => {{\n{body}\nreturn {{{', '.join(f'{outer}: {inner}' for inner, outer in pairs)}}};\n}})();"
    )


def page_script(networks: Sequence[PageNetwork], samples: Sequence[PageSample], *, title: str, heading: str) -> str:
    """What the page itself runs, for the body of one function."""
    contents = {
        "title": title,
        "heading": heading,
        "networks": [_described(one, f"network-{place}") for place, one in enumerate(networks)],
        "samples": [_described(one, f"sample-{place}") for place, one in enumerate(samples)],
        "words": _words([title, *CT_PRESETS, *(text for one in samples for text in (one.title, one.description))]),
        "colours": [hex_colour(value) for value in range(1, MAX_CLASSES + 1)],
        "presets": {name: (level - width / 2, level + width / 2) for name, (width, level) in CT_PRESETS.items()},
    }
    return "\n".join([viewer_script(None), f"const PAGE = {_json(contents)};", *map(_source, PAGE_SCRIPTS)])


def _described(part: PageNetwork | PageSample, element: str) -> dict[str, object]:
    named = {each.name: getattr(part, each.name) for each in fields(part) if each.name != "content"}
    return {**named, "element": element}


def _words(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """These texts of modules, which the table of scripts lacks, in each language by its tag."""
    spoken = map(language, LANGUAGES)
    return {one.tag: {text: one.text(text) for text in texts if one.text(text) != text} for one in spoken}


def _json(value: object) -> str:
    # In a script element only "<" could end it early.
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


@cache
def _source(name: str) -> str:
    return resources.files("medseg_demo.exporting.page").joinpath("web", name).read_text(encoding="utf-8")


@cache
def _vendored(name: str) -> bytes:
    return resources.files("medseg_demo.exporting.page").joinpath("vendor", name).read_bytes()
