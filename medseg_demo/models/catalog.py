"""What lies in the checkpoints folder (or on the Hub), and why an entry is unusable."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint, FileStates, file_states, load_folder
from medseg_demo.models.hub import HUB_ID
from medseg_demo.models.origins import find_origin, origin_of
from medseg_demo.models.origins.openvino import GRAPH_FILE, GRAPH_WEIGHTS_FILE
from medseg_demo.settings import BUNDLED, CHECKPOINTS

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
        origin: What its folder is of, such as "nnU-Net v2"; empty where the entry is unusable.
    """

    name: str
    folder: Path
    card: ModelCard | None
    architecture: str
    problem: str | None
    note: str = ""
    origin: str = ""


def list_checkpoints(directory: Path, cache_dir: Path | None = None) -> list[CatalogEntry]:
    """Every checkpoint folder of a directory, by name.

    Configuration and card are checked, and that a safetensors file is whole. Weights are not loaded: whether they fit
    the network shows when they are.

    Args:
        directory: The checkpoints folder.
        cache_dir: Of converted networks. What lies there was checked before, which spares the import of encoders.
    """
    return [_inspect(folder, cache_dir) for folder in _folders(directory)]


def to_records(entries: Iterable[CatalogEntry]) -> list[dict[str, object]]:
    """Entries as plain values for JSON; no path is among them."""
    return [
        {
            "name": entry.name,
            "usable": entry.problem is None,
            "problem": entry.problem,
            "note": entry.note,
            "origin": entry.origin,
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
    return _find(name, directory, _inspect)


def load_checkpoint(name: str | Path, directory: Path = CHECKPOINTS, *, cache_dir: Path | None = None) -> Checkpoint:
    """Load a checkpoint by the name of its folder in ``directory``, by its path, or from the Hub as ``owner/name``.

    Args:
        name: Of one of these kinds.
        directory: The checkpoints folder.
        cache_dir: Of converted networks; one that lies there is built for PyTorch only where somebody needs that.

    Raises:
        UnknownCheckpointError: There is none of that name; the valid ones are listed.
        InvalidCheckpointError: It cannot be used, and why.
    """
    found, folder = _find(str(name), directory, partial(_inspect, cache_dir=cache_dir))
    return load_folder(folder, name=found, cache_dir=cache_dir)


class Catalog:
    """The checkpoints of a folder, listed and loaded once a change. Safe to use from several threads.

    Args:
        directory: The checkpoints folder.
        cache_dir: As for ``load_checkpoint``.
        most_bytes: Of memory that the kept ones may take, the networks made ready from them included. The ones that
            were not used for longest go; the last one stays however large it is.
    """

    def __init__(self, directory: Path, *, cache_dir: Path | None = None, most_bytes: int = 2**30) -> None:
        self.directory, self.cache_dir = directory, cache_dir
        self._most_bytes = most_bytes
        self._listed: dict[Path, tuple[FileStates, CatalogEntry]] = {}
        self._kept: OrderedDict[Path, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def entries(self, own: Path | None = None) -> list[CatalogEntry]:
        """As ``list_checkpoints``; only folders whose files changed are looked at again.

        Args:
            own: One visitor's checkpoints folder, whose checkpoints stand among them.
        """
        for gone in [folder for folder in tuple(self._listed) if not folder.is_dir()]:
            self._listed.pop(gone, None)
            with self._lock:
                self._kept.pop(gone, None)
        return [self._entry(folder) for folder in _folders(self.directory, own)]

    def _entry(self, folder: Path) -> CatalogEntry:
        states, known = file_states(folder), self._listed.get(folder)
        if known is None or known[0] != states:
            known = self._listed[folder] = states, _inspect(folder, self.cache_dir)
        return known[1]

    def load(self, name: str, own: Path | None = None) -> Checkpoint:
        """The checkpoint of that name, loaded once while it is kept and its files stay the same.

        Who uses one that was replaced meanwhile goes on with what was loaded.

        Args:
            name: As for ``load_checkpoint``.
            own: One visitor's checkpoints folder, in which it may lie; nothing of it is kept on disk elsewhere.

        Raises:
            UnknownCheckpointError: There is none of that name.
            InvalidCheckpointError: It cannot be used.
        """
        found, folder = _find(name, self.directory, self._entry, own)
        is_own = own is not None and folder.parent == own
        with self._lock:
            kept = self._kept.setdefault(folder, _Kept())
            self._kept.move_to_end(folder)
        with kept.lock:  # others load other checkpoints meanwhile
            states = file_states(folder)
            while kept.states != states:
                loaded = load_folder(folder, name=found, cache_dir=None if is_own else self.cache_dir, private=is_own)
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


def _folders(directory: Path, own: Path | None = None) -> list[Path]:
    """The checkpoint folders by name; where none was chosen, a user's own before the bundled ones."""
    places = [directory] if directory != CHECKPOINTS else [BUNDLED / CHECKPOINTS, CHECKPOINTS]
    places += [own] if own else []
    found = (path for place in places if place.is_dir() for path in place.iterdir() if not path.name.startswith("."))
    return [path for _, path in sorted({path.name: path for path in found if path.is_dir()}.items())]


def _find(
    name: str, directory: Path, inspect: Callable[[Path], CatalogEntry], own: Path | None = None
) -> tuple[str, Path]:
    for known in _folders(directory, own):
        if known.name == name:  # the others are not looked at
            problem = inspect(known).problem
            if problem:
                raise InvalidCheckpointError(problem)
            return name, known
    folder = Path(name)
    if find_origin(folder):
        return (folder.resolve() if folder.name in ("", "..") else folder).name, folder
    if _may_be_on_the_hub(name, directory):
        return name, _fetch(name, directory)
    raise UnknownCheckpointError(f"Checkpoint {name!r} does not exist. {_choice(directory)}")


def _inspect(folder: Path, cache_dir: Path | None = None) -> CatalogEntry:
    try:
        origin = origin_of(folder, folder.name)
        found = origin.describe(folder, folder.name, cache_dir)
    except InvalidCheckpointError as error:
        return CatalogEntry(folder.name, folder, None, "", str(error))
    return CatalogEntry(folder.name, folder, found.card, found.architecture, None, found.note, origin.label)


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
