"""What a visitor gave → a folder of the session in which a checkpoint was recognised, loaded and checked."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from medseg_demo import names
from medseg_demo.errors import InvalidCheckpointError, OptionError, OutputError
from medseg_demo.models.added import ADDED_FILE, Added
from medseg_demo.models.card import BESIDE, CARD_FILE, ModelCard, write_card
from medseg_demo.models.checkpoint import Checkpoint, load_folder
from medseg_demo.models.hub import fetch
from medseg_demo.models.origins import Described, find_origin, origin_of
from medseg_demo.models.origins.state_dict import STATE_DICT, recognised
from medseg_demo.models.origins.weights import CONFIG_FILE
from medseg_demo.reading import archive
from medseg_demo.reading.source import MIB
from medseg_demo.settings import Settings
from medseg_demo.ui.models import texts
from medseg_demo.ui.models.state import Draft

DEEPEST = 4  # folders in each other around a checkpoint in a zip
MOST_FOLDERS = 500
PROGRAMS = (".py", ".pkl", ".pickle", ".joblib", ".dill", ".mar")
OTHERS = (".h5", ".keras", ".pb", ".tflite", ".hdf5")
ZIP = ".zip"

Say = Callable[[str], None]


def from_files(paths: Sequence[Path], place: Path, settings: Settings) -> Draft:
    """The checkpoint in uploaded files, or in a zip.

    Args:
        paths: As uploaded.
        place: A new folder of the session.
        settings: The limits.

    Raises:
        MedsegError: It cannot be used, and why. The folder is deleted then, as by the others.
    """
    if not paths:
        raise OptionError(texts.NOTHING_GIVEN)
    with _kept_if_good(place):
        _check_size(sum(path.stat().st_size for path in paths), settings)
        for path in paths:
            if path.suffix.lower() == ZIP:
                archive.unpack_whole(path, place, settings)
            else:
                _lay(path, place)
        largest = max(paths, key=lambda path: path.stat().st_size)
        name = largest.stem if len(paths) == 1 else ""
        return _recognised(place, name, Added(source=names.shown(largest.name)[:400]))


def from_folder(text: str, place: Path, settings: Settings) -> Draft:
    """The checkpoint in a folder of this computer.

    Args:
        text: Its path, as typed.
        place: As of ``from_files``.
        settings: Of a public page nothing is taken.

    Raises:
        MedsegError: As of ``from_files``.
    """
    if settings.public:
        raise OptionError(texts.NOT_PUBLIC)
    folder = Path(text.strip()).expanduser()
    missing = OptionError(texts.NO_FOLDER.format(name=names.shown(folder.name)[:80]))
    try:
        if not text.strip() or not folder.is_dir():
            raise missing
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except (OSError, ValueError):
        raise missing from None
    with _kept_if_good(place):
        _check_size(size, settings)
        shutil.copytree(folder, place / names.safe_stem(folder.resolve().name), ignore=shutil.ignore_patterns(".*"))
        return _recognised(place, folder.resolve().name, Added(source=names.shown(folder.resolve().name)[:400]))


def from_hub(
    repository: str, revision: str, place: Path, settings: Settings, progress: Callable[[int, int], None]
) -> Draft:
    """The checkpoint in a repository of the Hub, at one commit.

    Args:
        repository: As ``owner/name``.
        revision: A branch, a tag or a commit; empty for the newest.
        place: As of ``from_files``.
        settings: The limits. On a public page nobody sees what this computer's account may see.
        progress: Told about bytes.

    Raises:
        MedsegError: As of ``from_files``.
    """
    repository = repository.strip().removeprefix("https://huggingface.co/").strip("/")
    with _kept_if_good(place):
        commit = fetch(
            repository, place, revision=revision.strip(), most_mb=settings.max_file_mb,
            signed_in=not settings.public, progress=progress,
        )  # fmt: skip
        return _recognised(place, repository.rpartition("/")[2], Added(source=repository, commit=commit))


def with_card(draft: Draft, card: ModelCard) -> Draft:
    """The same checkpoint with another card, which its files must not contradict.

    Raises:
        InvalidCheckpointError: They do.
    """
    write_card(card, draft.folder)
    described = draft.origin.describe(draft.folder, draft.name, None)
    if card == draft.described.card:  # what was assumed stays so until somebody corrects it
        described = replace(described, has_card=draft.described.has_card)
    return replace(draft, described=described, checkpoint=_described_by(draft.checkpoint, described.card))


def as_proposed(draft: Draft, index: int) -> Draft:
    """The same weights as another of the networks that they may be of, whose ``config.json`` lies beside them then.

    Args:
        draft: Of weights alone.
        index: Of the proposal.

    Raises:
        InvalidCheckpointError: They are not of it after all. The draft stays as it was.
    """
    proposal, config = draft.proposals[index], draft.folder / CONFIG_FILE
    before = config.read_bytes() if config.is_file() else None
    if not (draft.folder / CARD_FILE).is_file():
        write_card(draft.described.card, draft.folder)
    config.write_text(json.dumps({"_model_class": proposal.architecture, **proposal.parameters}, indent=2) + "\n")
    try:
        origin = origin_of(draft.folder, draft.name)
        described = origin.describe(draft.folder, draft.name, None)
        described = replace(described, has_card=draft.described.has_card)
        name = draft.name if draft.name != _called(draft.described) else _called(described)
        checkpoint = load_folder(draft.folder, name=name, private=True)
    except InvalidCheckpointError:
        config.unlink() if before is None else config.write_bytes(before)
        raise
    return replace(draft, name=name, origin=origin, described=described, checkpoint=checkpoint)


def _described_by(checkpoint: Checkpoint, card: ModelCard) -> Checkpoint:
    """The same network with another card; what was made ready of it stays so where its input and output do."""
    other = replace(checkpoint, card=card, has_card=True)
    before, after = ((one.in_channels, one.input_size, one.output_channels) for one in (checkpoint.card, card))
    if before == after:
        object.__setattr__(other, "prepared", checkpoint.prepared)
    return other


class _kept_if_good:  # noqa: N801 (used like a function)
    """Deletes a folder of the session when what fills it fails; a full disk becomes words."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __enter__(self) -> None:
        self._place.mkdir(parents=True)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            shutil.rmtree(self._place, ignore_errors=True)
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            raise OutputError(f"The files cannot be laid aside ({reason}). Make room, or try again later.") from None


