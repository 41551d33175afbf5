"""The model card: what a checkpoint was trained for and how an image must reach it (``medseg.json``)."""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.finding import Finding
from medseg_demo.models.recipes import BundleSteps, NnUNetSteps, PositiveFloat, Range, Recipe, Record

FORMAT_VERSION: Literal[1] = 1
CARD_FILE = "medseg.json"
APPEARANCE_FILE, FAILURE_FILE = "appearance.json", "failure.json"
MOST_CHANNELS = 256
MOST_NEIGHBOURS = 16  # on either side
PROMPT_PLANES = 4  # that a prompted network takes beside the image; see ``prompting.prompts``
LARGEST_INPUT = 2**26  # pixels or voxels that a network takes at once: 8192 × 8192, 512 × 512 × 256


def _in_order(window: Range) -> Range:
    if window[0] >= window[1]:
        raise ValueError(f"the lower end {window[0]} must lie under the upper end {window[1]}")
    return window


Window = Annotated[Range, AfterValidator(_in_order)]
PositiveInt = Annotated[int, Field(gt=0)]
Denoise = Literal["none", "mean", "gaussian", "median"]


class Normalisation(Record):
    """How intensities become the network's input.

    Attributes:
        method: "window" maps the window to [0, 1] and clips; "zscore" takes the mean and deviation of the image.
        mean: Subtracted after "window", one value or one a channel.
        std: Divided by after "window", one value or one a channel.
    """

    method: Literal["window", "zscore"] = "window"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[PositiveFloat, ...] = (1.0,)


class TrainingData(Record):
    """One source of training images, with what its licence asks to be said."""

    name: str
    licence: str
    credit: str


class Exported(Record):
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


class FailureRates(Record):
    """How well failures were told from good results on one split.

    Attributes:
        cases: How many were segmented.
        failures: How many of them had a mean Dice under the level.
        hits: The share of the failures that were doubted; None where there was none.
        false_alarms: The share of the good results that were doubted; None where there was none.
    """

    cases: PositiveInt
    failures: int = Field(ge=0)
    hits: float | None = Field(ge=0, le=1)
    false_alarms: float | None = Field(ge=0, le=1)


class Failure(FailureRates):
    """From where on a result may have failed, as ``python -m evaluation calibrate`` found it on ``val``.

    Attributes:
        score: What is held against the threshold; see ``segmenting.failure.sureness``.
        level: A failure is a mean Dice over the classes under it.
        threshold: Results of a lower score are doubted.
        checkpoint_sha256: Of the checkpoint that was measured; of another it says nothing.
        test: The same threshold on ``test``; None where that was not measured.
    """

    score: Literal["sureness"] = "sureness"
    level: float = Field(gt=0, le=1)
    threshold: float = Field(ge=0, le=1)
    checkpoint_sha256: str
    test: FailureRates | None = None

    @property
    def tells(self) -> bool:
        """Whether a larger share of the failures than of the good results was doubted, wherever it was measured."""
        measured = [self, *([self.test] if self.test else [])]
        return all((one.hits or 0) > (one.false_alarms or 0) for one in measured if one.failures)


