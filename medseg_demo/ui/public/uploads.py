"""The uploads of all visitors: whose each file is, how many and how large, and when they end.

Every upload lies in a folder of its own with a random name, so that equal files of two visitors are two files, a broken
upload leaves nothing behind, and no path can be guessed. An event may name only the path of a regular file that its own
visitor uploaded; the first session that does so keeps it, and takes it along when it ends.
"""

import contextlib
import math
import os
import secrets
import shutil
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings
from medseg_demo.ui.public import texts
from medseg_demo.ui.public.visitors import Names

FOLDER = "medseg-uploads"
MINUTE_S = 60.0
LIFETIME_S = 3600.0  # of what no session has, and of what is not used any more
SOON_S = 30  # when room may be found
MEBIBYTE = 2**20

Clock = Callable[[], float]


class Refused(Exception):  # noqa: N818 (an answer)
    """A request is answered with words in place of what it asked for.

    Args:
        status: Of HTTP.
        words: For people.
        seconds: After which it may be tried again; None where waiting does not help.
    """

    def __init__(self, status: int, words: str, *, seconds: int | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.seconds = status, words, seconds


@dataclass(eq=False)
class Upload:
    """One upload, of one or several files.

    Attributes:
        folder: Holds its files and nothing else.
        visitor: Who sent it; empty for a client without cookies.
        client: By whom it is counted.
        size: In bytes, or what it claims to have while it arrives.
        used: When it was last asked for.
        session: The first that used it; None before.
        files: The paths as they were told to the visitor.
        arriving: Whether it is not there yet.
    """

    folder: Path
    visitor: str
    client: str
    size: int
    used: float
    session: str | None = None
    files: tuple[str, ...] = ()
    arriving: bool = True


class Place(NamedTuple):
    """What can be deleted to make room: an upload, or the results of a session that nothing runs in."""

    used: float
    size: int
    delete: Callable[[], None]


@dataclass
class Often:
    """How often each client did something within the last minute."""

    most: int
    clock: Clock = time.monotonic
    _moments: dict[str, deque[float]] = field(default_factory=dict)  # who counted last stands last

    def count(self, client: str) -> None:
        """Count it once more.

        Raises:
            Refused: It was too often.
        """
        now = self.clock()
        while self._moments and self._moments[first := next(iter(self._moments))][-1] < now - MINUTE_S:
            del self._moments[first]
        moments = self._moments[client] = self._moments.pop(client, deque())
        while moments and moments[0] <= now - MINUTE_S:
            moments.popleft()
        if len(moments) >= self.most:
            seconds = math.ceil(moments[0] + MINUTE_S - now)
            raise Refused(429, texts.TOO_OFTEN.format(most=self.most, seconds=seconds), seconds=seconds)
        moments.append(now)


class Uploads:
    """All uploads of a page. Safe to use from several threads.

    Args:
        settings: How much a visitor may send and keep, and all together.
        root: The folder that Gradio serves files from.
        clock: Seconds.
    """

    def __init__(self, settings: Settings, root: Callable[[], Path], clock: Clock = time.monotonic) -> None:
        self._settings, self._root, self._clock = settings, root, clock
        self._often = Often(settings.max_uploads_a_minute, clock)
        self._uploads: list[Upload] = []
        self._by_path: dict[str, Upload] = {}
        self._lock = threading.RLock()

    def begin(self, visitor: str, client: str, size: int, others: Collection[Place], busy: Collection[str]) -> Upload:
        """Let an upload in, and make room for it.

        Args:
            visitor: Who sends it.
            client: By whom uploads are counted.
            size: What it claims to have, in bytes.
            others: Results of sessions, which may be deleted for it.
            busy: Sessions with a run that goes on, whose files stay.

        Raises:
            Refused: It is one too many, too large, or there is no room.
        """
        with self._lock:
            self._often.count(client)
            most = self._settings.max_session_mb * MEBIBYTE
            if size > most:
                raise Refused(413, texts.UPLOAD_TOO_LARGE.format(limit=self._settings.max_session_mb))
            self._make_room(size, most, [one for one in self._uploads if one.client == client], (), busy)
            self._make_room(size, self._settings.max_total_mb * MEBIBYTE, self._uploads, others, busy)
            folder = self._root() / FOLDER / secrets.token_hex(16)
            upload = Upload(folder, visitor, client, size, self._clock())
            self._uploads.append(upload)
            return upload

    def finish(self, upload: Upload, files: Iterable[str]) -> None:
        """Note the files of an upload that has arrived; of a form that breaks off, what was begun is deleted."""
        upload.files = tuple(files)
        for path in upload.folder.glob("*") if upload.files else ():
            if path.is_file():
                path.unlink()
        if not upload.files:
            self.delete(upload)
            return
        with self._lock:
            upload.size = sum(Path(path).stat().st_size for path in upload.files)
            upload.used, upload.arriving = self._clock(), False
            self._by_path |= dict.fromkeys(upload.files, upload)

    def delete(self, upload: Upload) -> None:
        """Delete an upload; a second time does nothing."""
        with self._lock:
            if upload in self._uploads:
                self._uploads.remove(upload)
            for path in upload.files:
                self._by_path.pop(path, None)
        shutil.rmtree(upload.folder, ignore_errors=True)

    def claim(self, path: str, session: str, names: Names, *, is_named: bool = True) -> None:
        """Check that an event may have a file.

        Args:
            path: As the event names it; it must be what an upload answered, letter by letter.
            session: That of the event.
            names: Of who sent the event.
            is_named: Whether the client named that session. Each call that names none has one of its own; a visitor
                with a cookie may use a file in several of these.

        Raises:
            OptionError: It is none of this session's. The words tell nothing about files of others.
        """
        with self._lock:
            upload = self._by_path.get(path)
            if upload is None or upload.visitor not in names or upload.session not in (None, session):
                raise OptionError(texts.NOT_YOURS)
            if not _is_regular(path):
                raise OptionError(texts.NOT_YOURS)
            upload.used = self._clock()
            if is_named or not upload.visitor:
                upload.session = session

    def may_read(self, folder: str, names: Names) -> bool:
        """Whether the files in the folder of an upload are this visitor's; who has no cookie is known by the link."""
        with self._lock:
            upload = next((one for one in self._uploads if one.folder.name == folder), None)
        return upload is not None and (not upload.visitor or upload.visitor in names)

    def end(self, session: str) -> None:
        """Delete what a session has used."""
        for upload in [one for one in self._uploads if one.session == session]:
            self.delete(upload)

    def sweep(self, busy: Collection[str]) -> None:
        """Delete what nobody has used for an hour."""
        limit = self._clock() - LIFETIME_S
        for upload in [one for one in self._uploads if one.used < limit and one.session not in busy]:
            self.delete(upload)
        for loose in self._root().glob("tmp*"):  # Gradio makes an empty file for each that a handler gets
            with contextlib.suppress(OSError):
                if _is_regular(str(loose)) and time.time() - loose.stat().st_mtime > LIFETIME_S:
                    loose.unlink()

    def _make_room(
        self, size: int, most: int, uploads: Iterable[Upload], others: Iterable[Place], busy: Collection[str]
    ) -> None:
        """Delete the oldest of what is finished until so much more fits."""
        uploads = list(uploads)
        finished = [one for one in uploads if not one.arriving and one.session not in busy]
        places = [*others, *(Place(one.used, one.size, partial(self.delete, one)) for one in finished)]
        kept = sum(one.size for one in uploads) - sum(one.size for one in finished)
        if kept + size > most:
            raise Refused(429, texts.FULL.format(seconds=SOON_S), seconds=SOON_S)
        left = kept + size + sum(place.size for place in places)
        for place in sorted(places, key=lambda place: place.used):
            if left <= most:
                return
            place.delete()
            left -= place.size


def _is_regular(path: str) -> bool:
    """Whether it is a file itself, no link to one and no folder."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
