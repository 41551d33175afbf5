"""The order of the steps of one training, from the files it reads to the folder it leaves."""

import importlib.metadata
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from pydantic import ValidationError
from torch import nn
from torch.utils.data import DataLoader

from medseg_demo.errors import TestSetError, TrainingError
from medseg_demo.language.terminal import say
from medseg_demo.models.card import ModelCard, TrainingData
from medseg_demo.models.catalog import find_checkpoint
from medseg_demo.models.checkpoint import CONFIG_FILE, Checkpoint
from medseg_demo.segmenting.appearance import spread
from medseg_demo.segmenting.channels import match_channels
from medseg_demo.segmenting.windows import Compute, channels_last, choose_compute
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import Case, TestSet, data_hash, read_test_set
from medseg_demo.training.augmentation import build_augmentation, foreground_shares
from medseg_demo.training.callbacks import DivergedError, Freeze, Guard, leave_what_is_good
from medseg_demo.training.config import CONFIG_COPY, TrainingConfig, read_config, write_config
from medseg_demo.training.data import (
    EpochSampler,
    LoadedCase,
    TrainingSlices,
    channel_names,
    largest_mm,
    load_cases,
    notes_on,
)
from medseg_demo.training.findings import FindingTask, Known, choose_thresholds, findings_of
from medseg_demo.training.longer import Past, longer_config, read_past
from medseg_demo.training.loop import RESUME_FILE, Keeper, SegmentationTask, parameter_count
from medseg_demo.training.losses import BACKGROUND, class_weights
from medseg_demo.training.memory import Memory
from medseg_demo.training.network import build, try_out
from medseg_demo.training.output import check_output, held, make_ready, published_config, writing
from medseg_demo.training.pretrained import PREFIX, credit_of, is_for_encoders, load_encoder, read_source, take_over
from medseg_demo.training.processes import OwnShare, is_first
from medseg_demo.training.pruning import prune_network
from medseg_demo.training.records import CaseDice, ProgressLine, build_logger, check_logger
from medseg_demo.training.saving import finish, save_best
from medseg_demo.training.splits import divide
from medseg_demo.training.synthetic import SyntheticSlices
from medseg_demo.training.synthetic_training import train_generator

PRECISIONS: dict[torch.dtype, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    torch.float32: "32-true",
    torch.bfloat16: "bf16-mixed",
    torch.float16: "16-mixed",
}
VERSIONS = ("torch", "segmentation_models_pytorch", "timm", "lightning", "monai")


def run(
    test_sets: Sequence[Path], config_file: Path, output: Path, settings: Settings, seeds: tuple[int, ...] = ()
) -> Path:
    """Train; the arguments and errors are those of ``medseg_demo.training.train``."""
    config = read_config(config_file)
    if config.kind == "prompted":
        from medseg_demo.training.prompted.run import train_prompted

        if seeds:
            raise TrainingError("kind: prompted takes no seeds. Train once for each, with seed in the configuration.")
        return train_prompted(test_sets, config, output, settings)
    if len(test_sets) > 1:
        raise TrainingError("Several test sets together are for kind: prompted alone. Name one, or set kind.")
    (test_set_folder,) = test_sets
    folders = {}
    for seed in seeds or config.seeds:
        one = config.model_copy(update={"seed": seed, "seeds": ()})
        folders[seed] = output.with_name(f"{output.name}-seed{seed}")
        if _is_finished(folders[seed], one):
            say(f"note: {folders[seed].name} is finished, and stays as it is.", file=sys.stderr)
        else:
            _train(test_set_folder, one, folders[seed], settings)
    return next(iter(folders.values())) if folders else _train(test_set_folder, config, output, settings)


def lengthen(test_set_folder: Path, name: str, epochs: int, settings: Settings) -> Path:
    """Train a finished checkpoint further; as ``medseg_demo.training.lengthen``."""
    folder = find_checkpoint(name, settings.checkpoints_dir)[1]
    config = longer_config(folder, epochs)
    return _train(test_set_folder, config, folder, settings, past=read_past(folder))


