"""The list of corruptions, each in five degrees: one record names it, says what it is of, and changes an image.

What is random of a corruption (noise, directions, places) is drawn anew from the same seed for each degree, before the
amount of the degree comes in: the degrees of a case differ in the amount alone. Nothing is drawn from a generator that
others share, so that no image depends on the order of the cases or on the threads. NumPy's generator is the same on
every platform; filters and Fourier transforms may differ there in the last bit, JPEG by a grey level.

TorchIO makes what it has (blur, contrast, turn, shift, and what goes wrong in a scanner) from parameters that are drawn
here. Noise is added here, since TorchIO's comes from PyTorch's one generator; for low resolution TorchIO and MONAI take
the nearest pixels, where a detector takes the mean of an area, as PyTorch does.

Source of the idea and of the five degrees: Hendrycks and Dietterich 2019, arXiv:1903.12261; of the scanner's artefacts:
Pérez-García et al. 2021, doi:10.1016/j.cmpb.2021.106236.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torchio

VERSION = 1  # of the list: another one gives other images, which are scored anew
DEGREES = (1, 2, 3, 4, 5)
MIDDLE = 4  # lines of k-space that ghosts leave
NONE = "none"  # the corruption of an image as it is

Windows = tuple[tuple[float, float], ...]


class Pixels(NamedTuple):
    """An image on its way through a corruption.

    Attributes:
        channels: float32, (C, Z, Y, X); Z is 1 for an image.
        windows: The display window of each channel, by whose width amounts of intensity are measured.
        maps: Label maps that lie on it, (Z, Y, X) each, which move with it.
        is_volume: Whether Z is an axis of space.
    """

    channels: np.ndarray
    windows: Windows
    maps: tuple[np.ndarray, ...] = ()
    is_volume: bool = False

    @property
    def size(self) -> tuple[int, ...]:
        """(Z, Y, X)."""
        return self.channels.shape[1:]


class Seen(NamedTuple):
    """What the corruptions of a test set are chosen by.

    Attributes:
        kinds: Names of ``segmenting.fit.KINDS``.
        is_volume: Whether its images are volumes.
        channels: How many they have.
    """

    kinds: frozenset[str]
    is_volume: bool
    channels: int


Change = Callable[[Pixels, float, np.random.Generator], Pixels]


@dataclass(frozen=True)
class Corruption:
    """One way in which images get worse.

    Attributes:
        name: Its key on the command line and in the table.
        title: For people.
        amounts: Of an image, one a degree; empty where it is of volumes alone.
        volume_amounts: Of a volume; empty where it is of images alone.
        change: What it does.
        fits: Whether it is taken where nobody names corruptions.
        channels: The fewest that an image has for it.
    """

    name: str
    title: str
    amounts: tuple[float, ...]
    volume_amounts: tuple[float, ...]
    change: Change
    fits: Callable[[Seen], bool] = lambda seen: True
    channels: int = 1

    def amount(self, degree: int, *, is_volume: bool) -> float:
        """The amount of a degree from 1 to 5."""
        return (self.volume_amounts if is_volume else self.amounts)[degree - 1]

    def fault(self, *, is_volume: bool, channels: int) -> str:
        """Why an image cannot be changed so; empty where it can."""
        if not (self.volume_amounts if is_volume else self.amounts):
            return f"{self.name} is a corruption of images, and this is a volume"
        if channels < self.channels:
            return f"{self.name} takes a channel away, and the image has only one"
        return ""


def seed_of(case_id: str, corruption: str) -> int:
    """The seed of a case and a corruption, whatever else is scored and in whichever order."""
    return int.from_bytes(hashlib.sha256(f"{VERSION}\0{case_id}\0{corruption}".encode()).digest()[:8], "big")


def _noise(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    drawn = random.standard_normal(pixels.channels.shape, dtype=np.float32)
    widths = np.array([high - low for low, high in pixels.windows], np.float32)
    return pixels._replace(channels=pixels.channels + amount * widths[:, None, None, None] * drawn)


def _blur(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    import torchio

    return _changed(pixels, torchio.Blur((amount, amount, amount if pixels.is_volume else 0.0)))


def _contrast(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    """A power of the intensities on their windows; darker or brighter is drawn."""
    import torchio

    gamma = math.exp(_sign(random) * amount)
    low, high = (np.array(ends, np.float32)[:, None, None, None] for ends in zip(*pixels.windows, strict=True))
    scaled = pixels._replace(channels=(pixels.channels - low) / (high - low))
    return pixels._replace(channels=low + (high - low) * _changed(scaled, torchio.Gamma(gamma)).channels)


def _low_resolution(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    """Areas averaged, as a coarser detector would, and spread over the size of before."""
    import torch
    from torch.nn import functional as F

    size = pixels.size if pixels.is_volume else pixels.size[1:]
    channels = torch.from_numpy(np.ascontiguousarray(pixels.channels)).reshape(1, -1, *size)
    small = F.interpolate(channels, [max(1, round(length / amount)) for length in size], mode="area")
    whole = F.interpolate(small, size, mode="trilinear" if pixels.is_volume else "bilinear", align_corners=False)
    return pixels._replace(channels=whole.numpy().reshape(pixels.channels.shape))


def _jpeg(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    """Compressed in 8 bits of the range of all channels: colours together, others each for itself."""
    import imagecodecs

    planes = np.moveaxis(pixels.channels[:, 0], 0, -1)
    low, high = _range(pixels)
    eight = np.rint((planes - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
    parts = [eight] if eight.shape[-1] == 3 else [eight[..., place] for place in range(eight.shape[-1])]
    read = [imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(np.ascontiguousarray(one), level=int(amount)))
            for one in parts]  # fmt: skip
    found = read[0] if eight.shape[-1] == 3 else np.stack(read, axis=-1)
    channels = np.moveaxis(found, -1, 0)[:, np.newaxis].astype(np.float32) * ((high - low) / 255) + low
    return pixels._replace(channels=channels.astype(np.float32))


def _range(pixels: Pixels) -> tuple[float, float]:
    """The least and the greatest end of a window or intensity."""
    low = min(float(pixels.channels.min()), *(low for low, _ in pixels.windows))
    return low, max(float(pixels.channels.max()), *(high for _, high in pixels.windows))


def _turn(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    return _moved(pixels, degrees=_sign(random) * amount)


def _shift(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    """By whole pixels along a drawn direction in the plane, one at least, so that nothing is interpolated."""
    angle = random.uniform(0, 2 * math.pi)
    along = {"x": amount * pixels.size[2] * math.cos(angle), "y": amount * pixels.size[1] * math.sin(angle)}
    steps = {axis: round(step) for axis, step in along.items()}
    if not any(steps.values()):
        longest = max(along, key=lambda axis: abs(along[axis]))
        steps[longest] = 1 if along[longest] > 0 else -1
    return _moved(pixels, **steps)


def _moved(pixels: Pixels, *, degrees: float = 0.0, x: int = 0, y: int = 0) -> Pixels:
    """The image and what lies on it, turned about the slice axis and shifted.

    What comes into view is background, of the intensity that most of the image's border has.
    """
    import torchio

    edges = (
        pixels.channels[..., :1, :],
        pixels.channels[..., -1:, :],
        pixels.channels[..., :1],
        pixels.channels[..., -1:],
    )
    border = np.concatenate([edge.reshape(len(edge), -1) for edge in edges], axis=1)
    level = np.median(border, axis=1)[:, None, None, None]
    move = torchio.Affine(scales=(1, 1, 1), degrees=(0, 0, degrees), translation=(x, y, 0), default_pad_value=0)
    moved = _changed(pixels._replace(channels=pixels.channels - level), move, with_maps=True)
    return moved._replace(channels=moved.channels + level)


def _bias_field(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    """A smooth field over the image that leaves the mean of each channel, as a scanner's gain does."""
    import torchio

    order = 3
    coefficients = amount * random.uniform(-1, 1, math.comb(order + 3, 3))
    found = _changed(pixels, torchio.BiasField(coefficients.tolist(), order))
    before, after = (one.channels.mean(axis=(1, 2, 3), keepdims=True) for one in (pixels, found))
    return found._replace(channels=found.channels * np.divide(before, after, out=np.ones_like(after), where=after != 0))


