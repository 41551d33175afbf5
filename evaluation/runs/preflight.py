"""Everything that is wrong with test sets and checkpoints, found before anything is scored.

Two kinds of fault are told apart. What is wrong with a folder as a whole (files without a partner, an unreadable
``cases.csv``, a class that the checkpoint does not know) refuses the run. What is wrong with one case (an unreadable
file, another shape or affine, values that are no labels) is reported at once, and the case becomes a failed row.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs.cases import (
    PICTURES,
    CaseData,
    case_digest,
    file_digests,
    outline_of,
    read_case,
    read_outline,
)
from evaluation.runs.inputs import fetched, is_address, read_remote_test_set
from medseg_demo import names
from medseg_demo.errors import TestSetError
from medseg_demo.reading.labels import BINARY_NOTE, default_names, find_present
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.test_set import TestSet, read_test_set

READERS = 2
KEPT_BYTES = 256 * 2**20  # of references that were read and are scored later
MOST_UNNAMED = 32  # label values that nobody named; grey levels are mostly greater
LARGEST_GAP = 8  # between label values that nobody named

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class ExaminedCase:
    """One case as the pre-flight found it.

    Attributes:
        case: The case.
        digests: Of its files, the reference last; empty where one cannot be opened.
        labels: The label values of its reference, in order and without the background.
        fault: Why it cannot be scored; None where nothing was found.
        stores_255: Whether its reference holds 0 and 255, which are read as 0 and 1.
        data: The reference on the outline of its image, where memory allows to keep it; None otherwise.
    """

    case: Case
    digests: tuple[bytes, ...]
    labels: tuple[int, ...]
    fault: str | None
    stores_255: bool = False
    data: CaseData | None = None

    @cached_property
    def digest(self) -> str:
        """Of its id and files; empty where a file cannot be opened."""
        return case_digest(self.case, self.digests) if self.digests else ""

    def fault_for(self, class_names: Sequence[str]) -> str | None:
        """Why it cannot be scored for these classes; None where nothing was found."""
        if self.fault is None and self.stores_255 and len(class_names) > 1:
            return (
                f"Case {self.case.case_id!r}: the reference holds the label 255, which is none of the classes "
                f"({', '.join(class_names)}). Store labels as 1, 2, …"
            )
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
    def labels(self) -> Labels:
        """Its own labels, or those of ``class_names``."""
        return self.test_set.labels or Labels.numbered(self.class_names)

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


def read_test_sets(folders: Iterable[Path | str], *, split: str | None = None) -> tuple[TestSet, ...]:
    """Read test sets of folders or addresses, and list the faults of all of them together.

    Raises:
        OptionError: An address cannot be read.
        TestSetError: A folder has faults, or two test sets bear one name.
    """
    test_sets: list[TestSet] = []
    faults: list[str] = []
    for folder in folders:
        try:
            read = read_remote_test_set if is_address(str(folder)) else read_test_set
            test_sets.append(read(str(folder), split=split))
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
    cases: Iterator["ExaminedCase"] | None = None,
    *,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> ExaminedTestSet:
    """Look at every case.

    Args:
        test_set: From ``read_test_sets``.
        cases: Its cases as they are examined, in its order; None examines them here.
        progress: Called with (cases done, cases in all).
        stop: When it is set, the cases that are left are not looked at, and are missing from the result.
    """
    total, examined = len(test_set.cases), list[ExaminedCase]()
    for case in examine_cases(test_set.cases) if cases is None else cases:
        examined.append(case)
        if progress:
            progress(len(examined), total)
        if stop is not None and stop.is_set():
            break
    return ExaminedTestSet(test_set, tuple(examined))


def examine_cases(
    cases: Iterable[Case], settings: Settings | None = None, *, pixels: bool = True
) -> Iterator[ExaminedCase]:
    """Look at cases, in their order: references and volumes are read, of pictures the header (their size).

    Args:
        cases: Of one test set.
        settings: The limits of the readers.
        pixels: Whether the images themselves are needed, so that volumes are read to their end. Otherwise headers do.
    """
    limits, keep = settings or Settings(), _Keep(KEPT_BYTES)
    return _mapped(lambda case: examine_case(case, limits, keep.takes, pixels=pixels), cases)


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


class _Keep:
    """How much of what was read is kept.

    Args:
        most: In bytes.
    """

    def __init__(self, most: int) -> None:
        self._left, self._lock = most, threading.Lock()

    def takes(self, data: CaseData) -> bool:
        """Whether there is room for a case, which then is taken."""
        reference = data.reference
        maps = (reference.labels, reference.instances, reference.ignored)
        size = sum(each.nbytes for each in maps if each is not None)
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
        return fits


def examine_case(case: Case, settings: Settings, keeps: Callable[[CaseData], bool], *, pixels: bool) -> ExaminedCase:
    """Look at one case; ``keeps`` says whether there is room to keep what was read of it."""
    digests: tuple[bytes, ...] = ()
    labels: tuple[int, ...] = ()
    stores_255 = False
    try:
        with fetched(case, settings) as own:
            digests = file_digests(own)
            with_header = partial(read_outline, formats=PICTURES) if pixels and not case.channel_names else None
            data = read_case(own, class_names=None, settings=settings, pixels=pixels, read=with_header)
        labels = tuple(value for value in find_present(data.reference.labels).tolist() if value)
        stores_255 = BINARY_NOTE in data.reference.notes
    except PassingCaseError:  # its own turn decides
        return ExaminedCase(case, digests, labels, None)
    except CaseError as error:
        return ExaminedCase(case, digests, labels, str(error))
    # Values that name themselves, as those of a DICOM SEG, mean others where a checkpoint names the classes.
    is_final = (
        case.labels is not None or not pixels or data.reference.class_names == default_names(data.reference.labels)
    )
    kept = replace(data, image=outline_of(data.image)) if is_final and keeps(data) else None
    return ExaminedCase(case, digests, labels, None, stores_255, kept)
