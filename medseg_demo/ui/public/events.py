"""Events as they arrive: whole, well-formed and from the session that they name, before Gradio reads a word of them.

Gradio's queue believes what an event says: a function that there is none of ends in a traceback, an event under
another's session is heard there, and whoever names an event cancels it.
"""

import re

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from medseg_demo.ui.public import texts
from medseg_demo.ui.public.bodies import watched_event
from medseg_demo.ui.public.page import Page
from medseg_demo.ui.public.uploads import Refused
from medseg_demo.ui.public.visitors import names_of

API = "/gradio_api"
JOINING = re.compile(rf"{API}/(queue/join|(call|run|api)/.*)")
ENDING = re.compile(rf"{API}/(cancel|reset)/?")
WAITING = re.compile(rf"{API}/call/.*?([^/]+)/?")  # for the answer to an event
OPEN = re.compile(rf"{API}/heartbeat/([^/]+)/?")
SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)


async def take_event(request: Request, receive: Receive, page: Page) -> Receive:
    """Read an event whole and check it.

    Returns:
        Gives the same body once more, to Gradio.

    Raises:
        Refused: It is too large, too slow, no event, or another visitor's.
    """
    received, body = watched_event(receive), bytearray()
    is_over = False
    while not is_over:
        message = await received()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        is_over = not message.get("more_body", False)
    _check_event(bytes(body), request, page)
    whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def receive_again() -> Message:
        return whole.pop() if whole else await receive()

    return receive_again


def session_in(request: Request, page: Page) -> str:
    """The session that an address names, or whose event it asks for; empty for none.

    Raises:
        Refused: There is no such event.
    """
    path = request.scope["path"]
    if named := OPEN.fullmatch(path):
        return named[1]
    if request.method == "GET" and (named := WAITING.fullmatch(path)):
        session = _session_of(named[1], page)
        if not session:
            raise Refused(404, texts.GONE_EVENT)
        return session
    return request.query_params.get("session_hash", "")


def _check_event(body: bytes, request: Request, page: Page) -> None:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(400, texts.NO_EVENT) from None
    if not isinstance(event, dict):
        raise Refused(400, texts.NO_EVENT)
    session, number = event.get("session_hash"), event.get("fn_index")
    if session is not None and not (isinstance(session, str) and SESSION.fullmatch(session)):
        raise Refused(400, texts.NO_SESSION)
    if number is not None and (type(number) is not int or number not in page.fns):
        raise Refused(400, texts.UNKNOWN_EVENT)
    names = names_of(request.cookies)
    ends = event.get("event_id") if ENDING.fullmatch(request.scope["path"]) else None
    for one in (session, _session_of(ends, page) if isinstance(ends, str) else None):
        if one and page.gate is not None and not page.gate.sessions.is_of(one, names):
            raise Refused(403, texts.NOT_YOUR_SESSION)


def _session_of(event_id: str, page: Page) -> str:
    """The session that waits for an event; one that named none has its own name as session. Empty where none waits."""
    queue = page._queue
    event = queue.event_ids_to_events.get(event_id)
    waiting = queue.pending_event_ids_session
    if event is not None:
        return event.session_hash if event_id in waiting.get(event.session_hash, ()) else ""
    return next((session for session, ids in list(waiting.items()) if event_id in ids), "")
