"""A segmentation that somebody corrected: measured anew, and without what the network knew of it."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np

from medseg_demo.correcting.correction import Correction
from medseg_demo.errors import OptionError
from medseg_demo.segmenting.fit import check_fit
from medseg_demo.segmenting.measure import ClassMeasurement, measure
from medseg_demo.segmenting.pipeline import Segmentation

BY_HAND = "Corrected by hand in {slices} of {total} slices; probabilities and a threshold no longer belong to it."
EMPTY = "Nothing is segmented yet. Click on an object in the viewer, or draw a box around it."
BY_HAND_2D = "Corrected by hand; probabilities and a threshold no longer belong to it."


@dataclass(frozen=True, eq=False)
class CorrectedSegmentation(Segmentation):
    """What is measured, shown and written in place of the segmentation that was corrected.

    There are no probabilities: the array has no class, so that nobody takes those of the network for its own.
    """

    @cached_property
    def measurements(self) -> tuple[ClassMeasurement, ...]:
        """One record a class of the corrected label map, without confidence. Made when asked for."""
        return measure(self.label_map, None, self.image)

    def region(self, value: int) -> np.ndarray:
        """Where a class is, boolean in the shape of the label map; by hand, classes do not overlap."""
        return self.label_map.mask(value)

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """None: they are about what the network made."""
        return ()

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """That it was corrected, first; then what there is to know of the image and of how the network ran."""
        return (*self.notes, *check_fit(self.image, self.card, has_card=self.has_card))

    def at_threshold(self, threshold: float) -> Self:
        """Not of a label map that was corrected.

        Raises:
            OptionError: Always.
        """
        raise OptionError("This label map was corrected by hand: a threshold does not move it. Undo the edits first.")


def corrected_segmentation(segmentation: Segmentation, correction: Correction) -> Segmentation:
    """The segmentation with its present, corrected label map; as it is where nothing was changed.

    Args:
        segmentation: That was shown.
        correction: Of its label map.
    """
    if not correction.is_changed:
        return segmentation
    label_map, changed = correction.label_map, len(correction.changed_slices())
    note = BY_HAND.format(slices=changed, total=len(label_map.labels)) if label_map.is_volume else BY_HAND_2D
    values = {field.name: getattr(segmentation, field.name) for field in fields(Segmentation)}
    values |= {
        "label_map": label_map,
        "probabilities": np.zeros((0, *label_map.labels.shape), np.float16),
        "threshold": None,
        "notes": (note, *(one for one in segmentation.notes if one != EMPTY)),
        "agreement": None,
        "heat": None,
    }
    return CorrectedSegmentation(**values)
