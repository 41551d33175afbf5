"""Bodies of requests, watched while they come: how large they are, and how slow."""

import asyncio
import time
from collections.abc import Callable

from starlette.types import Message, Receive

from medseg_demo.ui.public import texts
from medseg_demo.ui.public.uploads import MEBIBYTE, Refused

IDLE_S = 30.0  # without a byte
GRACE_S = 20.0  # in which a body may be slow
SLOWEST = 16 * 1024  # bytes a second on the average after that
EVENT_MB = 32  # most that an event has; its files are uploaded before


def watched(
    receive: Receive,
    most: int,
    too_large: str,
    *,
    idle_s: float = IDLE_S,
    clock: Callable[[], float] = time.monotonic,
) -> Receive:
    """Receive a body, unless it is too large or too slow.

    Args:
        receive: Of the server.
        most: Bytes in all.
        too_large: What is said where there are more.
        idle_s: Seconds without a byte after which it ends.
        clock: Seconds.

    Returns:
        The same, which raises Refused. What comes after the body is let through however long it takes.
    """
    begun, got, is_over = clock(), 0, False

    async def receive_watched() -> Message:
        nonlocal got, is_over
        if is_over:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), idle_s)
        except TimeoutError:
            raise _too_slow() from None
        got += len(message.get("body", b""))
        is_over = not message.get("more_body", False)
        seconds = clock() - begun
        if got > most:
            raise Refused(413, too_large)
        if not is_over and seconds > GRACE_S and got < SLOWEST * seconds:
            raise _too_slow()
        return message

    return receive_watched


def watched_event(receive: Receive) -> Receive:
    """Receive what is no upload."""
    return watched(receive, EVENT_MB * MEBIBYTE, texts.BODY_TOO_LARGE.format(limit=EVENT_MB))


def _too_slow() -> Refused:
    return Refused(408, texts.TOO_SLOW.format(rate=SLOWEST // 1024))
