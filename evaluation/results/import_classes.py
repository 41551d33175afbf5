"""Which class of an imported file is which class of a test set."""

import re
from collections.abc import Iterable, Mapping, Sequence

from evaluation.results.table import Run
from medseg_demo.errors import OptionError
from medseg_demo.reading.labels import plain_name
from medseg_demo.test_sets.labels import Labels


def check_chosen(chosen: Mapping[str, str], found: Sequence[str]) -> None:
    """Make sure that a file has the classes that a person named.

    Raises:
        OptionError: It lacks one.
    """
    unknown = [label for label in chosen if label not in found]
    if unknown:
        raise OptionError(f"The file has no class {', '.join(unknown)}. It has: {', '.join(found)}.")


def name_classes(
    found: Sequence[str], classes: Labels | Sequence[str] | None, chosen: Mapping[str, str], *, labels: bool
) -> dict[str, str]:
    """Name the classes of a file: as was chosen, else as the test set has them, else as the file calls them.

    A class of the test set is taken by its label values (a region by all of them) or by its name, case, spaces, hyphens
    and underscores being alike; the only class for the only class; and MONAI's ``class0, class1, …``, which it writes
    where it was told no names, in order where they are as many.

    Args:
        found: What the file calls its classes.
        classes: The test set's labels, or classes, item i that of label value i + 1; None where they are not known.
        chosen: Of the file's classes to names.
        labels: Whether the file has label values, not names: without a name they become ``class_<label>``.

    Returns:
        The name of each of the file's classes.

    Raises:
        OptionError: Two classes would have one name.
    """
    defaults = {label: f"class_{label}" if labels else label for label in found}
    known = classes if isinstance(classes, Labels) else Labels.numbered(classes or ())
    names = defaults | _from_test_set(found, known, labels=labels)
    names |= {label: name for label, name in chosen.items() if label in found}
    for name in names.values():
        same = [label for label in found if names[label] == name]
        if len(same) > 1:
            raise OptionError(f"Classes {', '.join(same)} of the file would all be called {name!r}. Name them apart.")
    return names


def class_notes(runs: Iterable[Run], classes: Sequence[str] | None) -> tuple[str, ...]:
    """What the values and classes of imported runs were taken for, in plain sentences."""
    notes: dict[str, None] = {}
    classes = classes or ()
    for run in runs:
        told = run.settings.get("notes", ())
        notes |= dict.fromkeys(map(str, told if isinstance(told, (list, tuple)) else ()))
        if not classes:
            continue
        taken = run.settings.get("file_classes")
        for label, name in taken.items() if isinstance(taken, Mapping) else ():
            if name not in classes:
                notes[
                    f"Class {label!r} of the file is none of test set {run.test_set!r} (it has {', '.join(classes)}): "
                    "it stands beside no other run's scores. Its name can be given on the command line: --classes."
                ] = None
            elif label != name:
                notes[f"Class {label!r} of the file was taken for {name!r}."] = None
    return tuple(notes)


def _from_test_set(found: Sequence[str], known: Labels, *, labels: bool) -> dict[str, str]:
    classes = known.class_names
    if labels:
        by_values = dict(zip(known.values, classes, strict=True))
        names = {label: by_values[values] for label in found if (values := _values(label)) in by_values}
    else:
        alike = {plain_name(name): name for name in reversed(classes)}
        names = {
            label: label if label in classes else alike[plain_name(label)]
            for label in found
            if plain_name(label) in alike
        }
        by_value = {
            str(values[0]): name for values, name in zip(known.values, classes, strict=True) if len(values) == 1
        }
        names = names or {label: by_value[label] for label in found if label in by_value}
    if names or len(found) != len(classes):
        return names
    unnamed = [f"class{place}" for place in range(len(classes))]
    return dict(zip(found, classes, strict=True)) if len(found) == 1 or list(found) == unnamed else {}


def _values(label: str) -> tuple[int, ...]:
    """The values of a label of nnU-Net: "1", or "(1, 2, 3)" of a region."""
    return tuple(sorted(map(int, re.findall(r"\d+", label))))
