"""Whether an image is what a checkpoint was trained for, as far as that can be seen before it is segmented."""

import re
from typing import NamedTuple

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.segmenting.appearance import unlike

MUCH_LARGER = 2
BURNED_IN = (
    "Text is burned into the pixels, the DICOM header says (BurnedInAnnotation). It may name the patient, and the "
    "network may take it for anatomy: look at the image at full size before you share it."
)


ALONE = (
    "The checkpoint looks at neighbouring slices too, and this is a single image, which stands in for them: expect "
    "less of the result than in a volume."
)


class Kind(NamedTuple):
    """One kind of image: its name, a pattern of what model cards call it, and DICOM's codes for it."""

    name: str
    words: str
    codes: tuple[str, ...]


# Source of the codes: DICOM PS3.3, C.7.3.1.1.1. DR is none of its terms, but files hold it. Codes that stand for no
# kind of image, such as OT (other), are left out: they contradict nothing.
KINDS = (
    Kind("CT", r"\b(CB)?CT\b|computed tomogra", ("CT",)),
    Kind("MR", r"\bMRI?\b|magnetic resonance", ("MR",)),
    Kind("radiograph", r"radiogra|x-?ray|\bCXR\b|fluoroscop", ("CR", "DX", "DR", "RG", "RF", "XA")),
    Kind("dental radiograph", r"dental|intra-?oral|panoramic", ("IO", "PX", "CR", "DX", "DR", "RG")),
    Kind("mammogram", r"mammogra|tomosynthesis", ("MG", "CR", "DX", "DR")),
    Kind("ultrasound", r"ultraso|sonogra|echocardio", ("US", "IVUS")),
    Kind("eye photograph", r"fundus|retina", ("OP",)),
    Kind("optical coherence tomogram", r"\bOCT\b|optical coherence", ("OPT", "OCT", "IVOCT")),
    Kind("microscopy", r"microscop|histolog|patholog|cytolog|whole.slide", ("SM", "GM")),
    Kind("endoscopy", r"endoscop|colonoscop|gastroscop", ("ES",)),
    Kind("photograph", r"dermato|dermosc|skin", ("XC",)),
    Kind("radiotherapy dose", r"\bdose\b|dosimetr", ("RTDOSE",)),
    Kind("nuclear medicine", r"\bPET\b|positron|\bSPECT\b|scintigra|nuclear med", ("PT", "NM")),
)


def check_fit(image: MedicalImage, card: ModelCard, *, has_card: bool = True) -> list[str]:
    """In plain words, why an image may not be what a checkpoint expects; empty where nothing speaks against it."""
    if not has_card:
        return ["The checkpoint has no model card: size, normalisation and threshold are defaults.", *_all(image, card)]
    return _all(image, card)


def _all(image: MedicalImage, card: ModelCard) -> list[str]:
    shape = (_volume if card.is_3d else _plane)(image, card)
    return [
        *([BURNED_IN] if image.has_burned_in_text else []),
        *([ALONE] if card.neighbours and not image.is_volume else []),
        *_kind(image, card),
        *_channels(image, card),
        *_intensities(image, card),
        *shape,
        *_extent(image, card),
        *unlike(image, card),
    ]


def _kind(image: MedicalImage, card: ModelCard) -> list[str]:
    """Where the file states one kind of image and the card's words name another."""
    code = image.modality
    name = next((kind.name for kind in KINDS if code in kind.codes), None)
    meant = [kind for kind in KINDS if re.search(kind.words, card.modality, re.IGNORECASE)]
    if name is None or not meant or any(code in kind.codes for kind in meant):
        return []
    said = code if code == name else f"{code} ({name})"
    return [
        f"The file says {said}, but the checkpoint was trained on another kind of image ({card.modality}): choose "
        "another checkpoint, or do not rely on what it marks."
    ]


