"""The model card: what a checkpoint was trained for and how an image must reach it (``medseg.json``)."""

import json
import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError

FORMAT_VERSION: Literal[1] = 1
CARD_FILE = "medseg.json"
APPEARANCE_FILE = "appearance.json"
MOST_CHANNELS = 256
LARGEST_INPUT = 2**26  # pixels or voxels that a network takes at once: 8192 × 8192, 512 × 512 × 256


def _in_order(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError(f"the lower end {window[0]} must lie under the upper end {window[1]}")
    return window


Window = Annotated[tuple[float, float], AfterValidator(_in_order)]
Range = tuple[float, float]
PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Normalisation(_Record):
    """How intensities become the network's input.

    Attributes:
        method: "window" maps the window to [0, 1] and clips; "zscore" takes the mean and deviation of the image.
        mean: Subtracted after "window", one value or one a channel.
        std: Divided by after "window", one value or one a channel.
    """

    method: Literal["window", "zscore"] = "window"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[PositiveFloat, ...] = (1.0,)


class ChannelNormalisation(_Record):
    """How the intensities of one channel become the network's input, as nnU-Net does it.

    Attributes:
        method: "zscore" takes mean and deviation of the image; "ct" clips to the window and takes the given ones;
            "range" maps the image's range to [0, 1]; "byte" divides by 255; "none" leaves them as they are.
        nonzero: For "zscore": of what is not 0 (holes in it included), and the rest is left.
        window: For "ct": intensities (low, high).
        mean: For "ct".
        std: For "ct".
    """

    method: Literal["zscore", "ct", "range", "byte", "none"]
    nonzero: bool = False
    window: Range = (0.0, 0.0)
    mean: float = 0.0
    std: float = 1.0


class Resampling(_Record):
    """Splines by which one side of nnU-Net's resampling works.

    Attributes:
        order: Of the splines.
        order_apart: Along an axis that is resampled apart from the others.
        apart: Whether the axis of the greatest spacing is; None decides by ``apart_above``.
        apart_above: Ratio of the greatest to the least spacing.
    """

    order: int = Field(default=3, ge=0, le=5)
    order_apart: int = Field(default=0, ge=0, le=5)
    apart: bool | None = None
    apart_above: PositiveFloat = 3.0


class NnUNetSteps(_Record):
    """The steps in which nnU-Net does otherwise than this project: a network that learned with them needs them.

    The card's ``inference`` is "tile" then. Tiles step by half their side; logits are summed with nnU-Net's weights,
    brought back to the image's grid and activated there.

    Attributes:
        turned: Whether volumes are turned to the patient's axes; else they are taken as they lie in the file.
        axes: Then, axis i of what the network sees is this axis, (z, y, x). A 2-D network sees the last two.
        channels: How each is normalised.
        images: Resampling of intensities.
        logits: Resampling of what comes out.
        mirrored: Spatial axes of the network over which mirrored views are averaged.
    """

    turned: bool = False
    axes: tuple[int, int, int] = (0, 1, 2)
    channels: tuple[ChannelNormalisation, ...]
    images: Resampling = Resampling()
    logits: Resampling = Resampling(order=1)
    mirrored: tuple[int, ...] = ()


class TrainingData(_Record):
    """One source of training images, with what its licence asks to be said."""

    name: str
    licence: str
    credit: str


class Exported(_Record):
    """What ``python -m medseg_demo export`` made a checkpoint from, and what that changed.

    Attributes:
        original: Name of the checkpoint.
        digest: Its hash.
        format: Such as "openvino-int8".
        architecture: Such as "Unet · tu-tf_efficientnet_lite0".
        parameters: How many weights it has.
        size_mb: Of the network's files, in millions of bytes.
        original_size_mb: Of the original's weights.
        images_per_second: Of the network alone, on the machine that exported it.
        original_images_per_second: Of the original beside it.
        measured_with: Device, precision, threads and backend of both.
        calibration: What its ranges were taken from, in words; empty where nothing was calibrated.
        full_precision: Layers that are left in full precision.
    """

    original: str
    digest: str
    format: Literal["onnx", "openvino", "openvino-int8"]
    architecture: str
    parameters: PositiveInt
    size_mb: PositiveFloat
    original_size_mb: PositiveFloat
    images_per_second: PositiveFloat | None = None
    original_images_per_second: PositiveFloat | None = None
    measured_with: str = ""
    calibration: str = ""
    full_precision: tuple[str, ...] = ()


class ModelCard(_Record):
    """The contents of ``medseg.json``.

    Attributes:
        format_version: 1.
        task: What is segmented in which kind of image, in a few words; checkpoints are grouped by it.
        class_names: Item i names label value i + 1; 0 is background.
        modality: The kind of image, in words.
        in_channels: 1 (intensities), 3 (red, green, blue), or as many as there are modalities.
        channel_names: What each is, where they are no colours; a study's files are matched by them.
        input_size: The network's input or tile: [height, width] or [depth, height, width].
        inference: "resize" shrinks or enlarges the whole image into the input and pads; "tile" slides over it.
        spacing_mm: The spacing that images are brought to before tiling; None leaves them as they are.
        normalisation: How intensities become the network's input.
        window: Fixed intensities (low, high) for "window"; None takes the image's own display window.
        head: "softmax" (background is a channel, and the most probable wins) or "sigmoid" (each class on its own); None
            is softmax where there are several classes.
        regions: Of a sigmoid head of several classes, which may overlap: the label value that each channel writes where
            it is probable, later ones over earlier ones; empty for 1, 2, ….
        nnunet: nnU-Net's own steps, in place of ``normalisation`` and ``window``; None takes this project's.
        threshold: Probability above which a pixel belongs to the class; only where there is one class.
        training_data: What it learned from.
        training: How it was trained: free figures such as seed, epochs and data hash.
        scores: Figures that were measured, by split.
        exported: What it was converted from; None where it was trained.
        appearance: Between which values the figures of ``segmenting.appearance`` lay in the training images; empty
            where that was not kept. It lies in a file of its own (``appearance.json``), since it decides no result and
            must not change the checkpoint's hash.
    """

    format_version: Literal[1] = FORMAT_VERSION
    task: str = "unknown"
    class_names: tuple[str, ...] = Field(min_length=1, max_length=255)
    modality: str = "unknown"
    in_channels: int = Field(default=3, gt=0, le=MOST_CHANNELS)
    channel_names: tuple[str, ...] = ()
    input_size: tuple[PositiveInt, ...] = Field(default=(512, 512), min_length=2, max_length=3)
    inference: Literal["resize", "tile"] = "resize"
    spacing_mm: tuple[PositiveFloat, ...] | None = None
    normalisation: Normalisation = Normalisation()
    window: Window | None = None
    head: Literal["softmax", "sigmoid"] | None = None
    regions: tuple[Annotated[int, Field(gt=0, lt=256)], ...] = ()
    nnunet: NnUNetSteps | None = None
    threshold: float | None = Field(default=None, gt=0, lt=1)
    training_data: tuple[TrainingData, ...] = ()
    training: dict[str, object] = {}
    scores: dict[str, object] = {}
    exported: Exported | None = None
    appearance: dict[str, Range] = Field(default={}, exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> "ModelCard":
        if len(self.class_names) > 1 and self.threshold is not None:
            raise ValueError("threshold is for checkpoints of one class; several classes take the most probable")
        if math.prod(self.input_size) > LARGEST_INPUT:
            raise ValueError(f"input_size has more than {LARGEST_INPUT} values, which no memory holds")
        if self.spacing_mm is not None and len(self.spacing_mm) != len(self.input_size):
            raise ValueError(f"spacing_mm has {len(self.spacing_mm)} values, input_size {len(self.input_size)}")
        for name, values in (("mean", self.normalisation.mean), ("std", self.normalisation.std)):
            if len(values) not in (1, self.in_channels):
                raise ValueError(f"normalisation.{name} has {len(values)} values for {self.in_channels} channel(s)")
        if self.channel_names and len(self.channel_names) != self.in_channels:
            raise ValueError(f"channel_names has {len(self.channel_names)} names for {self.in_channels} channel(s)")
        if self.regions and (self.has_background or max(self.regions) > len(self.class_names)):
            raise ValueError("regions are label values of a sigmoid head, each with its name in class_names")
        if self.nnunet and (self.inference != "tile" or len(self.nnunet.channels) != self.in_channels):
            raise ValueError("nnunet goes with tiles, and says how each channel is normalised")
        return self

    @property
    def is_multiclass(self) -> bool:
        """Whether there are several classes, so that no threshold is chosen."""
        return len(self.class_names) > 1

    @property
    def has_background(self) -> bool:
        """Whether the network has a background channel, and the most probable wins (softmax)."""
        return self.is_multiclass if self.head is None else self.head == "softmax"

    @property
    def output_channels(self) -> int:
        """Channels of the network's logits: background and the classes, or one a class or region."""
        return len(self.class_names) + 1 if self.has_background else len(self.regions or self.class_names)

    @property
    def largest_mm(self) -> tuple[float, ...] | None:
        """The longest, middle and shortest axis of any volume that it learned from; None where that is not known."""
        found = self.training.get("largest_mm")
        if isinstance(found, list | tuple) and len(found) == 3 and all(isinstance(one, int | float) for one in found):
            return tuple(found)
        return None

    @property
    def is_3d(self) -> bool:
        """Whether the network takes volumes."""
        return len(self.input_size) == 3


APPEARANCE = TypeAdapter(dict[str, Range])


def read_card(folder: Path, *, name: str = "") -> ModelCard | None:
    """The card of a checkpoint folder; None where it has none.

    Args:
        folder: Where it lies.
        name: The checkpoint's, for the message; by default the folder's.

    Raises:
        InvalidCheckpointError: The card is no JSON, or keys are missing, unknown or out of range (all are named).
    """
    path = folder / CARD_FILE
    if not path.exists():
        return None
    file = CARD_FILE
    try:
        card = ModelCard.model_validate(read_document(path))
        file = APPEARANCE_FILE
        if (folder / file).exists():
            card = card.model_copy(update={"appearance": APPEARANCE.validate_python(read_document(folder / file))})
        return card
    except (ValueError, OSError) as error:  # pydantic's is a ValueError
        found = error.errors() if isinstance(error, ValidationError) else [{"loc": (), "msg": str(error)}]
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in found)
        raise InvalidCheckpointError(
            f"Checkpoint {name or folder.name!r}: {file} is not a valid model card ({faults}). "
            "Correct these keys; docs/checkpoints.md lists them."
        ) from None


def write_card(card: ModelCard, folder: Path) -> None:
    """Write a card into a checkpoint folder, and what its training images looked like beside it, if that is known."""
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")
    if card.appearance:
        (folder / APPEARANCE_FILE).write_text(json.dumps(card.appearance) + "\n", encoding="utf-8")
