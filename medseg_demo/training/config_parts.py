"""The parts of a training's configuration: what is varied, the loss, what the card says."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from medseg_demo.models.card import PositiveFloat

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


class Augmentation(Record):
    """What is varied at random in a training image. Probabilities are per image; 0 leaves a step out.

    Attributes:
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


class Loss(Record):
    """The weights of the two parts of the loss, which are added.

    Attributes:
        dice: Weight of the soft Dice loss.
        cross_entropy: Weight of the cross-entropy.
        whole_batch: Compute Dice over the batch as one image, which is steadier where small tiles hold little
            foreground, in place of image by image.
    """

    dice: NotNegative = 1.0
    cross_entropy: NotNegative = 1.0
    whole_batch: bool = False


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
