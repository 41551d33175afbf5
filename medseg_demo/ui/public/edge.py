"""The edge of the server: what every request is asked, and every answer gets, before and after Gradio.

Pure ASGI, so that streams of events pass through as they are. Given to ``launch`` as ``app_kwargs``, which puts it
inside of Gradio's own middleware and around all of its routes.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medseg_demo.ui.faults import explain
from medseg_demo.ui.language import AskedLanguage, spoken_by
from medseg_demo.ui.public import texts
from medseg_demo.ui.public.bodies import watched, watched_event
from medseg_demo.ui.public.documents import DOCUMENTS, Documents
from medseg_demo.ui.public.events import API, ENDING, JOINING, OPEN, session_in, take_event
from medseg_demo.ui.public.login import hub_page, hub_user
from medseg_demo.ui.public.page import Gate, Page
from medseg_demo.ui.public.uploads import MEBIBYTE, Refused
from medseg_demo.ui.public.visitors import NOBODY, address_of, client_of, names_of, new_cookie

UPLOAD = f"{API}/upload"
SWEEP_EVERY_S = 60.0
FIRST_S = 1  # when a full queue has moved on
FORM_BYTES = 2**20  # of the form around the files of an upload

# What this page has no use for: fetching addresses, streams of media, components' own servers, recordings, other pages.
CLOSED = re.compile(
    rf"{API}/(file=\s*\w[\w+.-]+:/|file/|proxy=|stream/|component_server|custom_component|process_recording|vibe|"
    r"undo-vibe|deep_link|dev/|profiling|runs|run-history|token)|/monitoring|/openapi\.json"
)
FILE = re.compile(rf"{API}/file=(.*)", re.DOTALL)
# Whoever sends the request may write into these what he likes; Gradio believes them, or cuts files to pieces by them.
IGNORED = (b"x-gradio-server", b"x-forwarded-prefix")
IGNORED_FOR_FILES = (b"range", b"if-range")

ANSWERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"content-security-policy": b"frame-ancestors 'self' https://huggingface.co",
}


def edge_options() -> dict[str, Any]:
    """What ``launch`` is told as ``app_kwargs``."""
    return {
        "middleware": [Middleware(Edge), Middleware(AskedLanguage)],
        "routes": [Route(UPLOAD, take_upload, methods=["POST"])],
        "lifespan": _sweeping,
    }


class Edge:
    """Middleware around everything that a page answers. A page without a gate is left as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._documents = app, Documents(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        page = getattr(scope.get("app"), "blocks", None)
        if not isinstance(page, Page) or page.gate is None or scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": HTTPStatus.NOT_FOUND})
        else:
            await self._answer(page, page.gate, scope, receive, send)

    async def _answer(self, page: Page, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        scope = {**scope, "headers": _kept_headers(scope, gate)}
        request = Request(scope)
        send = marked = _Marked(request, send)
        try:
            session = await _checked(request, page, gate)
            if page.asks_hub and path == "/" and hub_user(request) is None:
                await hub_page()(scope, receive, send)
                return
            if request.method == "POST" and (JOINING.fullmatch(path) or ENDING.fullmatch(path)):
                receive = await take_event(request, receive, page)
            elif path != UPLOAD:
                receive = watched_event(receive)
            app = self._documents if DOCUMENTS.fullmatch(path) else self._app
            with page.kept_open(session) if session else nullcontext():
                await app(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as error:
            if marked.has_begun and isinstance(error.__cause__, HTTPException):
                return  # a stream of an event that has ended
            refused = error if isinstance(error, Refused) else _unforeseen(error, path)
            if not marked.has_begun:
                await _words(refused, request, as_json=path != UPLOAD)(scope, receive, send)


def _unforeseen(error: Exception, path: str) -> Refused:
    if isinstance(error, TypeError) and path.startswith(f"{API}/call/v2/"):
        return Refused(400, texts.WRONG_ARGUMENTS)
    return Refused(500, explain(error))


async def _checked(request: Request, page: Page, gate: Gate) -> str:
    """Refuse what is not for this page.

    Returns:
        The session that is listened to; empty for none.

    Raises:
        Refused: With what to do about it.
    """
    path, host, origin = request.scope["path"], request.headers.get("host", ""), request.headers.get("origin")
    if not gate.hosts.serves(host):
        raise Refused(421, texts.WRONG_HOST.format(host=host[:80]))
    if origin is not None and not gate.hosts.takes(origin, request.headers.get("x-forwarded-host", host)):
        raise Refused(403, texts.WRONG_ORIGIN.format(origin=origin[:80]))
    if CLOSED.match(path):
        raise Refused(404, texts.NOT_HERE)
    if (ENDING.fullmatch(path) or OPEN.fullmatch(path)) and not await _is_logged_in(request):
        raise Refused(401, texts.LOG_IN)  # Gradio asks for a login elsewhere, and not here
    names, session = names_of(request.cookies), session_in(request, page)
    if not gate.sessions.is_of(session, names):
        raise Refused(403, texts.NOT_YOUR_SESSION)
    if (file := FILE.fullmatch(path)) and not gate.may_read(file[1], names):
        raise Refused(404, texts.NOT_HERE)
    if request.method == "POST" and path.startswith("/login"):
        gate.logins.count(address_of(request))
    if request.method == "POST" and JOINING.fullmatch(path) and len(page._queue) >= gate.settings.max_queued:
        raise Refused(429, texts.QUEUE_FULL.format(seconds=FIRST_S), seconds=FIRST_S)
    return session


def _kept_headers(scope: Scope, gate: Gate) -> list[tuple[bytes, bytes]]:
    """The headers without those that would turn addresses in answers to somebody else's server."""
    dropped = IGNORED + (IGNORED_FOR_FILES if scope["path"].startswith(f"{API}/file=") else ())
    forwarded = Headers(scope=scope).get("x-forwarded-host", "").split(",")[0].strip()
    if not gate.hosts.serves(forwarded):
        dropped += (b"x-forwarded-host",)
    return [(name, value) for name, value in scope["headers"] if name.lower() not in dropped]


class _Marked:
    """Sends an answer with the headers that all have, and with a cookie where a client asks for the first time.

    Attributes:
        has_begun: Whether something was sent.
    """

    def __init__(self, request: Request, send: Send) -> None:
        self._request, self._send, self.has_begun = request, send, False

    async def __call__(self, message: Message) -> None:
        """Send one part."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in ANSWERS.items():
                headers[name.decode()] = value.decode()
            is_document = DOCUMENTS.fullmatch(self._request.scope["path"]) is not None
            if is_document and names_of(self._request.cookies)[0] == NOBODY:
                headers.append("set-cookie", new_cookie(is_secure=_is_secure(self._request)))
                headers["cache-control"] = "no-store"
        await self._send(message)


def _is_secure(request: Request) -> bool:
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").split(",")[0].strip())


def _words(refused: Refused, request: Request, *, as_json: bool) -> Response:
    """The answer to what was refused; Gradio's page shows ``detail``, or what an upload says."""
    headers = {"Retry-After": str(refused.seconds)} if refused.seconds is not None else {}
    words = spoken_by(request).text(refused.words)
    if as_json:
        return JSONResponse({"detail": words}, refused.status, headers)
    return PlainTextResponse(words, refused.status, headers)


async def take_upload(request: Request) -> Response:
    """Gradio's ``/upload`` with a folder for each, limits and an owner.

    Returns:
        The paths of the files, by which events may name them.
    """
    try:
        return JSONResponse(await _uploaded(request))
    except Refused as refused:
        return _words(refused, request, as_json=False)


async def _uploaded(request: Request) -> list[str]:
    from gradio.route_utils import MultiPartException, upload_fn
    from gradio.routes import file_upload_statuses

    page: Page = request.app.get_blocks()
    gate = page.gate
    assert gate is not None
    if not await _is_logged_in(request):
        raise Refused(401, texts.LOG_IN)
    limit_mb = gate.settings.max_session_mb
    upload = await asyncio.to_thread(
        gate.begin_upload, names_of(request.cookies)[0], client_of(request), _claimed_size(request)
    )
    too_large = texts.UPLOAD_TOO_LARGE.format(limit=limit_mb)
    receive = watched(request.receive, limit_mb * MEBIBYTE + FORM_BYTES, too_large)
    upload_id = request.query_params.get("upload_id")
    try:
        files, *_ = await upload_fn(
            Request(request.scope, receive), upload.folder, page.max_file_size or float("inf"), upload_id,
            upload_progress=file_upload_statuses if upload_id else None,
        )  # fmt: skip
    except MultiPartException as error:
        gate.uploads.delete(upload)
        raise Refused(413 if "File size" in error.message else 400, error.message) from None
    except BaseException as error:
        gate.uploads.delete(upload)
        if isinstance(error, Refused) or not isinstance(error, Exception):
            raise
        raise Refused(400, texts.BROKEN_UPLOAD) from None
    gate.uploads.finish(upload, files)
    return list(files)


def _claimed_size(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 16 else 0


async def _is_logged_in(request: Request) -> bool:
    """Whether the page has no logins, or knows this one; as Gradio's own routes ask it."""
    app: Any = request.app
    if app.auth_dependency is not None:
        return app.auth_dependency(request) is not None
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return app.auth is None or any(request.cookies.get(name) in app.tokens for name in names)


@asynccontextmanager
async def _sweeping(app: Any) -> AsyncIterator[None]:
    """Delete what nobody uses any more, now and then, as long as the server runs."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            if isinstance(page := app.get_blocks(), Page):
                await asyncio.to_thread(page.sweep)

    task = asyncio.create_task(sweep())
    yield
    task.cancel()