def _is_finished(output: Path, config: TrainingConfig) -> bool:
    """Whether a folder holds what this training would give."""
    copy = output / CONFIG_COPY
    if (output / RESUME_FILE).exists() or not (output / CONFIG_FILE).exists() or not copy.exists():
        return False
    return read_config(copy) == published_config(config)


def _train(
    test_set_folder: Path, config: TrainingConfig, output: Path, settings: Settings, past: Past | None = None
) -> Path:
    check_logger(config.logger)
    with held(output) if is_first(config.processes) else nullcontext():
        return _train_into(test_set_folder, config, output, settings, past)


def _train_into(
    test_set_folder: Path, config: TrainingConfig, output: Path, settings: Settings, past: Past | None
) -> Path:
    with writing(output):
        resume = check_output(output, config, lengthened=past is not None)
    compute = choose_compute(settings)
    if config.precision == "float32":
        compute = Compute(compute.device, torch.float32)
    test_set = read_test_set(test_set_folder)
    _check_labels(test_set)
    train_cases, val_cases = divide(test_set, config)
    card = _card(test_set, config)
    known = Known.of(config, train_cases, val_cases) if config.findings else None
    network, start, inherited = _network(config, card, len(train_cases), settings)
    own = {source.name for source in card.training_data}
    further = tuple(source for source in inherited if source.name not in own)
    card = card.model_copy(update={"training_data": (*card.training_data, *further)})
    writes = is_first(config.processes)
    if writes:
        make_ready(output)
    memory = Memory(config.memory_mb)
    loaded = load_cases(_subset(test_set, (*train_cases, *val_cases)), card, settings=settings, memory=memory)
    parts = loaded[: len(train_cases)], loaded[len(train_cases) :]
    for note in notes_on(parts[0], card) if writes else ():
        say(f"warning: {note}", file=sys.stderr)
    if past and not resume:
        past.check(data_hash(_subset(test_set, (*train_cases, *val_cases))), card.class_names, output.name)
    facts = {
        **start,
        "seed": config.seed,
        **({"fold": config.fold} if config.fold else {}),
        **({"processes": config.processes} if config.processes > 1 else {}),
        "epochs": config.epochs,
        "train_cases": len(train_cases),
        "val_cases": len(val_cases),
        "data_hash": data_hash(_subset(test_set, (*train_cases, *val_cases))),
        "precision": str(compute.precision).removeprefix("torch."),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }
    if made := published_config(config).synthetic:
        facts["synthetic"] = made.model_dump()
    if largest := largest_mm(parts[0]):
        facts["largest_mm"] = largest
    looks = spread([case.seen for case in parts[0] if case.seen])
    card = card.model_copy(update={"training": facts, "appearance": looks})
    if writes:
        with writing(output):
            write_config(published_config(config), output / CONFIG_COPY)
    if config.kind == "generator":
        _fit_generator(config, card, parts, compute, output, memory=memory)
    else:
        _fit(config, card, network, parts, compute, output, resume=resume, memory=memory, known=known, past=past)
    if writes:
        (output / RESUME_FILE).unlink(missing_ok=True)
    return output


def _subset(test_set: TestSet, cases: tuple[Case, ...]) -> TestSet:
    return TestSet(test_set.name, test_set.folder, test_set.class_names, cases)


def _check_labels(test_set: TestSet) -> None:
    """Refuse what a network would learn wrongly: as background what nobody annotated, and pieces instead of regions."""
    labels = test_set.labels
    if labels is None or (labels.ignore is None and not labels.overlaps):
        return
    what = "regions that overlap" if labels.overlaps else f"voxels that nobody annotated (label {labels.ignore})"
    raise TestSetError([f"Test set {test_set.name!r} has {what}, which training does not take. Drop them."])


