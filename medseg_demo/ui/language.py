"""The page in the language of each visitor: made once in English, translated where it leaves for a browser.

The browser's own wish counts (Accept-Language) unless the menu in the header was used, which leaves a cookie. The web
API answers in English: programs read it.
"""

import contextvars
import re
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medseg_demo.language import COOKIE, Language, language, preferred

_TEXTS = ("label", "info", "placeholder", "title", "empty_state")
_WITH_MARKUP = {"html", "markdown"}
_WITH_TEXT = {"button", "uploadbutton", "downloadbutton"}

# What Gradio's own parts say to screen readers without having words for it.
GRADIO_WORDS = gr.I18n(
    **{
        "en": {"common.complete": "Complete"},
        "zh-CN": {"common.complete": "完成", "status.queue_position": "排队中：第 {position} 位，共 {size} 位"},
    }
)

_asked: contextvars.ContextVar[str] = contextvars.ContextVar("language of the page that is asked for", default="en")


def asked_language() -> Language:
    """The language of the request or the event that is handled here."""
    return language(_asked.get())


class SpokenPage(gr.Blocks):
    """A page in the language of each visitor: its configuration, and what events send to its components."""

    _own: dict[str, Any]
    _translated: tuple[int, dict[str, dict[str, Any]]] = (0, {})

    @property
    def config(self) -> Any:
        """What a browser is told of the components."""
        spoken = asked_language()
        if spoken.code == "en":
            return self._own
        if self._translated[0] != id(self._own):
            self._translated = (id(self._own), {})
        known = self._translated[1]
        if spoken.code not in known:
            known[spoken.code] = _translated_config(self._own, spoken)
        return known[spoken.code]

    @config.setter
    def config(self, value: Any) -> None:
        self._own = value

    async def process_api(self, *arguments: Any, **options: Any) -> Any:
        """Handle an event in the language of its request."""
        request = next((one for one in [*arguments, *options.values()] if isinstance(one, gr.Request)), None)
        _asked.set(spoken_by(request).code if request else "en")
        try:
            return await super().process_api(*arguments, **options)
        except gr.Error as error:
            error.message = asked_language().text(str(error.message))
            raise

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """What is sent to the browser, translated."""
        sent = await super().postprocess_data(block_fn, predictions, state)
        spoken = asked_language()
        if spoken.code == "en":
            return sent
        return [_translated(spoken, part, value) for part, value in zip(block_fn.outputs, sent, strict=False)]


class AskedLanguage:
    """Notes the language of each request, and tells it to the browser of a page; an ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        spoken = spoken_by(HTTPConnection(scope)) if scope["type"] == "http" else language("en")
        _asked.set(spoken.code)
        is_page = spoken.code != "en" and scope.get("path", "").rstrip("/") == scope.get("root_path", "").rstrip("/")
        await self._app(scope, receive, _said_in(spoken, send) if is_page else send)


def _said_in(spoken: Language, send: Send) -> Send:
    """A page's sender that names the language: to screen readers, and to Gradio, which words its own parts by it."""
    head: list[Message] = []
    body = bytearray()

    async def send_page(message: Message) -> None:
        if message["type"] == "http.response.start":
            head.append(message)
            return
        if message["type"] != "http.response.body":
            await send(message)
            return
        body.extend(message.get("body", b""))
        if not message.get("more_body"):
            tag = spoken.tag
            named = f'<script>for (const [name, value] of [["language", "{tag}"], ["languages", ["{tag}"]]]) '
            named += "Object.defineProperty(navigator, name, { get: () => value });</script>"
            page = bytes(body).replace(b"<head>", b"<head>" + named.encode(), 1)
            page = re.sub(rb'(<html[^>]*?\slang=)"en"', rb'\1"' + tag.encode() + b'"', page, count=1)
            headers = [(name, value) for name, value in head[0]["headers"] if name != b"content-length"]
            await send({**head[0], "headers": [*headers, (b"content-length", str(len(page)).encode())]})
            await send({"type": "http.response.body", "body": page})

    return send_page


def spoken_by(request: Any) -> Language:
    """The language of whoever sent a request, Gradio's or Starlette's."""
    return preferred(request.headers.get("accept-language", ""), request.cookies.get(COOKIE, ""))


def _translated(spoken: Language, component: Any, value: Any) -> Any:
    """A value of a component, or an update of ``gr.update``, as a visitor reads it."""
    kind = component.get_block_name()
    if isinstance(value, dict) and value.get("__type__") == "update":
        return _translated_props(kind, value, spoken)
    return _translated_props(kind, {"value": value}, spoken)["value"]


def _translated_config(config: Mapping[str, Any], spoken: Language) -> dict[str, Any]:
    said = dict(config)
    said["components"] = [
        one | {"props": _translated_props(one["type"], one["props"], spoken)} for one in config["components"]
    ]
    said["js"] = f"() => {{ {spoken.script}; return ({config['js'] or '() => {}'})(); }}"
    said["title"] = spoken.text(config["title"])
    return said


def _translated_props(kind: str, props: Mapping[str, Any], spoken: Language) -> dict[str, Any]:
    said = dict(props)
    for name in _TEXTS:
        if isinstance(said.get(name), str):
            said[name] = spoken.text(said[name])
    if isinstance(said.get("choices"), list):
        said["choices"] = [_choice(one, spoken) for one in said["choices"]]
    if said.get("js_on_load"):  # which runs before the page's own script
        said["js_on_load"] = f"{spoken.script};\n{said['js_on_load']}"
    if said.get("html_template"):
        said["html_template"] = spoken.html(said["html_template"])
    value = said.get("value")
    if isinstance(value, str) and value:
        said["value"] = _value(kind, spoken)(value)
    elif kind == "html" and isinstance(value, dict):
        said["value"] = _shown(value, spoken)
    return said


def _value(kind: str, spoken: Language) -> Callable[[str], str]:
    """How a component's text is translated; what a person typed stays."""
    if kind in _WITH_MARKUP:
        return lambda value: spoken.figure(value) if value.startswith('{"') else spoken.html(value)
    return spoken.text if kind in _WITH_TEXT else str


def _choice(choice: Any, spoken: Language) -> Any:
    label, value = choice if isinstance(choice, list | tuple) else (choice, choice)
    return (spoken.text(label), value) if isinstance(label, str) else choice


def _shown(value: dict[str, Any], spoken: Language) -> dict[str, Any]:
    """What the viewer and the surface show: the words in it, not the names."""
    said = value | {name: spoken.text(value[name]) for name in ("alternative_text", "note") if value.get(name)}
    if isinstance(value.get("axes"), list):
        said["axes"] = [spoken.text(one) for one in value["axes"]]
    for name, field in (("predictions", "postprocessing"), ("regions", "size")):
        if isinstance(said.get(name), list):
            said[name] = [one | {field: spoken.text(one.get(field) or "")} for one in said[name]]
    if isinstance(said.get("channels"), list):
        said["channels"] = [_channel(one, spoken) for one in said["channels"]]
    return said


def _channel(channel: dict[str, Any], spoken: Language) -> dict[str, Any]:
    presets = [one | {"name": spoken.text(one["name"])} for one in channel.get("presets") or []]
    return channel | {"presets": presets}
