"""One visitor's session: what was given and what came out, tab by tab, the folder, and the runs that go on.

It lives in ``gr.State``, so nothing here is shared between visitors. It ends when the page is closed or the state
expires: its runs are cancelled within a batch, and its folder is deleted.
"""

import re
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeVar

import gradio as gr
from gradio.context import LocalContext
from gradio.utils import get_upload_folder

from medseg_demo.image import MedicalImage
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.pipeline import Segmentation, SegmentOptions
from medseg_demo.segmenting.turns import Cancelled, Job, Turns, Waiting

LIFETIME_S = 3600
SESSIONS = "medseg-sessions"

Part = TypeVar("Part")


class Running:
    """A run that goes on, queued or computing; made by ``Session.running``.

    Attributes:
        tab: Where it was started.
        owner: Whose jobs it has at the networks.
        visitor_left: Whether it ended because nobody waits for it any more. Nothing is written then.
    """

    def __init__(self, tab: str, owner: str) -> None:
        self.tab, self.owner = tab, owner
        self.visitor_left = False
        self.stopped = threading.Event()
        self._jobs: list[Job] = []

    @contextmanager
    def job(self, turns: Engine | Turns, *, is_large: bool = False, waiting: Waiting | None = None) -> Iterator[Job]:
        """A job that was let in, and ends with this run.

        Args:
            turns: Lets it in.
            is_large: Whether it holds a volume in memory.
            waiting: Told again and again how many jobs are before this one, and for how long.

        Raises:
            Cancelled: The run was cancelled.
        """

        def wait(ahead: int, seconds: float | None) -> None:
            self.check()
            if waiting is not None:
                waiting(ahead, seconds)

        with turns.job(self.owner, is_large=is_large, waiting=wait) as job:
            self._jobs.append(job)
            try:
                self.check()
                yield job
            finally:
                self._jobs.remove(job)

    def segment(
        self, engine: Engine, image: MedicalImage, checkpoint: str, *, waiting: Waiting | None = None,
        options: SegmentOptions | None = None,
    ) -> Segmentation:  # fmt: skip
        """Segment one image as a job of this run; the arguments are those of ``job`` and of the engine.

        Raises:
            MedsegError: The image or the checkpoint cannot be used.
            Cancelled: The run was cancelled.
        """
        with self.job(engine, is_large=image.is_volume, waiting=waiting) as job:
            return engine.segment(image, checkpoint, options=options, progress=lambda *_: self.check(), job=job)

    def cancel(self) -> None:
        """End it within a batch, or at once while it is queued. A second time does nothing."""
        self.stopped.set()
        for job in tuple(self._jobs):
            job.cancel()

    def check(self) -> None:
        """Go on, unless the run was cancelled or its client has gone; asked after each batch and while it waits.

        Raises:
            Cancelled: It was.
        """
        if client_has_gone():
            self.visitor_left = True
            self.cancel()
        if self.stopped.is_set():
            raise Cancelled


@dataclass(eq=False)
class Session:
    """One visitor's session, which the handlers change in place.

    Handlers overlap: a file may be added while a run goes on. Each replaces only the part that it made, so that none
    brings back an older part of another's; a run keeps to what was given when it began.

    Attributes:
        owner: The hash under which Gradio knows the page; two browser tabs have two.
    """

    owner: str = ""
    _parts: dict[type, Any] = field(default_factory=dict)
    _running: list[Running] = field(default_factory=list)

    def part(self, kind: type[Part]) -> Part:
        """What one tab remembers, made when it is first asked for."""
        return self._parts.setdefault(kind, kind())

    @property
    def folder(self) -> Path:
        """The visitor's folder for files, made if missing.

        It lies in Gradio's own temporary folder, from where Gradio serves files without another copy.
        """
        folder = self._place
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def running(self, tab: str) -> Iterator[Running]:
        """A run, from the press of its button to its end."""
        running = Running(tab, self.owner)
        self._running.append(running)
        try:
            yield running
        finally:
            self._running.remove(running)
            if running.visitor_left and not self._running:
                self._delete_files()  # what it wrote while the session ended

    @property
    def is_running(self) -> bool:
        """Whether a run goes on."""
        return bool(self._running)

    def stop(self, tab: str) -> None:
        """End what one tab runs; the other tabs' runs go on."""
        for running in tuple(self._running):
            if running.tab == tab:
                running.cancel()

    def end(self) -> None:
        """Cancel every run and delete the files."""
        for running in tuple(self._running):
            running.visitor_left = True
            running.cancel()
        self._delete_files()

    @property
    def _place(self) -> Path:
        return Path(get_upload_folder()) / SESSIONS / (re.sub(r"[^A-Za-z0-9]", "", self.owner) or "none")

    def _delete_files(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)


class Sessions:
    """Finds the sessions of a page by their hashes, when Gradio says that a page was closed or the server ends.

    Attributes:
        state: Holds each visitor's session, once it was added to a page.
    """

    state: gr.State

    def __init__(self) -> None:
        self._open: weakref.WeakSet[Session] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add_state(self) -> "Sessions":
        """Add the state to the open page."""
        self.state = gr.State(Session(), time_to_live=LIFETIME_S, delete_callback=Session.end)
        return self

    def opened(self, session: Session, request: gr.Request) -> Session:
        """The session of an event, with its hash."""
        if not session.owner:
            session.owner = request.session_hash or ""
            with self._lock:
                self._open.add(session)
        return session

    def of_client(self, request: gr.Request | None) -> Session:
        """A session for one call of the web API."""
        return self.opened(Session(), request) if request else Session()

    def end(self, request: gr.Request) -> None:
        """End those of a page that was closed."""
        self._end(lambda session: session.owner == request.session_hash)

    def end_all(self, *, patience_s: float = 0.0) -> None:
        """End every session, since the server ends, and wait so long for their runs to be over."""
        ended = self._end(lambda session: True)
        deadline = time.monotonic() + patience_s
        while any(session.is_running for session in ended) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _end(self, wanted: Callable[[Session], bool]) -> list[Session]:
        with self._lock:
            sessions = [session for session in self._open if wanted(session)]
        for session in sessions:
            session.end()
        return sessions


def client_has_gone() -> bool:
    """Whether the client of the event that is handled here has closed its connection, as Gradio's queue notes it.

    A closed page ends its session, which is quicker; of a client of the web API only the connection is known.
    """
    page, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if page is None or event_id is None:
        return False
    event = page._queue.event_ids_to_events.get(event_id)
    return event is not None and not event.alive


def known_folder(folder: Path) -> PurePath:
    """What of the path of an uploaded file's folder the visitor knows: what a zip held, and nothing of the server's.

    Gradio puts each file into a folder called by its hash; zips are unpacked into one of the session.
    """
    uploads = Path(get_upload_folder())
    if not folder.is_relative_to(uploads):
        return PurePath()
    parts = folder.relative_to(uploads).parts
    return PurePath(*parts[3:]) if parts[:1] == (SESSIONS,) else PurePath()
