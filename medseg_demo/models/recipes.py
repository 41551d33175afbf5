"""Steps that are another library's: a network that learned with them needs them. One record a library, in the card."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Range = tuple[float, float]
PositiveFloat = Annotated[float, Field(gt=0)]


class Record(BaseModel):
    """What every part of a model card is: frozen, of known keys and finite numbers alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ChannelNormalisation(Record):
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


class Resampling(Record):
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


class NnUNetSteps(Record):
    """The steps in which nnU-Net does otherwise than this project.

    The card's ``inference`` is "tile" then. Tiles step by half their side; logits are summed with nnU-Net's weights,
    brought back to the image's grid and activated there.

    Attributes:
        turned: Whether volumes are turned to the patient's axes; else they are taken as they lie in the file.
        axes: Then, axis i of what the network sees is this axis, (z, y, x). A 2-D network sees the last two.
        channels: How each is normalised.
        images: Resampling of intensities.
        logits: Resampling of what comes out.
        mirrored: Spatial axes of the network over which mirrored views are averaged.
        folds: Networks whose logits come one after the other among the channels, and are averaged.
    """

    kind: Literal["nnunet"] = "nnunet"
    turned: bool = False
    axes: tuple[int, int, int] = (0, 1, 2)
    channels: tuple[ChannelNormalisation, ...]
    images: Resampling = Resampling()
    logits: Resampling = Resampling(order=1)
    mirrored: tuple[int, ...] = ()
    folds: int = Field(default=1, ge=1, le=64)

    def fault(self, channels: int, inference: str) -> str:
        """Why it does not go with a card of so many input channels; empty where it does."""
        if inference == "tile" and len(self.channels) == channels:
            return ""
        return "recipe: nnU-Net's steps go with tiles, and say how each channel is normalised"


class Call(Record):
    """One class of MONAI and its arguments, as plain values.

    Attributes:
        target: Its name, such as "Spacingd".
        arguments: By their names.
    """

    target: str
    arguments: dict[str, JsonValue] = {}


class BundleSteps(Record):
    """The steps of a MONAI bundle, which MONAI's own classes do: those of its ``inference.json`` that decide a result.

    What is not MONAI's is left out: files are read and written by this project.

    Attributes:
        inputs: Names of the images in the bundle's dictionary: one that holds every channel, or one for each.
        preprocessing: On these, in order.
        inferer: How the network passes over an image.
        postprocessing: On what comes out, in order.
        is_sliced: Whether a 2-D network passes over the slices of a volume that is prepared as a whole.
        rows_first: Whether the bundle reads images as (y, x); MONAI reads most as (x, y).
        any_size: Whether the network gets images of any size; else it gets the card's ``input_size``, here in the order
            (x, y) or (x, y, z).
        lazy: Whether transforms of space are joined into one resampling.
        channels: Of a sigmoid head, the channel of each class, in the order in which they are written: later ones over
            earlier ones.
    """

    kind: Literal["bundle"] = "bundle"
    inputs: tuple[str, ...] = ("image",)
    preprocessing: tuple[Call, ...] = ()
    inferer: Call = Call(target="SimpleInferer")
    postprocessing: tuple[Call, ...] = ()
    is_sliced: bool = False
    rows_first: bool = False
    any_size: bool = False
    lazy: bool = False
    channels: tuple[int, ...] = ()

    def fault(self, channels: int, inference: str) -> str:
        """Why it does not go with a card of so many input channels; empty where it does."""
        if inference == "tile" and len(self.inputs) in (1, channels):
            return ""
        return "recipe: a bundle's steps go with tiles, and have one input, or one for each channel"


class TransformersSteps(Record):
    """The steps of a model of transformers, which its own image processor does before the network.

    What comes out is brought to the image's size before classes are decided, as ``post_process_semantic_segmentation``
    does.

    Attributes:
        processor: Its class, such as "SegformerImageProcessor".
        settings: Its arguments, of ``preprocessor_config.json``.
        has_background: Whether id 0 is background; else every id is a class, whose label value is one more.
        are_sums: Whether the network gives sums of probabilities, as Mask2Former does, and not logits.
        any_size: Whether the network gets images of any size; else it gets the card's ``input_size``.
    """

    kind: Literal["transformers"] = "transformers"
    processor: str
    settings: dict[str, JsonValue] = {}
    has_background: bool = False
    are_sums: bool = False
    any_size: bool = False

    def fault(self, channels: int, inference: str) -> str:
        """Why it does not go with a card of so many input channels; empty where it does."""
        return "" if channels == 3 else "recipe: an image processor of transformers takes three channels"


Recipe = Annotated[NnUNetSteps | BundleSteps | TransformersSteps, Field(discriminator="kind")]
