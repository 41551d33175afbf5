"""Who may use the page at all: accounts with a password each, or those of the Hugging Face Hub on a Space."""

import os
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse

from medseg_demo.errors import OptionError
from medseg_demo.ui.public import texts

SHORTEST = 8
HUB_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{HUB_TITLE}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui;margin:20vh auto;max-width:30rem}}</style>
<h1>{HUB_TITLE}</h1><p>{HUB_WHY}</p>
<p><a href="login/huggingface" target="_blank" rel="noopener">{HUB_LINK}</a></p></html>
"""


def read_accounts(given: Sequence[str]) -> list[tuple[str, str]]:
    """Users and passwords from ``USER:FILE``; a password is a file's first line, so that no list of processes shows it.

    Raises:
        OptionError: One is written otherwise, its file cannot be read, or the password is short.
    """
    accounts = []
    for one in given:
        user, _, file = one.partition(":")
        if not (user and file):
            raise OptionError(texts.NO_ACCOUNT.format(given=one))
        try:
            password = (Path(file).expanduser().read_text(encoding="utf-8").splitlines() or [""])[0].strip()
        except (OSError, UnicodeDecodeError):
            raise OptionError(texts.NO_PASSWORD_FILE.format(user=user, file=file)) from None
        if len(password) < SHORTEST:
            raise OptionError(texts.SHORT_PASSWORD.format(user=user, file=file, shortest=SHORTEST))
        accounts.append((user, password))
    return accounts


def asks_hub() -> bool:
    """Whether the Space was given a login of the Hub, by ``hf_oauth: true`` in its README.md."""
    return "SPACE_ID" in os.environ and "OAUTH_CLIENT_ID" in os.environ


def hub_user(request: Request) -> str | None:
    """Who is logged in by the Hub; None where nobody is, or no longer."""
    info = request.session.get("oauth_info") or {}
    if not info or info.get("expires_at", 0) < time.time():
        return None
    return str((info.get("userinfo") or {}).get("preferred_username") or "") or None


def hub_page() -> HTMLResponse:
    """What a visitor sees before the login. The Hub's own page opens beside it, since it may not lie in a frame."""
    words = {name: escape(getattr(texts, name)) for name in ("HUB_TITLE", "HUB_WHY", "HUB_LINK")}
    return HTMLResponse(HUB_PAGE.format(**words), status_code=401)
