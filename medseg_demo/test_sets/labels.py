"""What ``dataset.json`` says of the labels of a test set."""

from collections.abc import Mapping

DATASET_FILE = "dataset.json"


def class_names_of(dataset: Mapping[str, object], faults: list[str]) -> tuple[str, ...] | None:
    """Names from ``{"vessel": 1}`` (nnU-Net) or ``{"1": "vessel"}`` (Decathlon)."""
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
