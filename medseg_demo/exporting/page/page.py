"""The page's HTML: style, scripts, networks and samples inside one file, and a policy that lets nothing out of it."""

import base64
import gzip
import html
import json
import lzma
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from medseg_demo.exporting.page.networks import PageNetwork
from medseg_demo.exporting.page.samples import PageSample, Words
from medseg_demo.exporting.page.texts import NO_SCRIPT, TEXTS, VIEWER_CHINESE, VIEWER_PATTERNS
from medseg_demo.rendering.colours import MAX_CLASSES, hex_colour
from medseg_demo.rendering.intensity_code import CT_PRESETS
from medseg_demo.rendering.page import PAGE_STYLE, POLICY, THEME_SCRIPT, viewer_script, viewer_style_rule

WORKER_SCRIPTS = (
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
PAGE_SCRIPTS = ("words.js", "viewer_words.js", "shown.js", "downloads.js", "engine.js", "parts.js", "app.js")
RUNTIME, WASM, DICOM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.xz", "dicomParser.min.js"
LICENCES, NOTICES = "licences.txt", "onnxruntime-ThirdPartyNotices.txt.xz"


def whole_page(networks: Sequence[PageNetwork], samples: Sequence[PageSample], *, title: Words | None = None) -> str:
    """A page of its own.

    Args:
        networks: The first one opens.
        samples: The first one is segmented when the page opens.
        title: Of the page; by language where it is known in both.
    """
    titles = title or {language: words["title"] for language, words in TEXTS.items()}
    shown = titles if isinstance(titles, str) else titles["en"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{POLICY}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(shown)}</title>
<style>{PAGE_STYLE} {viewer_style_rule()}</style>
<script>{THEME_SCRIPT}</script>
</head>
<body>
<main>
{embedded(networks, samples, title=titles, heading="h1")}
</main>
</body>
</html>
"""


def embedded(
    networks: Sequence[PageNetwork], samples: Sequence[PageSample], *, title: Words, heading: str = "h2"
) -> str:
    """The same as a part of a page that holds ``POLICY`` and ``viewer_style_rule``.

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
    return f"""<div id="medseg-page"><noscript>{NO_SCRIPT}</noscript></div>
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


def page_script(networks: Sequence[PageNetwork], samples: Sequence[PageSample], *, title: Words, heading: str) -> str:
    """What the page itself runs, for the body of one function."""
    contents = {
        "title": title,
        "heading": heading,
        "networks": [
            {
                "name": one.name,
                "digest": one.digest,
                "element": f"network-{place}",
                "card": one.card,
                "facts": one.facts,
            }
            for place, one in enumerate(networks)
        ],
        "samples": [_described(one, place) for place, one in enumerate(samples)],
        "colours": [hex_colour(value) for value in range(1, MAX_CLASSES + 1)],
        "presets": {name: (level - width / 2, level + width / 2) for name, (width, level) in CT_PRESETS.items()},
    }
    values = {"TEXTS": TEXTS, "PAGE": contents, "VIEWER_WORDS": VIEWER_CHINESE, "VIEWER_PATTERNS": VIEWER_PATTERNS}
    constants = "\n".join(f"const {name} = {_json(value)};" for name, value in values.items())
    return "\n".join([viewer_script(None), constants, *map(_source, PAGE_SCRIPTS)])


def _described(sample: PageSample, place: int) -> dict[str, object]:
    return {
        "title": sample.title,
        "description": sample.description,
        "credit": sample.credit,
        "licence": sample.licence,
        "networks": sample.networks,
        "element": f"sample-{place}",
        "file": sample.file,
        "is_packed": sample.file.endswith(".npy"),
        "known": sample.known,
    }


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
