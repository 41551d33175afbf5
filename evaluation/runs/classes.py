"""Which class of a checkpoint is which class of a test set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.comparison.classes import Stated, renamed
from medseg_demo.errors import TestSetError
from medseg_demo.reading.labels import class_key
from medseg_demo.test_sets.labels import Labels, match_labels

WHAT_TO_DO = (
    "Say which is which (--classes '{own} = {ours}' on the command line), choose another checkpoint, or correct labels "
    "in dataset.json."
)


@dataclass(frozen=True)
class ClassMatch:
    """How the labels of a prediction are read beside those of the reference.

    Attributes:
        labels: Those of the reference; its classes are scored.
        lookup: Item i is the reference's value for the prediction's label i; 0 where the test set lacks the class.
        notes: What a person should know about the match, in plain sentences.
        stated: What a person said of it: the checkpoint's class → what it was to be scored as.
    """

    labels: Labels
    lookup: tuple[int, ...]
    notes: tuple[str, ...] = ()
    stated: tuple[tuple[str, str], ...] = ()

    def translate(self, labels: np.ndarray) -> np.ndarray:
        """A prediction's labels, uint8, in the values of the reference."""
        if self.lookup == tuple(range(len(self.lookup))):
            return labels
        return np.asarray(self.lookup, np.uint8)[labels]


def match_classes(
    test_set: str,
    references: Labels | None,
    checkpoint: str,
    predicted: Sequence[str],
    *,
    named: bool = True,
    stated: Sequence[Stated] = (),
) -> ClassMatch:
    """Match classes: as stated, else by name; by order where one side has no names; the only class with the only one.

    A class that the test set lacks counts as background, which a note says. One that the checkpoint lacks is an error,
    unless it is a region among others that overlap.

    Args:
        test_set: The test set's name, for messages.
        references: Its labels; None where it has no names, and the checkpoint's are taken.
        checkpoint: The checkpoint's name, for messages.
        predicted: Its class names.
        named: Whether these are its own, not defaults for want of a model card.
        stated: What a person says of them.

    Raises:
        TestSetError: The test set has a class that the checkpoint lacks.
    """
    said = renamed(checkpoint, predicted, stated)
    labels = references or Labels.numbered(tuple(dict.fromkeys(filter(None, said))))
    if not named and said == [*predicted] and len(predicted) == len(labels.class_names) and not labels.overlaps:
        said = [*labels.class_names]  # as stated, but by their order
    told = tuple((own, name) for own, name in zip(predicted, said, strict=True) if own != name)
    values = {name: tuple(value for value, other in enumerate(said, 1) if other == name) for name in said if name}
    known = {*map(class_key, values)}
    missing = [name for name in labels.class_names if class_key(name) not in known]
    if missing and not labels.overlaps and not len(values) == len(labels.class_names) == 1:
        raise TestSetError(
            [
                f"Test set {test_set!r} has the class(es) {', '.join(missing)}, which checkpoint {checkpoint!r} does "
                f"not know (it knows {', '.join(predicted)}). {_what_to_do(predicted, missing)}"
            ]
        )
    where = f"Checkpoint {checkpoint!r} on test set {test_set!r}"
    try:
        match = match_labels(labels, Labels(tuple(values), tuple(values.values())))
    except ValueError as error:
        raise TestSetError([f"{where}: of its labels {error}. {_what_to_do(predicted, labels.class_names)}"]) from None
    notes = [f"{own!r} is scored as {name!r}" if name else f"{own!r} is not scored" for own, name in told]
    return ClassMatch(
        labels,
        (0, *(match.lookup.get(value, 0) for value in range(1, len(predicted) + 1))),
        tuple(f"{where}: {note}." for note in (*notes, *match.notes)),
        told if stated else (),
    )


def _what_to_do(predicted: Sequence[str], wanted: Sequence[str]) -> str:
    return WHAT_TO_DO.format(own=predicted[0], ours=wanted[0])
