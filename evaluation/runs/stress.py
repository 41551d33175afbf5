"""A test set under stress as a run knows it: which corruptions fit, and its examined cases."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluation.errors import CaseError
from evaluation.runs.cases import attempt
from evaluation.runs.inputs import fetched
from evaluation.runs.preflight import ExaminedTestSet
from evaluation.stress.cases import (
    Stress,
    chosen_corruptions,
    stress_setting,
    stressed_cases,
    stressed_test_set,
)
from evaluation.stress.corruptions import Seen
from medseg_demo.image import MedicalImage
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint


def under_stress(
    examined: ExaminedTestSet, stress: Stress, checkpoints: "Sequence[Checkpoint]", settings: Settings
) -> tuple[ExaminedTestSet, dict[str, object]]:
    """The test set under stress, and what ``run.json`` says of it; no case is examined again.

    What fits is told by the model cards, and by the first image that can be read.

    Raises:
        OptionError: A corruption that is asked for is not of such images.
        TestSetError: A case is called as one under stress would be.
    """
    names = chosen_corruptions(stress, _seen(examined, checkpoints, settings))
    test_set = stressed_test_set(examined.test_set, names, stress.degrees)
    cases = tuple(
        replace(one, case=case) for one in examined.cases for case in stressed_cases(one.case, names, stress.degrees)
    )
    return ExaminedTestSet(test_set, cases), stress_setting(examined.test_set.name, names, stress.degrees)


def _seen(examined: ExaminedTestSet, checkpoints: "Sequence[Checkpoint]", settings: Settings) -> Seen:
    from medseg_demo.segmenting.fit import KINDS

    said = [kind for kind in KINDS for one in checkpoints if re.search(kind.words, one.card.modality, re.IGNORECASE)]
    readable = (one.case for one in examined.cases if one.fault is None and one.digests)
    image = next(filter(None, (_read(case, settings) for case in readable)), None)
    if image is None:  # no case can be scored, which each says
        return Seen(frozenset(kind.name for kind in said), is_volume=False, channels=1)
    of_file = [kind for kind in KINDS if image.modality in kind.codes[:1]]
    kinds = frozenset(kind.name for kind in (of_file or said))
    return Seen(kinds, is_volume=image.is_volume, channels=image.channels)


def _read(case: Case, settings: Settings) -> MedicalImage | None:
    """The image; None where it cannot be read, which its own turn says."""
    try:
        with fetched(case, settings) as own:
            return attempt(own, "image", lambda: read_case_image(own, settings=settings))
    except CaseError:
        return None
