"""What lies in the checkpoints folder (or on the Hub), and why an entry is unusable."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint, describe, find_weights, load_folder, read_config
from medseg_demo.settings import ROOT

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ("config.json", "model.safetensors", "medseg.json", "README.md")


@dataclass(frozen=True)
class CatalogEntry:
    """One folder of the checkpoints folder.

    Attributes:
        name: The folder's name.
        folder: Where it lies.
        card: Its card (or the stated defaults); None where the entry is unusable.
        architecture: Such as "Unet · tu-tf_efficientnet_lite0"; empty where the entry is unusable.
        problem: Why it cannot be used; None where it can.
    """

    name: str
    folder: Path
    card: ModelCard | None
    architecture: str
    problem: str | None


def list_checkpoints(directory: Path) -> list[CatalogEntry]:
    """Every checkpoint folder of a directory, by name. Cards are read and checked; weights are not loaded."""
    if not directory.is_dir():
        return []
    folders = (path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [_inspect(folder) for folder in sorted(folders)]


def to_records(entries: Iterable[CatalogEntry]) -> list[dict[str, object]]:
    """Entries as plain values for JSON; no path is among them."""
    return [
        {
            "name": entry.name,
            "usable": entry.problem is None,
            "problem": entry.problem,
            "architecture": entry.architecture,
            "card": entry.card.model_dump(mode="json") if entry.card else None,
        }
        for entry in entries
    ]


def find_checkpoint(name: str, directory: Path) -> Path:
    """The folder of a checkpoint: by name in the directory, by path, or from the Hub as ``owner/name``.

    Only an ``owner/name`` that is no folder here reaches the network.

    Raises:
        UnknownCheckpointError: There is none of that name; the valid ones are listed.
        InvalidCheckpointError: The checkpoint exists, but cannot be used.
    """
    for entry in list_checkpoints(directory):
        if entry.name == name:
            if entry.problem:
                raise InvalidCheckpointError(entry.problem)
            return entry.folder
    if (Path(name) / "config.json").is_file():
        return Path(name)
    if HUB_ID.fullmatch(name):
        return _fetch(name)
    raise UnknownCheckpointError(_no_such(name, directory))


def load_checkpoint(name: str | Path, directory: Path = ROOT / "checkpoints") -> Checkpoint:
    """Load a checkpoint by the name of its folder in ``directory``, by its path, or from the Hub as ``owner/name``.

    Raises:
        UnknownCheckpointError: There is none of that name; the valid ones are listed.
        InvalidCheckpointError: It cannot be used, and why.
    """
    return load_folder(find_checkpoint(str(name), directory))


class CheckpointCache:
    """Loaded checkpoints, the most recently used ones kept. Safe to use from several threads.

    Args:
        directory: The checkpoints folder.
        capacity: How many are kept at most.
    """

    def __init__(self, directory: Path, *, capacity: int = 4) -> None:
        self.directory = directory
        self._capacity = max(1, capacity)
        self._kept: OrderedDict[Path, Checkpoint] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, name: str) -> Checkpoint:
        """The checkpoint of that name, loaded at most once while it is kept.

        Raises:
            UnknownCheckpointError: There is none of that name.
            InvalidCheckpointError: It cannot be used.
        """
        folder = find_checkpoint(name, self.directory)
        with self._lock:
            if folder not in self._kept:
                self._kept[folder] = load_folder(folder)
            self._kept.move_to_end(folder)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
            return self._kept[folder]


def _inspect(folder: Path) -> CatalogEntry:
    try:
        architecture, parameters = read_config(folder)
        card, _ = describe(folder, architecture, parameters)
        find_weights(folder)
    except InvalidCheckpointError as error:
        return CatalogEntry(folder.name, folder, None, "", str(error))
    encoder = parameters.get("encoder_name")
    return CatalogEntry(folder.name, folder, card, f"{architecture} · {encoder}" if encoder else architecture, None)


def _fetch(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UnknownCheckpointError(
            f"Checkpoint {repository!r} is no local folder, and the Hub did not give it "
            f"({type(error).__name__}). Check the name and the network."
        ) from None


def _no_such(name: str, directory: Path) -> str:
    usable = [entry.name for entry in list_checkpoints(directory) if not entry.problem]
    if not usable:
        return (
            f"Checkpoint {name!r} does not exist, and {directory.name}/ holds no usable one. Train or copy one there."
        )
    return f"Checkpoint {name!r} does not exist. Choose one of: {', '.join(usable)}."
