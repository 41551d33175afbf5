"""Images that a generator makes of label maps, and how a training draws a share of its images from it.

The generator is MONAI's SPADE network: labels steer each normalisation, and a code of random numbers, which an encoder
learned to draw from real images, decides on everything that labels do not say, such as the stain. It ends with a
block at full resolution, since MONAI's own ends at half of it. Its folder holds ``config.json`` and
``generator.safetensors``.

Source: Park et al. 2019, Semantic image synthesis with spatially-adaptive normalization, doi:10.1109/CVPR.2019.00244.
"""

from collections.abc import Sized
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from monai.networks.blocks import Convolution
from monai.networks.nets.spade_network import SPADENet, SPADENetResBlock
from monai.utils import convert_to_tensor
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from medseg_demo.documents import read_document
from medseg_demo.errors import TrainingError
from medseg_demo.models.card import ModelCard, Normalisation, Window
from medseg_demo.training.augmentation import IMAGE, LABEL, build_augmentation
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.config_parts import Generator, Record
from medseg_demo.training.data import Batch

CARD_FILE, WEIGHTS_FILE = "config.json", "generator.safetensors"
# Of an image that was made; its labels were turned, scaled and mirrored before.
STILL = dict.fromkeys(("flip_horizontal", "flip_vertical", "flip_depth", "quarter_turns", "affine"), 0.0)


class GeneratorCard(Record):
    """The contents of a generator's ``config.json``.

    Attributes:
        kind: "generator".
        class_names: Of the labels that it takes.
        in_channels: Of its images.
        input_size: Of its images: [height, width].
        normalisation: Of its images, which are in a network's range.
        window: Likewise.
        generator: How it is built.
        training: How it was trained: free figures.
    """

    kind: str = Field(pattern="^generator$")
    class_names: tuple[str, ...]
    in_channels: int
    input_size: tuple[int, ...] = Field(min_length=2, max_length=2)
    normalisation: Normalisation
    window: Window | None = None
    generator: Generator
    training: dict[str, object] = Field(default_factory=dict)

    def faults(self, card: ModelCard) -> list[str]:
        """Why its images are none for a network of this card; empty where they are."""
        compared = (
            ("class_names", self.class_names, card.class_names),
            ("in_channels", self.in_channels, card.in_channels),
            ("input_size", self.input_size, card.input_size),
            ("normalisation", self.normalisation, card.normalisation),
            ("window", self.window, card.window),
        )
        return [f"its {name} is {_shown(own)}, not {_shown(wanted)}" for name, own, wanted in compared if own != wanted]


def _shown(value: object) -> str:
    return str(value) if not isinstance(value, tuple) else f"[{', '.join(map(str, value))}]"


class ImageGenerator(nn.Module):
    """Labels and a code → image, in the range of a network's input.

    Args:
        card: How it is built.
    """

    def __init__(self, card: GeneratorCard) -> None:
        super().__init__()
        self.labels, self.latent = len(card.class_names) + 1, card.generator.latent
        own = card.generator
        width = own.channels[0]
        self.spade = SPADENet(
            spatial_dims=2,
            in_channels=card.in_channels,
            out_channels=width,
            label_nc=self.labels,
            input_shape=card.input_size,
            channels=list(own.channels),
            z_dim=own.latent,
            spade_intermediate_channels=own.hidden,
            norm="BATCH",  # INSTANCE would take the code's brightness out of every image
        )
        self.detail = SPADENetResBlock(2, width, width, self.labels, own.hidden, norm="BATCH")
        self.last = Convolution(2, width, card.in_channels, kernel_size=3, conv_only=True)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the variance of the codes (N, latent) of images (N, C, H, W)."""
        return self.spade.encoder(images)

    def decode(self, labels: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) of labels (N, 1, H, W) and codes (N, latent)."""
        masks = one_hot(labels, self.labels)
        features = self.detail(self.spade.decode(masks, codes), masks)
        return self.last(functional.leaky_relu(features, 0.2))


def one_hot(labels: torch.Tensor, count: int) -> torch.Tensor:
    """(N, 1, H, W) of whole numbers → (N, count, H, W), background first."""
    return functional.one_hot(labels[:, 0].long(), count).movedim(-1, 1).float()


def save_generator(folder: Path, generator: ImageGenerator, card: GeneratorCard) -> None:
    """Write both files; each is replaced at once, never left half written."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    draft = folder / f".{WEIGHTS_FILE}"
    save_file(weights, draft)
    draft.replace(folder / WEIGHTS_FILE)
    draft = folder / f".{CARD_FILE}"
    draft.write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / CARD_FILE)


def load_generator(folder: Path) -> tuple[ImageGenerator, GeneratorCard]:
    """Read a folder that ``save_generator`` wrote; the weights load strictly.

    Raises:
        TrainingError: It is none, or is damaged.
    """
    try:
        card = GeneratorCard.model_validate(read_document(folder / CARD_FILE))
        if not (folder / WEIGHTS_FILE).is_file():  # else safetensors names the whole path
            raise ValueError(f"{WEIGHTS_FILE} is missing")
        generator = ImageGenerator(card)
        generator.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (OSError, ValueError, ValidationError, SafetensorError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise TrainingError(
            f"synthetic.generator {folder.name!r} is no folder of a generator ({reason}). Train one with "
            "kind: generator, and name its output folder."
        ) from None
    return generator.eval(), card


class Slices(Sized, Protocol):
    """Items numbered through all epochs, as of ``TrainingSlices``."""

    def __getitem__(self, number: int) -> Batch:
        """One."""


class SyntheticSlices(Dataset[Batch]):
    """A training's items, of which a share has an image that was made of the item's labels, as they were varied.

    Which, and of which code, depends on the seed and the item's number alone, so that a resumed training repeats an
    uninterrupted one.

    Args:
        slices: The real items; labels have the generator's size.
        config: Its ``synthetic`` is not None; how intensities are varied goes for synthetic images as for real ones.
        card: What the network takes.

    Raises:
        TrainingError: The generator cannot be read, or makes other images than the network takes.
    """

    def __init__(self, slices: Slices, config: TrainingConfig, card: ModelCard) -> None:
        assert config.synthetic is not None
        self.slices, self.seed, self.share = slices, config.seed, config.synthetic.share
        folder = Path(config.synthetic.generator)
        self.generator, own = load_generator(folder)
        if faults := own.faults(card):
            raise TrainingError(
                f"synthetic.generator {folder.name!r} makes other images than are learned from: {'; '.join(faults)}. "
                "Train a generator with the same keys."
            )
        self.intensities = build_augmentation(config.augmentation.model_copy(update=STILL), config.input_size)

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, number: int) -> Batch:
        """An item of the real ones; of a share of them the image is replaced."""
        item = self.slices[number]
        random = np.random.default_rng([self.seed, number, 1])
        if random.random() >= self.share:
            return item
        code = torch.from_numpy(random.standard_normal((1, self.generator.latent), dtype=np.float32))
        with torch.no_grad():
            image = self.generator.decode(item[LABEL][None], code)[0]
        self.intensities.set_random_state(int(random.integers(2**32)))
        changed = self.intensities({IMAGE: image, LABEL: item[LABEL]})
        return {**item, IMAGE: convert_to_tensor(changed[IMAGE])}
