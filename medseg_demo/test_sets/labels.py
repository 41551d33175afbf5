"""What ``dataset.json`` says: the classes behind label values, their colours in pictures, the channels of images."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from medseg_demo.reading.labels import MOST_LABELS as MOST_PIECES
from medseg_demo.reading.labels import class_key

DATASET_FILE = "dataset.json"
IGNORE = "ignore"  # nnU-Net's name for what is not annotated
COLOUR = re.compile(r"#?[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Labels:
    """What the values that label maps are stored with mean.

    A class is one value, or a union of several (nnU-Net's regions, FreeSurfer's left and right side); unions may
    overlap. Label maps in memory hold one number a pixel all the same: that of a *piece*, the values that belong to
    the same classes. Where no classes overlap, piece i is class i.

    Attributes:
        class_names: The classes that are scored.
        values: One a class: the stored values that it is the union of, ascending.
        ignore: The stored value of what nobody annotated; None where there is none.
    """

    class_names: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    ignore: int | None = None

    @classmethod
    def numbered(cls, class_names: Sequence[str]) -> Self:
        """Classes whose values are 1, 2, … in their order."""
        return cls(tuple(class_names), tuple((value,) for value in range(1, len(class_names) + 1)))

    @cached_property
    def overlaps(self) -> bool:
        """Whether a value belongs to several classes."""
        return sum(map(len, self.values)) > len({value for values in self.values for value in values})

    @cached_property
    def pieces(self) -> dict[frozenset[str], tuple[int, ...]]:
        """The classes of each piece, and its stored values; in the order of the classes, or of the values."""
        found: dict[frozenset[str], list[int]] = {}
        stored = [value for values in self.values for value in values]
        for value in sorted(set(stored)) if self.overlaps else stored:
            found.setdefault(self.classes_of(value), []).append(value)
        return {classes: tuple(values) for classes, values in found.items()}

    @cached_property
    def piece_names(self) -> tuple[str, ...]:
        """What the values 1, 2, … of a label map in memory are called: by the smallest class that they are in."""
        names = [
            min(classes, key=lambda name: len(self.values[self.class_names.index(name)])) for classes in self.pieces
        ]
        values = self.pieces.values()
        return tuple(
            name if names.count(name) == 1 else f"{name} ({', '.join(map(str, own))})"
            for name, own in zip(names, values, strict=True)
        )

    @cached_property
    def lookup(self) -> dict[int, int]:
        """Stored value → piece, from 1."""
        return {value: number for number, values in enumerate(self.pieces.values(), start=1) for value in values}

    @cached_property
    def scored(self) -> dict[int | tuple[int, ...], str]:
        """The pieces of each class → its name, as ``score_case`` takes them."""
        pieces = list(self.pieces)
        return {
            tuple(number for number, classes in enumerate(pieces, start=1) if name in classes): name
            for name in self.class_names
        }

    @property
    def is_plain(self) -> bool:
        """Whether the values are 1, 2, … in the order of the classes, and all is annotated."""
        return self.ignore is None and self == Labels.numbered(self.class_names)

    def classes_of(self, value: int) -> frozenset[str]:
        """The classes that a stored value belongs to."""
        return frozenset(name for name, own in zip(self.class_names, self.values, strict=True) if value in own)


@dataclass(frozen=True)
class LabelMatch:
    """How label maps with names of their own are read beside a test set's.

    Attributes:
        lookup: Their stored value → the test set's piece; 0 where it lacks the class.
        notes: What a person should know about it, in plain sentences.
    """

    lookup: dict[int, int]
    notes: tuple[str, ...] = ()


def match_labels(ours: Labels, theirs: Labels) -> LabelMatch:
    """Match the classes of two sides by name: exactly, else but for case, spaces, hyphens and plural.

    The only class stands for the only class. A class that only they have is background, unless one of ours is missing,
    which then may be the same under another name.

    Raises:
        ValueError: Classes that only we have and that only they have stand against each other, or one of their values
            belongs to classes that no value of ours belongs to together. The text is a clause.
    """
    exact, alike = dict.fromkeys(ours.class_names), {class_key(name): name for name in reversed(ours.class_names)}
    partners = {name: name if name in exact else alike.get(class_key(name)) for name in theirs.class_names}
    notes: list[str] = []
    if len(ours.class_names) == len(theirs.class_names) == 1 and not any(partners.values()):
        partners = {theirs.class_names[0]: ours.class_names[0]}
        notes.append(
            f"their only label, {theirs.class_names[0]!r}, was taken for the only class, {ours.class_names[0]!r}"
        )
    strange = [name for name, partner in partners.items() if partner is None]
    missing = [name for name in ours.class_names if name not in partners.values()]
    if strange and missing:
        raise ValueError(
            f"they name their labels {_quoted(theirs.class_names)}, and the classes are {_quoted(ours.class_names)}: "
            f"{_quoted(strange)} is none of them"
        )
    if strange:
        notes.append(f"{_quoted(strange)} is none of the classes and counts as background")
    if missing:
        notes.append(f"their labels do not name {_quoted(missing)}, which is then nowhere predicted")
    lookup = {value: _piece(ours, theirs.classes_of(value), partners) for own in theirs.values for value in own}
    if theirs.ignore is not None:
        lookup[theirs.ignore] = 0
    if any(lookup[value] != ours.lookup.get(value, 0) for value in lookup if lookup[value]):
        notes.append("their labels are numbered otherwise than the classes, and were matched by name")
    return LabelMatch(lookup, tuple(notes))


def _piece(ours: Labels, theirs: frozenset[str], partners: Mapping[str, str | None]) -> int:
    """The piece of exactly the classes that they name, as far as they name ours; the smallest of several."""
    wanted, known = {partners[name] for name in theirs} - {None}, set(partners.values())
    if not wanted:
        return 0
    fitting = {number: own for number, own in enumerate(ours.pieces, start=1) if own & known == wanted}
    if not fitting:
        raise ValueError(f"one of their values is {_quoted(sorted(map(str, wanted)))} at once, as no label here is")
    return min(fitting, key=lambda number: len(fitting[number]))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def labels_of(dataset: Mapping[str, object], faults: list[str]) -> Labels | None:
    """The labels of a ``dataset.json``; None where it names none. See ``read_labels``.

    Args:
        dataset: The content of the file.
        faults: Gets a sentence where they cannot be used.
    """
    try:
        return read_labels(dataset)
    except ValueError as error:
        faults.append(
            f'labels in {DATASET_FILE} cannot be used ({error}). Write them as {{"background": 0, "vessel": 1}}, a '
            'class of several values as a list, and what is not annotated as "ignore".'
        )
        return None


def read_labels(dataset: Mapping[str, object]) -> Labels | None:
    """Labels from ``{"vessel": 1}`` (nnU-Net) or ``{"1": "vessel"}`` (Decathlon); None where there are none.

    Values may have any order and gaps, a list is the union of its values, ``ignore`` is no class, and 0 is background.

    Args:
        dataset: The content of the file.

    Raises:
        ValueError: They are written in no form that is known. The text is a clause.
    """
    labels = dataset.get("labels")
    if not labels:
        return None
    if isinstance(labels, list) and all(isinstance(name, str) for name in labels):
        labels = dict(zip(labels, range(len(labels)), strict=True))
    if not isinstance(labels, dict):
        raise ValueError("they are no table of names and values")
    if all(str(key).isdecimal() for key in labels) and all(isinstance(name, str) for name in labels.values()):
        labels = _by_decathlon(labels)
    own = {str(name): _values_of(str(name), value) for name, value in labels.items()}
    ignored = next((name for name in own if name.strip().lower() == IGNORE), None)
    ignore = None if ignored is None else _only_value(ignored, own.pop(ignored))
    classes = {name: values for name, values in own.items() if values}
    if not all(name.strip() for name in classes):
        raise ValueError("one of them has no name")
    if len(set(classes.values())) < len(classes):
        twice = next(name for name in classes if list(classes.values()).count(classes[name]) > 1)
        raise ValueError(f"{twice!r} and another class have one value")
    if ignore is not None and any(ignore in values for values in classes.values()):
        raise ValueError(f"the value {ignore} is a class and not annotated at once")
    if all(len(values) == 1 for values in classes.values()):
        classes = dict(sorted(classes.items(), key=lambda item: item[1]))
    found = Labels(tuple(classes), tuple(classes.values()), ignore)
    if len(found.pieces) > MOST_PIECES:
        raise ValueError(f"there are {len(found.pieces)} of them, and at most {MOST_PIECES} are read")
    return found if classes else None


def _by_decathlon(labels: Mapping[object, str]) -> dict[str, object]:
    """Number → name turned round; a name that several numbers have is their union."""
    found: dict[str, list[int]] = {}
    for key, name in labels.items():
        found.setdefault(name, []).append(int(str(key)))
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _values_of(name: str, value: object) -> tuple[int, ...]:
    """The stored values of a class, ascending and without the background's 0."""
    parts = value if isinstance(value, list) else [value]
    numbers = [int(str(part).split(".")[0]) for part in parts if _is_whole(part)]
    if len(numbers) < len(parts) or min(numbers, default=0) < 0:
        raise ValueError(f"the value of {name!r} is {value!r}")
    return tuple(sorted({number for number in numbers if number}))


