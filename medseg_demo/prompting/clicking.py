"""Clicks at one shown image, from the first one on an object to what they change in the label map."""

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from medseg_demo.correcting.between import runs_between
from medseg_demo.correcting.edits import Run
from medseg_demo.errors import PromptError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.prompting.answer import THRESHOLD, answer
from medseg_demo.prompting.measure import dice
from medseg_demo.prompting.prompts import Click, Prompts
from medseg_demo.prompting.simulation import ANY_NEIGHBOUR, deepest
from medseg_demo.segmenting.prepare import to_tensor
from medseg_demo.segmenting.windows import Look

SMALLEST = 12  # pixels of a slice; less ends the way to the next one
LEAST_ALIKE = 0.4  # Dice of an object in two neighbouring slices; under it another object was found
MOST_PIECES = 8  # of a class in one slice that are followed to the neighbours


@dataclass(frozen=True)
class Place:
    """A slice of a label map: across which axis of (Z, Y, X) it is cut, and which one."""

    axis: int
    index: int

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse what the volume has not.

        Raises:
            PromptError: It has no such slice.
        """
        if self.axis not in (0, 1, 2) or not 0 <= self.index < shape[self.axis]:
            count = shape[self.axis] if self.axis in (0, 1, 2) else 0
            raise PromptError(f"There is no slice {self.index + 1}: they are 1 to {count}. Choose one of them.")

    def of(self, array: np.ndarray) -> np.ndarray:
        """That slice of (Z, Y, X, …), a view."""
        return array[(slice(None),) * self.axis + (self.index,)]


@dataclass(eq=False)
class _Object:
    """The object that is clicked at.

    Attributes:
        key: By which a browser tells it from the one before, and where it lies.
        base: Labels of the slice before the first click.
        start: bool, what the class has there at the first click and is to be corrected; None where nothing.
        answers: The probabilities by what was said so far, so that taking a click back finds those before.
    """

    key: tuple[object, ...]
    base: np.ndarray
    start: np.ndarray | None
    answers: dict[Prompts, np.ndarray] = field(default_factory=dict)


class Clicking:
    """Clicks of one visitor at one image. Its methods may be called from any thread.

    Args:
        image: The shown one.
        card: Of the prompted network.
    """

    def __init__(self, image: MedicalImage, card: ModelCard) -> None:
        self.image, self.card = image, card
        self._lock = threading.Lock()
        self._object: _Object | None = None
        self._seen: tuple[tuple[Place, int], np.ndarray] | None = None

    def click(
        self, look: Look, labels: np.ndarray, label: int, place: Place, prompts: Prompts, *,
        number: int = 0, protected: Collection[int] = (), channel: int = 0,
    ) -> tuple[Run, ...]:  # fmt: skip
        """What the label map must change to show the object that is meant.

        Args:
            look: Runs the network.
            labels: uint8 (Y, X) or (Z, Y, X), as they are at present.
            label: The class that the object gets.
            place: The slice.
            prompts: All that was said of this object; a click that was taken back is left out.
            number: Of the object: another number begins another object.
            protected: Values of pixels that are left alone.
            channel: Which channel is seen, where they are no colours.

        Raises:
            PromptError: Nothing says where the object is, or a point lies outside.
        """
        volume = labels if labels.ndim == 3 else labels[np.newaxis]
        place.check(volume.shape)
        present = place.of(volume)
        with self._lock:
            one = self._opened(present, label, place, prompts, (number, place, label, channel))
            if not prompts:
                return _runs(volume, place, one.base)
            prompts.check(*present.shape, has_mask=one.start is not None)
            if prompts not in one.answers:
                before = one.answers.get(replace(prompts, clicks=prompts.clicks[:-1]))
                if before is None and one.start is not None:
                    before = one.start.astype(np.float32)
                one.answers[prompts] = answer(
                    look, self._plane(place, channel), prompts, before, self.card.input_size[0]
                )
            found = one.answers[prompts] > THRESHOLD
            return _runs(volume, place, _written(one, found, label, protected))

    def propagate(
        self, look: Look, labels: np.ndarray, label: int, place: Place, count: int, *,
        protected: Collection[int] = (), channel: int = 0,
    ) -> Iterator[tuple[int, tuple[Run, ...]]]:  # fmt: skip
        """Follow what a class has in one slice to the slices before (count < 0) or after it (count > 0).

        Each slice starts from the mask of the one before and a click into its middle, piece by piece, until nothing or
        something else is found.

        Args:
            look: Runs the network.
            labels: uint8 (Z, Y, X), as they are at present; not changed.
            label: The class.
            place: Where it is right already.
            count: How many slices at most.
            protected: Values of voxels that are left alone.
            channel: Which channel is seen, where they are no colours.

        Yields:
            The index of each slice that was reached, and the runs that change it.

        Raises:
            PromptError: The image has no slices, or the class is not there.
        """
        if labels.ndim != 3:
            raise PromptError("A single image has no neighbouring slices. Open a volume.")
        place.check(labels.shape)
        pieces = _largest(place.of(labels) == label)
        if not pieces:
            raise PromptError(f"Slice {place.index + 1} has nothing of the class. Draw or click it there first.")
        step = 1 if count > 0 else -1
        for index in range(place.index + step, place.index + count + step, step):
            if not 0 <= index < labels.shape[place.axis] or not pieces:
                return
            there = Place(place.axis, index)
            with self._lock:
                seen = self._plane(there, channel)
            found = [self._followed(look, seen, piece) for piece in pieces]
            pieces = [piece for piece in found if piece is not None]
            if not pieces:
                return
            after = there.of(labels).copy()
            after[np.any(pieces, axis=0) & ~np.isin(after, list(protected))] = label
            yield index, _runs(labels, there, after)

    def _followed(self, look: Look, seen: np.ndarray, piece: np.ndarray) -> np.ndarray | None:
        y, x = deepest(piece)
        size = self.card.input_size[0]
        found = answer(look, seen, Prompts((Click(y, x),)), piece.astype(np.float32), size) > THRESHOLD
        if np.count_nonzero(found) < SMALLEST or dice(piece, found) < LEAST_ALIKE:
            return None
        return found

    def _opened(
        self, present: np.ndarray, label: int, place: Place, prompts: Prompts, key: tuple[object, ...]
    ) -> _Object:
        """The object of that key, begun where it is another than the last one."""
        if self._object is None or self._object.key != key:
            self._object = _Object(key, present.copy(), _touched(present == label, prompts))
        return self._object

    def _plane(self, place: Place, channel: int) -> np.ndarray:
        """float32 (3, H, W), the slice as the network takes it; the last one is kept."""
        key = place, channel
        if self._seen is None or self._seen[0] != key:
            card = self.card.model_copy(update={"prompts": ()})
            self._seen = key, to_tensor(slice_of(self.image, place, channel), card)[0].numpy()
        return self._seen[1]


def slice_of(image: MedicalImage, place: Place, channel: int = 0) -> MedicalImage:
    """One slice of an image as an image of its own, shown through the window of the whole.

    Args:
        image: (Z, Y, X), (Y, X), or with channels.
        place: Which slice.
        channel: Which one, where they are no colours.
    """
    pixels, window = place.of(image.slices), image.display_window
    if not image.is_colour:
        chosen = channel if 0 <= channel < image.channels else 0
        pixels = pixels[..., chosen]
        window = image.windows[chosen] if image.channel_windows else window
    return replace(
        image, pixels=np.ascontiguousarray(pixels), axes="YXC" if image.is_colour else "YX", geometry=Geometry(),
        display_window=window, channel_names=image.channel_names if image.is_colour else (), channel_windows=(),
        channel_bit_depths=(), source_files=(), source_frames=None,
    )  # fmt: skip


def _touched(mask: np.ndarray, prompts: Prompts) -> np.ndarray | None:
    """The connected piece of a mask at the first point of the prompts; None where there is none."""
    height, width = mask.shape
    for y, x, _ in prompts.points[:1]:
        row, column = round(y), round(x)
        if 0 <= row < height and 0 <= column < width and mask[row, column]:
            numbers, _ = ndimage.label(mask, ANY_NEIGHBOUR)
            return np.asarray(numbers == numbers[row, column])
    return None


def _largest(mask: np.ndarray) -> list[np.ndarray]:
    """The largest connected pieces of a mask."""
    numbers, count = ndimage.label(mask, ANY_NEIGHBOUR)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")[:MOST_PIECES]
    return [numbers == place + 1 for place in order if sizes[place] >= SMALLEST]


def _written(one: _Object, found: np.ndarray, label: int, protected: Collection[int]) -> np.ndarray:
    """The labels of the slice with the object as it was found, in place of what there was of it."""
    after = one.base.copy()
    takes = ~np.isin(one.base, list(protected))
    if one.start is not None:
        after[one.start & takes] = 0
    after[found & takes] = label
    return after


def _runs(volume: np.ndarray, place: Place, after: np.ndarray) -> tuple[Run, ...]:
    """The runs, counted in the whole volume, that give one slice other labels."""
    present = place.of(volume)
    if place.axis == 0:
        offset = place.index * present.size
        return tuple((start + offset, *rest) for start, *rest in runs_between(np.ascontiguousarray(present), after))  # type: ignore[misc]
    places = np.nonzero(present != after)
    if not len(places[0]):
        return ()
    full = np.insert(np.stack(places), place.axis, place.index, axis=0)
    order = np.argsort(flat := np.ravel_multi_index(tuple(full), volume.shape), kind="stable")
    before, now = present[places][order], after[places][order]
    return tuple(zip(flat[order].tolist(), [1] * len(order), before.tolist(), now.tolist(), strict=True))