def _card(test_set: TestSet, config: TrainingConfig) -> ModelCard:
    names = test_set.class_names or ("class_1",)
    foreground_shares(config.oversample_foreground, names)  # refused before the cases are read
    try:
        return ModelCard(
            task=config.task,
            class_names=names,
            modality=config.modality,
            in_channels=config.in_channels,
            neighbours=config.neighbours,
            channel_names=_channel_names(test_set, config),
            input_size=config.input_size,
            inference=config.inference,
            spacing_mm=config.spacing_mm,
            normalisation=config.normalisation,
            window=config.window,
            denoise=config.denoise,
            threshold=config.threshold if len(names) == 1 else None,
            findings=findings_of(config.findings),
            training_data=config.training_data,
        )
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise TrainingError(f"The configuration does not fit the test set ({faults}). Correct one of them.") from None


def _channel_names(test_set: TestSet, config: TrainingConfig) -> tuple[str, ...]:
    """Those that the configuration names, else those of the test set's cases, where the network takes them all."""
    found = next((case.channel_names for case in test_set.cases), ())
    if config.channels and match_channels(found, config.channels) is None:
        raise TestSetError(
            [
                f"Test set {test_set.name!r} has no channels {', '.join(config.channels)} (it names "
                f"{', '.join(found) or 'none'}). Correct channels in the configuration."
            ]
        )
    return config.channels or channel_names(test_set, config.in_channels)


def _network(
    config: TrainingConfig, card: ModelCard, cases: int, settings: Settings
) -> tuple[nn.Module, dict, tuple[TrainingData, ...]]:
    """The network with the weights that it starts from, tried out, what the card says of them, and whom they owe."""
    if config.kind == "generator":  # which has no network to try out
        return nn.Identity(), {}, ()
    network, facts = build(config, card), {}
    inherited: tuple[TrainingData, ...] = ()
    if config.pretrained and config.pretrained.startswith(PREFIX):
        load_encoder(network, config.pretrained)
        inherited = (credit_of(config.pretrained),)
    elif config.pretrained and not is_for_encoders(config.pretrained):
        source = read_source(config.pretrained, settings)
        start = take_over(network, source, card)
        inherited = source.card.training_data if source.card else ()
        facts["pretrained"] = start.facts
        for line in start.lines:
            say(f"note: {line}", file=sys.stderr)
        if config.prune:
            facts["pruned"] = prune_network(network, config, card)
    # One image gives batches of one, if it is no volume.
    try_out(network, card, batch=config.batch_size if cases > 1 else config.crops_per_image)
    return network, facts, inherited


def _fit(
    config: TrainingConfig,
    card: ModelCard,
    network: nn.Module,
    parts: tuple[tuple[LoadedCase, ...], tuple[LoadedCase, ...]],
    compute: Compute,
    output: Path,
    *,
    resume: Path | None,
    memory: Memory,
    known: Known | None,
    past: Past | None,
) -> None:
    network = network.to(memory_format=channels_last(len(card.input_size)))  # type: ignore[call-overload]
    facts = {**card.training, "parameters": parameter_count(network)}
    if weights := class_weights(config.loss, card.class_names, (case.labels for case in parts[0])):
        facts["class_weights"] = dict(zip((BACKGROUND, *card.class_names), weights, strict=True))
    card = card.model_copy(update={"training": facts})
    batches, validation = _loaders(config, card, *parts, memory)
    checkpoint = Checkpoint(output.name, card, network, digest="")
    kind = partial(FindingTask, known=known) if known else SegmentationTask
    task = kind(checkpoint, config, parts[1], compute, len(batches) * config.epochs, weights)

    def save(dice: CaseDice, epoch: int, minutes: float) -> None:
        told = card.model_copy(update={"training": {**card.training, **keeper.lengthened(config.epochs)}})
        save_best(output, task.average.module, config, told, dice, parts[1], epoch, minutes)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # its advice on hardware and services
    keeper = Keeper(output, save, patience=config.patience)
    if past:
        keeper.go_on_from(past)
    guard = Guard([case.case.case_id for case in parts[0]], config.learning_rate, config.gradient_clip)
    watchers = [guard, keeper, ProgressLine(), *([Freeze(config.freeze_epochs)] if config.freeze_epochs else [])]
    with fitting(output):
        trainer = make_trainer(config, compute, watchers, build_logger(published_config(config), output))
        trainer.fit(task, batches, validation, ckpt_path=resume, weights_only=True if resume else None)
        if not trainer.is_global_zero:
            return
        if known:
            choose_thresholds(output, parts[1], known, compute)
        finish(output, config, keeper.history, {**keeper.facts(compute.device), **keeper.lengthened(config.epochs)})


