"""``plans.json`` and ``dataset.json`` of nnU-Net v2, read as data: what a configuration prescribes, value by value.

Classes and functions that they name are looked up in the tables here, by the last part of the name; another one is
refused.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import LARGEST_INPUT
from medseg_demo.models.origins.nnunet.networks import ACTIVATIONS, NORMS, Architecture, Kind
from medseg_demo.models.soundness import LARGEST_SIZE

PLANS_FILE, DATASET_FILE = "plans.json", "dataset.json"
# Those that turn volumes to the patient's axes, and those that take them as they lie in the file.
TURNING = ("SimpleITKIOWithReorient", "NibabelIOWithReorient")
PICTURES = "NaturalImage2DIO"  # which takes no spacing from a file
READERS = (*TURNING, PICTURES, "SimpleITKIO", "NibabelIO", "Tiff3DIO")
Scheme = Literal[
    "ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization", "RGBTo01Normalization"
]


def _last_part(value: object) -> object:
    """Of a dotted name, such as "torch.nn.modules.conv.Conv3d"; no other text is one."""
    return value.rpartition(".")[2] if isinstance(value, str) and re.fullmatch(r"\w+(\.\w+)*", value) else value


def _a_key_of(table: Mapping[str, object]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in table:
            raise ValueError(f"{value[:60]!r} is none of {', '.join(table)}")
        return value

    return AfterValidator(check)


Size = Annotated[int, Field(gt=0, le=LARGEST_SIZE)]
Depth = Annotated[int, Field(gt=0, le=64)]
Sides = Annotated[tuple[Size, ...], Field(min_length=2, max_length=3)]
Spacing = Annotated[float, Field(ge=1e-4, le=1e6)]
Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Label = Annotated[int, Field(ge=0, lt=2**16)]
Options = dict[str, bool | float | None]
Found = TypeVar("Found", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Resampling(_Record):
    """Keyword arguments of a resampling function."""

    order: int = Field(default=3, ge=0, le=5)
    order_z: int = Field(default=0, ge=0, le=5)
    force_separate_z: bool | None = False
    separate_z_anisotropy_threshold: float = Field(default=3, gt=0)


class _Arguments(_Record):
    """Keyword arguments of a network; ``block`` and ``bottleneck_channels`` are of no plan that nnU-Net writes."""

    features_per_stage: tuple[Size, ...] = Field(min_length=2, max_length=16)
    kernel_sizes: tuple[Sides, ...] | Size
    strides: tuple[Sides, ...] | Size
    n_conv_per_stage: tuple[Depth, ...] | Depth | None = None
    n_blocks_per_stage: tuple[Depth, ...] | Depth | None = None
    n_conv_per_stage_decoder: tuple[Depth, ...] | Depth
    conv_bias: bool = False
    norm_op: Annotated[str, _a_key_of(NORMS), BeforeValidator(_last_part)] | None = None
    norm_op_kwargs: Options | None = None
    dropout_op: Annotated[Literal["Dropout", "Dropout2d", "Dropout3d"], BeforeValidator(_last_part)] | None = None
    nonlin: Annotated[str, _a_key_of(ACTIVATIONS), BeforeValidator(_last_part)] | None = None
    nonlin_kwargs: Options | None = None
    nonlin_first: bool = False
    block: Annotated[Literal["BasicBlockD"], BeforeValidator(_last_part)] | None = None
    bottleneck_channels: None = None
    stem_channels: Size | None = None


class _Network(_Record):
    network_class_name: Annotated[Kind, BeforeValidator(_last_part)]
    arch_kwargs: _Arguments

    def architecture(self, dimensions: int) -> Architecture:
        """What the network is built from.

        Raises:
            ValueError: Its parts contradict each other.
        """
        made, is_plain = self.arch_kwargs, self.network_class_name == "PlainConvUNet"
        levels = len(made.features_per_stage)
        depths = made.n_conv_per_stage if is_plain else made.n_blocks_per_stage
        if depths is None:
            raise ValueError("n_conv_per_stage or n_blocks_per_stage is missing")
        found = Architecture(
            kind=self.network_class_name,
            features=made.features_per_stage,
            kernels=_repeated(made.kernel_sizes, levels, dimensions),
            strides=_repeated(made.strides, levels, dimensions),
            depths=(depths,) * levels if isinstance(depths, int) else depths,
            decoder_depths=_plain(made.n_conv_per_stage_decoder, levels - 1),
            bias=made.conv_bias,
            norm=made.norm_op,
            norm_options=_options(made.norm_op_kwargs, "eps", "momentum", "affine", "track_running_stats"),
            activation=made.nonlin,
            activation_options=_options(made.nonlin_kwargs, "negative_slope", "alpha", "inplace"),
            has_dropout=made.dropout_op is not None,
            activation_first=made.nonlin_first and is_plain,
            stem=made.stem_channels,
        )
        for name, entries, wanted in (
            ("kernel_sizes", found.kernels, levels),
            ("strides", found.strides, levels),
            ("n_conv_per_stage", found.depths, levels),
            ("n_conv_per_stage_decoder", found.decoder_depths, levels - 1),
        ):
            if len(entries) != wanted:
                raise ValueError(f"{name} has {len(entries)} entries for {levels} resolutions")
        if any(len(sides) != dimensions for sides in (*found.kernels, *found.strides)):
            raise ValueError(f"kernel_sizes and strides are not all of {dimensions} axes, as patch_size is")
        if found.norm and not found.norm.endswith(f"{dimensions}d"):
            raise ValueError(f"norm_op {found.norm} is not of {dimensions} axes, as patch_size is")
        if any(side % 2 == 0 for sides in found.kernels for side in sides):
            raise ValueError("kernel_sizes holds an even side")
        if any(step != 1 for step in found.strides[0]):
            raise ValueError("the first of the strides is not 1")
        return found


class Configuration(_Record):
    """One entry of the plans' ``configurations``."""

    patch_size: Sides
    spacing: tuple[Spacing, ...] = Field(min_length=2, max_length=3)
    normalization_schemes: tuple[Scheme, ...] = Field(min_length=1, max_length=256)
    use_mask_for_norm: tuple[bool, ...] = Field(min_length=1, max_length=256)
    preprocessor_name: Literal["DefaultPreprocessor"] = "DefaultPreprocessor"
    resampling_fn_data: Literal["resample_data_or_seg_to_shape"] = "resample_data_or_seg_to_shape"
    resampling_fn_data_kwargs: Resampling = Resampling()
    resampling_fn_probabilities: Literal["resample_data_or_seg_to_shape"] = "resample_data_or_seg_to_shape"
    resampling_fn_probabilities_kwargs: Resampling = Resampling(order=1)
    previous_stage: None = None
    architecture: _Network

    @model_validator(mode="before")
    @classmethod
    def _with_architecture(cls, values: Any) -> Any:
        """Plans of 2.0 to 2.2 describe the network among the rest."""
        if not isinstance(values, dict) or "architecture" in values or "UNet_class_name" not in values:
            return values
        depths, largest = values.get("n_conv_per_stage_encoder"), values.get("unet_max_num_features")
        base, patch = values.get("UNet_base_num_features"), values.get("patch_size")
        if not isinstance(depths, list) or not isinstance(patch, list):
            return values
        if not isinstance(base, int) or not isinstance(largest, int):
            return values
        plain = values["UNet_class_name"] == "PlainConvUNet"
        arguments = {
            "features_per_stage": [min(base * 2**level, largest) for level in range(min(len(depths), 16))],
            "kernel_sizes": values.get("conv_kernel_sizes"),
            "strides": values.get("pool_op_kernel_sizes"),
            "n_conv_per_stage" if plain else "n_blocks_per_stage": depths,
            "n_conv_per_stage_decoder": values.get("n_conv_per_stage_decoder"),
            "conv_bias": True,
            "norm_op": f"InstanceNorm{len(patch)}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "nonlin": "LeakyReLU",
        }
        network = {"network_class_name": values["UNet_class_name"], "arch_kwargs": arguments}
        return {**values, "architecture": network}

    @model_validator(mode="after")
    def _consistent(self) -> "Configuration":
        size = 1
        for side in self.patch_size:
            size *= side
        if size > LARGEST_INPUT:
            raise ValueError(f"patch_size has more than {LARGEST_INPUT} values, which no memory holds")
        if len(self.spacing) != len(self.patch_size):
            raise ValueError(f"spacing has {len(self.spacing)} values, patch_size {len(self.patch_size)}")
        multiple = self.network.multiple
        if any(side % step for side, step in zip(self.patch_size, multiple, strict=True)):
            raise ValueError(f"patch_size {self.patch_size} is not divisible by the strides, {multiple} in all")
        return self

    @property
    def network(self) -> Architecture:
        """What the network is built from."""
        return self.architecture.architecture(len(self.patch_size))