def _only_value(name: str, values: tuple[int, ...]) -> int:
    if len(values) != 1:
        raise ValueError(f"{name!r} has to be one value, and not the background's 0")
    return values[0]


def _is_whole(part: object) -> bool:
    if isinstance(part, str):
        return part.strip().isdecimal()
    return not isinstance(part, bool) and isinstance(part, (int, float)) and float(part).is_integer()


def colours_of(
    dataset: Mapping[str, object], class_names: tuple[str, ...] | None, faults: list[str]
) -> dict[str, str] | None:
    """Class name → "#rrggbb" from ``"colours": {"tumour": "#ff0000"}``; None where there is no such table.

    Args:
        dataset: The content of the file.
        class_names: From ``labels_of``. Without them the table itself names the classes.
        faults: Gets a sentence for whatever is wrong with the table.
    """
    table = dataset.get("colours", dataset.get("colors"))
    if table is None:
        return None
    if not isinstance(table, dict) or not all(isinstance(one, str) and COLOUR.fullmatch(one) for one in table.values()):
        faults.append(f'colours in {DATASET_FILE} must be written as {{"tumour": "#ff0000"}}. Correct them.')
        return None
    colours = {name: f"#{colour.lstrip('#').lower()}" for name, colour in table.items()}
    names = class_names or tuple(colours)
    if colours.get("background") == "#000000" and "background" not in (class_names or ()):
        del colours["background"]  # black is background anyway
    wrong = [name for name in colours if name not in names]
    wrong += [name for name, colour in colours.items() if colour == "#000000" and name not in wrong]
    if wrong:
        faults.append(
            f"colours in {DATASET_FILE} names {', '.join(map(repr, wrong))}: each must be one of the labels, and black "
            "is the background. Correct the table."
        )
    if len(set(colours.values())) < len(colours):
        faults.append(f"colours in {DATASET_FILE} gives one colour to two classes. Give each its own.")
    return colours


def channel_names_of(dataset: Mapping[str, object]) -> tuple[str, ...]:
    """Names of an image's channels from ``channel_names`` or ``modality``, ``{"0": "T1", "1": "T2"}``, or a list.

    Empty where the file names none, or not all from 0 on.
    """
    named = dataset.get("channel_names", dataset.get("modality"))
    if isinstance(named, list):
        named = {str(number): name for number, name in enumerate(named)}
    if not isinstance(named, dict) or not all(key.isdecimal() for key in named):
        return ()
    by_number = {int(key): str(name) for key, name in named.items()}
    if sorted(by_number) != list(range(len(named))):
        return ()
    return tuple(by_number[number].strip() or f"channel {number + 1}" for number in range(len(by_number)))