def _motion(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    """Two movements while the image is taken, in the plane where it is a single one.

    The middle of k-space, which says where things are, is taken between the two, at rest: the reference stays.
    """
    import torchio

    movements = 2
    degrees, translation = random.uniform(-1, 1, (2, movements, 3)) * amount
    times = (np.arange(1, movements + 1) + random.uniform(-0.3, 0.3, movements)) / (movements + 1)
    if not pixels.is_volume:
        degrees[:, 1:] = translation[:, :1] = 0
    # TorchIO fills k-space along its last axis, which must not be that of the only slice.
    return _changed(pixels, torchio.Motion(degrees, translation, times, "linear"), axes=(0, 1, 2, 3))


def _ghosting(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    import torchio

    ghosts, axis = int(random.integers(4, 11)), int(random.integers(2))
    # TorchIO restores the middle of k-space by a share that it rounds down to nothing of a small image.
    length = pixels.size[2 - axis]
    middle = max(0.02, MIDDLE / length) if length > 2 * MIDDLE else None
    return _changed(pixels, torchio.Ghosting(ghosts, axis, amount, middle))


def _spike(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    import torchio

    return _changed(pixels, torchio.Spike(random.uniform(0, 1, (1, 3)), amount))


def _missing_channel(pixels: Pixels, amount: float, random: np.random.Generator) -> Pixels:
    """A drawn channel fades to the lower end of its window."""
    place = int(random.integers(len(pixels.channels)))
    channels, low = pixels.channels.copy(), pixels.windows[place][0]
    channels[place] += amount * (low - channels[place])
    return pixels._replace(channels=channels)


def _sign(random: np.random.Generator) -> float:
    return 1.0 if random.uniform() < 0.5 else -1.0


def _changed(
    pixels: Pixels,
    transform: "torchio.Transform",
    *,
    with_maps: bool = False,
    axes: tuple[int, int, int, int] = (0, 3, 2, 1),
) -> Pixels:
    """What a transform of TorchIO with given parameters makes of an image; a voxel counts 1 mm.

    Args:
        pixels: The image.
        transform: Without anything left to chance.
        with_maps: Whether it moves things, so that the maps go with them.
        axes: Which of C, Z, Y, X become TorchIO's C, x, y, z; their own inverse.

    Raises:
        ImportError: TorchIO is not installed.
    """
    import torch
    import torchio

    def as_tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array.transpose(axes)))

    maps = {str(place): torchio.LabelMap(tensor=as_tensor(one[np.newaxis]))
            for place, one in enumerate(pixels.maps if with_maps else ())}  # fmt: skip
    subject: Any = transform(torchio.Subject(image=torchio.ScalarImage(tensor=as_tensor(pixels.channels)), **maps))
    channels = subject["image"].data.numpy().transpose(axes).astype(np.float32)
    moved = tuple(subject[name].data.numpy().transpose(axes)[0] for name in maps)
    return pixels._replace(channels=channels, maps=moved or pixels.maps)


def _is_mr(seen: Seen) -> bool:
    return "MR" in seen.kinds


def _is_picture(seen: Seen) -> bool:
    return not seen.is_volume and not seen.kinds & {"MR", "CT"}


# The same for images and volumes, whatever their size; or one of each, in pixels and voxels. They are ours: the first
# degree is one that a person hardly sees, the fifth one that nobody would send. docs/stress.md says what they are.
SIGMAS = (0.03, 0.06, 0.1, 0.16, 0.25)
COEFFICIENTS = (0.05, 0.1, 0.2, 0.3, 0.4)
MOVEMENTS = (1, 2, 3.5, 5, 8)
GHOSTS = (0.5, 1, 1.5, 2.5, 4)
SPIKES = (0.1, 0.2, 0.4, 0.7, 1.1)
LOG_GAMMAS = (0.2, 0.4, 0.6, 0.85, 1.1)
ANGLES = (3, 6, 12, 20, 30)
STEPS = (0.02, 0.05, 0.1, 0.15, 0.2)
LOST_SHARES = (0.2, 0.4, 0.6, 0.8, 1)

CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("noise", "Noise", SIGMAS, SIGMAS, _noise),
    Corruption("blur", "Blur", (1, 2, 3, 4.5, 6), (0.5, 0.75, 1, 1.5, 2), _blur),
    Corruption("bias-field", "Bias field", COEFFICIENTS, COEFFICIENTS, _bias_field, _is_mr),
    Corruption("motion", "Motion", MOVEMENTS, MOVEMENTS, _motion, _is_mr),
    Corruption("ghosting", "Ghosting", GHOSTS, GHOSTS, _ghosting, _is_mr),
    Corruption("spike", "Spike", SPIKES, SPIKES, _spike, _is_mr),
    Corruption("contrast", "Contrast", LOG_GAMMAS, LOG_GAMMAS, _contrast, lambda seen: "CT" not in seen.kinds),
    Corruption("low-resolution", "Low resolution", (2, 3, 4, 6, 8), (1.5, 2, 2.5, 3, 4), _low_resolution),
    Corruption("jpeg", "JPEG", (40, 25, 15, 8, 4), (), _jpeg, _is_picture),
    Corruption("turn", "Turn", ANGLES, ANGLES, _turn),
    Corruption("shift", "Shift", STEPS, STEPS, _shift),
    Corruption(
        "missing-channel",
        "Missing channel",
        LOST_SHARES,
        LOST_SHARES,
        _missing_channel,
        lambda seen: seen.channels > 1,
        2,
    ),
)

BY_NAME = {one.name: one for one in CORRUPTIONS}
