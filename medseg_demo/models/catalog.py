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
    FileStates,
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
    return [_inspect(folder) for folder in _folders(directory)]


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
    return _find(name, directory, list_checkpoints(directory))


def load_checkpoint(name: str | Path, directory: Path = ROOT / "checkpoints") -> Checkpoint:
    """Load a checkpoint by the name of its folder in ``directory``, by its path, or from the Hub as ``owner/name``.

    Raises:
        UnknownCheckpointError: There is none of that name; the valid ones are listed.
        InvalidCheckpointError: It cannot be used, and why.
    """
    found, folder = find_checkpoint(str(name), directory)
    return load_folder(folder, name=found)


class Catalog:
    """The checkpoints of a folder, listed and loaded once a change. Safe to use from several threads.

    Args:
        directory: The checkpoints folder.
        most_bytes: Of memory that the kept ones may take, the networks made ready from them included. The ones that
            were not used for longest go; the last one stays however large it is.
    """

    def __init__(self, directory: Path, *, most_bytes: int = 2**30) -> None:
        self.directory = directory
        self._most_bytes = most_bytes
        self._listed: dict[Path, tuple[FileStates, CatalogEntry]] = {}
        self._kept: OrderedDict[Path, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def entries(self) -> list[CatalogEntry]:
        """As ``list_checkpoints``; only folders whose files changed are looked at again."""
        before = self._listed  # replaced as a whole, so that no thread sees a half
        listed = {}
        for folder in _folders(self.directory):
            states = file_states(folder)
            known = before.get(folder)
            listed[folder] = known if known and known[0] == states else (states, _inspect(folder))
        self._listed = listed
        return [entry for _, entry in listed.values()]

    def load(self, name: str) -> Checkpoint:
        """The checkpoint of that name, loaded once while it is kept and its files stay the same.

        Who uses one that was replaced meanwhile goes on with what was loaded.

        Args:
            name: As for ``load_checkpoint``.

        Raises:
            UnknownCheckpointError: There is none of that name.
            InvalidCheckpointError: It cannot be used.
        """
        found, folder = _find(name, self.directory, self.entries())
        with self._lock:
            kept = self._kept.setdefault(folder, _Kept())
            self._kept.move_to_end(folder)
        with kept.lock:  # others load other checkpoints meanwhile
            states = file_states(folder)
            while kept.states != states:
                loaded = load_folder(folder, name=found)
                states, before = file_states(folder), states
                if states == before:  # else it was replaced while it was read
                    kept.states, kept.checkpoint = states, loaded
            checkpoint = kept.checkpoint
        assert checkpoint is not None
        self._make_room()
        return checkpoint

    def _make_room(self) -> None:
        with self._lock:
            sizes = {folder: kept.bytes for folder, kept in self._kept.items()}
            while len(self._kept) > 1 and sum(sizes[folder] for folder in self._kept) > self._most_bytes:
                self._kept.popitem(last=False)


class _Kept:
    """A loaded checkpoint, and the files that it came from."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.states: FileStates | None = None
        self.checkpoint: Checkpoint | None = None

    @property
    def bytes(self) -> int:
        return self.checkpoint.bytes if self.checkpoint else 0


def _folders(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))


def _find(name: str, directory: Path, entries: list[CatalogEntry]) -> tuple[str, Path]:
    for entry in entries:
        if entry.name == name:
            if entry.problem:
                raise InvalidCheckpointError(entry.problem)
            return entry.name, entry.folder
    folder = Path(name)
    if _is_checkpoint(folder):
        return (folder.resolve() if folder.name in ("", "..") else folder).name, folder
    if _may_be_on_the_hub(name, directory):
        return name, _fetch(name, _choice(directory, entries))
    raise UnknownCheckpointError(f"Checkpoint {name!r} does not exist. {_choice(directory, entries)}")


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


def _fetch(repository: str, choice: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise UnknownCheckpointError(
            f"Checkpoint {repository!r} is no local folder, and the Hub did not give it "
            f"({type(error).__name__}). Check the name and the network. {choice}"
        ) from None


def _choice(directory: Path, entries: Iterable[CatalogEntry]) -> str:
    usable = [entry.name for entry in entries if not entry.problem]
    if usable:
        return f"Choose one of: {', '.join(usable)}."
    return f"{directory.name}/ holds no usable one; train or copy one there."
