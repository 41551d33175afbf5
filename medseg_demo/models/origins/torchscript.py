"""TorchScript beside ``medseg.json``: a program, which is run only where the owner of this computer says so."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, ModelCard, read_card
from medseg_demo.models.origins.graph import in_words, output_fault
from medseg_demo.models.origins.origin import Described, Loaded, Origin, existing
from medseg_demo.settings import allows_programs

SUFFIXES = (".pt", ".ts", ".pth")


class ScriptedNetwork(nn.Module):
    """A program as a network: of several results the first is taken, and a smaller one is enlarged.

    Args:
        program: Takes (N, C, H, W) or (N, C, D, H, W), and gives logits.
    """

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) → (N, K, H, W), or the same of volumes."""
        given = self.first(images)
        if given.shape[2:] == images.shape[2:]:
            return given
        mode = "bilinear" if images.ndim == 4 else "trilinear"
        return nn.functional.interpolate(given, images.shape[2:], mode=mode, align_corners=False)

    def first(self, images: torch.Tensor) -> torch.Tensor:
        """What the program gives, or the first of it."""
        given: Any = self.program(images)
        while isinstance(given, dict | list | tuple):
            given = next(iter(given.values() if isinstance(given, dict) else given))
        return given


def is_program(path: Path) -> bool:
    """Whether a file is TorchScript: an archive with code, which an archive of tensors has not."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError):
        return path.suffix.lower() == ".ts"  # cut off


def _programs(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if is_program(path)))


def _recognises(folder: Path) -> bool:
    return folder.is_dir() and len(_programs(folder)) == 1


def _files(folder: Path) -> tuple[Path, ...]:
    return (*existing(folder, CARD_FILE), *_programs(folder))


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    card = _allowed_card(folder, name)
    return Described(card, "TorchScript", note="It is a program, and what it does cannot be checked.")


def _allowed_card(folder: Path, name: str) -> ModelCard:
    """The card of such a folder, where its program may be run.

    Raises:
        InvalidCheckpointError: It may not, or there is no card.
    """
    file = _programs(folder)[0].name
    if not allows_programs():
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {file} is TorchScript. It is a program, which could do anything on this computer, "
            "so it is never run on a public page, and elsewhere only where MEDSEG_ALLOW_TORCHSCRIPT=1 says that its "
            "author is trusted. Export the network as ONNX, or save its state_dict()."
        )
    card = read_card(folder, name=name)
    if card is not None and card.ensemble:
        raise _refused(folder / file, name, f"its {CARD_FILE} names an ensemble, which has no network of its own")
    if card is None:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {file} has no {CARD_FILE} beside it, without which nothing is known of its classes. "
            "Add one; docs/checkpoints.md lists its keys."
        )
    return card


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    card = _allowed_card(folder, name)
    path = _programs(folder)[0]
    shape = (1, card.input_channels, *card.input_size)
    try:
        network = ScriptedNetwork(torch.jit.load(path, map_location="cpu")).float().eval()
        with torch.inference_mode():
            found = tuple(network.first(torch.zeros(shape)).shape)
        sound = all(torch.isfinite(value).all() for value in network.state_dict().values())
    except Exception as error:  # of any kind: from a file that was cut to what the program does
        reason = str(error).strip().splitlines() or [type(error).__name__]
        fault = f"it cannot be run with an input of {in_words(shape)} ({reason[-1][:160]})"
        raise _refused(path, name, f"{fault}. Correct {CARD_FILE} or export again") from None
    if not sound:
        raise _refused(path, name, "its weights hold NaN or infinity. Export the network with sound weights")
    card = card.settled(found[1] if len(found) > 1 else 0)
    if fault := output_fault(found, card):
        raise _refused(path, name, fault)
    described = _describe(folder, name, cache_dir)
    return Loaded(Described(card, described.architecture, note=described.note), network)


def _refused(path: Path, name: str, fault: str) -> InvalidCheckpointError:
    return InvalidCheckpointError(f"Checkpoint {name!r}: {path.name} cannot be used: {fault}.")


TORCHSCRIPT = Origin("torchscript", "TorchScript", _recognises, _files, _describe, _load)
