"""One label map while somebody corrects it: the present state, how it was, and how long it took."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from medseg_demo.correcting.edits import Run, Step
from medseg_demo.errors import EditConflict
from medseg_demo.image import LabelMap

LONGEST_GAP = 60.0  # seconds between two steps that count; whoever is away for longer does not correct
LONG_RUN = 256  # voxels from which a run is changed by itself, instead of with all short ones at once


class Correction:
    """The corrections of one visitor to one shown label map. Its methods may be called from any thread.

    Args:
        label_map: As it was shown: uint8, (Y, X) or (Z, Y, X). It is never changed.
        name: Of the prediction, or whatever it is, for people.
        clock: Gives seconds.
    """

    def __init__(self, label_map: LabelMap, *, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.original = label_map
        self.name = name
        self._clock = clock
        self._lock = threading.RLock()
        self._present = label_map
        self._is_shared = True  # the labels were handed out, so that they are copied before the next change
        self._applied: list[bytes] = []
        self._changed = np.zeros(len(self._slices(label_map.labels)), bool)
        self._seconds = 0.0
        self._last: float | None = None

    @property
    def label_map(self) -> LabelMap:
        """The present one, in the geometry of the original; what was handed out does not change any more.

        What was painted counts as annotated, and objects have no numbers any more.
        """
        with self._lock:
            if not self.is_changed:
                return self.original
            self._is_shared = True
            return self._with_marks()

    @property
    def revision(self) -> int:
        """The number of the last step that was applied; 0 at first."""
        with self._lock:
            return len(self._applied)

    @property
    def seconds(self) -> float:
        """Time spent: from step to step, of a longer pause one minute."""
        with self._lock:
            return self._seconds

    @property
    def is_changed(self) -> bool:
        """Whether it differs from the original: what was done and undone does not count."""
        with self._lock:
            return bool(self._changed.any())

    @property
    def digest(self) -> str:
        """SHA-256 of the present labels and their shape, hexadecimal."""
        labels = self.label_map.labels
        return hashlib.sha256(f"{labels.shape}".encode() + np.ascontiguousarray(labels).tobytes()).hexdigest()

    def changed_slices(self) -> tuple[int, ...]:
        """The axial slices that differ from the original, from 0; (0,) of an image that does."""
        with self._lock:
            return tuple(np.flatnonzero(self._changed).tolist())

    def apply(self, steps: Sequence[Step]) -> int:
        """Apply what is new of these steps, each whole or not at all; the revision afterwards.

        Steps that were applied before are passed over: a browser sends them again where it got no answer.

        Raises:
            EditConflict: A number is left out or has become another edit, or there lies something else than the step
                says: another tab corrects the same, or the result was replaced. Steps before that one stay.
        """
        with self._lock:
            for step in steps:
                self._apply(step)
            return len(self._applied)

    def _apply(self, step: Step) -> None:
        content = hashlib.blake2b(repr(step.runs).encode(), digest_size=16).digest()
        if step.number <= len(self._applied):
            if self._applied[step.number - 1] != content:
                raise EditConflict(self._conflict())
            return
        if step.number != len(self._applied) + 1 or not _fits(self._present.labels, step.runs):
            raise EditConflict(self._conflict())
        if self._is_shared:
            self._present, self._is_shared = replace(self._present, labels=self._present.labels.copy()), False
        _write(self._present.labels, step.runs)
        self._applied.append(content)
        self._compare(step.runs)
        now = self._clock()
        self._seconds += 0.0 if self._last is None else min(max(now - self._last, 0.0), LONGEST_GAP)
        self._last = now

    def _conflict(self) -> str:
        return (
            f"{self.name} was edited in another tab, or replaced, since it was shown here. What lies on the server is "
            "shown again; repeat your last edit on it."
        )

    def _compare(self, runs: Sequence[Run]) -> None:
        """Find out anew which of the slices that the runs touch differ from the original."""
        if not runs:
            return
        before, after = self._slices(self.original.labels), self._slices(self._present.labels)
        places, area = np.array(runs, np.int64), before[0].size
        first, last = places[:, 0] // area, (places[:, 0] + places[:, 1] - 1) // area
        touched = np.zeros(len(before) + 1, np.int64)
        np.add.at(touched, first, 1)
        np.add.at(touched, last + 1, -1)
        for index in np.flatnonzero(touched.cumsum()[:-1]):
            self._changed[index] = not np.array_equal(before[index], after[index])

    def _with_marks(self) -> LabelMap:
        ignored = self.original.ignored
        if ignored is not None:
            ignored = ignored & (self._present.labels == self.original.labels)
        return replace(self._present, instances=None, ignored=ignored)

    @staticmethod
    def _slices(labels: np.ndarray) -> np.ndarray:
        return labels if labels.ndim == 3 else labels[np.newaxis]


def _parts(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """The long runs, and the short ones."""
    table = np.array(runs, np.int64).reshape(-1, 4)
    is_long = table[:, 1] >= LONG_RUN
    return table[is_long], table[~is_long]


def _places(runs: np.ndarray) -> np.ndarray:
    """The index of every voxel of the runs."""
    start, length = runs[:, 0], runs[:, 1]
    offsets = np.arange(length.sum()) - np.repeat(length.cumsum() - length, length)
    return np.repeat(start, length) + offsets


def _fits(labels: np.ndarray, runs: Sequence[Run]) -> bool:
    """Whether there lies what the runs say."""
    flat = labels.reshape(-1)
    long, short = _parts(runs)
    return bool((flat[_places(short)] == np.repeat(short[:, 2], short[:, 1])).all()) and all(
        (flat[start : start + length] == before).all() for start, length, before, _ in long.tolist()
    )


def _write(labels: np.ndarray, runs: Sequence[Run]) -> None:
    flat = labels.reshape(-1)
    long, short = _parts(runs)
    flat[_places(short)] = np.repeat(short[:, 3], short[:, 1])
    for start, length, _, after in long.tolist():
        flat[start : start + length] = after
