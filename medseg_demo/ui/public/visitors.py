"""Whose a request is: the browser's own cookie, by which nothing but this page's files are told apart.

A session of Gradio is named by its page in each event, but not in an upload. The cookie, a random name that a browser
or ``gradio_client`` gets with the page or its configuration, says that both come from the same one. Who takes no
cookies is told by the session alone: an upload then belongs to the session that uses it first.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

COOKIE = "medseg-visitor"
NAME = re.compile(r"[0-9a-f]{32}")


def visitor_of(cookies: Mapping[str, str]) -> str:
    """The visitor's name; empty where no cookie came."""
    name = cookies.get(COOKIE, "")
    return name if NAME.fullmatch(name) else ""


def new_cookie(*, is_secure: bool) -> str:
    """The header that names a new visitor until the browser is closed.

    Args:
        is_secure: Whether the page came over https; only then may it lie in another page's frame, as on a Space.
    """
    kind = "Secure; SameSite=None; Partitioned" if is_secure else "SameSite=Lax"
    return f"{COOKIE}={secrets.token_hex(16)}; Path=/; HttpOnly; {kind}"


def client_of(request: Any) -> str:
    """By whom runs and uploads are counted: the visitor, or the address of a client that takes no cookies.

    Args:
        request: Of Gradio or Starlette.
    """
    cookies = getattr(request, "cookies", None) or {}
    client = getattr(request, "client", None)
    return visitor_of(cookies) or f"address {getattr(client, 'host', '')}"
