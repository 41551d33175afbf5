"""The order of the steps of a prompted training: several test sets → one class-agnostic network."""

import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from medseg_demo.errors import MedsegError, TestSetError, TrainingError
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.prompting.objects import Plane, Target, chosen_targets, planes_of
from medseg_demo.segmenting.windows import Compute, channels_last, choose_compute
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import TestSet, data_hash, read_test_set
from medseg_demo.training.callbacks import Guard
from medseg_demo.training.config import CONFIG_COPY, TrainingConfig, write_config
from medseg_demo.training.data import EpochSampler
from medseg_demo.training.loop import RESUME_FILE, Keeper, parameter_count
from medseg_demo.training.network import build, try_out
from medseg_demo.training.output import check_output, held, make_ready, published_config, writing
from medseg_demo.training.pretrained import PREFIX, credit_of, load_encoder
from medseg_demo.training.prompted.samples import PromptedSamples
from medseg_demo.training.prompted.task import PromptedTask
from medseg_demo.training.records import CaseDice, ProgressLine, build_logger, check_logger
from medseg_demo.training.run import VERSIONS, fitting, make_trainer
from medseg_demo.training.saving import finish, save_best
from medseg_demo.training.splits import divide

CLASS = "object"
AXES = (0, 1, 2)  # across which volumes are cut to learn from; validation takes the first
VALIDATED = 24  # objects of each test set


def train_prompted(folders: Sequence[Path], config: TrainingConfig, output: Path, settings: Settings) -> Path:
    """Train; arguments and errors are those of ``medseg_demo.training.train``."""
    check_logger(config.logger)
    with held(output):
        with writing(output):
            resume = check_output(output, config)
        compute = choose_compute(settings)
        if config.precision == "float32":
            compute = Compute(compute.device, torch.float32)
        test_sets = [read_test_set(folder) for folder in folders]
        if len({one.name for one in test_sets}) < len(test_sets):
            raise TestSetError([f"Two test sets are called alike ({', '.join(one.name for one in test_sets)})."])
        card = _card(config)
        network = _network(config, card)
        make_ready(output)
        train, objects, facts = _read(test_sets, config, card, settings)
        facts |= {
            "seed": config.seed,
            "epochs": config.epochs,
            "samples": config.epochs * config.samples,
            "precision": str(compute.precision).removeprefix("torch."),
            "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
            "parameters": parameter_count(network),
        }
        card = card.model_copy(update={"training": facts})
        with writing(output):
            write_config(published_config(config), output / CONFIG_COPY)
        _fit(config, card, network, train, objects, compute, output, resume=resume)
        (output / RESUME_FILE).unlink(missing_ok=True)
    return output


def _card(config: TrainingConfig) -> ModelCard:
    credits = (credit_of(config.pretrained),) if config.pretrained else ()
    named = {one.name for one in config.training_data}
    return ModelCard(
        task=config.task,
        class_names=(CLASS,),
        modality=config.modality,
        in_channels=3,
        input_size=config.input_size,
        normalisation=config.normalisation,
        threshold=0.5,
        prompts=("click", "box", "scribble"),
        training_data=(*config.training_data, *(one for one in credits if one.name not in named)),
    )


def _network(config: TrainingConfig, card: ModelCard) -> nn.Module:
    """A pretrained encoder sees colours as it did, and begins with no opinion of what it is told beside them."""
    network = build(config, card)
    if config.pretrained:
        if not config.pretrained.startswith(PREFIX):
            raise TrainingError(f"pretrained is {config.pretrained!r}; a prompted network takes {PREFIX}<package>.")
        plain = build(config, card.model_copy(update={"prompts": ()}))
        load_encoder(plain, config.pretrained)
        given, state = plain.encoder.state_dict(), network.encoder.state_dict()  # type: ignore[union-attr, operator]
        for name, tensor in given.items():
            if tensor.shape == state[name].shape:
                state[name].copy_(tensor)
            else:
                state[name].zero_()
                state[name][:, : card.in_channels] = tensor
    try_out(network, card, batch=config.batch_size)
    return network


def _read(
    test_sets: Sequence[TestSet], config: TrainingConfig, card: ModelCard, settings: Settings
) -> tuple[list[list[Plane]], list[Target], dict[str, object]]:
    train: list[list[Plane]] = []
    objects: list[Target] = []
    counts, hashes, faults = {}, {}, []
    for test_set in test_sets:
        try:
            train_cases, val_cases = divide(test_set, config)
            train.append(list(planes_of(test_set, train_cases, card, settings=settings, axes=AXES)))
            val = list(planes_of(test_set, val_cases, card, settings=settings))
        except MedsegError as error:
            faults.append(f"Test set {test_set.name!r}: {error}")
            continue
        if not train[-1] or not val:
            faults.append(f"Test set {test_set.name!r} has no object to learn from or to choose on.")
            continue
        objects += chosen_targets(val, VALIDATED, seed=config.seed)
        counts[test_set.name] = len(train_cases)
        hashes[test_set.name] = data_hash(replace(test_set, cases=(*train_cases, *val_cases)))
    if faults:
        raise TestSetError(faults)
    return train, objects, {"train_cases": counts, "data_hash": hashes}


def _fit(
    config: TrainingConfig,
    card: ModelCard,
    network: nn.Module,
    train: Sequence[Sequence[Plane]],
    objects: Sequence[Target],
    compute: Compute,
    output: Path,
    *,
    resume: Path | None,
) -> None:
    network = network.to(memory_format=channels_last(2))  # type: ignore[call-overload]
    samples = PromptedSamples(train, size=config.input_size[0], length=config.samples, seed=config.seed)
    batches = DataLoader(
        samples,
        batch_size=config.batch_size,
        sampler=EpochSampler(len(samples), repeats=1, seed=config.seed),
        drop_last=len(samples) > config.batch_size,
        num_workers=config.workers,
    )
    validation: DataLoader = DataLoader(range(len(objects)), batch_size=None)  # type: ignore[arg-type]
    checkpoint = Checkpoint(output.name, card, network, digest="")
    task = PromptedTask(checkpoint, config, objects, compute, len(batches) * config.epochs)

    def save(dice: CaseDice, epoch: int, minutes: float) -> None:
        save_best(output, task.average.module, config, card, dice, (), epoch, minutes)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    keeper = Keeper(output, save, patience=config.patience)
    guard = Guard([of_set[0].name.partition("/")[0] for of_set in train], config.learning_rate, config.gradient_clip)
    with fitting(output):
        logger = build_logger(published_config(config), output)
        trainer = make_trainer(config, compute, [guard, keeper, ProgressLine()], logger)
        trainer.fit(task, batches, validation, ckpt_path=resume, weights_only=True if resume else None)
        finish(output, config, keeper.history, keeper.facts(compute.device))
