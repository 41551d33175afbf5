"""The classes of MONAI that a bundle may name, and how they are made from plain values. No other class is ever made."""

import inspect
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from medseg_demo.models.card import LARGEST_INPUT
from medseg_demo.models.recipes import BundleSteps, Call
from medseg_demo.models.soundness import LARGEST_SIZE, parameter_fault

IMAGE, PREDICTION = "image", "pred"  # MONAI's CommonKeys, under which its evaluator looks


class Defaults(NamedTuple):
    """What a network of MONAI takes and gives where its arguments do not say; None where they must."""

    dimensions: int | None = None
    inputs: int | None = None
    outputs: int | None = None


# Those that give one tensor of the size that they were given, in evaluation.
NETWORKS = {
    "AHNet": Defaults(3, 1, 1),
    "AttentionUnet": Defaults(),
    "BasicUNet": Defaults(3, 1, 2),
    "DynUNet": Defaults(),
    "FlexibleUNet": Defaults(2),
    "HighResNet": Defaults(3, 1, 1),
    "MedNeXt": Defaults(3, 1, 2),
    "SegResNet": Defaults(3, 1, 2),
    "SegResNetDS": Defaults(3, 1, 2),
    "SwinUNETR": Defaults(3),
    "UNETR": Defaults(3),
    "UNet": Defaults(),
    "VNet": Defaults(3, 1, 1),
}
# What older versions of MONAI took, and newer ones do without; and what would be fetched.
_LEFT_OUT = {"SwinUNETR": ("img_size",), "SegResNet": ("norm_name",), "FlexibleUNet": ("pretrained",)}

# Reading and moving, which this project does; the rest of a bundle takes what comes of it.
READING = frozenset(("LoadImaged", "EnsureChannelFirstd", "AsChannelFirstd", "AddChanneld", "ToDeviced"))
SPATIAL = frozenset((
    "BorderPadd", "CenterSpatialCropd", "CropForegroundd", "DivisiblePadd", "Flipd", "Orientationd",
    "ResizeWithPadOrCropd", "Resized", "Rotate90d", "Spacingd", "SpatialPadd", "Transposed",
))  # fmt: skip
PREPROCESSING = SPATIAL | {
    "AdjustContrastd", "CastToTyped", "ClipIntensityPercentilesd", "ConcatItemsd", "EnsureTyped", "GaussianSmoothd",
    "HistogramNormalized", "Identityd", "MedianSmoothd", "NormalizeIntensityd", "RepeatChanneld",
    "ScaleIntensityRangePercentilesd", "ScaleIntensityRanged", "ScaleIntensityd", "SelectItemsd", "ShiftIntensityd",
    "ThresholdIntensityd", "ToTensord",
}  # fmt: skip
CLEANING = frozenset(("FillHolesd", "KeepLargestConnectedComponentd", "LabelFilterd", "RemoveSmallObjectsd"))
POSTPROCESSING = CLEANING | {
    "Activationsd", "AsDiscreted", "CastToTyped", "EnsureTyped", "Identityd", "Invertd", "ToTensord",
}  # fmt: skip
INFERERS = frozenset(("SimpleInferer", "SlidingWindowInferer", "SlidingWindowInfererAdapt", "SliceInferer"))

# What says where or how fast, and decides no result; the keys of dictionaries of metadata, which MONAI keeps no more.
IGNORED = frozenset((
    "allow_missing_keys", "buffer_dim", "buffer_steps", "cache_roi_weight_map", "cpu_thresh", "device", "image_only",
    "map_items", "meta_key_postfix", "meta_keys", "orig_meta_keys", "progress", "sw_batch_size", "sw_device",
    "to_tensor", "track_meta", "unpack_items", "wrap_sequence",
))  # fmt: skip
_BEYOND_SIGNATURE = frozenset(("constant_values", "dim", "dtype", "keepdim", "value"))  # what **kwargs may be
_NUMBER_TYPES = ("bool", "float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64")
_SIZES = frozenset(("k", "margin", "repeats", "roi_size", "spatial_border", "spatial_size", "radius", "num_bins"))


def bare_name(target: str) -> str:
    """The class of MONAI that a ``_target_`` names; empty where it is another package's.

    MONAI's own aliases of transforms of dictionaries ("SpacingD", "SpacingDict") and of networks ("Unet") are one name.
    """
    package, _, name = target.rpartition(".")
    if package and package.split(".")[0] != "monai":
        return ""
    for ending in ("Dict", "D"):
        if name.endswith(ending) and name[: -len(ending)] + "d" in PREPROCESSING | POSTPROCESSING | READING:
            return name[: -len(ending)] + "d"
    return next((one for one in NETWORKS if one.lower() == name.lower()), name)


