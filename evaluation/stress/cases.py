"""A test set under stress: each of its cases as it is, and once for each corruption and degree.

It is a test set like any other, called ``<name>-stress``, so that scores, store and table know nothing of stress. Its
cases have two columns more, ``corruption`` and ``degree``, and the case that they come from as their group: intervals
and tests take them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec

import numpy as np

from evaluation.errors import CaseError
from evaluation.stress.corruptions import BY_NAME, CORRUPTIONS, DEGREES, NONE, VERSION, Pixels, Seen, seed_of
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.test_set import TestSet

SUFFIX = "-stress"
CORRUPTION, DEGREE = "corruption", "degree"  # columns of the table
SETTING = "stress"  # of a run: which corruptions and degrees, of which test set
MOST_EXACT = 2**53  # whole numbers that float64 holds
INSTALL = "Corruptions need TorchIO. Install it: pip install 'medseg-demo[stress]'."


@dataclass(frozen=True)
class Stress:
    """What is done to a test set.

    Attributes:
        corruptions: Names of CORRUPTIONS; empty takes those that fit the images.
        degrees: From 1 to 5; every case is scored as it is, too.
    """

    corruptions: tuple[str, ...] = ()
    degrees: tuple[int, ...] = DEGREES


@dataclass(frozen=True)
class StressedCase(Case):
    """A case whose image is made worse after it was read.

    Attributes:
        origin: The case that it comes from.
        corruption: A name of CORRUPTIONS; NONE leaves it as it is.
        degree: From 1 to 5; 0 of NONE.
    """

    origin: str = ""
    corruption: str = NONE
    degree: int = 0

    @property
    def columns(self) -> dict[str, str]:
        """As of every case; columns of the test set that are called alike become ``case_…``."""
        own = {CORRUPTION: self.corruption, DEGREE: str(self.degree)}
        found = {f"case_{name}" if name in own else name: value for name, value in super().columns.items()}
        return {**own, **found, "group": self.group}

    @property
    def recipe(self) -> str:
        """What is done to its files, for hashes; empty of a case as it is."""
        return f"{VERSION} {self.origin} {self.corruption} {self.degree}" if self.degree else ""

    def stressed(self, image: MedicalImage, reference: LabelMap) -> tuple[MedicalImage, LabelMap]:
        """The image and the reference, as ``corrupted`` has them.

        Raises:
            CaseError: The corruption is not of such an image, or leaves nothing of it.
        """
        if not self.degree:
            return image, reference
        try:
            return corrupted(image, reference, self.corruption, self.degree, case_id=self.origin)
        except ValueError as error:
            raise CaseError(f"Case {self.case_id!r}: {error}") from None


def corrupted(
    image: MedicalImage, reference: LabelMap, corruption: str, degree: int, *, case_id: str
) -> tuple[MedicalImage, LabelMap]:
    """An image that is made worse, in its own type and size, and its reference, which moves where the image does.

    Args:
        image: The image; integers stay integers, within the range of its bits.
        reference: On the image; of what comes into view nothing is known but that it is background.
        corruption: A name of CORRUPTIONS.
        degree: From 1 to 5.
        case_id: Seeds what is drawn.

    Raises:
        ValueError: The corruption is not of such an image, or leaves one intensity alone.
    """
    record, channels = BY_NAME[corruption], np.moveaxis(image.slices, -1, 0).astype(np.float32)
    fault = record.fault(is_volume=image.is_volume, channels=image.channels)
    if fault:
        raise ValueError(f"{fault}. Name the other corruptions behind --stress.")
    windows = image.windows if len(image.windows) == len(channels) else image.windows[:1] * len(channels)
    windows = tuple((low, high if high > low else low + 1) for low, high in windows)
    maps = [one for one in (reference.labels, reference.ignored, reference.instances) if one is not None]
    flat = tuple(_whole(one if image.is_volume else one[np.newaxis]) for one in maps)
    random = np.random.default_rng(seed_of(case_id, corruption))
    given = Pixels(channels, windows, flat, image.is_volume)
    changed = record.change(given, record.amount(degree, is_volume=image.is_volume), random)
    pixels = _as_stored(changed.channels, image)
    if pixels.min() == pixels.max() and image.pixels.min() < image.pixels.max():
        raise ValueError(
            f"{corruption} of degree {degree} leaves nothing but one intensity of the image, so that there is nothing "
            "to segment. Name the other corruptions behind --stress, or lower degrees behind --stress-degrees."
        )
    if changed.maps is flat:
        return replace(image, pixels=pixels), reference
    moved = iter(one.reshape(given.shape).astype(given.dtype) for one, given in zip(changed.maps, maps, strict=True))
    names = ("labels", "ignored", "instances")
    found = {name: next(moved) for name in names if getattr(reference, name) is not None}
    return replace(image, pixels=pixels), replace(
        reference, labels=found["labels"], ignored=found.get("ignored"), instances=found.get("instances")
    )


def _whole(labels: np.ndarray) -> np.ndarray:
    """A label map in a type that TorchIO takes."""
    return labels.astype(np.uint8) if labels.dtype in (bool, np.uint8) else labels.astype(np.int32)


def _as_stored(channels: np.ndarray, image: MedicalImage) -> np.ndarray:
    """(C, Z, Y, X) in the shape and type of the image."""
    kind = image.pixels.dtype
    if np.issubdtype(kind, np.integer):
        limits = np.iinfo(kind)
        channels = np.rint(channels.astype(np.float64)).clip(max(limits.min, -MOST_EXACT), min(limits.max, MOST_EXACT))
    pixels = np.moveaxis(channels, 0, -1).astype(kind)
    return np.ascontiguousarray(pixels.reshape(image.pixels.shape))


def check_stress(stress: Stress) -> None:
    """Find what cannot be done before any image is read.

    Raises:
        OptionError: A name or a degree is not known, or TorchIO is not installed.
    """
    unknown = [name for name in stress.corruptions if name not in BY_NAME]
    if unknown:
        raise OptionError(f"There is no corruption {', '.join(unknown)}. Choose from: {', '.join(BY_NAME)}.")
    wrong = [str(degree) for degree in stress.degrees if degree not in DEGREES]
    if wrong or not stress.degrees:
        raise OptionError(f"--stress-degrees {' '.join(wrong)} is not understood. Give whole numbers from 1 to 5.")
    if find_spec("torchio") is None:
        raise OptionError(INSTALL)


def chosen_corruptions(stress: Stress, seen: Seen) -> tuple[str, ...]:
    """The names of the corruptions, in the order of the list: those that are asked for, or those that fit.

    Raises:
        OptionError: One that is asked for is not of such images.
    """
    if not stress.corruptions:
        fitting = (one for one in CORRUPTIONS if one.fits(seen))
        return tuple(one.name for one in fitting if not one.fault(is_volume=seen.is_volume, channels=seen.channels))
    asked = [one for one in CORRUPTIONS if one.name in stress.corruptions]
    faults = [one.fault(is_volume=seen.is_volume, channels=seen.channels) for one in asked]
    if any(faults):
        raise OptionError(f"The first image of the test set cannot be changed so: {'; '.join(filter(None, faults))}.")
    return tuple(one.name for one in asked)


def stressed_name(name: str) -> str:
    """What a test set is called under stress."""
    return f"{name}{SUFFIX}"


def stressed_test_set(test_set: TestSet, corruptions: Sequence[str], degrees: Sequence[int]) -> TestSet:
    """The test set with its cases as they are and under each corruption and degree, a case after the other.

    Raises:
        TestSetError: Two of these cases would bear one name.
    """
    cases = [case for given in test_set.cases for case in stressed_cases(given, corruptions, degrees)]
    names = [case.case_id for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise TestSetError(
            [f"Test set {test_set.name!r} has the case {twice[0]!r}, as a case under stress is called. Rename it."]
        )
    return replace(test_set, name=stressed_name(test_set.name), cases=tuple(cases))


def stressed_cases(case: Case, corruptions: Sequence[str], degrees: Sequence[int]) -> tuple[StressedCase, ...]:
    """One case as it is and under each corruption and degree."""
    same = {one.name: getattr(case, one.name) for one in fields(Case)}
    same |= {"origin": case.case_id, "group": case.group or case.case_id}
    worse = (
        StressedCase(
            **same | {"case_id": f"{case.case_id}@{name}-{degree}"},
            corruption=name,
            degree=degree,
        )
        for name in corruptions
        for degree in sorted(set(degrees))
    )
    return StressedCase(**same), *worse


def stress_setting(test_set: str, corruptions: Sequence[str], degrees: Sequence[int]) -> dict[str, object]:
    """What ``run.json`` says, so that a case can be made again."""
    return {
        SETTING: {"test_set": test_set, "corruptions": list(corruptions), "degrees": sorted(set(degrees)),
                  "version": VERSION}
    }  # fmt: skip


def stress_of(settings: object) -> tuple[str, tuple[str, ...], tuple[int, ...]] | None:
    """What a run's settings say: test set, corruptions and degrees; None of a run without, or of another list."""
    said = settings.get(SETTING) if isinstance(settings, dict) else None
    if not isinstance(said, dict) or said.get("version") != VERSION:
        return None
    names, degrees = said.get("corruptions"), said.get("degrees")
    if not isinstance(names, list) or not isinstance(degrees, list) or not isinstance(said.get("test_set"), str):
        return None
    known = all(name in tuple(BY_NAME) for name in names) and all(degree in DEGREES for degree in degrees)
    return (said["test_set"], tuple(names), tuple(degrees)) if known else None
