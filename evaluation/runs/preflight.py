"""Everything that is wrong with test sets and checkpoints, found before anything is scored.

Two kinds of fault are told apart. What is wrong with a folder as a whole (files without a partner, an unreadable
``cases.csv``, a class that the checkpoint does not know) refuses the run. What is wrong with one case (an unreadable
file, another shape or affine, values that are no labels) is reported at once, and the case becomes a failed row.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs.cases import attempt, case_digest, check_geometry, read_reference
from medseg_demo import names
from medseg_demo.errors import TestSetError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.reading import inspect_file
from medseg_demo.reading.labels import BINARY_NOTE
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image
from medseg_demo.test_sets.test_set import TestSet, read_test_set

READERS = 2
PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "WebP")
MOST_UNNAMED = 32  # label values that nobody named; grey levels are mostly greater
LARGEST_GAP = 8  # between label values that nobody named

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ExaminedCase:
    """One case as the pre-flight found it.

    Attributes:
        case: The case.
        digest: Of its id and files; empty where a file cannot be opened.
        labels: The label values of its reference, in order and without the background.
        fault: Why it cannot be scored; None where nothing was found.
        stores_255: Whether its reference holds 0 and 255, which are read as 0 and 1.
    """

    case: Case
    digest: str
    labels: tuple[int, ...]
    fault: str | None
    stores_255: bool = False

    def fault_for(self, class_names: Sequence[str]) -> str | None:
        """Why it cannot be scored for these classes; None where nothing was found."""
        if self.fault is None and self.labels and self.labels[-1] > len(class_names):
            return (
                f"Case {self.case.case_id!r}: the reference holds the label {self.labels[-1]}, but the classes are "
                f"only {', '.join(class_names)}. Store labels as 1, 2, … and name the classes in dataset.json, or "
                "choose another checkpoint."
            )
        return self.fault


@dataclass(frozen=True)
class ExaminedTestSet:
    """A test set as the pre-flight found it.

    Attributes:
        test_set: The test set.
        cases: In its order.
    """

    test_set: TestSet
    cases: tuple[ExaminedCase, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults of single cases."""
        return tuple(case.fault for case in self.cases if case.fault)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of its references: that some hold 0 and 1, and others 0 and 255."""
        of_255 = [case for case in self.cases if case.stores_255]
        of_1 = [case for case in self.cases if case.labels == (1,) and not case.stores_255]
        if not of_255 or not of_1:
            return ()
        return (
            f"Of the references of {self.test_set.name!r}, {len(of_255)} hold 0 and 255 and {len(of_1)} hold 0 and 1 "
            f"(such as case {of_1[0].case.case_id!r}): 255 and 1 were both taken for class 1.",
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Its own names, or class_1, class_2, … up to the greatest label of its references.

        Without names, values above 32 and those beyond a gap of more than 8 are taken for grey levels, not for
        classes: a case that holds one has a fault, instead of giving all cases a hundred classes more.
        """
        if self.test_set.class_names:
            return self.test_set.class_names
        highest = 1
        for value in sorted({value for case in self.cases for value in case.labels}):
            if value > MOST_UNNAMED or value - highest > LARGEST_GAP:
                break
            highest = value
        return tuple(f"class_{value}" for value in range(1, highest + 1))


def read_test_sets(folders: Iterable[Path], *, split: str | None = None) -> tuple[TestSet, ...]:
    """Read test-set folders, and list the faults of all of them together.

    Raises:
        TestSetError: A folder has faults, or two test sets bear one name.
    """
    test_sets: list[TestSet] = []
    faults: list[str] = []
    for folder in folders:
        try:
            test_sets.append(read_test_set(folder, split=split))
        except TestSetError as error:
            faults += error.faults
    for name, count in Counter(names.folder_name(test_set.name) for test_set in test_sets).items():
        if count > 1:
            faults.append(f"{count} test sets are called {name!r}. Change name in dataset.json, or run them apart.")
    if faults:
        raise TestSetError(faults)
    return tuple(test_sets)


def examine(
    test_set: TestSet,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> ExaminedTestSet:
    """Look at every case: references and volumes are read, of pictures the header (their size).

    Args:
        test_set: From ``read_test_sets``.
        settings: The limits of the readers.
        progress: Called with (cases done, cases in all).
        stop: When it is set, the cases that are left are not looked at, and are missing from the result.
    """
    settings = settings or Settings()
    total = len(test_set.cases)
    examined: list[ExaminedCase] = []
    for case in _mapped(lambda case: _examine_case(case, test_set.class_names, settings), test_set.cases):
        examined.append(case)
        if progress:
            progress(len(examined), total)
        if stop is not None and stop.is_set():
            break
    return ExaminedTestSet(test_set, tuple(examined))


def _mapped(work: Callable[[Case], ExaminedCase], cases: Iterable[Case]) -> Iterator[ExaminedCase]:
    """The results in the order of the cases; only a few cases are in memory at once."""
    waiting: deque[Future[ExaminedCase]] = deque()
    with ThreadPoolExecutor(READERS, thread_name_prefix="examine") as pool:
        for case in cases:
            waiting.append(pool.submit(work, case))
            if len(waiting) > 2 * READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _examine_case(case: Case, class_names: Sequence[str] | None, settings: Settings) -> ExaminedCase:
    digest = ""
    labels: tuple[int, ...] = ()
    stores_255 = False
    try:
        digest = case_digest(case)
        image = cache(lambda: attempt(case, "image", lambda: _outline(case, settings)))
        reference = read_reference(case, class_names=class_names, image=image, settings=settings)
        labels, stores_255 = _values(reference.labels), BINARY_NOTE in reference.notes
        check_geometry(case, image(), reference)
    except PassingCaseError:  # its own turn decides
        return ExaminedCase(case, digest, labels, None)
    except CaseError as error:
        return ExaminedCase(case, digest, labels, str(error))
    return ExaminedCase(case, digest, labels, None, stores_255)


def _values(labels: np.ndarray) -> tuple[int, ...]:
    """The label values that occur, in order and without the background."""
    highest = int(labels.max())
    if highest <= 1:
        return (1,) * highest
    # Row by row, or slice by slice: counting takes eight bytes for each pixel that it is given.
    counts = sum(np.bincount(part.ravel(), minlength=highest + 1) for part in labels)
    return tuple(int(value) for value in np.flatnonzero(counts) if value)


def _outline(case: Case, settings: Settings) -> MedicalImage:
    """The image; of a picture only the size, since decoding it is what takes long.

    Raises:
        ReadError: It cannot be read.
    """
    if len(case.image_paths) == 1 and not case.channel_names:
        found = inspect_file(case.image_path, settings=settings)
        layout = found.layout
        if found.format.name in PICTURES and layout.volumes == 1 and len(layout.shape) == 2:
            pixels = np.broadcast_to(np.uint8(0), layout.shape)  # one byte of memory
            return MedicalImage(pixels, "YX", Geometry(), case.image_path.name, "picture", 8, (0.0, 255.0))
    return read_case_image(case, settings=settings)
