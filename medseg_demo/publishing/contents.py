"""What lies in a repository of the Hub: of a Space the packages, the checkpoints and what they need, and no more."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, requires
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError, OptionError, OutputError
from medseg_demo.models.card import BESIDE
from medseg_demo.models.catalog import CatalogEntry, find_checkpoint, list_checkpoints
from medseg_demo.models.origins import origin_of
from medseg_demo.models.origins.origin import existing
from medseg_demo.models.origins.torchscript import TORCHSCRIPT
from medseg_demo.publishing.front_matter import About, Described, model_readme, score_document, space_readme
from medseg_demo.reading import read_image
from medseg_demo.rendering.pictures import shown_slice
from medseg_demo.rendering.planes import oriented, plane_view
from medseg_demo.samples import example_files, list_samples
from medseg_demo.settings import BUNDLED, CHECKPOINTS, PACKAGE, ROOT, Settings

# What ZeroGPU has for Python 3.12, of which this was tested. Source: Hugging Face, "Spaces ZeroGPU".
PINNED = {"torch": "2.11.0", "torchvision": "0.26.0"}
LEFT_OUT = ("bundled", "publishing", "training", "__pycache__")  # no tab and no endpoint needs them
SAMPLE_FILE = "sample.png"
REFERENCE_RUNS = "evaluation/reference_runs"
BESIDE_CHECKPOINTS = (
    *(file for file, _ in BESIDE.values()),
    "README.md",
)  # what decides no result, and goes with it all the same
# The Hub refuses binary files that are not stored beside the history.
BINARY_SUFFIXES = (
    ".safetensors",
    ".bin",
    ".pth",
    ".pt",
    ".onnx",
    ".png",
    ".jpg",
    ".gz",
    ".xz",
    ".npz",
    ".wasm",
    ".ttf",
)
BINARY = ("example.*", *(f"*{suffix}" for suffix in BINARY_SUFFIXES))
ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in BINARY).encode()


@dataclass(frozen=True)
class Contents:
    """The files of a repository.

    Attributes:
        files: Where each comes from, or its bytes, by its path in the repository.
    """

    files: Mapping[str, Path | bytes]

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Each file and its bytes, by path."""
        for path, source in sorted(self.files.items()):
            yield path, len(source) if isinstance(source, bytes) else source.stat().st_size

    @cached_property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(size for _, size in self.sizes())

    def parts(self) -> list[tuple[str, int]]:
        """What each folder and file at the top takes, the largest first."""
        found: Counter[str] = Counter()
        for path, size in self.sizes():
            found[path.split("/")[0]] += size
        return found.most_common()


def space_contents(names: Sequence[str], about: About, settings: Settings) -> Contents:
    """The page with these checkpoints.

    Raises:
        MedsegError: A checkpoint is unknown or cannot be used, a member of an ensemble too, or two have one name.
    """
    found = _with_members([_find(name, settings) for name in names], settings)
    folders = {_own_name(entry): entry.folder for entry in found}
    files: dict[str, Path | bytes] = {
        "README.md": space_readme(about, [_described(entry) for entry in found]).encode(),
        ".gitattributes": ATTRIBUTES,
        "requirements.txt": _requirements().encode(),
        "app.py": BUNDLED / "app.py",
    }
    licence = ROOT / "LICENSE"
    if licence.is_file():
        files["LICENSE"] = licence
    for package in (PACKAGE, ROOT / "evaluation"):
        files.update((f"{package.name}/{path}", package / path) for path in _package_files(package, set(folders)))
    for name, folder in folders.items():
        files.update((f"checkpoints/{name}/{inner}", path) for inner, path in _checkpoint_files(folder).items())
    return Contents(files)


def model_contents(name: str, about: About, settings: Settings) -> Contents:
    """One checkpoint, as ``load_checkpoint`` takes it from the Hub.

    Raises:
        MedsegError: It is unknown, cannot be used, or is an ensemble.
    """
    entry = _find(name, settings)
    if entry.card and entry.card.ensemble:
        raise OptionError(
            f"Checkpoint {name!r} is an ensemble, which is no model of its own. Publish its members "
            f"({', '.join(entry.card.ensemble)}) one by one, or the ensemble with them as a Space."
        )
    files: dict[str, Path | bytes] = {**_checkpoint_files(entry.folder)}
    picture = _sample_picture(entry)
    if picture:
        files[SAMPLE_FILE] = picture
    described = replace(_described(entry), picture=SAMPLE_FILE if picture else "")
    files["README.md"] = model_readme(about, described).encode()
    if scores := score_document(about, described):
        files[f".eval_results/{about.dataset.rpartition('/')[2]}.yaml"] = scores
    files[".gitattributes"] = ATTRIBUTES
    return Contents(files)


