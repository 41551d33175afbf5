"""A checkpoint folder → a network that is ready to run, every part of it checked."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import description_of
from medseg_demo.models.card import ModelCard, write_card
from medseg_demo.models.network import Ensemble, Prepared, SavedNetwork, bytes_of, parameters_of
from medseg_demo.models.origins import digest_of, find_origin, origin_of
from medseg_demo.models.origins.graph import GraphNetwork
from medseg_demo.models.origins.weights import CONFIG_FILE, WEIGHTS_FILE, shared_names

FileStates = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        name: The folder's name, or ``owner/name`` of a repository of the Hub.
        card: What it was trained for and how an image must reach it.
        network: In evaluation mode, float32, on the CPU: logits (N, K, H, W) from (N, C, H, W), or in 3-D
            (N, K, D, H, W) from (N, C, D, H, W). One that OpenVINO alone runs is no module of PyTorch, and one that it
            has converted is built as such only when somebody asks for ``module``.
        digest: SHA-256 of weights, configuration and card, hexadecimal: what a result was made with.
        has_card: False where the folder had no ``medseg.json``, so that ``card`` holds stated defaults.
        private: Whether nothing that is made of it may be kept on disk: it is one visitor's.
        prepared: What ``backends.prepare`` made of it.
    """

    name: str
    card: ModelCard
    network: nn.Module | SavedNetwork | GraphNetwork | Ensemble
    digest: str
    has_card: bool = True
    private: bool = False
    prepared: Prepared = field(default_factory=Prepared, init=False, repr=False)

    @property
    def parameters(self) -> int:
        """How many weights the network has."""
        if isinstance(self.network, GraphNetwork | Ensemble):
            return self.network.parameters
        return parameters_of(self.module)

    @property
    def members(self) -> "tuple[Checkpoint, ...]":
        """Those of an ensemble, which are run one after the other; of any other there are none."""
        return self.network.members if isinstance(self.network, Ensemble) else ()

    @property
    def bytes(self) -> int:
        """Memory that its weights take, those of the networks made ready from it included."""
        own = bytes_of(self.network) if isinstance(self.network, nn.Module) else self.network.bytes
        return own + self.prepared.bytes

    @property
    def module(self) -> nn.Module:
        """The network as PyTorch runs it, trains it and exports it.

        Raises:
            InvalidCheckpointError: It comes as a graph, or is an ensemble.
        """
        if self.members:
            names = ", ".join(member.name for member in self.members)
            raise InvalidCheckpointError(
                f"Checkpoint {self.name!r} is an ensemble, which is no network. Choose one of its members: {names}."
            )
        if isinstance(self.network, nn.Module):
            return self.network
        if isinstance(self.network, SavedNetwork):
            return self.network.module
        raise InvalidCheckpointError(
            f"Checkpoint {self.name!r} comes as a graph, which PyTorch cannot take. Choose the checkpoint that it was "
            "exported from."
        )


def load_folder(folder: Path, *, name: str = "", cache_dir: Path | None = None, private: bool = False) -> Checkpoint:
    """Load a checkpoint folder of any origin; see ``models.origins``.

    Args:
        folder: Where it lies.
        name: What to call the checkpoint, in messages too; by default as the folder.
        cache_dir: Of converted networks. One that lies there was built and checked from the same bytes before, and is
            not built again.
        private: As of the checkpoint.

    Raises:
        InvalidCheckpointError: A file is missing, damaged or a pickle with code in it, or configuration, card
            and weights do not fit together.
    """
    name = name or folder.name
    origin = origin_of(folder, name)
    found = digest(folder)
    loaded = origin.load(folder, name, cache_dir)
    described = loaded.described
    return Checkpoint(name, described.card, loaded.network, found, described.has_card, private)


def save_checkpoint(folder: Path, network: nn.Module, card: ModelCard, *, half: bool = True) -> None:
    """Write a network and its card as a checkpoint folder.

    Args:
        folder: Made if missing; files of the same names are replaced.
        network: Any smp model, or a MONAI network from ``build_network``.
        card: Its model card.
        half: Store matrices and kernels in half precision. Vectors (biases, running statistics, whose range
            half precision may not hold) stay in single precision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = description_of(network)
    if config is None:
        network.save_pretrained(folder)  # type: ignore[operator]
        (folder / "README.md").unlink(missing_ok=True)
    else:
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    state = network.state_dict()
    tensors = {names[0]: state[names[0]].detach().cpu().contiguous() for names in shared_names(state)}
    if half:
        tensors = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in tensors.items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    write_card(card, folder)


def digest(folder: Path) -> str:
    """SHA-256 over the files that decide a result, hexadecimal.

    Raises:
        InvalidCheckpointError: The folder holds no checkpoint.
    """
    return digest_of(origin_of(folder, folder.name).files(folder))


def file_states(folder: Path) -> FileStates:
    """Name, time of the last change (ns) and size of each file that decides a result, or what there is instead."""
    states = []
    with suppress(OSError):
        origin = find_origin(folder)
        for path in origin.files(folder) if origin else sorted(folder.iterdir()):
            with suppress(OSError):
                state = path.stat()
                states.append((str(path), state.st_mtime_ns, state.st_size))
    return tuple(states)