def arguments_fault(call: Call) -> str:
    """What is wrong with a call as far as its values show it; empty where nothing is."""
    for key, value in call.arguments.items():
        values = list(_flat(value))
        if any(isinstance(one, float) and not math.isfinite(one) for one in values):
            return f"{key} holds a number that is not finite"
        if key in _SIZES and any(isinstance(one, int | float) and one > LARGEST_SIZE for one in values):
            return f"{key} is larger than {LARGEST_SIZE}"
        sides = [one for one in values if isinstance(one, int)] if key in ("spatial_size", "roi_size") else []
        if math.prod(max(1, side) for side in sides) > LARGEST_INPUT:
            return f"{key} has more than {LARGEST_INPUT} values, which no memory holds"
        if isinstance(value, dict):
            return f"{key} is no plain value"
    return ""


def build(call: Call) -> nn.Module:
    """A network with random weights; nothing is fetched.

    Raises:
        ValueError: It is none of ``NETWORKS``, or refuses an argument.
    """
    if call.target not in NETWORKS:
        raise ValueError(f"{call.target[:80]!r} is no network that is taken. Those are {', '.join(sorted(NETWORKS))}")
    left_out = _LEFT_OUT.get(call.target, ())
    arguments = {key: value for key, value in call.arguments.items() if key not in left_out}
    if fault := parameter_fault(arguments):
        raise ValueError(fault)
    from monai.networks import nets  # takes seconds

    try:
        return getattr(nets, call.target)(**arguments)
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError, IndexError, AttributeError) as error:
        raise ValueError(f"{call.target} cannot be built from its arguments ({_first_line(error)})") from None


def transforms_of(calls: tuple[Call, ...], known: frozenset[str]) -> list[Any]:
    """MONAI's transforms, in order.

    Args:
        calls: Of them.
        known: Names that may stand here.

    Raises:
        ValueError: One is not known, or refuses an argument.
    """
    from monai import transforms

    return [_make(call, getattr(transforms, call.target)) for call in calls if _is_known(call, known)]


def inferer_of(call: Call, batch: int) -> Any:
    """MONAI's inferer.

    Args:
        call: Of it.
        batch: Windows at once.

    Raises:
        ValueError: As of ``transforms_of``.
    """
    from monai import inferers

    _is_known(call, INFERERS)
    extra = {} if call.target == "SimpleInferer" else {"sw_batch_size": batch}
    return _make(call, getattr(inferers, call.target), **extra)


def check_steps(steps: BundleSteps) -> None:
    """Make every class of the steps once, so that what MONAI refuses shows now.

    Raises:
        ValueError: It refuses something.
    """
    transforms_of(steps.preprocessing, PREPROCESSING)
    transforms_of(tuple(call for call in steps.postprocessing if call.target != "Invertd"), POSTPROCESSING)
    inferer_of(steps.inferer, 1)


def _is_known(call: Call, known: frozenset[str]) -> bool:
    if call.target not in known:
        raise ValueError(f"{call.target[:80]!r} is none of MONAI's classes that are taken here")
    return True


def _make(call: Call, made: type, **extra: object) -> Any:
    arguments = {key: _typed(value) if key == "dtype" else value for key, value in call.arguments.items()}
    parameters = inspect.signature(made).parameters
    if call.target != "SliceInferer" and "args" not in parameters:  # which hands its arguments on
        known = set(parameters) | (_BEYOND_SIGNATURE if parameters.keys() & {"kwargs", "pad_kwargs"} else set())
        if unknown := sorted(arguments.keys() - known):
            raise ValueError(f"{call.target} has no argument {unknown[0][:80]!r}")
    if "allow_missing_keys" in parameters:
        arguments["allow_missing_keys"] = True
    if call.target == "Orientationd":
        arguments.setdefault("labels", None)  # MONAI's default to come, which it warns of at each call
    if fault := arguments_fault(call):
        raise ValueError(f"{call.target}: {fault}")
    try:
        return made(**arguments, **extra)
    except Exception as error:  # MONAI's own checks raise whatever they like
        raise ValueError(f"{call.target} does not take its arguments ({_first_line(error)})") from None


def _typed(value: object) -> object:
    """Types of numbers by their names, as MONAI wants them."""
    if isinstance(value, list):
        return [_typed(one) for one in value]
    name = str(value).rpartition(".")[2]
    if value is None or name not in (
        "bool",
        "float16",
        "float32",
        "float64",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
    ):
        return value
    return np.dtype(name).type


def _flat(value: object) -> Any:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, Mapping):
        yield from _flat(list(value.values()))
    else:
        yield value


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
