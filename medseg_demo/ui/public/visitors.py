"""Whose a request is: the browser's own cookies, by which nothing but this page's files are told apart.

A session of Gradio is named by its page in each event, but not in an upload. The cookie, a random name that a browser
or ``gradio_client`` gets with the page or its configuration, says that both come from the same one. Who takes no
cookies is told by the session alone: an upload then belongs to the session that uses it first.

Two tabs that open the page at once, before either has a cookie, get two names. Each is a cookie of its own, so that
none overwrites the other: the browser sends both, and what belongs to either is its.
"""

import re
import secrets
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

COOKIE = "medseg-visitor"
NAME = re.compile(r"[0-9a-f]{32}")
NOBODY = ""
MOST_NAMES = 8
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")

Names = tuple[str, ...]


def names_of(cookies: Mapping[str, str]) -> Names:
    """The names of a visitor, the first of which is written upon what is his; ``NOBODY`` alone without a cookie."""
    found = {value for key, value in cookies.items() if key == _key(value) and NAME.fullmatch(value)}
    return tuple(sorted(found)[:MOST_NAMES]) or (NOBODY,)


def new_cookie(*, is_secure: bool) -> str:
    """The header that names a new visitor until the browser is closed.

    Args:
        is_secure: Whether the page came over https; only then may it lie in another page's frame, as on a Space.
    """
    kind = "Secure; SameSite=None; Partitioned" if is_secure else "SameSite=Lax"
    name = secrets.token_hex(16)
    return f"{_key(name)}={name}; Path=/; HttpOnly; {kind}"


def client_of(request: Any) -> str:
    """By whom runs and uploads are counted: the visitor, or the address of a client that takes no cookies.

    Args:
        request: Of Gradio or Starlette.
    """
    return names_of(getattr(request, "cookies", None) or {})[0] or address_of(request)


def address_of(request: Any) -> str:
    """From where a request comes, for what nobody may do again under a new name."""
    return f"address {getattr(getattr(request, 'client', None), 'host', '')}"


def is_owner(request: Any) -> bool:
    """Whether a request comes from the computer that the page runs on, and no proxy stands between.

    Who started the page is who sits there, or came in by ssh. A proxy on the same computer brings anybody, and says so.
    """
    headers = getattr(request, "headers", None) or {}
    if any(name in headers for name in FORWARDED):
        return False
    try:
        return ip_address(getattr(getattr(request, "client", None), "host", "") or "").is_loopback
    except ValueError:
        return False


def _key(name: str) -> str:
    return f"{COOKIE}-{name[:8]}"
