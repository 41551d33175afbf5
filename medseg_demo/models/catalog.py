"""What lies in the checkpoints folder (or on the Hub), and why an entry is unusable."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    describe,
    file_states,
    find_weights,
    load_folder,
    read_config,
)
from medseg_demo.models.intermediate import (
    GRAPH_FILE,
    GRAPH_WEIGHTS_FILE,
    is_intermediate,
    read_intermediate_card,
)
from medseg_demo.models.soundness import check_weights
from medseg_demo.settings import ROOT

HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
HUB_FILES = ("config.json", "model.safetensors", "medseg.json", "README.md", GRAPH_FILE, GRAPH_WEIGHTS_FILE)


@dataclass(frozen=True)
class CatalogEntry:
    """One folder of the checkpoints folder.

    Attributes:
        name: The folder's name.
        folder: Where it lies.
        card: Its card (or the stated defaults); None where the entry is unusable.
        architecture: Such as "Unet · tu-tf_efficientnet_lite0"; empty where the entry is unusable.
        problem: Why it cannot be used; None where nothing speaks against it.
        note: What could not be checked without loading it; empty where there is nothing to say.
    """

    name: str
    folder: Path
    card: ModelCard | None
    architecture: str
    problem: str | None
    note: str = ""


def list_checkpoints(directory: Path) -> list[CatalogEntry]:
    """Every checkpoint folder of a directory, by name.

    Configuration and card are checked, and that a safetensors file is whole. Weights are not loaded: whether they fit
    the network shows when they are.
    """
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
            "note": entry.note,
            "architecture": entry.architecture,
            "card": entry.card.model_dump(mode="json") if entry.card else None,
        }
        for entry in entries
    ]


def find_checkpoint(name: str, directory: Path) -> tuple[str, Path]:
    """A checkpoint's own name and its folder: by name in the directory, by path, or from the Hub as ``owner/name``.

    Only an ``owner/name`` that cannot be meant as a path here reaches the network.

    Raises:
        UnknownCheckpointError: There is none of that name; the valid ones are listed.
        InvalidCheckpointError: The checkpoint exists, but cannot be used.
    """
    for entry in list_checkpoints(directory):
        if entry.name == name:
            if entry.problem:
                raise InvalidCheckpointError(entry.problem)
            return entry.name, entry.folder
    folder = Path(name)
    if _is_checkpoint(folder):
        return (folder.resolve() if folder.name in ("", "..") else folder).name, folder
    if _may_be_on_the_hub(name, directory):
        return name, _fetch(name, directory)
    raise UnknownCheckpointError(f"Checkpoint {name!r} does not exist. {_choice(directory)}")


def load_checkpoint(name: str | Path, directory: Path = ROOT / "checkpoints") -> Checkpoint:
    """Load a checkpoint by the name of its folder in ``directory``, by its path, or from the Hub as ``owner/name``.

    Raises:
        UnknownCheckpointError: There is none of that name; the valid ones are listed.
        InvalidCheckpointError: It cannot be used, and why.
    """
    found, folder = find_checkpoint(str(name), directory)
    return load_folder(folder, name=found)


class CheckpointCache:
    """Loaded checkpoints, the most recently used ones kept. Safe to use from several threads.

    Args:
        directory: The checkpoints folder.
        capacity: How many are kept at most.
    """

    def __init__(self, directory: Path, *, capacity: int = 4) -> None:
        self.directory = directory
        self._capacity = max(1, capacity)
        self._kept: OrderedDict[Path, tuple[object, Checkpoint]] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, name: str) -> Checkpoint:
        """The checkpoint of that name, loaded once while it is kept and its files stay the same.

        Raises:
            UnknownCheckpointError: There is none of that name.
            InvalidCheckpointError: It cannot be used.
        """
        found, folder = find_checkpoint(name, self.directory)
        with self._lock:
            states = file_states(folder)  # before loading, so that a change meanwhile is noticed the next time
            if folder not in self._kept or self._kept[folder][0] != states:
                self._kept[folder] = states, load_folder(folder, name=found)
            self._kept.move_to_end(folder)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
            return self._kept[folder][1]


def _inspect(folder: Path) -> CatalogEntry:
    try:
        if is_intermediate(folder):
            card = read_intermediate_card(folder)
            return CatalogEntry(folder.name, folder, card, _architecture_of(card), None)
        architecture, parameters = read_config(folder)
        card, _ = describe(folder, architecture, parameters)
        weights = find_weights(folder)
        if weights.name == WEIGHTS_FILE:
            check_weights(weights, folder.name)
    except InvalidCheckpointError as error:
        return CatalogEntry(folder.name, folder, None, "", str(error))
    encoder = parameters.get("encoder_name")
    network = f"{architecture} · {encoder}" if encoder else architecture
    note = "" if weights.name == WEIGHTS_FILE else f"{weights.name} is checked only when it is loaded."
    return CatalogEntry(folder.name, folder, card, network, None, note)


def _architecture_of(card: ModelCard) -> str:
    made = card.exported
    return f"{made.architecture} · {made.format}" if made else "OpenVINO"


def _is_checkpoint(folder: Path) -> bool:
    try:
        return (folder / CONFIG_FILE).is_file() or is_intermediate(folder)
    except OSError:  # such as a name that is too long
        return False


def _may_be_on_the_hub(name: str, directory: Path) -> bool:
    if not HUB_ID.fullmatch(name):
        return False
    owner = name.partition("/")[0]
    return owner not in (".", "..", directory.name) and not Path(owner).is_dir()


def _fetch(repository: str, directory: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise UnknownCheckpointError(
            f"Checkpoint {repository!r} is no local folder, and the Hub did not give it "
            f"({type(error).__name__}). Check the name and the network. {_choice(directory)}"
        ) from None


def _choice(directory: Path) -> str:
    usable = [entry.name for entry in list_checkpoints(directory) if not entry.problem]
    if usable:
        return f"Choose one of: {', '.join(usable)}."
    return f"{directory.name}/ holds no usable one; train or copy one there."
