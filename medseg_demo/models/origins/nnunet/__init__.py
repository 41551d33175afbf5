"""Trained models of nnU-Net v2: ``plans.json``, ``dataset.json`` and ``fold_*/checkpoint_*.pth``, as it writes them.

The folder of one configuration (``nnUNetTrainer__nnUNetPlans__3d_fullres``) is such a checkpoint, and so is what its
export unpacks to, where such folders lie within that of a data set. Nothing in them is executed: what the files name is
looked up in tables.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from medseg_demo.models.card import CARD_FILE, ModelCard, read_card
from medseg_demo.models.origins.nnunet.networks import SideBySide, UNet
from medseg_demo.models.origins.nnunet.plans import (
    DATASET_FILE,
    PICTURES,
    PLANS_FILE,
    TURNING,
    Configuration,
    Dataset,
    Plans,
    fault,
    read_dataset,
    read_plans,
)
from medseg_demo.models.origins.origin import Described, Loaded, Origin, existing
from medseg_demo.models.origins.weights import is_plain, load_strictly
from medseg_demo.models.recipes import ChannelNormalisation, NnUNetSteps, Resampling
from medseg_demo.models.soundness import bounded_by, check_archive, damaged_weights

__all__ = ["NNUNET"]

FINAL, BEST = "checkpoint_final.pth", "checkpoint_best.pth"
DEEPEST = 3  # folders in each other around a trained model: export, data set, configuration
MOST_FOLDS = 16
# Of several configurations the one that nnU-Net recommends most often.
PREFERRED = ("3d_fullres", "2d", "3d_lowres")
COLOURS = ({"r", "g", "b"}, {"red", "green", "blue"}, {"rgb_to_0_1"}, {"rgb"})
METHODS = {
    "ZScoreNormalization": "zscore",
    "CTNormalization": "ct",
    "NoNormalization": "none",
    "RescaleTo01Normalization": "range",
    "RGBTo01Normalization": "byte",
}
# What a checkpoint holds beside tensors and plain values: figures of its log: numbers of NumPy, under both names.
SCALAR = np.float64(0).__reduce__()[0]
ALLOWED: list[Any] = [
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_)),
]


@dataclass(frozen=True)
class _Model:
    """A trained model: its folder, the checkpoint of each fold, and what a person should know of the choice."""

    folder: Path
    checkpoints: tuple[Path, ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class _Training:
    """What a checkpoint says beside its weights."""

    configuration: str
    trainer: str
    mirrored: tuple[int, ...]
    weights: dict[str, torch.Tensor]


def _recognises(folder: Path) -> bool:
    return bool(_models(folder))


def _files(folder: Path) -> tuple[Path, ...]:
    described = (path for place in _models(folder) for path in existing(place, PLANS_FILE, DATASET_FILE))
    weights = (path for place in _models(folder) for path in _checkpoints(place))
    return (*described, *existing(folder, CARD_FILE), *weights)


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    model = _model(folder, name)
    first = _read_checkpoint(model.checkpoints[0], name, values=False)
    plans, dataset = read_plans(model.folder, first.configuration, name), read_dataset(model.folder, name)
    card = _card(plans, dataset, first, name, folds=len(model.checkpoints))
    if (own := read_card(folder, name=name)) is not None:
        _check_own(own, card, name)
        card = own
    architecture = f"{plans.configuration.network.kind} · {first.configuration}"
    folds = f" · {len(model.checkpoints)} folds" if len(model.checkpoints) > 1 else ""
    return Described(card, architecture + folds, note=model.note)


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    described, model = _describe(folder, name, cache_dir), _model(folder, name)
    members: list[nn.Module] = []
    for path in model.checkpoints:
        found = _read_checkpoint(path, name)
        plans = read_plans(model.folder, found.configuration, name)
        members.append(_build(plans.configuration, described.card, found.weights, name))
    return Loaded(described, (members[0] if len(members) == 1 else SideBySide(members)).eval())


def _models(folder: Path) -> list[Path]:
    """The folders of trained models in a folder, or it alone where it is one."""
    for depth in range(DEEPEST):
        pattern = "/".join(["*"] * depth) or "."
        places = sorted(place for place in folder.glob(pattern) if place.is_dir()) if depth else [folder]
        if found := [place for place in places if (place / PLANS_FILE).is_file() or _checkpoints(place)]:
            return found
    return []


def _model(folder: Path, name: str) -> _Model:
    """The trained model in a folder; of several configurations one.

    Raises:
        InvalidCheckpointError: No fold of it has a checkpoint, or two models have the same configuration.
    """
    models = _models(folder)
    complete = [place for place in models if _checkpoints(place)]
    if not complete:
        raise fault(name, "fold_0", f"no folder fold_… of the trained model has a {FINAL} or {BEST}")
    ranked = sorted(complete, key=_rank)
    if len(ranked) > 1 and _rank(ranked[0]) == _rank(ranked[1]):
        raise fault(
            name,
            ranked[0].name,
            f"it holds {len(ranked)} trained models, and which is meant is unknown; give one alone",
        )
    others = ", ".join(place.name.rpartition("__")[2] for place in ranked[1:])
    note = f"Of several configurations this is one; not read: {others}." if others else ""
    return _Model(ranked[0], _checkpoints(ranked[0]), note)


def _rank(place: Path) -> int:
    configuration = place.name.rpartition("__")[2]
    return PREFERRED.index(configuration) if configuration in PREFERRED else len(PREFERRED)


def _checkpoints(place: Path) -> tuple[Path, ...]:
    """Of each numbered fold the final checkpoint, or, where none has one, the best; else those of ``fold_all``."""
    numbered = (path for path in place.glob("fold_*") if re.fullmatch(r"fold_\d{1,3}", path.name))
    folds = sorted(numbered, key=lambda path: int(path.name.removeprefix("fold_")))[:MOST_FOLDS]
    for among in (folds, [place / "fold_all"]):
        for file in (FINAL, BEST):
            if found := tuple(fold / file for fold in among if (fold / file).is_file()):
                return found
    return ()


def _read_checkpoint(path: Path, name: str, *, values: bool = True) -> _Training:
    """A checkpoint, of which tensors, plain values and numbers of NumPy alone are read.

    Args:
        path: The file.
        name: The checkpoint's, for messages.
        values: Whether the values of its tensors are needed, or their shapes alone.

    Raises:
        InvalidCheckpointError: It is damaged, holds code, or is none of nnU-Net.
    """
    check_archive(path, name)
    try:
        with torch.serialization.safe_globals(ALLOWED):
            found = torch.load(path, map_location="cpu" if values else "meta", weights_only=True)
    except pickle.UnpicklingError:
        raise fault(
            name, path.name, "it holds more than a checkpoint of nnU-Net does, and code is never executed"
        ) from None
    except Exception as error:  # what a file that was made or cut to harm raises, is of many kinds
        raise damaged_weights(path, name, str(error)) from None
    weights = found.get("network_weights") if isinstance(found, dict) else None
    arguments = found.get("init_args") if isinstance(found, dict) else None
    configuration = arguments.get("configuration") if isinstance(arguments, dict) else None
    if not isinstance(weights, dict) or not isinstance(configuration, str):
        raise fault(name, path.name, "it has no network_weights, or no configuration in init_args")
    tensors = [one for one in weights.values() if isinstance(one, torch.Tensor) and one.is_floating_point()]
    are_named = len(tensors) == len(weights) and all(isinstance(key, str) for key in weights)
    if not are_named or (values and not all(map(is_plain, tensors))):
        raise fault(name, path.name, "its network_weights are not all plain tensors")
    trainer = found.get("trainer_name")
    mirrored = _mirrored(found.get("inference_allowed_mirroring_axes"), path, name)
    return _Training(configuration, trainer[:80] if isinstance(trainer, str) else "", mirrored, dict(weights))


def _mirrored(axes: object, path: Path, name: str) -> tuple[int, ...]:
    """The axes over which views are mirrored; none where it is None."""
    if axes is None:
        return ()
    if not isinstance(axes, list | tuple) or any(type(axis) is not int or not 0 <= axis < 3 for axis in axes):
        raise fault(name, path.name, "inference_allowed_mirroring_axes are no axes")
    if len(set(axes)) != len(axes):
        raise fault(name, path.name, "inference_allowed_mirroring_axes names an axis twice")
    return tuple(axes)


def _card(plans: Plans, dataset: Dataset, training: _Training, name: str, *, folds: int) -> ModelCard:
    made = plans.configuration
    channels = _channel_names(dataset, name)
    if any(axis >= len(made.patch_size) for axis in training.mirrored):
        raise fault(name, FINAL, "inference_allowed_mirroring_axes names an axis that the patch does not have")
    if plans.image_reader_writer == PICTURES and set(made.spacing) != {1.0}:
        raise fault(name, PLANS_FILE, f"{PICTURES} takes no spacing, but the configuration has one")
    if any(len(given) != len(channels) for given in (made.normalization_schemes, made.use_mask_for_norm)):
        raise fault(
            name, PLANS_FILE, f"normalization_schemes or use_mask_for_norm is not of {len(channels)} channel(s)"
        )
    try:
        return ModelCard(
            task=re.sub(r"^Dataset\d+_", "", plans.dataset_name).replace("_", " ")[:100] or "unknown",
            class_names=_class_names(dataset, name),
            modality="unknown" if _are_colours(channels) else ", ".join(channels),
            in_channels=len(channels),
            channel_names=() if len(channels) == 1 or _are_colours(channels) else channels,
            input_size=made.patch_size,
            inference="tile",
            spacing_mm=None if plans.image_reader_writer == PICTURES else made.spacing,
            head="sigmoid" if dataset.has_regions else "softmax",
            regions=dataset.regions_class_order or () if dataset.has_regions else (),
            recipe=NnUNetSteps(
                turned=plans.image_reader_writer in TURNING,
                axes=plans.transpose_forward,
                channels=tuple(_normalisation(plans, index, name) for index in range(len(channels))),
                images=_resampling(made, "data"),
                logits=_resampling(made, "probabilities"),
                mirrored=training.mirrored,
                folds=folds,
            ),
            training={"configuration": training.configuration, "trainer": training.trainer, "folds": folds},
        )
    except ValueError as error:
        raise fault(name, PLANS_FILE, str(error).splitlines()[-1][:200]) from None


def _class_names(dataset: Dataset, name: str) -> tuple[str, ...]:
    """The name of each label value from 1; that of a region where there are regions."""
    values = dataset.regions_class_order if dataset.has_regions else None
    named = dict(zip(values, dataset.foreground, strict=True)) if values else dataset.names
    if sorted(named) != list(range(1, len(named) + 1)):
        raise fault(name, DATASET_FILE, "regions_class_order leaves out a label value, which then has no name")
    return tuple(named[value] for value in sorted(named))


def _channel_names(dataset: Dataset, name: str) -> tuple[str, ...]:
    names = [dataset.channel_names.get(str(number)) for number in range(len(dataset.channel_names))]
    if None in names:
        raise fault(name, DATASET_FILE, "channel_names are not numbered 0, 1, …")
    return tuple(str(one) for one in names)


def _are_colours(channels: tuple[str, ...]) -> bool:
    return len(channels) == 3 and {one.casefold() for one in channels} in COLOURS


def _normalisation(plans: Plans, index: int, name: str) -> ChannelNormalisation:
    made = plans.configuration
    method, nonzero = METHODS[made.normalization_schemes[index]], made.use_mask_for_norm[index]
    if method != "ct":
        return ChannelNormalisation.model_validate({"method": method, "nonzero": nonzero and method == "zscore"})
    found = plans.intensities.get(str(index))
    if found is None:
        raise fault(name, PLANS_FILE, f"it has no intensities of channel {index}, which CTNormalization needs")
    window = (found.percentile_00_5, found.percentile_99_5)
    return ChannelNormalisation(method="ct", window=window, mean=found.mean, std=found.std)


def _resampling(made: Configuration, what: str) -> Resampling:
    given = getattr(made, f"resampling_fn_{what}_kwargs")
    return Resampling(
        order=given.order,
        order_apart=given.order_z,
        apart=given.force_separate_z,
        apart_above=given.separate_z_anisotropy_threshold,
    )


def _check_own(own: ModelCard, card: ModelCard, name: str) -> None:
    """Refuse a card that contradicts the plans: it may name things otherwise, and no more."""
    for key in ("in_channels", "input_size", "inference", "spacing_mm", "recipe", "head", "regions", "output_channels"):
        if getattr(own, key) != getattr(card, key):
            raise fault(name, CARD_FILE, f"{key} is otherwise than {PLANS_FILE} and {DATASET_FILE} say")


def _build(made: Configuration, card: ModelCard, weights: Mapping[str, Any], name: str) -> nn.Module:
    try:
        with bounded_by(sum(one.numel() for one in weights.values())):
            network = UNet(made.network, card.in_channels, card.output_channels)
    except (ValueError, TypeError) as error:
        raise fault(name, PLANS_FILE, f"the network cannot be built: {str(error)[:200]}") from None
    load_strictly(network, dict(weights), name, described_in=PLANS_FILE)
    return network.eval()


NNUNET = Origin("nnunet", "nnU-Net v2", _recognises, _files, _describe, _load)
