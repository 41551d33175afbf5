"""Weights alone: a ``.pth``, ``.pt``, ``.ckpt`` or ``.safetensors`` whose network is recognised by its tensors."""

from pathlib import Path

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, ModelCard, read_card
from medseg_demo.models.origins.origin import Described, Loaded, Origin, default_card, existing
from medseg_demo.models.origins.proposals import Proposal, propose
from medseg_demo.models.origins.smp import build, describe
from medseg_demo.models.origins.weights import CONFIG_FILE, SUFFIXES, read_weights

VOLUME = (96, 96, 96)  # voxels of a tile, where nobody says what a network of volumes takes


def recognised(folder: Path, name: str) -> list[Proposal]:
    """The networks that the weights in a folder may be of, the likeliest first; at least one.

    Raises:
        InvalidCheckpointError: They are damaged, or of no network that is known here.
    """
    path = _weights(folder)[0]
    found = propose(read_weights(path, name, values=False))
    if not found:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: the tensors of {path.name} are of no network that is known here. Add the "
            f"{CONFIG_FILE} that smp's save_pretrained() writes, or export the network as ONNX."
        )
    return found


def _weights(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()))


def _recognises(folder: Path) -> bool:
    return folder.is_dir() and len(_weights(folder)) == 1


def _files(folder: Path) -> tuple[Path, ...]:
    return (*existing(folder, CARD_FILE), *_weights(folder))


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    return _described(recognised(folder, name)[0], folder, name)


def _described(proposal: Proposal, folder: Path, name: str) -> Described:
    parameters = proposal.parameters
    card: ModelCard | None = None
    if parameters.get("spatial_dims", 2) == 3 and read_card(folder, name=name) is None:
        card = default_card(parameters["in_channels"], parameters["classes"], input_size=VOLUME)  # type: ignore[arg-type]
    found, has_card = (card, False) if card else describe(folder, proposal.architecture, parameters, name=name)
    return Described(found, proposal.label, has_card, f"{proposal.why[0].upper()}{proposal.why[1:]}.")


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    proposal = recognised(folder, name)[0]
    described = _described(proposal, folder, name)
    weights = read_weights(_weights(folder)[0], name)
    return Loaded(described, build(proposal.architecture, proposal.parameters, weights, name))


STATE_DICT = Origin("weights", "state dict", _recognises, _files, _describe, _load)
