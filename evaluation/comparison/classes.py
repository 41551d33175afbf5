"""Which class of one label map is which class of another: by name, by number where there are no names, or as stated.

A class that not all of them have is left out, and a sentence says so: without that, a label map that calls its class
otherwise would score 0 against the others, and nobody would know why.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medseg_demo.errors import InputMismatchError, OptionError
from medseg_demo.image import LabelMap
from medseg_demo.reading.labels import class_key

NUMBERED = re.compile(r"class_(\d+)")
HOW_TO_STATE = "Say which is which, one a line, such as “{name}: {own} = {other}”."


@dataclass(frozen=True)
class Stated:
    """What a person says about one class.

    Attributes:
        own: What the class is called in the label map.
        compared_as: What it is called here; empty leaves it out.
        member: The label map or checkpoint that is meant; empty means each that has the class.
    """

    own: str
    compared_as: str
    member: str = ""


@dataclass(frozen=True)
class ClassMatch:
    """How the labels of one member are read beside those of the others.

    Attributes:
        class_names: The classes that are compared; item i is label value i + 1.
        lookup: Item i is the compared value of the member's own label i; 0 where it is not compared.
        notes: What was taken for what, in plain sentences.
        warnings: What is not compared.
        unknown: Its labels without a name that are none of the classes, and of which nothing was stated.
    """

    class_names: tuple[str, ...]
    lookup: tuple[int, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unknown: frozenset[int] = frozenset()

    @property
    def is_plain(self) -> bool:
        """Whether the labels stay as they are."""
        return self.lookup == tuple(range(len(self.class_names) + 1))

    def translate(self, name: str, label_map: LabelMap) -> LabelMap:
        """The label map of a member in the compared classes.

        Raises:
            InputMismatchError: It holds a label that is none of the classes.
        """
        odd = self.unknown and sorted(self.unknown & set(np.unique(label_map.labels).tolist()))
        if odd:
            raise InputMismatchError(
                f"{name} holds the label {odd[0]}, which is none of the classes ({', '.join(self.class_names)}). "
                f"Correct it, or say which class it is: “{name}: class_{odd[0]} = {self.class_names[0]}”."
            )
        labels = label_map.labels if self.is_plain else np.asarray(self.lookup, np.uint8)[label_map.labels]
        return LabelMap(labels, self.class_names, label_map.geometry, label_map.notes)

    def translate_probabilities(self, maps: np.ndarray | None) -> np.ndarray | None:
        """Probabilities, (K, …), of the compared classes; of those that become one class their sum, at most 1."""
        if maps is None or self.is_plain:
            return maps
        moved = np.zeros((len(self.class_names), *maps.shape[1:]), maps.dtype)
        for own, value in zip(maps, self.lookup[1:], strict=True):
            if value:
                moved[value - 1] += own
        return np.minimum(moved, 1, out=moved)


def parse_stated(text: str) -> tuple[Stated, ...]:
    """Lines such as ``class_1 = lung`` or ``expert: class_1 = lung``; one may also stand behind a semicolon.

    Raises:
        OptionError: A line is none.
    """
    found = []
    for line in filter(None, map(str.strip, re.split(r"[\n;]", text))):
        left, equals, right = line.partition("=")
        member, _, own = left.rpartition(":")
        if not equals or not own.strip():
            raise OptionError(
                f"{line!r} says nothing about a class. Write “its class = compared as”, such as “class_1 = lung”, or "
                "“expert: class_1 = lung” for one label map alone."
            )
        found.append(Stated(own.strip(), right.strip(), member.strip()))
    return tuple(found)


def match_classes(
    own: Mapping[str, Sequence[str]], stated: Sequence[Stated] = (), *, files: Collection[str] = ()
) -> dict[str, ClassMatch]:
    """Match the classes of several label maps or checkpoints.

    What is stated wins; then the same name; then one that differs in case, spaces, hyphens, underscores or plural;
    then the number, of classes without a name (``class_1``); then the only class of a file with the only class of the
    others. Those that all have are compared, in the order of the first that has names.

    Args:
        own: Of each member by its name: its class names, item i being its label value i + 1.
        stated: What a person says.
        files: The members that are files, which somebody chose for this image and this task. Two checkpoints of one
            class each may well find different things.

    Returns:
        One match a member.

    Raises:
        InputMismatchError: They share no class; the two that differ are named, with what to do.
        OptionError: What is stated is of no class or member that is here.
    """
    check_stated(own, stated)
    said = {member: renamed(member, names, stated) for member, names in own.items()}
    lead = _lead(own)
    known = tuple(dict.fromkeys(name for name in said[lead] if name))
    places = {
        member: _places(known, names, _is_numbered(own[member]), member in files) for member, names in said.items()
    }
    has: dict[str, set[int | None]] = {
        member: set(range(len(known))) if _is_numbered(own[member]) else set(places[member]) for member in own
    }
    shared = [place for place in range(len(known)) if all(place in one for one in has.values())]
    if not shared:
        raise InputMismatchError(_nothing_shared(own, has, lead))
    class_names = tuple(known[place] for place in shared)
    values = {place: value for value, place in enumerate(shared, start=1)}
    return {
        member: ClassMatch(
            class_names,
            (0, *(values.get(place, 0) if place is not None else 0 for place in places[member])),
            _notes(own[member], said[member], places[member], known),
            _warnings(member, own[member], said[member], places[member], known, has),
            frozenset(
                value
                for value, (name, place) in enumerate(zip(said[member], places[member], strict=True), start=1)
                if name and place is None and _is_numbered(own[member])
            ),
        )
        for member in own
    }


def same_class(one: str, other: str) -> bool:
    """Whether two names mean one class: but for case, spaces, hyphens, underscores and plural."""
    return class_key(one) == class_key(other)


def check_stated(own: Mapping[str, Sequence[str]], stated: Sequence[Stated]) -> None:
    """Make sure that what is stated is of members and classes that are here.

    Args:
        own: Of each member by its name: its class names.
        stated: What a person says.

    Raises:
        OptionError: It is not.
    """
    for one in stated:
        if one.member and one.member not in own:
            raise OptionError(f"There is no label map {one.member!r} to say classes of. There are: {', '.join(own)}.")
        meant = [one.member] if one.member else list(own)
        if not any(_is_meant(one, member, name, own[member]) for member in meant for name in own[member]):
            held = "; ".join(f"{member}: {', '.join(own[member])}" for member in meant)
            raise OptionError(f"No label map has the class {one.own!r}. Choose among these: {held}.")


def _is_meant(stated: Stated, member: str, name: str, names: Sequence[str]) -> bool:
    is_name = name == stated.own or (stated.own not in names and same_class(stated.own, name))
    return is_name and stated.member in ("", member)


def renamed(member: str, names: Sequence[str], stated: Sequence[Stated]) -> list[str]:
    """Class names as a person says them; empty where they are left out. What is said of one member wins."""
    ordered = sorted(stated, key=lambda one: not one.member)
    return [next((one.compared_as for one in ordered if _is_meant(one, member, name, names)), name) for name in names]


def _is_numbered(names: Sequence[str]) -> bool:
    """Whether a label map names no class of its own."""
    return all(NUMBERED.fullmatch(name) for name in names)


def _lead(own: Mapping[str, Sequence[str]]) -> str:
    """Whose classes the others are matched with: the first that has names, else the one with most classes."""
    named = [member for member, names in own.items() if not _is_numbered(names)]
    return named[0] if named else max(own, key=lambda member: len(own[member]))


def _places(known: Sequence[str], names: Sequence[str], is_numbered: bool, is_file: bool) -> list[int | None]:
    """Of each name its place among the known ones; None for a stranger."""
    plain = [class_key(name) for name in known]
    found: list[int | None] = [known.index(name) if name in known else None for name in names]
    for index, name in enumerate(names):
        if found[index] is None and name and class_key(name) in plain and plain.index(class_key(name)) not in found:
            found[index] = plain.index(class_key(name))
    for index, name in enumerate(names):
        number = NUMBERED.fullmatch(name)
        if is_numbered and found[index] is None and number and int(number[1]) <= len(known):
            found[index] = int(number[1]) - 1
    left = [index for index, name in enumerate(names) if name]
    if is_file and len(left) == len(known) == 1 and found[left[0]] is None:
        found[left[0]] = 0
    return found


def _notes(
    own: Sequence[str], renamed: Sequence[str], places: Sequence[int | None], known: Sequence[str]
) -> tuple[str, ...]:
    """Which classes are compared under another name, and which were left out on purpose."""
    taken = [
        f"{name} is compared as {known[place]}"
        for name, said, place in zip(own, renamed, places, strict=True)
        if place is not None and not same_class(name, known[place]) and not _goes_without_saying(name, said, known)
    ]
    left_out = [name for name, said in zip(own, renamed, strict=True) if not said]
    notes = [f"{'; '.join(taken)}."] if taken else []
    return (*notes, f"Left out, as was asked: {', '.join(left_out)}.") if left_out else tuple(notes)


def _warnings(
    member: str,
    own: Sequence[str],
    renamed: Sequence[str],
    places: Sequence[int | None],
    known: Sequence[str],
    has: Mapping[str, set[int | None]],
) -> tuple[str, ...]:
    """Which classes are not compared, since not all find them."""
    strangers = [
        name
        for name, said, place in zip(own, renamed, places, strict=True)
        if said and place is None and not _is_numbered(own)
    ]
    lacking = [
        f"{known[place]}, which {', '.join(other for other in has if place not in has[other])} does not find"
        for place in range(len(known))
        if place in has[member] and any(place not in one for one in has.values())
    ]
    warnings = [f"Not compared: {', '.join(strangers)}, which the others do not find."] if strangers else []
    return (*warnings, f"Not compared: {'; '.join(lacking)}.") if lacking else tuple(warnings)


def _goes_without_saying(name: str, said: str, known: Sequence[str]) -> bool:
    """Whether it is a mask of one class without a name, beside others of one class."""
    return name == said == "class_1" and len(known) == 1


def _nothing_shared(own: Mapping[str, Sequence[str]], has: Mapping[str, set[int | None]], lead: str) -> str:
    other = next((member for member in own if not has[member] - {None}), None)
    other = other or next(member for member in own if member != lead)
    example = HOW_TO_STATE.format(name=other, own=own[other][0], other=own[lead][0])
    return (
        f"{lead} finds {', '.join(own[lead])}, but {other} finds {', '.join(own[other])}: they share no class. "
        f"{example}"
    )