def _check_size(size: int, settings: Settings) -> None:
    if size > settings.max_file_mb * MIB:
        advice = texts.TOO_LARGE_VISITOR if settings.public else texts.TOO_LARGE_OWNER
        raise OptionError(texts.TOO_LARGE.format(size=round(size / MIB), limit=settings.max_file_mb, advice=advice))


def _lay(path: Path, place: Path) -> None:
    """Put an uploaded file among the others; the upload may end before the draft."""
    target = place / names.storable(path.name)
    if target.exists():
        raise OptionError(texts.ALIKE.format(name=names.shown(path.name)))
    if target.name in (
        CARD_FILE,
        *(file for file, _ in BESIDE.values()),
    ):  # which the form writes over; the same upload may be given again
        shutil.copyfile(path, target)
        return
    try:
        os.link(path, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, target)


def _recognised(place: Path, name: str, added: Added) -> Draft:
    folder = _only_checkpoint(place)
    for path in folder.rglob(ADDED_FILE):  # of where it was before
        path.unlink()
    given = names.safe_stem(folder.name if folder != place and name == "" else name or "checkpoint")
    origin = origin_of(folder, given)
    described = origin.describe(folder, given, None)
    checkpoint = load_folder(folder, name=given, private=True)
    if not name and folder == place:  # several files, none of which names it
        given = _called(described)
    proposals = tuple(recognised(folder, given)) if origin is STATE_DICT else ()
    return Draft(place, folder, given, added, origin, described, checkpoint, proposals)


def _called(described: Described) -> str:
    """The name of a checkpoint whose files tell none."""
    return names.safe_stem(described.architecture.replace(" · ", "-"))


def _only_checkpoint(place: Path) -> Path:
    """The one folder in which a checkpoint is recognised; the outermost."""
    level = [place]
    for _ in range(DEEPEST + 1):
        found = [folder for folder in level if find_origin(folder) is not None]
        if len(found) > 1:
            raise InvalidCheckpointError(texts.SEVERAL.format(names=_listed(found)))
        if found:
            return found[0]
        level = sorted(one for folder in level for one in folder.iterdir() if one.is_dir())[:MOST_FOLDERS]
    raise InvalidCheckpointError(_why_unknown(place))


def _why_unknown(place: Path) -> str:
    files = sorted(path for path in place.rglob("*") if path.is_file())
    for suffixes, words in ((OTHERS, texts.OTHER_LIBRARY), (PROGRAMS, texts.A_PROGRAM)):
        for path in files:
            if path.suffix.lower() in suffixes:
                return words.format(name=names.shown(path.name)[:80])
    return texts.NOT_KNOWN.format(names=_listed(files) or "–")


def _listed(paths: Sequence[Path]) -> str:
    more = f" + {len(paths) - 5}" if len(paths) > 5 else ""
    return ", ".join(names.shown(path.name)[:60] for path in paths[:5]) + more
