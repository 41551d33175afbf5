"""One visitor's session: what was given and what came out, tab by tab, the folder, and the runs that go on.

It lives in ``gr.State``, so nothing here is shared between visitors. It ends when the page is closed or the state
expires: its runs are cancelled within a batch, and its folder is deleted. The folder's name cannot be guessed from that
of the session: who knows a file's path was told it.
"""

import hashlib
import secrets
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any, TypeVar

import gradio as gr
from gradio.context import LocalContext
from gradio.utils import get_upload_folder

from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Cancelled, Job, Turns, Waiting
from medseg_demo.settings import CHECKPOINTS
from medseg_demo.ui.public import texts
from medseg_demo.ui.public.runs import Runs
from medseg_demo.ui.public.uploads import LIFETIME_S, Place
from medseg_demo.ui.public.visitors import Names, client_of, names_of

SESSIONS = "medseg-sessions"
KEY = secrets.token_bytes(32)  # of this process
API = "api"  # in place of a tab

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
    def new_folder(self) -> Iterator[Path]:
        """A folder of its own in the session's, for what a call of the web API answers; it goes if the call fails."""
        place = folder_of(self.owner)
        place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=place))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

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
        client: By whom its runs are counted.
        runs: Those of all sessions, once one of their events was handled.
    """

    owner: str = ""
    client: str = ""
    runs: Runs | None = None
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
        folder = folder_of(self.owner)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def checkpoints_dir(self) -> Path:
        """Where checkpoints lie that the visitor added for this session alone; they go with it."""
        return folder_of(self.owner) / CHECKPOINTS.name

    @contextmanager
    def running(self, tab: str) -> Iterator[Running]:
        """A run, from the press of its button to its end.

        Raises:
            gr.Error: The visitor has as many as are let in at once.
        """
        running = Running(tab, self.owner)
        self._running.append(running)
        try:
            with self.runs.counted(self.owner, self.client) if self.runs else nullcontext():
                yield running
        finally:
            self._running.remove(running)
            if running.visitor_left and not self._running and tab != API:
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

    def _delete_files(self) -> None:
        shutil.rmtree(folder_of(self.owner), ignore_errors=True)


@dataclass
class _Known:
    """What is known of a session by its hash.

    Attributes:
        visitor: Who began it.
        used: When its last event came.
    """

    visitor: str
    used: float


class Sessions:
    """Finds the sessions of a page by their hashes, when Gradio says that a page was closed or the server ends.

    Attributes:
        state: Holds each visitor's session, once it was added to a page.
        runs: Those of all sessions.

    Args:
        max_runs: Most runs of one visitor at once.
        clock: Seconds.
    """

    state: gr.State

    def __init__(self, *, max_runs: int = 64, clock: Callable[[], float] = time.monotonic) -> None:
        self.runs = Runs(max_runs, clock)
        self._clock = clock
        self._open: weakref.WeakSet[Session] = weakref.WeakSet()
        self._known: dict[str, _Known] = {}
        self._on_end: list[Callable[[str], None]] = []
        self._lock = threading.Lock()

    def add_state(self) -> "Sessions":
        """Add the state to the open page."""
        self.state = gr.State(Session(), time_to_live=LIFETIME_S, delete_callback=lambda one: self._forget(one.owner))
        return self

    def on_end(self, delete: Callable[[str], None]) -> None:
        """Have something done when a session ends, with its hash."""
        self._on_end.append(delete)

    def claim(self, owner: str, names: Names) -> None:
        """Note an event of a session.

        Raises:
            OptionError: Another visitor began it.
        """
        with self._lock:
            known = self._known.setdefault(owner, _Known(names[0], 0.0))
            if owner and known.visitor not in names:
                raise OptionError(texts.NOT_YOUR_SESSION)
            known.used = self._clock()

    def is_of(self, owner: str, names: Names) -> bool:
        """Whether a session is this visitor's, or nobody's yet."""
        known = self._known.get(owner)
        return not owner or known is None or known.visitor in names

    def may_read(self, folder: str, names: Names) -> bool:
        """Whether the results in a folder of a session are this visitor's; who has no cookie is known by the link."""
        with self._lock:
            known = next((one for owner, one in self._known.items() if folder_of(owner).name == folder), None)
        return known is not None and (not known.visitor or known.visitor in names)

    def opened(self, session: Session, request: gr.Request) -> Session:
        """The session of an event, with its hash."""
        if not session.owner:
            session.owner = request.session_hash or ""
            session.client, session.runs = client_of(request), self.runs
            with self._lock:
                self._open.add(session)
                self._known.setdefault(
                    session.owner, _Known(names_of(getattr(request, "cookies", {}))[0], self._clock())
                )
        return session

    def of_client(self, request: gr.Request | None) -> Session:
        """A session for one call of the web API."""
        return self.opened(Session(), request) if request else Session()

    def end(self, request: gr.Request) -> None:
        """End those of a page that was closed."""
        self._end(lambda session: session.owner == request.session_hash)
        self._forget(request.session_hash or "")

    def end_all(self, *, patience_s: float = 0.0) -> None:
        """End every session, since the server ends, and wait so long for their runs to be over."""
        ended = self._end(lambda session: True)
        deadline = time.monotonic() + patience_s
        while any(session.is_running for session in ended) and time.monotonic() < deadline:
            time.sleep(0.05)

    @property
    def busy(self) -> set[str]:
        """The sessions that have a run which goes on."""
        return self.runs.busy

    def places(self) -> list[Place]:
        """The results of sessions that nothing runs in, which may be deleted to make room."""
        with self._lock:
            finished = {owner: known.used for owner, known in self._known.items() if owner not in self.busy}
        found = []
        for owner, used in finished.items():
            size = _bytes_in(folder := folder_of(owner))
            if size:
                found.append(Place(used, size, partial(shutil.rmtree, folder, ignore_errors=True)))
        return found

    def sweep(self) -> list[str]:
        """End what nobody has used for an hour; the hashes of the ended sessions."""
        limit, busy = self._clock() - LIFETIME_S, self.busy
        with self._lock:
            old = [owner for owner, known in self._known.items() if known.used < limit and owner not in busy]
        for owner in old:
            self._forget(owner)
        return old

    def _forget(self, owner: str) -> None:
        with self._lock:
            self._known.pop(owner, None)
        self._end(lambda session: session.owner == owner)
        shutil.rmtree(folder_of(owner), ignore_errors=True)
        for delete in self._on_end:
            delete(owner)

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


def folder_of(owner: str) -> Path:
    """Where the files of a session lie, in Gradio's own folder."""
    name = hashlib.blake2b(owner.encode(), key=KEY, digest_size=16).hexdigest()
    return Path(get_upload_folder()) / SESSIONS / name


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def known_folder(folder: Path) -> PurePath:
    """What of the path of an uploaded file's folder the visitor knows: what a zip held, and nothing of the server's.

    Gradio puts each file into a folder called by its hash; zips are unpacked into one of the session.
    """
    uploads = Path(get_upload_folder())
    if not folder.is_relative_to(uploads):
        return PurePath()
    parts = folder.relative_to(uploads).parts
    return PurePath(*parts[3:]) if parts[:1] == (SESSIONS,) else PurePath()