class Intensities(_Record):
    """Of the foreground of the training images, in one channel."""

    mean: float = Field(ge=-1e30, le=1e30)
    std: float = Field(ge=0, le=1e30)
    percentile_00_5: float = Field(ge=-1e30, le=1e30)
    percentile_99_5: float = Field(ge=-1e30, le=1e30)


class Plans(_Record):
    """``plans.json``, with one of its configurations.

    Attributes:
        dataset_name: Such as "Dataset004_Hippocampus".
        transpose_forward: Axis i of what the network sees is this axis of the image, (z, y, x).
        image_reader_writer: Of READERS.
        intensities: By channel, for CTNormalization.
        configuration: The one that was trained.
    """

    dataset_name: Name = "unknown"
    transpose_forward: tuple[int, int, int]
    image_reader_writer: Name = "SimpleITKIO"
    label_manager: Literal["LabelManager"] = "LabelManager"
    intensities: dict[str, Intensities] = {}
    configuration: Configuration

    @model_validator(mode="after")
    def _consistent(self) -> "Plans":
        if sorted(self.transpose_forward) != [0, 1, 2]:
            raise ValueError(f"transpose_forward {self.transpose_forward} is no order of three axes")
        if self.image_reader_writer not in READERS:
            raise ValueError(f"image_reader_writer {self.image_reader_writer!r} is none of {', '.join(READERS)}")
        return self


