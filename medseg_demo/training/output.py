"""The folder that a training writes into: held by one, found out to be writable, and taken up where it was left."""

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from medseg_demo.errors import TrainingError
from medseg_demo.models.checkpoint import CONFIG_FILE
from medseg_demo.training.config import CONFIG_COPY, TrainingConfig, read_config
from medseg_demo.training.loop import RESUME_FILE
from medseg_demo.training.pretrained import published
from medseg_demo.training.saving import DRAFT


@contextmanager
def held(output: Path) -> Iterator[None]:
    """The folder for this training alone: two that resume from each other's files would both end wrongly."""
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        hold = FileLock(output.with_name(f".{output.name}.training"), timeout=0)
        try:
            hold.acquire()
        except Timeout:
            raise TrainingError(f"Another training writes into {output.name}. Wait, or choose another.") from None
    try:
        yield
    finally:
        Path(hold.lock_file).unlink(missing_ok=True)  # before it is let go, so that nobody loses a hold
        hold.release()


def make_ready(output: Path) -> None:
    """Find out before the cases are loaded, which may take long, whether the folder can be written to."""
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
        for killed in output.glob(f"{DRAFT}*"):
            shutil.rmtree(killed)


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """What a folder or a disk refuses, as one sentence.

    Raises:
        TrainingError: Something could not be written.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise TrainingError(
            f"{output.name} cannot be written ({reason}). Check that it is a folder that may be written to and has "
            "room, or choose another output folder."
        ) from None


def check_output(output: Path, config: TrainingConfig, *, lengthened: bool = False) -> Path | None:
    """The resume file, where the folder holds an interrupted training of this configuration."""
    resume, copy = output / RESUME_FILE, output / CONFIG_COPY
    if not resume.exists():
        if (output / CONFIG_FILE).exists() and not lengthened:
            raise TrainingError(f"{output.name} already holds a checkpoint. Choose another output folder.")
        return None
    if not copy.exists() or read_config(copy) != published_config(config):
        raise TrainingError(
            f"{output.name} holds an interrupted training of another configuration. Take it up with the "
            f"{CONFIG_COPY} in it, or choose another output folder."
        )
    try:
        torch.load(resume, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError):
        raise TrainingError(
            f"{RESUME_FILE} in {output.name} is damaged or holds more than tensors and plain values. Remove the "
            "folder, to start again."
        ) from None
    return resume


def published_config(config: TrainingConfig) -> TrainingConfig:
    """The configuration without the folders of this machine."""
    made = config.synthetic
    if made:
        made = made.model_copy(update={"generator": published(made.generator)})
    return config.model_copy(update={"pretrained": published(config.pretrained), "synthetic": made})
