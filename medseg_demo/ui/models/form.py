"""The form of a checkpoint that is being added ↔ its model card."""

import math
import re
from dataclasses import dataclass, fields
from typing import Any, Self

import gradio as gr
from pydantic import ValidationError

from medseg_demo.errors import OptionError
from medseg_demo.models.card import ModelCard
from medseg_demo.ui.models import texts

# Of the images that most encoders were trained on before (torchvision, timm, smp).
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
BETWEEN = re.compile(r"[\s,;x×*]+")
MOST = 300  # numbers or names in one field; the card allows fewer
UNKNOWN = "unknown"
LABELS = {
    "task": texts.TASK,
    "class_names": texts.CLASSES,
    "class_colours": texts.COLOURS,
    "modality": texts.MODALITY,
    "channel_names": texts.CHANNEL_NAMES,
    "input_size": texts.SIZE,
    "spacing_mm": texts.SPACING,
    "normalisation": texts.NORMALISATION,
    "window": texts.WINDOW,
    "threshold": texts.THRESHOLD,
}


@dataclass(frozen=True)
class Form:
    """What the controls say; each field is called like its control."""

    name: str = ""
    task: str = ""
    modality: str = ""
    classes: str = ""
    colours: str = ""
    channel_names: str = ""
    size: str = ""
    inference: str = "resize"
    spacing: str = ""
    normalisation: str = "unit"
    mean: str = ""
    std: str = ""
    window: str = ""
    threshold: float | None = None

    @classmethod
    def of(cls, *values: Any) -> Self:
        """From what the page sent, in the order of the fields; a control that sent nothing has its default."""
        given = zip(fields(cls), values, strict=True)
        return cls(*(field.default if value is None else value for field, value in given))  # type: ignore[arg-type]

    def card(self, base: ModelCard) -> ModelCard:
        """The card that the form describes.

        Args:
            base: What the form began with; it keeps what the form does not hold.

        Raises:
            OptionError: A field cannot be used; all of them are named.
        """
        values = base.model_dump() | self._said(base)
        try:
            card = ModelCard.model_validate(values)
        except ValidationError as error:
            faults = [(LABELS.get(str(one["loc"][0])) if one["loc"] else None, one["msg"]) for one in error.errors()]
            lines = [texts.FAULT.format(label=label, fault=fault) if label else fault for label, fault in faults]
            raise OptionError(". ".join(dict.fromkeys(lines)).replace("Value error, ", "") + ".") from None
        return card.model_copy(update={"appearance": base.appearance, "failure": base.failure})

    def _said(self, base: ModelCard) -> dict[str, Any]:
        classes = _names(self.classes)
        if not classes:
            raise OptionError(texts.NO_CLASSES)
        said: dict[str, Any] = {
            "task": self.task.strip() or UNKNOWN,
            "modality": self.modality.strip() or UNKNOWN,
            "class_names": classes,
            "class_colours": _names(self.colours),
            "threshold": None,
            **_head(base, len(classes)),
        }
        if base.recipe is None:
            spacing = _numbers(self.spacing, texts.SPACING)
            said |= {
                "channel_names": _names(self.channel_names),
                "input_size": tuple(map(int, _numbers(self.size, texts.SIZE))),
                "inference": self.inference,
                "spacing_mm": spacing if spacing and self.inference == "tile" else None,
                "normalisation": self._normalisation(),
                "window": _numbers(self.window, texts.WINDOW) or None,
            }
        if takes_threshold(base, len(classes)):
            said["threshold"] = self.threshold
        return said

    def _normalisation(self) -> dict[str, Any]:
        if self.normalisation == "zscore":
            return {"method": "zscore"}
        means = {"unit": ((0.0,), (1.0,)), "imagenet": IMAGENET}
        mean, std = means.get(self.normalisation) or (
            _numbers(self.mean, texts.MEAN) or (0.0,), _numbers(self.std, texts.STD) or (1.0,),
        )  # fmt: skip
        return {"method": "window", "mean": mean, "std": std}


def _head(base: ModelCard, classes: int) -> dict[str, object]:
    """What the number of classes says of the network's channels, where it changed."""
    if classes == len(base.class_names):
        return {}
    heads = {base.output_channels: "sigmoid", base.output_channels - 1: "softmax"}
    return {"head": heads.get(classes), "regions": ()}


def takes_threshold(base: ModelCard, classes: int) -> bool:
    """Whether a pixel is of a class above a threshold, where the network with this card has so many classes."""
    return classes == base.output_channels or (classes == 1 and base.output_channels == 2)


def shown(card: ModelCard, name: str) -> dict[str, object]:
    """The values of the controls for a card, and which of them it has use for."""
    own = card.recipe is None
    how = _normalisation_of(card)
    mean, std = card.normalisation.mean, card.normalisation.std
    return {
        "name": name,
        "task": "" if card.task == UNKNOWN else card.task,
        "modality": "" if card.modality == UNKNOWN else card.modality,
        "classes": ", ".join(card.class_names),
        "colours": ", ".join(card.class_colours),
        "channel_names": gr.update(value=", ".join(card.channel_names), visible=own and card.in_channels > 1),
        "size": gr.update(value=" × ".join(map(str, card.input_size)), visible=own),
        "inference": gr.update(value=card.inference, visible=own),
        "spacing": gr.update(value=_list(card.spacing_mm), visible=own and card.inference == "tile"),
        "normalisation": gr.update(
            value=how, visible=own,
            choices=[one for one in texts.NORMALISATION_CHOICES if one[1] != "imagenet" or card.in_channels == 3],
        ),
        "mean": gr.update(value=_list(mean), visible=own and how == "own"),
        "std": gr.update(value=_list(std), visible=own and how == "own"),
        "window": gr.update(value=_list(card.window), visible=own and how != "zscore"),
        "threshold": gr.update(value=card.threshold or 0.5, visible=card.takes_threshold),
    }  # fmt: skip


def follow(form: Form, base: ModelCard) -> dict[str, object]:
    """Which controls the form has use for, as it stands."""
    own = base.recipe is None
    return {
        "spacing": gr.update(visible=own and form.inference == "tile"),
        "mean": gr.update(visible=own and form.normalisation == "own"),
        "std": gr.update(visible=own and form.normalisation == "own"),
        "window": gr.update(visible=own and form.normalisation != "zscore"),
        "threshold": gr.update(visible=takes_threshold(base, len(_names(form.classes)))),
    }


def _normalisation_of(card: ModelCard) -> str:
    if card.normalisation.method == "zscore":
        return "zscore"
    known = {((0.0,), (1.0,)): "unit", IMAGENET: "imagenet"}
    return known.get((card.normalisation.mean, card.normalisation.std), "own")


def _names(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in re.split(r"[,;\n]", text)[:MOST])
    return tuple(part for part in parts if part)


def _numbers(text: str, label: str) -> tuple[float, ...]:
    """The numbers of a field.

    Raises:
        OptionError: It holds something else.
    """
    parts = [part for part in BETWEEN.split(text.strip().replace("−", "-"))[:MOST] if part]
    try:
        numbers = tuple(map(float, parts))
    except ValueError:
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        raise OptionError(texts.NOT_NUMBERS.format(label=label, text=text[:60]))
    return numbers


def _list(values: tuple[float, ...] | None) -> str:
    return ", ".join(f"{value:.10g}" for value in values or ())
