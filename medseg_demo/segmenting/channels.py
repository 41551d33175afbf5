"""Which channel of a study goes to which input of a network: by their names, or as a person says."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard

Value = TypeVar("Value")

# What one kind of image is called in file names and cards, without case, signs and "w", "weighted", "image".
ALIKE = (
    {"t1", "t1n", "t1pre", "t1native", "mprage", "t1mprage"},
    {"t1c", "t1ce", "t1gd", "t1post", "t1contrast", "t1wgd", "t1km", "t1wce", "gd", "t1cegd"},
    {"t2", "t2n", "t2tse"},
    {"flair", "t2f", "t2flair", "fla"},
    {"pd", "protondensity"},
    {"dwi", "diffusion", "b1000"},
    {"adc", "apparentdiffusioncoefficient"},
    {"pet", "pt", "suv", "fdg"},
    {"ct", "computedtomography"},
)
SIGNS = re.compile(r"[\W_]+|weighted|images?|^mri?|^ch(?:annel)?(?=\D)")


def to_channels(text: str | None) -> tuple[str, ...] | None:
    """Channels as a person types them: names, or numbers from 1, with commas between; None where nothing is typed."""
    named = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    return named or None


def match_channels(given: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """For each name that is wanted, the place of the given one that means the same.

    Args:
        given: Of an image's channels, such as ("flair", "t1", "t1ce", "t2").
        wanted: Of a network's inputs, such as ("T1", "T1c", "T2", "FLAIR").

    Returns:
        Places in ``given``; None where one is not found, or found twice.
    """
    meant = [_meaning(name) for name in given]
    places = [[place for place, name in enumerate(meant) if name == _meaning(one)] for one in wanted]
    if not wanted or any(len(found) != 1 for found in places):
        return None
    chosen = tuple(found[0] for found in places)
    return chosen if len(set(chosen)) == len(chosen) else None


def order_of(image: MedicalImage, card: ModelCard, named: Sequence[str] | None = None) -> tuple[int, ...] | None:
    """The channels of an image that a network takes, in its order; None where they are taken as they lie.

    Args:
        image: Colours are never taken apart.
        card: Its ``channel_names`` are looked for among the image's.
        named: What a person said instead: names of the image's channels, or numbers from 1.

    Raises:
        OptionError: It has no such channel, or as many as were named are not taken.
    """
    if named is not None:
        return _as_named(image, card, named)
    if image.is_colour or image.channels == 1 or not card.channel_names:
        return None
    return match_channels(image.channel_names, card.channel_names)


def arranged(image: MedicalImage, card: ModelCard, named: Sequence[str] | None = None) -> MedicalImage:
    """An image with the channels that a network takes, in the network's order; arguments and errors of ``order_of``."""
    order = order_of(image, card, named)
    if order is None or order == tuple(range(image.channels)):
        return image
    if len(order) == 1:
        return image.channel(order[0])
    return replace(
        image,
        pixels=np.ascontiguousarray(image.pixels[..., list(order)]),
        channel_names=_taken(image.channel_names, order),
        channel_windows=_taken(image.channel_windows, order),
        channel_bit_depths=_taken(image.channel_bit_depths, order),
    )


def assignment(image: MedicalImage, card: ModelCard, named: Sequence[str] | None = None) -> str:
    """A sentence that tells which channel goes where; empty where there is nothing to tell.

    Raises:
        OptionError: As of ``order_of``.
    """
    if image.channels == 1 or image.is_colour or not card.channel_names:
        return ""
    order = order_of(image, card, named)
    own = image.channel_names or tuple(str(place + 1) for place in range(image.channels))
    pairs = zip(card.channel_names, order or range(len(own)), strict=False)
    shown = ", ".join(f"{one} ← {own[place]}" for one, place in pairs)
    if order is None:
        return f"The channels' names do not tell which is which, so they were taken in their order: {shown}. Check it."
    return f"Channels: {shown}."


def _as_named(image: MedicalImage, card: ModelCard, named: Sequence[str]) -> tuple[int, ...]:
    names = [name.casefold() for name in image.channel_names]
    order = []
    for one in named:
        if one.casefold() in names:
            order.append(names.index(one.casefold()))
        elif one.isdecimal() and 0 < int(one) <= image.channels:
            order.append(int(one) - 1)
        else:
            raise OptionError(f"There is no channel {one[:80]!r}. The image has {image.channels_in_words}.")
    if len(order) != card.in_channels:
        raise OptionError(f"{len(order)} channels are named; the checkpoint takes {card.in_channels}. Name as many.")
    return tuple(order)


def _meaning(name: str) -> str:
    plain = SIGNS.sub("", name.casefold())
    plain = re.sub(r"(?<=^t[12])w", "", plain)
    return next((sorted(alike)[0] for alike in ALIKE if plain in alike), plain)


def _taken(values: tuple[Value, ...], order: Sequence[int]) -> tuple[Value, ...]:
    return tuple(values[place] for place in order) if values else values
