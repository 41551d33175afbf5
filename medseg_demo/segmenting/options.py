"""What a user may choose for one segmentation."""

from dataclasses import dataclass
from typing import Self

from medseg_demo.errors import OptionError
from medseg_demo.models.card import Denoise, ModelCard
from medseg_demo.segmenting.channels import to_channels
from medseg_demo.segmenting.crop import Box, to_box

EXPLAIN = ("gradcam", "flips", "ensemble")


@dataclass(frozen=True)
class Explain:
    """Which heat map is asked for.

    Attributes:
        kind: "gradcam": what the network looked at; "flips": how far its probabilities vary over mirrored inputs;
            "ensemble": how many of an ensemble's members have another label.
        target: Of "gradcam": what is explained; see ``targets``.
    """

    kind: str
    target: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """From "gradcam:CLASS", "gradcam:CLASS+CLASS", "flips" or "ensemble".

        Raises:
            OptionError: It is none of them.
        """
        kind, _, target = str(text).strip().partition(":")
        if kind not in EXPLAIN or (target and kind != "gradcam"):
            raise OptionError(
                f"The heat map is {str(text)[:40]!r}. Choose gradcam, gradcam:CLASS, flips, or of an ensemble ensemble."
            )
        return cls(kind, target.strip())

    def targets(self, card: ModelCard) -> tuple[str, ...]:
        """What Grad-CAM explains of a checkpoint: a class, several together (a region), all of them, or a finding.

        Raises:
            OptionError: It is no ensemble, has no such class, or its steps are another library's.
        """
        if self.kind == "ensemble" and not card.ensemble:
            raise OptionError("This checkpoint is one network, which cannot disagree with others. Choose flips.")
        if self.kind != "gradcam":
            return ()
        if card.recipe:
            raise OptionError("Grad-CAM takes no checkpoints whose steps are another library's. Choose flips.")
        known = (*card.class_names, *(one.name for one in card.findings))
        if not self.target or self.target in known:
            return (self.target,) if self.target else card.class_names
        names = tuple(name.strip() for name in self.target.split("+"))
        if missing := [name for name in names if name not in card.class_names]:
            raise OptionError(f"This checkpoint has no class {missing[0][:40]!r}. Choose of: {', '.join(known)}.")
        return names


@dataclass(frozen=True)
class SegmentOptions:
    """What a user may choose for one segmentation.

    Attributes:
        threshold: In (0, 1), where the card takes one; None takes the card's.
        flips: Average over the four flips of the plane; in a 3-D network over left and right alone.
        denoise: A filter before the network; None takes the card's.
        smallest_component: Parts with fewer pixels are removed; 0 keeps all.
        fill_holes: Enclosed background joins the class around it.
        crop: A box (z0, y0, x0, z1, y1, x1) that the network gets alone, ends not included; outside of it everything is
            background, at probability 0. None takes the whole image. What ``to_box`` takes can be given.
        channels: Those of the image that the network gets, in its order: names, or numbers from 1. None goes by the
            names that image and card have. What ``to_channels`` takes can be given.
        explain: The heat map that is made beside the result, as ``Explain.of`` takes it; empty for none.
    """

    threshold: float | None = None
    flips: bool = False
    denoise: Denoise | None = None
    smallest_component: int = 0
    fill_holes: bool = False
    crop: Box | None = None
    channels: tuple[str, ...] | None = None
    explain: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.channels, str):
            object.__setattr__(self, "channels", to_channels(self.channels))
        if self.crop is not None:
            object.__setattr__(self, "crop", to_box(self.crop))
        if self.explain:
            Explain.of(self.explain)
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise OptionError(f"The threshold is {str(self.threshold)[:20]}. Choose a value between 0 and 1.")
        if self.smallest_component < 0:
            raise OptionError(f"The smallest component is {self.smallest_component} px. Choose 0 or more.")
        if self.denoise is not None and self.denoise not in Denoise.__args__:  # type: ignore[attr-defined]
            raise OptionError(f"The filter is {self.denoise!r}. Choose one of: {', '.join(Denoise.__args__)}.")  # type: ignore[attr-defined]

    def check(self, card: ModelCard) -> None:
        """Refuse what does not go with a checkpoint.

        Raises:
            OptionError: A threshold was given although several classes compete.
        """
        if not card.takes_threshold and self.threshold is not None:
            raise OptionError("This checkpoint takes no threshold: of its classes the most probable wins.")
