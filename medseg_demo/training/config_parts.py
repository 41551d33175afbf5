"""The parts of a training's configuration: what is varied, the loss, what the card says."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from medseg_demo.models.card import PositiveFloat, PositiveInt
from medseg_demo.training.presets import PRESETS, Preset

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lower limit {limits[0]} must not lie over the upper limit {limits[1]}")
    return limits


PositiveLimits = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ordered)]


class Record(BaseModel):
    """A part of a configuration: unknown keys are refused, and nothing changes once it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and "bool" not in str(cls.model_fields[str(info.field_name)].annotation):
            raise ValueError(f"it cannot be {str(value).lower()}")  # pydantic would take it for 1 or 0
        return value


class Augmentation(Record):
    """What is varied at random in a training image. Probabilities are per image; 0 leaves a step out.

    Attributes:
        preset: The kind of modality whose values stand for the keys that are not given; see ``presets.py``.
        flip_horizontal: Probability of mirroring left and right.
        flip_vertical: Probability of mirroring top and bottom.
        flip_depth: Probability of mirroring a volume's first axis.
        quarter_turns: Probability of turning by 90, 180 or 270 degrees in the plane.
        affine: Probability of one affine change, which the next four describe.
        rotate_degrees: Greatest turn either way, about each axis of a volume.
        scale: Greatest change of size of each axis on its own: 0.2 means 0.8 to 1.2.
        shear: Greatest shear factor.
        translate: Greatest shift, as a share of each axis.
        intensity: Probability of changing contrast (gamma), brightness and scale, each on its own draw.
        gamma: The gamma is drawn from these limits.
        brightness: Greatest shift, in units of the normalised image.
        contrast: Greatest change of scale: 0.2 means 0.8 to 1.2.
        histogram: Probability of bending the histogram at random control points.
        colour: Greatest scale and shift of each colour channel on its own, applied with ``intensity``.
        mix: Greatest share of each colour channel that is added to or taken from the others, applied with
            ``intensity``; it turns hues.
        blur: Probability of a Gaussian blur.
        blur_sigma: Its deviation in px is drawn from these limits.
        noise: Probability of Gaussian noise.
        noise_std: Its greatest deviation, in units of the normalised image.
    """

    preset: Preset | None = None
    flip_horizontal: Share = 0.5
    flip_vertical: Share = 0.0
    flip_depth: Share = 0.0
    quarter_turns: Share = 0.0
    affine: Share = 0.7
    rotate_degrees: NotNegative = 10.0
    scale: Share = 0.15
    shear: Share = 0.0
    translate: Share = 0.05
    intensity: Share = 0.5
    gamma: PositiveLimits = (0.7, 1.5)
    brightness: NotNegative = 0.2
    contrast: Share = 0.2
    histogram: Share = 0.0
    colour: Share = 0.0
    mix: Share = 0.0
    blur: Share = 0.1
    blur_sigma: PositiveLimits = (0.5, 1.0)
    noise: Share = 0.2
    noise_std: NotNegative = 0.1

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, values: Any) -> Any:
        """An unknown name is left for the field to refuse."""
        return {**PRESETS.get(str(values.get("preset")), {}), **values} if isinstance(values, dict) else values


class Loss(Record):
    """The weights of the parts of the loss, which are added; ``losses.WeightedLoss`` has their formulas.

    Attributes:
        dice: Weight of the soft Dice loss.
        cross_entropy: Weight of the cross-entropy.
        focal: Weight of the focal loss: cross-entropy that counts pixels less that are right already.
        gamma: Of the focal loss; 0 is cross-entropy.
        tversky: Weight of the Tversky loss: Dice that weighs false positives and false negatives apart.
        alpha: Of the Tversky loss: weight of the false positives.
        beta: Of the Tversky loss: weight of the false negatives; 0.5 for both is Dice.
        cl_dice: Weight of clDice, which compares centre lines: for vessels and nerves.
        skeleton_steps: Of clDice: erosions until a centre line is left, half the width of the widest in px.
        class_weights: Of cross-entropy and focal loss, by name, "background" among them; those that are not named weigh
            1. "auto" computes them from the training labels, None weighs all alike.
        whole_batch: Compute Dice and Tversky over the batch as one image, which is steadier where small tiles hold
            little foreground, in place of image by image.
    """

    dice: NotNegative = 1.0
    cross_entropy: NotNegative = 1.0
    focal: NotNegative = 0.0
    gamma: NotNegative = 2.0
    tversky: NotNegative = 0.0
    alpha: PositiveFloat = 0.3
    beta: PositiveFloat = 0.7
    cl_dice: NotNegative = 0.0
    skeleton_steps: Annotated[int, Field(ge=1, le=50)] = 3
    class_weights: Literal["auto"] | dict[str, PositiveFloat] | None = None
    whole_batch: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "Loss":
        by_pixel = self.cross_entropy + self.focal
        if by_pixel + self.dice + self.tversky + self.cl_dice == 0:
            raise ValueError("dice, cross_entropy, focal, tversky and cl_dice are all 0; give one of them a weight")
        if self.class_weights is not None and by_pixel == 0:
            raise ValueError("class_weights weighs cross_entropy and focal, which are both 0; give one a weight")
        return self


class Generator(Record):
    """How a generator of images is built and trained, where ``kind`` is "generator".

    Attributes:
        channels: Of the encoder at half the size, a quarter, …; the generator has them the other way round.
        latent: How many random numbers decide on what labels do not say.
        hidden: Channels between labels and normalisation.
        discriminator: Channels of the discriminator's first layer.
        features: Weight of the difference of the discriminator's features.
        difference: Weight of the difference of the images.
        divergence: Weight of the codes' divergence from the normal distribution.
    """

    channels: tuple[PositiveInt, ...] = Field(default=(8, 16, 32, 32), min_length=1, max_length=7)
    latent: PositiveInt = 16
    hidden: PositiveInt = 16
    discriminator: PositiveInt = 16
    features: NotNegative = 5.0
    difference: NotNegative = 10.0
    divergence: NotNegative = 0.05


class Synthetic(Record):
    """Images of a generator among those of a training.

    Attributes:
        generator: The folder that a training with ``kind: generator`` left.
        share: Of the images that are made of a case's labels, in place of its own.
    """

    generator: str = Field(min_length=1)
    share: Share = 0.3


class CardText(Record):
    """What the model card says in words.

    Attributes:
        title: Its heading.
        purpose: What the checkpoint is for.
        limits: What it is weak at or was not tested on, one sentence each.
        licence: Of the weights, where that of the training data asks for one.
        group_by: Metadata columns by which scores are given too.
    """

    title: str = "Segmentation checkpoint"
    purpose: str = ""
    limits: tuple[str, ...] = ()
    licence: str = ""
    group_by: tuple[str, ...] = ()
