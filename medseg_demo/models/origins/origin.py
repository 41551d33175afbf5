"""What every origin tells of a checkpoint folder, whoever wrote the folder."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from medseg_demo.models.card import ModelCard, Normalisation
from medseg_demo.models.conversion import is_kept
from medseg_demo.models.network import Ensemble, SavedNetwork

if TYPE_CHECKING:
    from medseg_demo.models.origins.graph import GraphNetwork

SAVED = "saved"  # the kind of a converted network that came from a folder


@dataclass(frozen=True)
class Described:
    """What is known of a checkpoint before its network is built.

    Attributes:
        card: Its own, or what its files and the stated defaults say.
        architecture: For people, such as "Unet · tu-tf_efficientnet_lite0".
        has_card: Whether the card rests on what the files say, and not on defaults.
        note: What could not be checked without loading it; empty where there is nothing to say.
    """

    card: ModelCard
    architecture: str
    has_card: bool = True
    note: str = ""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A checkpoint's card and network, every part of it checked.

    Attributes:
        described: As ``Origin.describe`` gives it.
        network: In evaluation mode, float32, on the CPU.
    """

    described: Described
    network: "nn.Module | SavedNetwork | GraphNetwork | Ensemble"


@dataclass(frozen=True)
class Origin:
    """One kind of checkpoint folder: how it is known, and what is made of it.

    Attributes:
        name: In tables, filters and addresses, such as "nnunet".
        label: For people, such as "nnU-Net v2".
        recognises: Whether a folder is of this kind, by the names of its files alone, and for weights by
            those of the parts of their archive. Raises OSError at most.
        files: Those of such a folder that decide a result, in the order of the hash; the ones that exist.
        describe: (folder, the checkpoint's name, folder of converted networks) → what is known without building the
            network. Raises InvalidCheckpointError.
        load: The same with the network, its weights loaded strictly. Raises InvalidCheckpointError.
    """

    name: str
    label: str
    recognises: Callable[[Path], bool]
    files: Callable[[Path], tuple[Path, ...]]
    describe: Callable[[Path, str, Path | None], Described]
    load: Callable[[Path, str, Path | None], Loaded]


def existing(folder: Path, *names: str) -> tuple[Path, ...]:
    """The files of these names that a folder has, in this order."""
    return tuple(folder / name for name in names if (folder / name).is_file())


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, one after the other, hexadecimal."""
    sha = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while part := file.read(2**22):
                sha.update(part)
    return sha.hexdigest()


def is_converted(digest: str, card: ModelCard, cache_dir: Path | None) -> bool:
    """Whether OpenVINO has a checkpoint's network converted in the cache folder."""
    return is_kept((1, card.input_channels, *card.input_size), digest=digest, cache_dir=cache_dir, kind=SAVED)


def in_gib(size: int) -> str:
    """A size of a file for people."""
    return f"{size / 2**30:.1f} GiB"


def default_card(channels: int, outputs: int, *, head: str = "", input_size: tuple[int, ...] = (512, 512)) -> ModelCard:
    """The card of a network of which nobody says what it is for.

    The whole image resized to 512 × 512, or tiles of a volume; intensities mapped to [0, 1], colour normalised with
    ImageNet's mean and deviation; threshold 0.5; classes named class_1, ….

    Args:
        channels: Of its input.
        outputs: Channels of its logits.
        head: "sigmoid" or "softmax", where that is known; else several channels are background and classes.
        input_size: Of its input.
    """
    has_background = head != "sigmoid" and outputs > 1
    classes = max(1, outputs - has_background)
    meant = "softmax" if classes == 1 and has_background else "sigmoid" if classes > 1 and not has_background else None
    colour = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    return ModelCard(
        class_names=tuple(f"class_{value}" for value in range(1, classes + 1)),
        in_channels=channels,
        input_size=input_size,
        inference="resize" if len(input_size) == 2 else "tile",
        normalisation=colour if channels == 3 and len(input_size) == 2 else Normalisation(),
        head=meant,  # type: ignore[arg-type]
        threshold=0.5 if classes == 1 or meant == "sigmoid" else None,
    )
