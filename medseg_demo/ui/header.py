"""The line above the tabs: what this is, what it is not, what it runs on, and why not on what is faster."""

from html import escape

import gradio as gr

from medseg_demo.errors import MedsegError
from medseg_demo.language import COOKIE, LANGUAGES
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import texts
from medseg_demo.ui.segment.state import Work
from medseg_demo.ui.session import Session, Sessions
from medseg_demo.ui.tab import QUICK, Event


class Header:
    """The page's heading. Make it inside the open page.

    Args:
        engine: Knows what networks run on.
        sessions: Know which result is shown.
    """

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        self._engine, self._sessions = engine, sessions
        self._html = gr.HTML(heading(engine), apply_default_css=False)

    def follow(self, shown: Event) -> None:
        """Whenever another result is shown: what is to be said of its checkpoint's network."""

        def say(session: Session) -> str:
            run = session.part(Work).run
            return heading(self._engine, run.shown.checkpoint if run and run.shown else None)

        shown(say, self._sessions.state, self._html, **QUICK)


def heading(engine: Engine, checkpoint: str | None = None) -> str:
    """The heading, with the note on a checkpoint's network, or on all of them."""
    notes = dict.fromkeys(note for note in (engine.note, _note_of(engine, checkpoint)) if note)
    said = "".join(f'<p class="ms-device">{escape(note)}</p>' for note in notes)
    text = texts.LENT_DEVICE if engine.runs_elsewhere else texts.DEVICE
    device = escape(text.format(device=engine.compute_name))
    return (
        f'<header class="ms-header"><h1>{escape(texts.TITLE)}</h1><p>{escape(texts.TAGLINE)}</p>'
        f'<p class="ms-device">{device}</p>{said}{_menu()}</header>'
    )


def _menu() -> str:
    """The languages; each is named in itself. browser/language.js makes it work."""
    options = "".join(f'<option value="{code}" translate="no">{name}</option>' for code, name in LANGUAGES.items())
    return f'<select class="ms-language" aria-label="Language" data-cookie="{COOKIE}">{options}</select>'


def _note_of(engine: Engine, checkpoint: str | None) -> str:
    try:
        return engine.note_of(checkpoint) if checkpoint else ""
    except MedsegError:  # it was taken out of the folder meanwhile
        return ""