class Dataset(_Record):
    """``dataset.json``.

    Attributes:
        channel_names: By number, as text; older files say ``modality``.
        labels: By name: a value, or those of a region.
        regions_class_order: The value that each region is written with, later ones over earlier ones.
    """

    channel_names: dict[str, Name] = Field(min_length=1, max_length=256)
    labels: dict[Name, Label | tuple[Label, ...]] = Field(min_length=2, max_length=257)
    regions_class_order: tuple[Annotated[int, Field(gt=0, lt=256)], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_channels(cls, values: Any) -> Any:
        if isinstance(values, dict) and "modality" in values:
            return {**values, "channel_names": values["modality"]}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "Dataset":
        if self.labels.get("background") != 0:
            raise ValueError("labels names no background of value 0")
        ignored = self.labels.get("ignore")
        if self.has_regions:
            if len(self.regions_class_order or ()) != len(self.foreground):
                raise ValueError(f"regions_class_order has no value for each of {len(self.foreground)} regions")
            if len(set(self.regions_class_order or ())) != len(self.foreground):
                raise ValueError("regions_class_order names a value twice")
        elif sorted(_value(one) for one in self.foreground.values()) != list(range(1, len(self.foreground) + 1)):
            raise ValueError("labels are not numbered 1, 2, … without a gap")
        if ignored is not None and not isinstance(ignored, int):
            raise ValueError("the label ignore is no single value")
        return self

    @property
    def has_regions(self) -> bool:
        """Whether the network decides region by region."""
        return any(isinstance(one, tuple) and len(one) > 1 for one in self.labels.values())

    @property
    def foreground(self) -> dict[str, int | tuple[int, ...]]:
        """What is no background, and not ``ignore``."""
        return {
            name: value
            for name, value in self.labels.items()
            if name != "ignore" and value != 0 and (isinstance(value, int) or set(value) != {0})
        }

    @property
    def names(self) -> dict[int, str]:
        """The name of each label value, where there are no regions."""
        return {_value(value): name for name, value in self.foreground.items()}


def read_plans(folder: Path, configuration: str, name: str) -> Plans:
    """What one configuration of ``plans.json`` prescribes.

    Args:
        folder: The trained model's.
        configuration: Such as "3d_fullres".
        name: The checkpoint's, for messages.

    Raises:
        InvalidCheckpointError: The file is missing or faulty (all faults are named), or has no such configuration.
    """
    plans = _read(folder / PLANS_FILE, name)
    for key in ("foreground_intensity_properties_per_channel", "foreground_intensity_properties_by_modality"):
        if key in plans:
            plans["intensities"] = plans[key]
            break
    plans["configuration"] = _inherited(plans.get("configurations"), configuration, name)
    return _validated(Plans, plans, PLANS_FILE, name)


def read_dataset(folder: Path, name: str) -> Dataset:
    """Channels and labels of ``dataset.json``.

    Raises:
        InvalidCheckpointError: The file is missing or faulty; all faults are named.
    """
    return _validated(Dataset, _read(folder / DATASET_FILE, name), DATASET_FILE, name)


def fault(name: str, file: str, what: str) -> InvalidCheckpointError:
    """The error of a folder of nnU-Net.

    Args:
        name: The checkpoint's.
        file: In which file it lies.
        what: A clause.
    """
    return InvalidCheckpointError(
        f"Checkpoint {name!r}: {file}: {what}. Copy the folder again as nnU-Net v2 wrote it, or train without what is "
        "named; docs/nnunet.md lists what is read."
    )


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        found = read_document(path)
    except FileNotFoundError:
        raise fault(name, path.name, "the file is missing") from None
    except (ValueError, OSError) as error:
        raise fault(name, path.name, f"the file cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise fault(name, path.name, "the file holds no JSON object")
    return found


def _inherited(configurations: object, wanted: str, name: str) -> dict[str, Any]:
    """A configuration with what it inherits from others."""
    found: dict[str, Any] = {}
    visited: list[str] = []
    following: object = wanted
    while following is not None:
        entry = configurations.get(following) if isinstance(configurations, dict) and _is_name(following) else None
        if not isinstance(entry, dict) or following in visited:
            raise fault(name, PLANS_FILE, f"it has no configuration {str(following)[:60]!r} of its own")
        visited.append(str(following))
        found, following = {**entry, **found}, entry.get("inherits_from")
    return found


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _validated(kind: type[Found], values: object, file: str, name: str) -> Found:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()[:3]]
        raise fault(name, file, "; ".join(text[:200] for text in faults)) from None


def _repeated(sides: tuple[tuple[int, ...], ...] | int, levels: int, dimensions: int) -> tuple[tuple[int, ...], ...]:
    return ((sides,) * dimensions,) * levels if isinstance(sides, int) else sides


def _plain(depths: tuple[int, ...] | int, levels: int) -> tuple[int, ...]:
    return (depths,) * levels if isinstance(depths, int) else depths


def _options(given: Options | None, *known: str) -> dict[str, float | bool]:
    return {key: value for key, value in (given or {}).items() if key in known and value is not None}


def _value(label: int | tuple[int, ...]) -> int:
    return label if isinstance(label, int) else label[0]
