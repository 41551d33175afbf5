"""A page that strangers may use: every event is looked at before Gradio touches anything that it names."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder

from medseg_demo.errors import OptionError
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.settings import Settings
from medseg_demo.ui.faults import explain
from medseg_demo.ui.language import SpokenPage, spoken_by
from medseg_demo.ui.public import texts
from medseg_demo.ui.public.hosts import Hosts
from medseg_demo.ui.public.uploads import FOLDER, LIFETIME_S, Often, Upload, Uploads
from medseg_demo.ui.public.visitors import Names, names_of
from medseg_demo.ui.session import SESSIONS, Sessions, folder_of

LOGINS_A_MINUTE = 10
LEFT_S = 120.0  # in which a page that lost its connection may find its session again
MOST_LEFT = 256  # sessions that nobody listens to; each may keep an answer of some megabytes


class _Nothing(dict[int, Any]):
    """In place of what Gradio keeps of every value that a page shows (6 MB of the first), for links that are closed."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: int) -> Any:
        return {}

    def __setitem__(self, key: int, value: Any) -> None:
        pass


NOTHING = _Nothing()


class Gate:
    """What a page asks before it lets a request in.

    Attributes:
        settings: The limits.
        hosts: The names under which the page is served.
        sessions: Those of the page.
        uploads: Whose each file is.
        logins: How often each client tried a password.
    """

    def __init__(self, settings: Settings, sessions: Sessions, hosts: Collection[str] = ()) -> None:
        self.settings, self.sessions, self.hosts = settings, sessions, Hosts(hosts)
        self.uploads = Uploads(settings, lambda: Path(get_upload_folder()))
        self.logins = Often(LOGINS_A_MINUTE)
        sessions.on_end(self.uploads.end)

    def begin_upload(self, visitor: str, client: str, size: int) -> Upload:
        """Let an upload in.

        Raises:
            Refused: It is one too many, too large, or there is no room.
        """
        return self.uploads.begin(visitor, client, size, self.sessions.places(), self.sessions.busy)

    def admit(
        self, names: Names, session: str, blocks: Sequence[object], inputs: Sequence[object], more: object,
        *, is_named: bool = True,
    ) -> None:  # fmt: skip
        """Check one event: whose session it names, and every file, wherever it stands.

        Args:
            names: Of who sent it.
            session: Its hash; empty where a direct call names none.
            blocks: Its inputs' components.
            inputs: What was sent for each.
            more: What was sent about the event itself.
            is_named: Whether the client named the session; otherwise the queue made one for this event alone.

        Raises:
            OptionError: The session or a file is not this visitor's, or something else was sent for a file, or values
                are missing.
        """
        self.sessions.claim(session, names)
        if len(inputs) != len(blocks):
            raise OptionError(texts.WRONG_COUNT.format(needed=len(blocks), given=len(inputs)))
        for block, value in zip(blocks, inputs, strict=True):
            if isinstance(block, gr.File | gr.UploadButton):
                _check_kind(block, value)
        for path in _paths(inputs):
            self.uploads.claim(path, session, names, is_named=is_named)
        for path in _paths(more):
            if not _is_result(path, session):
                self.uploads.claim(path, session, names, is_named=is_named)

    def may_read(self, path: str, names: Names) -> bool:
        """Whether a file's link is for this visitor: of uploads and results, only those of his own are.

        What is of no visitor, Gradio allows or not.
        """
        try:
            parts = Path(path).resolve().relative_to(Path(get_upload_folder()).resolve()).parts
        except (OSError, ValueError):
            return True
        if parts[:1] == (FOLDER,):
            return len(parts) > 2 and self.uploads.may_read(parts[1], names)
        if parts[:1] == (SESSIONS,):
            return len(parts) > 2 and self.sessions.may_read(parts[1], names)
        return not any(part.startswith(".") for part in parts)

    def sweep(self) -> None:
        """Delete what nobody has used for an hour."""
        self.sessions.sweep()
        self.uploads.sweep(self.sessions.busy)


