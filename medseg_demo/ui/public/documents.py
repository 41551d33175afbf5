"""The page and its configuration, made once and sent compressed: every visitor gets the same megabyte.

Gradio copies, completes and writes it anew for each, which takes a processor a sixth of a second; a class that opens
the page together would wait. Where people log in, nothing is kept.
"""

import asyncio
import gzip
import re
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medseg_demo.ui.language import spoken_by

DOCUMENTS = re.compile(r"/|/config/?|/gradio_api/info/?")
KEPT = 16  # answers, since they name the host that was asked for
SMALLEST = 1000  # bytes that are worth it


@dataclass(frozen=True)
class Answer:
    """One whole answer.

    Attributes:
        start: Its status and headers, as ASGI has them.
        body: As it was.
        packed: The same compressed.
    """

    start: Message
    body: bytes
    packed: bytes


class Documents:
    """Sends documents of an app.

    Args:
        app: Makes them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: OrderedDict[tuple[object, ...], Answer] = OrderedDict()
        self._making: defaultdict[tuple[object, ...], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for one of ``DOCUMENTS``."""
        headers = Headers(scope=scope)
        if scope["method"] != "GET" or not _is_for_all(scope):
            answer = await self._made(scope, receive)
        else:
            query = scope["query_string"] if scope["path"].startswith("/gradio_api") else b""
            names = ("host", "x-forwarded-host", "x-forwarded-proto")
            spoken = spoken_by(HTTPConnection(scope)).code
            answer = await self._once((scope["path"], query, spoken, *map(headers.get, names)), scope, receive)
        await _sent(answer, send, is_packed="gzip" in headers.get("accept-encoding", ""))

    async def _once(self, key: tuple[object, ...], scope: Scope, receive: Receive) -> Answer:
        if key not in self._kept:
            async with self._making[key]:
                if key not in self._kept:
                    made = await self._made(scope, receive)
                    if made.start["status"] != 200:
                        return made
                    self._kept[key] = made
            self._making.pop(key, None)
        self._kept.move_to_end(key)
        answer = self._kept[key]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return answer

    async def _made(self, scope: Scope, receive: Receive) -> Answer:
        start: Message = {}
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, collect)
        body = b"".join(parts)
        is_large = scope["method"] == "GET" and len(body) >= SMALLEST
        return Answer(start, body, await asyncio.to_thread(gzip.compress, body, 6) if is_large else b"")


def _is_for_all(scope: Scope) -> bool:
    app: Any = scope["app"]
    return app.auth is None and app.auth_dependency is None and b"deep_link" not in scope["query_string"]


async def _sent(answer: Answer, send: Send, *, is_packed: bool) -> None:
    start = {**answer.start, "headers": list(answer.start["headers"])}
    headers = MutableHeaders(scope=start)
    headers.add_vary_header("Accept-Encoding, Accept-Language, Cookie")
    body = answer.body
    if is_packed and answer.packed and "content-encoding" not in headers:
        body = answer.packed
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
    await send(start)
    await send({"type": "http.response.body", "body": body})
