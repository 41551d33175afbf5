"""Which class of a checkpoint is which class of a test set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.labels import Labels, match_labels


@dataclass(frozen=True)
class ClassMatch:
    """How the labels of a prediction are read beside those of the reference.

    Attributes:
        class_names: The classes that are scored.
        lookup: Item i is the reference's value for the prediction's label i; 0 where the test set lacks the class.
        notes: What a person should know about the match, in plain sentences.
        regions: What the reference's values mean, where classes overlap; None where value i + 1 is class i.
    """

    class_names: tuple[str, ...]
    lookup: tuple[int, ...]
    notes: tuple[str, ...] = ()
    regions: Labels | None = None

    @property
    def labels(self) -> Labels:
        """Which of the reference's values the classes are."""
        return self.regions or Labels.numbered(self.class_names)

    def translate(self, labels: np.ndarray) -> np.ndarray:
        """A prediction's labels, uint8, in the values of the reference."""
        if self.lookup == tuple(range(len(self.lookup))):
            return labels
        return np.asarray(self.lookup, np.uint8)[labels]


def match_classes(
    test_set: str,
    references: Sequence[str] | Labels | None,
    checkpoint: str,
    predicted: Sequence[str],
    *,
    named: bool = True,
) -> ClassMatch:
    """Match classes by name; by order where one side has no names; and the only class with the only class.

    Args:
        test_set: The test set's name, for messages.
        references: Its class names, or its labels; None where it has none, and the checkpoint's are taken.
        checkpoint: The checkpoint's name, for messages.
        predicted: Its class names.
        named: Whether these are its own, not defaults for want of a model card.

    Raises:
        TestSetError: The test set has a class that the checkpoint lacks.
    """
    if isinstance(references, Labels):
        if references.overlaps:
            return _of_regions(test_set, references, checkpoint, tuple(predicted))
        references = references.class_names
    if references is None:
        return ClassMatch(tuple(predicted), _in_order(len(predicted)))
    if set(references) <= set(predicted):
        return _by_name(test_set, tuple(references), checkpoint, tuple(predicted))
    if len(references) == len(predicted) and (len(references) == 1 or not named):
        note = "; ".join(
            f"class {ours!r} of checkpoint {checkpoint!r} is scored as {theirs!r} of test set {test_set!r}"
            for ours, theirs in zip(predicted, references, strict=True)
        )
        return ClassMatch(tuple(references), _in_order(len(predicted)), (f"{note[0].upper()}{note[1:]}.",))
    missing = [name for name in references if name not in predicted]
    raise TestSetError(
        [
            f"Test set {test_set!r} has the class(es) {', '.join(missing)}, which checkpoint {checkpoint!r} does not "
            f"know (it knows {', '.join(predicted)}). Choose another checkpoint, or correct labels in dataset.json."
        ]
    )


def _by_name(test_set: str, references: tuple[str, ...], checkpoint: str, predicted: tuple[str, ...]) -> ClassMatch:
    lookup = (0, *(references.index(name) + 1 if name in references else 0 for name in predicted))
    others = [name for name in predicted if name not in references]
    note = (
        f"Checkpoint {checkpoint!r} also predicts {', '.join(others)}, which test set {test_set!r} does not have: "
        "counted as background."
    )
    return ClassMatch(references, lookup, (note,) if others else ())


def _of_regions(test_set: str, references: Labels, checkpoint: str, predicted: tuple[str, ...]) -> ClassMatch:
    """Of a test set whose classes overlap: a checkpoint's labels are regions of the same names."""
    try:
        match = match_labels(references, Labels.numbered(predicted))
    except ValueError as error:
        raise TestSetError([f"Checkpoint {checkpoint!r} on test set {test_set!r}: of its labels {error}."]) from None
    lookup = tuple(match.lookup.get(value, 0) for value in range(len(predicted) + 1))
    notes = tuple(f"Checkpoint {checkpoint!r} on test set {test_set!r}: {note}." for note in match.notes)
    return ClassMatch(references.class_names, lookup, notes, references)


def _in_order(classes: int) -> tuple[int, ...]:
    return tuple(range(classes + 1))