def write_contents(contents: Contents, folder: Path) -> None:
    """Write them as a folder; what an earlier call wrote there is replaced, and a clone's ``.git`` stays.

    Raises:
        OutputError: The folder holds other things, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own = {path.split("/")[0] for path in contents.files}
        others = sorted({path.name for path in folder.iterdir()} - own - {".git"})
        if others:
            raise OutputError(
                f"--output {folder.name}: the folder holds {others[0]}, which is not of a Space. Choose a new one."
            )
        for name in own:
            shutil.rmtree(folder / name, ignore_errors=True)
        for path, source in contents.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    except OSError as error:
        raise OutputError(f"--output {folder.name}: it cannot be written ({error.strerror}). Choose another.") from None


def _find(name: str, settings: Settings) -> CatalogEntry:
    found, folder = find_checkpoint(name, settings.checkpoints_dir)
    entry = next(one for one in list_checkpoints(folder.parent) if one.folder == folder)
    if entry.problem is not None:
        raise InvalidCheckpointError(entry.problem)
    if entry.origin == TORCHSCRIPT.label:
        raise OptionError(
            f"Checkpoint {name!r} is TorchScript, a program, which is run neither on a Space nor from the Hub. Export "
            "the network as ONNX, and publish that."
        )
    return CatalogEntry(found, folder, entry.card, entry.architecture, None, entry.note, entry.origin)


def _own_name(entry: CatalogEntry) -> str:
    return entry.name.rpartition("/")[2]


def _with_members(named: Sequence[CatalogEntry], settings: Settings) -> list[CatalogEntry]:
    """Checkpoints, and after them the members of those that are ensembles, which lie beside them in a Space too.

    Raises:
        MedsegError: Two have one name, or a member cannot be used.
    """
    found: dict[str, CatalogEntry] = {}
    for entry in named:
        if _own_name(entry) in found:
            raise OptionError(f"Two of the checkpoints are called {_own_name(entry)}. Name each once.")
        found[_own_name(entry)] = entry
    for entry in named:
        for member in entry.card.ensemble if entry.card else ():
            places = (entry.folder.absolute().parent / member, BUNDLED / CHECKPOINTS / member)
            place = next(place for place in places if place.is_dir())
            known = found.setdefault(member, _find(str(place), settings))
            if known.folder.resolve() != place.resolve():
                raise OptionError(f"Two of the checkpoints are called {member}. Rename one of them.")
    return list(found.values())


def _described(entry: CatalogEntry) -> Described:
    assert entry.card is not None
    readme = entry.folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return Described(entry.name, entry.card, entry.architecture, text, entry.origin)


def _sample_picture(entry: CatalogEntry) -> bytes:
    """The packaged sample of its task, as its page on the Hub shows and tries it; empty where there is none."""
    sample = next((one for one in list_samples() if entry.card and one.task == entry.card.task), None)
    if sample is None:
        return b""
    image = read_image(sample.path)
    middle = len(image.slices) // 2
    shown = oriented(shown_slice(image, middle), plane_view(image, "axial"))
    buffer = BytesIO()
    picture = Image.fromarray(np.broadcast_to(shown, (*shown.shape[:2], 3)).copy())
    picture.thumbnail((512, 512))
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _checkpoint_files(folder: Path) -> dict[str, Path]:
    deciding = origin_of(folder, folder.name).files(folder)
    files = (
        *(path for path in deciding if path.is_relative_to(folder)),  # not those of an ensemble's members
        *existing(folder, *BESIDE_CHECKPOINTS),
        *example_files(folder),
    )
    return {path.relative_to(folder).as_posix(): path for path in files}


def _package_files(package: Path, checkpoints: set[str]) -> Iterator[str]:
    for path in sorted(package.rglob("*")):
        within = path.relative_to(package)
        if not path.is_file() or set(within.parts) & {*LEFT_OUT} or path.suffix == ".pyc":
            continue
        run = next((parent for parent in path.parents if (parent / "run.json").is_file()), None)
        if run is None or checkpoints & _checkpoints_of(run):
            yield within.as_posix()


def _checkpoints_of(run: Path) -> set[str]:
    document = read_document(run / "run.json")
    return {one["checkpoint"] for one in document["runs"]}


def _requirements() -> str:
    """What the page needs, with PyTorch pinned to what a lent GPU has."""
    file = ROOT / "requirements.txt"
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else requires("medseg-demo") or []
    except PackageNotFoundError:
        raise OptionError("requirements.txt is missing. Publish from a clone, or from an installed package.") from None
    wanted = [line for line in lines if line and not line.startswith("#") and "extra ==" not in line]
    return "".join(f"{_pinned(line)}\n" for line in wanted)


def _pinned(line: str) -> str:
    name = line.split(">")[0].split("=")[0].split("<")[0].strip()
    return f"{name}=={PINNED[name]}" if name in PINNED else line