@contextmanager
def fitting(output: Path) -> Iterator[None]:
    """What goes wrong while a network learns, in words; Lightning's own warnings are left out.

    Args:
        output: The checkpoint folder.

    Raises:
        TrainingError: It diverged, was interrupted, or the folder cannot be written.
    """
    try:
        with warnings.catch_warnings(), writing(output):
            warnings.filterwarnings("ignore", module="lightning")
            yield
    except DivergedError as error:
        raise leave_what_is_good(error, output, output / RESUME_FILE) from None
    except SystemExit:  # what Lightning makes of Ctrl+C
        raise TrainingError(
            f"Training was interrupted. Start it again with the same output {output.name} to go on."
        ) from None


def _fit_generator(
    config: TrainingConfig,
    card: ModelCard,
    parts: tuple[tuple[LoadedCase, ...], tuple[LoadedCase, ...]],
    compute: Compute,
    output: Path,
    *,
    memory: Memory,
) -> None:
    batches, _ = _loaders(config, card, *parts, memory)
    with writing(output):
        train_generator(config, card, batches, parts[0], compute.device, output)


def _loaders(
    config: TrainingConfig,
    card: ModelCard,
    train_cases: tuple[LoadedCase, ...],
    val_cases: tuple[LoadedCase, ...],
    memory: Memory,
) -> tuple[DataLoader, DataLoader]:
    foreground = foreground_shares(config.oversample_foreground, card.class_names)
    augmentation = build_augmentation(config.augmentation, config.input_size, foreground=foreground)
    slices = TrainingSlices(train_cases, card, augmentation, seed=config.seed, memory=memory)
    items = SyntheticSlices(slices, config, card) if config.synthetic else slices
    sampler = EpochSampler(
        len(slices),
        repeats=config.crops_per_image,
        seed=config.seed,
        batch_size=config.batch_size,
        processes=config.processes,
    )
    if not len(sampler):
        raise TrainingError(
            f"{config.processes} processes with batches of {config.batch_size} take more than the {sampler.length} "
            "images of an epoch. Lower batch_size, devices or nodes, or raise crops_per_image."
        )
    # Batch normalisation cannot learn from a batch of one, so an incomplete last batch is left out.
    batches = DataLoader(
        items,
        batch_size=config.batch_size,
        sampler=sampler,
        drop_last=len(sampler) > config.batch_size,
        num_workers=config.workers,
    )
    numbers = range(len(val_cases))
    return batches, DataLoader(numbers, batch_size=None, sampler=OwnShare(len(numbers)))  # type: ignore[arg-type]


def make_trainer(config: TrainingConfig, compute: Compute, callbacks: list, logger: Logger | None = None) -> Trainer:
    """Lightning's trainer as a configuration asks for it.

    Args:
        config: Epochs, devices and validations count.
        compute: Device and precision.
        callbacks: What watches it.
        logger: Takes the figures; None keeps them in ``log.csv`` alone.
    """
    index = None if compute.device.type == "cpu" or config.devices > 1 else compute.device.index
    several = config.processes > 1
    return Trainer(
        accelerator=compute.device.type,
        devices=config.devices if index is None else [index],
        num_nodes=config.nodes,
        strategy=config.strategy if several else "auto",
        sync_batchnorm=several and compute.device.type == "cuda",
        precision=PRECISIONS[compute.precision],
        max_epochs=config.epochs,
        check_val_every_n_epoch=config.validate_every,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=logger or False,
        enable_checkpointing=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