class Page(SpokenPage):
    """Gradio's page behind a gate.

    Every way to an event of Gradio's (the queue, ``/call``, ``/run``, ``/api``) ends in ``process_api``, before files
    are looked for and addresses are fetched.
    """

    gate: Gate | None = None
    asks_hub = False  # whether visitors log in by the Hugging Face Hub

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open: Counter[str] = Counter()  # sessions whose page, or client, keeps a connection to say so

    @property
    def expects_oauth(self) -> bool:
        """Whether Gradio makes the routes of that login."""
        return self.asks_hub

    @contextmanager
    def kept_open(self, session: str) -> Iterator[None]:
        """Held while the page of a session is open."""
        self._open[session] += 1
        try:
            yield
        finally:
            self._open -= Counter([session])

    def sweep(self) -> None:
        """Delete what nobody uses any more: files after an hour, Gradio's copy of a closed page soon after."""
        if self.gate is None:
            return
        self.gate.sweep()
        self._forget_left()

    def _forget_left(self) -> None:
        """Delete Gradio's copies of pages that were left, and answers that nobody fetched; the oldest of too many."""
        used, queue, now = self.state_holder.time_last_used, self._queue, datetime.now()  # Gradio's own clock
        busy = self.gate.sessions.busy if self.gate is not None else set()
        busy |= {event.session_hash for event in list(queue.event_ids_to_events.values())}
        left = [(moment, one) for one, moment in list(used.items()) if one not in busy and one not in self._open]
        for place, (moment, session) in enumerate(sorted(left), 1):
            age = (now - moment).total_seconds()
            is_over = len(left) - place >= MOST_LEFT
            if is_over or age > LEFT_S:
                self.state_holder.session_data.pop(session, None)
            answers = queue.pending_messages_per_session.get(session)
            if is_over or age > (LEFT_S if answers is None or answers.empty() else LIFETIME_S):
                queue.pending_messages_per_session.pop(session, None)
                queue.pending_event_ids_session.pop(session, None)
                used.pop(session, None)

    async def process_api(  # type: ignore[override]
        self, block_fn: BlockFunction, inputs: list[Any], *args: Any, **named: Any
    ) -> dict[str, Any]:
        """Process an event that was let in.

        Raises:
            gr.Error: It was not, or it came to nothing; in words, and without what was sent.
        """
        request, inputs = named.get("request"), _completed(block_fn, inputs)
        try:
            if self.gate is not None and isinstance(request, gr.Request) and named.get("iterator") is None:
                session = named.get("session_hash") or ""
                self.gate.admit(
                    names_of(request.cookies), session, block_fn.inputs, inputs,
                    getattr(named.get("event_data"), "_data", None), is_named=session != named.get("event_id"),
                )  # fmt: skip
            if isinstance(state := named.get("state"), SessionState):
                state.config_values = NOTHING
            if len(self.state_holder.time_last_used) > MOST_LEFT:
                self._forget_left()
            return await super().process_api(block_fn, inputs, *args, **named)
        except (gr.Error, Cancelled):
            raise
        except Exception as error:
            words = explain(error)
            said = spoken_by(request).text(words) if isinstance(request, gr.Request) else words
            raise gr.Error(said, print_exception=False) from None


def _completed(block_fn: BlockFunction, inputs: list[Any]) -> list[Any]:
    """What was sent to an endpoint, with the defaults of the arguments that were left out at the end.

    ``gradio_client`` completes a call; one that lists its values by hand would fail with each argument that is new.
    """
    lacking = len(block_fn.inputs) - len(inputs)
    if lacking <= 0 or block_fn.api_visibility == "private" or block_fn.fn is None:
        return inputs
    last = list(signature(block_fn.fn).parameters.values())[-lacking:]
    defaults = [one.default for one in last if one.default is not one.empty]
    return [*inputs, *defaults] if len(defaults) == lacking else inputs


def _check_kind(block: gr.File | gr.UploadButton, value: object) -> None:
    """Refuse what is no file, or a list where one is wanted, which Gradio would not say in words."""
    is_list = isinstance(value, list)
    if is_list and block.file_count == "single":
        raise OptionError(texts.ONE_FILE.format(label=block.label))
    for one in value if isinstance(value, list) else [value] if value is not None else []:
        if not (isinstance(one, dict) and isinstance(one.get("path"), str) and _meta(one) == "gradio.FileData"):
            raise OptionError(texts.NO_FILE.format(label=block.label))


def _is_result(path: str, session: str) -> bool:
    """Whether a file is a result of this very session, such as the picture of a gallery that was clicked."""
    folder, file = folder_of(session).resolve(), Path(path)
    return bool(session) and file.is_file() and file.resolve().is_relative_to(folder)


def _meta(file: dict[str, Any]) -> object:
    meta = file.get("meta")
    return meta.get("_type") if isinstance(meta, dict) else None


def _paths(value: object) -> Iterator[str]:
    """Every path or address in what was sent, however deep."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            if "path" in one:
                yield str(one["path"])
            pending.extend(one.values())
        elif isinstance(one, list | tuple):
            pending.extend(one)
