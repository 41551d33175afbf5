"""What ``dataset.json`` says: the classes behind label values, their colours in pictures, the channels of images."""

import re
from collections.abc import Mapping

DATASET_FILE = "dataset.json"
COLOUR = re.compile(r"#?[0-9a-fA-F]{6}")


def class_names_of(dataset: Mapping[str, object], faults: list[str]) -> tuple[str, ...] | None:
    """Names from ``{"vessel": 1}`` (nnU-Net) or ``{"1": "vessel"}`` (Decathlon); None where there are none.

    Args:
        dataset: The content of the file.
        faults: Gets a sentence where they cannot be used.
    """
    labels = dataset.get("labels")
    if labels is None:
        return None
    if isinstance(labels, dict) and labels and all(key.isdecimal() for key in labels):
        labels = {name: int(key) for key, name in labels.items()}
    if not isinstance(labels, dict) or sorted(labels.values(), key=repr) != list(range(len(labels))):
        faults.append(
            f"labels in {DATASET_FILE} must number the classes 0, 1, 2, … without a gap, 0 being the background "
            '(regions of several labels are not supported). Write them as {"background": 0, "vessel": 1}.'
        )
        return None
    return tuple(sorted((str(name) for name in labels if labels[name] > 0), key=lambda name: labels[name])) or None


def value_names_of(dataset: object) -> dict[int, str] | None:
    """Label value → name, of predictions that come with a ``dataset.json`` of their own.

    None where it names none, and where it names regions of several values: such predictions are numbered otherwise.

    Args:
        dataset: The content of the file: ``labels`` as for ``class_names_of``, the values in any order and number.

    Raises:
        ValueError: The labels are written in no form that is known.
    """
    labels = dataset.get("labels") if isinstance(dataset, dict) else None
    if labels is None:
        return None
    if isinstance(labels, dict) and labels and all(str(key).isdecimal() for key in labels):
        return {int(key): str(name) for key, name in labels.items()}
    if isinstance(labels, dict) and any(isinstance(value, list) for value in labels.values()):
        return None
    if not isinstance(labels, dict) or not all(isinstance(value, int) for value in labels.values()):
        raise ValueError('labels must be written as {"background": 0, "vessel": 1}')
    if len(set(labels.values())) < len(labels):
        raise ValueError("two labels have one value")
    return {value: str(name) for name, value in labels.items()}


def colours_of(
    dataset: Mapping[str, object], class_names: tuple[str, ...] | None, faults: list[str]
) -> dict[str, str] | None:
    """Class name → "#rrggbb" from ``"colours": {"tumour": "#ff0000"}``; None where there is no such table.

    Args:
        dataset: The content of the file.
        class_names: From ``class_names_of``. Without them the table itself names the classes.
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
