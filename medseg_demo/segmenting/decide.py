"""From probabilities in the image's own size to a label map."""

from collections.abc import Sequence

import numpy as np
import torch

from medseg_demo.models.card import ModelCard

EVEN = 0.5  # above it a class is more probable than not
JUST_ABOVE = torch.tensor(0.50049, dtype=torch.float16)  # the next of half precision


def to_labels(probabilities: np.ndarray, *, threshold: float | None, regions: Sequence[int] = ()) -> np.ndarray:
    """The class of each pixel.

    Args:
        probabilities: (K, …). K = 1: the class, decided by the threshold. K > 1: background first, the most
            probable wins; or regions, which may overlap.
        threshold: In (0, 1); a pixel belongs to a class where its probability is above it. Ignored where there is a
            background.
        regions: The value that each region writes where it is probable, later ones over earlier ones; empty where
            there is a background.

    Returns:
        uint8, the shape without K.
    """
    if regions:
        labels = np.zeros(probabilities.shape[1:], np.uint8)
        for value, probability in zip(regions, probabilities, strict=True):
            labels[probability > np.float32(threshold)] = value
        return labels
    if len(probabilities) == 1:
        return (probabilities[0] > np.float32(threshold)).astype(np.uint8)  # which float16 would round
    return probabilities.argmax(axis=0).astype(np.uint8)


def regions_of(card: ModelCard) -> tuple[int, ...]:
    """The values that the channels of classes that may overlap write, in their order; empty where they do not."""
    return card.regions_written if card.may_overlap else ()


def decided(probabilities: np.ndarray, card: ModelCard, threshold: float | None) -> np.ndarray:
    """The labels of averaged probabilities; where the most probable wins, background has the rest.

    Args:
        probabilities: float32, (K, …), of the foreground classes in the order of the card.
        card: Says which classes compete.
        threshold: As for ``to_labels``.

    Returns:
        uint8, the shape without K.
    """
    if card.may_overlap:
        return to_labels(probabilities[card.written], threshold=threshold, regions=regions_of(card))
    if card.takes_threshold:
        return to_labels(kept_as(probabilities, exact=False).numpy(), threshold=threshold)
    rest = 1 - probabilities.sum(axis=0, keepdims=True)
    return to_labels(np.concatenate([rest, probabilities]), threshold=None)


def kept_as(probabilities: np.ndarray, *, exact: bool) -> torch.Tensor:
    """Probabilities in half precision; with ``exact`` what is above one half stays above it."""
    given = torch.from_numpy(np.ascontiguousarray(probabilities))
    kept = given.half()  # PyTorch, since NumPy takes twenty times as long
    return torch.where((given > EVEN) & (kept == EVEN), JUST_ABOVE, kept) if exact else kept


def clean(labels: np.ndarray, *, classes: int, smallest_component: int = 0, fill_holes: bool = False) -> np.ndarray:
    """Remove specks and close holes, class by class.

    Args:
        labels: uint8, (Y, X) or (Z, Y, X).
        classes: How many classes there are.
        smallest_component: Face-connected components with fewer pixels become background; 0 keeps all.
        fill_holes: Background that a class encloses (within each slice) becomes that class; other classes stay.

    Returns:
        A new array, or the same one where nothing was asked for.
    """
    if smallest_component <= 1 and not fill_holes:
        return labels
    cleaned = labels.copy()
    for value in range(1, classes + 1):
        if smallest_component > 1:
            cleaned[_specks(cleaned == value, smallest_component)] = 0
        if fill_holes:
            cleaned[_filled(cleaned == value) & (cleaned == 0)] = value
    return cleaned


def _specks(mask: np.ndarray, smallest: int) -> np.ndarray:
    import cc3d

    components = cc3d.connected_components(mask, connectivity=4 if mask.ndim == 2 else 6)
    small = np.bincount(components.ravel()) < smallest
    small[0] = False
    return small[components]


def _filled(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    if mask.ndim == 2:
        return ndimage.binary_fill_holes(mask)
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
