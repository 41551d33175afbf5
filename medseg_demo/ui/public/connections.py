"""Connections on which nothing is asked: they end, and many of them fit.

Uvicorn ends a connection that is silent after an answer, and waits for ever for a first request or for the rest of its
headers; a thousand of these cost an attacker nothing, and the server everybody else's.
"""

import asyncio
import contextlib
from typing import Any

import uvicorn.config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

PATIENCE_S = 20.0
FILES = 65_536  # most that one process needs at once, connections among them


class ImpatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Ends a connection on which no whole request came for so long, and none is answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look after it."""
        super().connection_made(transport)
        self._answered: Any = None
        self._next_look = self.loop.call_later(PATIENCE_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look after it no more."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        # A cycle is a request with all of its headers, and its answer.
        if self.cycle is self._answered and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
            return
        self._answered = self.cycle
        self._next_look = self.loop.call_later(PATIENCE_S, self._look)


def be_impatient() -> None:
    """Have servers of this process look after their connections, and allow them as many as the system does."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = ImpatientProtocol  # type: ignore[index, assignment]
    with contextlib.suppress(ImportError, OSError, ValueError):  # other systems have no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