class ModelCard(Record):
    """The contents of ``medseg.json``.

    Attributes:
        format_version: 1.
        task: What is segmented in which kind of image, in a few words; checkpoints are grouped by it.
        class_names: Item i names label value i + 1; 0 is background.
        class_colours: "#rrggbb" of each class; empty takes the usual ones.
        modality: The kind of image, in words.
        in_channels: 1 (intensities), 3 (red, green, blue), or as many as there are modalities.
        neighbours: Slices before and after each that a 2-D network gets as further channels (2.5-D), beside those of
            ``in_channels``; beyond the ends of a volume the last slice repeats.
        channel_names: What each is, where they are no colours; a study's files are matched by them.
        input_size: The network's input or tile: [height, width] or [depth, height, width].
        inference: "resize" shrinks or enlarges the whole image into the input and pads; "tile" slides over it.
        spacing_mm: The spacing that images are brought to before tiling; None leaves them as they are.
        normalisation: How intensities become the network's input.
        window: Fixed intensities (low, high) for "window"; None takes the image's own display window.
        denoise: The filter that the training images went through, which images go through too unless another is chosen.
        head: "softmax" (background is a channel, and the most probable wins) or "sigmoid" (each class on its own, and
            they may overlap). None is what the number of the network's channels says; see ``settled``.
        activated: Whether the network gives probabilities already. None is what its graph says, and else no.
        regions: Of a sigmoid head: the class, as its label value, of which each channel is, in the order in which they
            are written: later ones over earlier ones. Empty for 1, 2, ….
        recipe: Steps of another library, in place of ``normalisation`` and ``window``; None takes this project's.
        ensemble: Names of the checkpoints beside it whose probabilities are averaged; empty where it is a network.
        threshold: Probability above which a pixel belongs to a class; where ``takes_threshold``.
        prompts: What tells the network which object is meant, beside the image; empty for one that segments on its own.
        findings: What the network's auxiliary output says of the image as a whole, in the order of its channels; of a
            2-D network of smp.
        training_data: What it learned from.
        training: How it was trained: free figures such as seed, epochs and data hash.
        scores: Figures that were measured, by split.
        exported: What it was converted from; None where it was trained.
        appearance: Between which values the figures of ``segmenting.appearance`` lay in the training images; empty
            where that was not kept. It lies in a file of its own (``appearance.json``), since it decides no result and
            must not change the checkpoint's hash.
        failure: From where on a result may have failed; None where nobody measured it. Likewise in ``failure.json``.
    """

    format_version: Literal[1] = FORMAT_VERSION
    task: str = "unknown"
    class_names: tuple[str, ...] = Field(min_length=1, max_length=255)
    class_colours: tuple[Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")], ...] = ()
    modality: str = "unknown"
    in_channels: int = Field(default=3, gt=0, le=MOST_CHANNELS)
    neighbours: int = Field(default=0, ge=0, le=MOST_NEIGHBOURS)
    channel_names: tuple[str, ...] = ()
    input_size: tuple[PositiveInt, ...] = Field(default=(512, 512), min_length=2, max_length=3)
    inference: Literal["resize", "tile"] = "resize"
    spacing_mm: tuple[PositiveFloat, ...] | None = None
    normalisation: Normalisation = Normalisation()
    window: Window | None = None
    denoise: Denoise = "none"
    head: Literal["softmax", "sigmoid"] | None = None
    activated: bool | None = None
    regions: tuple[Annotated[int, Field(gt=0, lt=256)], ...] = ()
    recipe: Recipe | None = None
    ensemble: tuple[str, ...] = Field(default=(), max_length=16)
    threshold: float | None = Field(default=None, gt=0, lt=1)
    prompts: tuple[Literal["click", "box", "scribble"], ...] = ()
    findings: tuple[Finding, ...] = Field(default=(), max_length=64)
    training_data: tuple[TrainingData, ...] = ()
    training: dict[str, object] = Field(default={})
    scores: dict[str, object] = Field(default={})
    exported: Exported | None = None
    appearance: dict[str, Range] = Field(default={}, exclude=True)
    failure: Failure | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> "ModelCard":
        if not self.takes_threshold and self.threshold is not None:
            raise ValueError("threshold is for one class, or a sigmoid head; else the most probable class wins")
        if math.prod(self.input_size) > LARGEST_INPUT:
            raise ValueError(f"input_size has more than {LARGEST_INPUT} values, which no memory holds")
        if self.spacing_mm is not None and len(self.spacing_mm) != len(self.input_size):
            raise ValueError(f"spacing_mm has {len(self.spacing_mm)} values, input_size {len(self.input_size)}")
        for name, values in (("mean", self.normalisation.mean), ("std", self.normalisation.std)):
            if len(values) not in (1, self.in_channels):
                raise ValueError(f"normalisation.{name} has {len(values)} values for {self.in_channels} channel(s)")
        if self.prompts and (self.is_3d or self.recipe or self.ensemble or self.findings or self.neighbours):
            raise ValueError("prompts are of a 2-D network alone, without neighbours, findings, ensemble or recipe")
        if self.prompts and (len(self.class_names) > 1 or len(set(self.input_size)) > 1 or self.in_channels != 3):
            raise ValueError("a network with prompts has one class, in_channels 3 and a square input_size")
        if self.neighbours and (self.is_3d or self.recipe or self.ensemble):
            raise ValueError("neighbours are further channels of a 2-D network, and of no ensemble or recipe")
        if self.input_channels > MOST_CHANNELS:
            raise ValueError(f"{self.input_channels} channels are more than {MOST_CHANNELS}; take fewer neighbours")
        if self.class_colours and len(self.class_colours) != len(self.class_names):
            raise ValueError(f"class_colours has {len(self.class_colours)} values for {len(self.class_names)} classes")
        if self.channel_names and len(self.channel_names) != self.in_channels:
            raise ValueError(f"channel_names has {len(self.channel_names)} names for {self.in_channels} channel(s)")
        if self.regions and (self.has_background or sorted(self.regions) != list(self.label_values)):
            raise ValueError("regions are of a sigmoid head, and name each of the label values 1, 2, … once")
        if self.findings and (self.is_3d or self.recipe or self.ensemble):
            raise ValueError("findings are of a 2-D network of smp with aux_params, and of no ensemble or recipe")
        if len({finding.name for finding in self.findings}) < len(self.findings):
            raise ValueError("findings has a name twice")
        if self.recipe and (fault := self.recipe.fault(self.in_channels, self.inference)):
            raise ValueError(fault)
        return self

    @property
    def label_values(self) -> range:
        """Of the classes in a label map."""
        return range(1, len(self.class_names) + 1)

    @property
    def regions_written(self) -> tuple[int, ...]:
        """The label value of each foreground channel, in the order of the channels."""
        return self.regions or tuple(self.label_values)

    @property
    def written(self) -> list[int]:
        """The place among the classes of each foreground channel."""
        return [value - 1 for value in self.regions_written]

    @property
    def nnunet(self) -> NnUNetSteps | None:
        """The recipe, where it is nnU-Net's."""
        return self.recipe if isinstance(self.recipe, NnUNetSteps) else None

    @property
    def bundle(self) -> BundleSteps | None:
        """The steps of a MONAI bundle; None where the recipe is no such."""
        return self.recipe if isinstance(self.recipe, BundleSteps) else None

    @property
    def has_background(self) -> bool:
        """Whether the network has a background channel, and the most probable wins (softmax)."""
        return len(self.class_names) > 1 if self.head is None else self.head == "softmax"

    @property
    def takes_threshold(self) -> bool:
        """Whether a class is where its probability is above a threshold; else the most probable of several wins."""
        return len(self.class_names) == 1 or not self.has_background

    @property
    def may_overlap(self) -> bool:
        """Whether a pixel may be of several classes, of which the label map has the last alone."""
        return len(self.class_names) > 1 and not self.has_background

    @property
    def input_channels(self) -> int:
        """Channels of what the network takes: those of an image, for a slice and its neighbours, and prompts."""
        return self.in_channels * (1 + 2 * self.neighbours) + (PROMPT_PLANES if self.prompts else 0)

    @property
    def output_channels(self) -> int:
        """Channels of the network's logits: of each class, and of background before them."""
        return len(self.class_names) + self.has_background

    @property
    def network_channels(self) -> int:
        """Channels of what the network gives: nnU-Net's folds come one after the other."""
        return self.output_channels * (self.nnunet.folds if self.nnunet else 1)

    def settled(self, channels: int) -> "ModelCard":
        """The card with the head that a network of this many output channels has, where it names none.

        As many channels as classes are each on their own; one more is background. A card that names its head, or whose
        head the number contradicts, comes back as it is: compare ``output_channels``.
        """
        if self.head is not None or channels == self.output_channels:
            return self
        heads = {len(self.class_names): "sigmoid", len(self.class_names) + 1: "softmax"}
        return self.model_copy(update={"head": heads.get(channels)})

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


# Keys of the card that lie in files of their own.
BESIDE: dict[str, tuple[str, TypeAdapter[Any]]] = {
    "appearance": (APPEARANCE_FILE, TypeAdapter(dict[str, Range])),
    "failure": (FAILURE_FILE, TypeAdapter(Failure)),
}


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
        for key, (file, kind) in BESIDE.items():
            if (folder / file).exists():
                card = card.model_copy(update={key: kind.validate_python(read_document(folder / file))})
        return card
    except (ValueError, OSError) as error:  # pydantic's is a ValueError
        found = error.errors() if isinstance(error, ValidationError) else [{"loc": (), "msg": str(error)}]
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in found)
        raise InvalidCheckpointError(
            f"Checkpoint {name or folder.name!r}: {file} is not a valid model card ({faults}). "
            "Correct these keys; docs/checkpoints.md lists them."
        ) from None


def write_card(card: ModelCard, folder: Path) -> None:
    """Write a card into a checkpoint folder, and beside it what lies in files of its own, where that is known."""
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")
    for key, (file, kind) in BESIDE.items():
        if value := getattr(card, key):
            (folder / file).write_bytes(kind.dump_json(value, indent=2) + b"\n")