def _channels(image: MedicalImage, card: ModelCard) -> list[str]:
    if card.in_channels == 1 and image.is_colour and not _is_grey(image.pixels):
        return ["The image is in colour, but the checkpoint was trained on grey images: colour is dropped."]
    if card.in_channels == 3 and image.channels == 1:
        return ["The image is grey, but the checkpoint takes colour images: grey is repeated."]
    if image.channels == 1 or image.is_colour or (card.channel_names and image.channels == card.in_channels):
        return []
    if image.channels != card.in_channels:
        return [
            f"The image has {image.channels_in_words}, and the checkpoint takes {card.in_channels}: it cannot be "
            "segmented with it. Choose one channel."
        ]
    return [
        f"The image has {image.channels_in_words} that are no colours: the checkpoint gets them in this order, each "
        "normalised on its own. Results are only sound where it was trained on them."
    ]


def _intensities(image: MedicalImage, card: ModelCard) -> list[str]:
    if not card.window:
        return []
    names = image.channel_names if len(image.intensity_ranges) > 1 else ("",)
    if card.window[0] < 0 <= image.intensity_range[0]:
        return [
            f"No intensity is negative, but the checkpoint expects {card.window[0]:g} to {card.window[1]:g}, as in CT: "
            "check the rescaling of the file, or choose another checkpoint."
        ]
    return [
        f"Intensities{name and f' of {name}'} run from {low:g} to {high:g}, but the checkpoint expects "
        f"{card.window[0]:g} to {card.window[1]:g}: check the rescaling of the file."
        for name, (low, high) in zip(names, image.intensity_ranges, strict=True)
        if not _overlaps((low, high), card.window)
    ]


def _plane(image: MedicalImage, card: ModelCard) -> list[str]:
    warnings = []
    if min(image.shape[-2:]) < min(card.input_size[-2:]) / 4:
        warnings.append(f"The image is small ({image.shape[-1]} × {image.shape[-2]} px) for this checkpoint.")
    if card.inference == "resize" and not 0.5 <= image.shape[-1] / image.shape[-2] <= 2:
        warnings.append("The image is unusually long and narrow; much of the network's input will be padding.")
    if image.is_volume:
        warnings.append("The checkpoint is 2-D: each slice is segmented on its own.")
    return warnings


def _volume(image: MedicalImage, card: ModelCard) -> list[str]:
    if not image.is_volume:
        return ["The checkpoint is of a 3-D network, and this is a single 2-D image: it cannot be segmented with it."]
    warnings = []
    size = np.array(image.shape, dtype=float)
    if image.geometry.affine is None:
        warnings.append(
            "The file states no orientation, and the checkpoint is 3-D: results are only sound where slices run from "
            "feet to head, rows from back to front and columns from left to right."
        )
    if card.spacing_mm and image.geometry.spacing_mm is None:
        warnings.append(
            f"The file states no spacing, but the checkpoint works at {_millimetres(card.spacing_mm)}: structures may "
            "have a size that it does not know."
        )
    elif card.spacing_mm and image.geometry.spacing_mm:
        size *= np.array(image.geometry.spacing_mm) / np.array(card.spacing_mm)
    if min(size) < min(card.input_size) / 4:
        shown = " × ".join(map(str, reversed(image.shape)))
        warnings.append(f"The volume is small ({shown} voxels) for this checkpoint.")
    return warnings


def _extent(image: MedicalImage, card: ModelCard) -> list[str]:
    """Where a volume holds far more than the training's did, the network may mark structures that it never met."""
    if not (image.is_volume and image.extent_mm and card.largest_mm):
        return []
    extent_mm = sorted(image.extent_mm, reverse=True)
    if any(mine <= MUCH_LARGER * theirs for mine, theirs in zip(extent_mm, card.largest_mm, strict=True)):
        return []
    shown = " × ".join(f"{length:.0f}" for length in extent_mm)
    learned = " × ".join(f"{length:.0f}" for length in card.largest_mm)
    return [
        f"The volume measures {shown} mm, but the checkpoint learned from volumes of at most {learned} mm: crop it to "
        "the structure, or other structures may be marked."
    ]


def _millimetres(spacing_mm: tuple[float, ...]) -> str:
    return " × ".join(f"{value:g}" for value in reversed(spacing_mm)) + " mm"


def _is_grey(pixels: np.ndarray) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def _overlaps(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return max(first[0], second[0]) < min(first[1], second[1])
