"""``run.log`` in the output folder: one line for each thing that happened to a case, across all resumptions."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from medseg_demo.errors import OutputError

LOG_NAME = "run.log"

Event = Literal[
    "started", "kept", "reused", "scored", "failed", "stopped", "finished", "unexpected", "repeated", "node", "cluster"
]


class RunLog:
    """Appends lines of tab-separated fields: moment, event, and what it is about.

    A case is "scored" or "failed" here only after its result is durable; "kept" was there before, "reused" came from
    another folder. "repeated" was lost on a cluster and is tried again; "node" and "cluster" sum a cluster's work up.

    Raises:
        OutputError: The file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG_NAME
        try:
            self._file = self._path.open("ab", buffering=0)  # no buffer: a kill loses nothing, a full disk is noticed
        except OSError as error:
            raise self._unwritable(error) from None

    def write(self, event: Event, *fields: str) -> None:
        """Append one line.

        Raises:
            OutputError: It cannot be written, such as on a full disk.
        """
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = "\t".join((moment, event, *(" ".join(field.split()) for field in fields)))
        try:
            self._file.write(f"{line}\n".encode(errors="replace"))
        except OSError as error:
            raise self._unwritable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._path.name}: cannot be written ({error.strerror}). Free some space and continue with --resume; "
            "finished cases are kept."
        )
