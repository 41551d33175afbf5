"""Which label map a visitor corrects on a tab, and what was changed before and is not saved."""

import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medseg_demo.correcting.correction import Correction
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering.predictions import relabelled, shared_names
from medseg_demo.ui.correct.corrections import Corrected, Corrections

MOST_KEPT = 12  # corrections of one visitor and tab that nobody looks at

Token = tuple[tuple[str, int], ...]
Place = tuple[str, ...]  # such as the image and the name of the label map


@dataclass(eq=False)
class Correcting:
    """What one visitor corrects on one tab.

    Attributes:
        corrections: By the viewer's values.
        current: What was chosen last; it may belong to an image that is no longer in the viewer.
        key: Of the viewer's value that shows it.
        opening: Held from the opening of a correction until its value is made: two events may open the same.
    """

    corrections: Corrections = field(default_factory=Corrections)
    current: Corrected | None = None
    key: str = ""
    opening: threading.Lock = field(default_factory=threading.Lock)
    _kept: dict[Place, Corrected] = field(default_factory=dict)
    _opened: tuple[Place, Token] | None = None

    def is_open(self, place: Place, shown: Sequence[tuple[str, LabelMap]], beside: Sequence[LabelMap] = ()) -> bool:
        """Whether that label map is corrected already, so that no new value comes under somebody's first stroke.

        A list of choices tells of its choice again when it is left, as by that stroke.

        Args:
            place: As of ``open``; so are the others.
            shown: The label maps that are on the page.
            beside: Those beside them.
        """
        found = self.corrections.find(self.key)
        return found is not None and found is self.current and self._opened == (place, _token(shown, beside))

    def open(
        self,
        place: Place,
        shown: Sequence[tuple[str, LabelMap]],
        index: int,
        beside: Sequence[LabelMap] = (),
        *,
        image: MedicalImage | None = None,
    ) -> tuple[Corrected, bool]:
        """Begin to correct one of the label maps that are about to be shown, or go on.

        Args:
            place: Tells it from every other of the tab.
            shown: The predictions of the viewer's value, by name.
            index: Which of them.
            image: On which they lie; None where nobody clicks.
            beside: Further label maps of the value, whose classes count: the reference, first.

        Returns:
            It, and whether corrections of another label map in the same place were dropped.
        """
        names = shared_names([*beside, *(label_map for _, label_map in shown)])
        own = [relabelled(label_map, names) for _, label_map in shown]
        others = {at: one for at, one in enumerate(own) if at != index and one.labels.shape == own[index].labels.shape}
        before = self._kept.pop(place, None)
        is_same = before is not None and _is_same(before.correction.original, own[index])
        correction = before.correction if before and is_same else Correction(own[index], name=shown[index][0])
        self.current = Corrected(
            correction,
            prediction=index,
            image=image,
            others=others,
            saved=before.saved if before and is_same else 0,
        )
        self._keep(place, self.current)
        self._opened = place, _token(shown, beside)
        return self.current, before is not None and not is_same and before.correction.is_changed

    def show(self, value: Mapping[str, object]) -> None:
        """A value of the viewer shows what was opened last."""
        if self.current is not None:
            self.key = str(value["key"])
            self.corrections.show(self.key, self.current)

    def close(self) -> None:
        """Nothing is corrected any more; what was changed is kept."""
        self.corrections.clear()
        self.current, self.key, self._opened = None, "", None

    def forget(self, corrected: Corrected) -> None:
        """Drop what was saved elsewhere."""
        self._kept = {place: one for place, one in self._kept.items() if one is not corrected}
        if self.current is corrected:
            self.close()

    def _keep(self, place: Place, corrected: Corrected) -> None:
        changed = {at: one for at, one in self._kept.items() if one.correction.is_changed}
        self._kept = dict([*changed.items()][-MOST_KEPT:]) | {place: corrected}


def _token(shown: Sequence[tuple[str, LabelMap]], beside: Sequence[LabelMap]) -> Token:
    """The same for the same label maps of the same names."""
    maps = [*shown, *(("", one) for one in beside)]
    return tuple((name, zlib.crc32(np.ascontiguousarray(one.labels).tobytes())) for name, one in maps)


def _is_same(one: LabelMap, other: LabelMap) -> bool:
    return one.class_names == other.class_names and np.array_equal(one.labels, other.labels)


def others_of(corrected: Corrected, named: Mapping[str, LabelMap]) -> dict[str, LabelMap]:
    """Label maps with the label values of a correction, those of another size left out."""
    original = corrected.correction.original
    same = {name: one for name, one in named.items() if one.labels.shape == original.labels.shape}
    names = original.class_names
    return {name: relabelled(one, names) for name, one in same.items() if set(one.class_names) <= set(names)}
