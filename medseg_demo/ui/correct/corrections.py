"""The label maps that one tab of a visitor lets be corrected, by the viewer's values that show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from medseg_demo.correcting.correction import Correction
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.prompting.clicking import Clicking
from medseg_demo.rendering.editing import EditAnswer, ShownEditing


@dataclass(eq=False)
class Corrected:
    """One correction, as a viewer shows it.

    Attributes:
        correction: Its label values are those of the viewer's value (``shared_names``).
        prediction: Its place among the value's predictions.
        image: On which it lies; None where nobody clicks.
        begins: Whether it starts from nothing, so that the person begins to click at once.
        clicker: The checkpoint that finds objects by clicks; empty for the first that is there.
        others: What can be copied from, by the place among the value's predictions, with the same label values.
        written: The revision that the files beside the viewer hold.
        saved: The revision that was saved last.
    """

    correction: Correction
    prediction: int = 0
    image: MedicalImage | None = None
    clicker: str = ""
    begins: bool = False
    others: Mapping[int, LabelMap] = field(default_factory=dict)
    written: int = 0
    saved: int = 0
    clicking: Clicking | None = None

    @property
    def is_unsaved(self) -> bool:
        """Whether something would be lost with the session."""
        return self.correction.is_changed and self.correction.revision > self.saved

    def shown(self) -> ShownEditing:
        """For ``viewer_value``. Ask for it before the label map that is shown: it may then hold more, never less."""
        correction = self.correction
        return ShownEditing(
            prediction=self.prediction,
            classes=list(range(1, len(correction.original.class_names) + 1)),
            revision=correction.revision,
            saved=self.saved,
            changed_slices=list(correction.changed_slices()),
            copies=sorted(self.others),
            tool="click" if self.begins and not correction.revision else "",
        )

    def answer(self, key: str, *, problem: str = "", reload: bool = False) -> EditAnswer:
        """What is held now, for the viewer whose value has that key."""
        correction = self.correction
        revision, changed = correction.revision, list(correction.changed_slices())
        return EditAnswer(key, revision, self.saved, changed, problem=problem, reload=reload)


class Corrections:
    """Which correction belongs to which value of a viewer; part of what a tab remembers of one visitor."""

    def __init__(self) -> None:
        self._shown: dict[str, Corrected] = {}

    def show(self, key: object, corrected: Corrected) -> None:
        """A value of a viewer shows it from now on; one that the same viewer showed before is corrected no more."""
        self._shown = {str(key): corrected}

    def find(self, key: object) -> Corrected | None:
        """What a value shows that has this key; None where it was replaced."""
        return self._shown.get(key) if isinstance(key, str) else None

    def key_of(self, corrected: Corrected) -> str | None:
        """That of the value that shows it; None where none does."""
        return next((key for key, one in self._shown.items() if one is corrected), None)

    def clear(self) -> None:
        """Nothing is shown any more."""
        self._shown = {}
