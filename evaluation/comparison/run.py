"""What is compared on each of several images, and one image after the other by the engine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.comparison.classes import Stated
from evaluation.comparison.cost import Progress, segment_each, with_times
from evaluation.comparison.members import Comparison, Cost, read_members, run_comparison
from medseg_demo import names
from medseg_demo.errors import OptionError
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.reading.studies import NNUNET_CHANNEL

if TYPE_CHECKING:
    from medseg_demo.image import MedicalImage
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.segmenting.pipeline import Segmentation
    from medseg_demo.segmenting.turns import Job

UNNAMED = "label map"  # of several images, those that are called as the images themselves
REFERENCE_NAME = "reference"
MOST_NAMED = 5


@dataclass(frozen=True)
class Asked:
    """What is compared on one image.

    Attributes:
        checkpoints: Names, or loaded ones.
        label_maps: Files by their names in the comparison.
        reference: The expert's label map.
        reference_name: What it is called; empty for its file's name.
        stated: What a person says of classes that are called differently.
    """

    checkpoints: tuple[str | Checkpoint, ...] = ()
    label_maps: Mapping[str, Path] = field(default_factory=dict)
    reference: Path | None = None
    reference_name: str = ""
    stated: tuple[Stated, ...] = ()


def assign(
    stems: Sequence[str],
    checkpoints: Sequence[str | Checkpoint],
    *,
    label_maps: Sequence[Path] = (),
    references: Sequence[Path] = (),
    stated: Sequence[Stated] = (),
) -> list[Asked]:
    """What is compared on each image. Of a single one that is everything; of several, files belong to it by name.

    Args:
        stems: What the images are called, no two alike.
        checkpoints: Names, or loaded ones.
        label_maps: Files that were made elsewhere.
        references: The experts'.
        stated: What a person says of classes.

    Raises:
        OptionError: A file belongs to no image, or two of them are one reference.
    """
    every, said = tuple(checkpoints), tuple(stated)
    if len(stems) == 1:
        called: dict[str, Path] = {}
        for path in label_maps:
            called[names.free_name(names.stem(path), [*map(_name, every), *called])] = path
        if len(references) > 1:
            raise OptionError(f"There are {len(references)} references for one image. Give one of them.")
        return [Asked(every, called, references[0] if references else None, stated=said)]
    experts = match_files(stems, references)
    for stem, of_it in zip(stems, experts, strict=True):
        if len(of_it) > 1:
            both = " and ".join(names.shown(path.name) for path in of_it.values())
            raise OptionError(f"{both} are references for {stem}. Give one of them.")
    return [
        Asked(every, maps, next(iter(expert.values()), None), REFERENCE_NAME, said)
        for maps, expert in zip(match_files(stems, label_maps), experts, strict=True)
    ]


def file_names(stems: Sequence[str]) -> list[str]:
    """What the files of each image begin with, no two alike."""
    found: list[str] = []
    for stem in stems:
        found.append(names.safe_stem(stem, found))
    return found


def compare_image(
    engine: "Engine",
    image: "MedicalImage",
    asked: Asked,
    job: "Job",
    progress: Progress | None = None,
    *,
    warm: bool = False,
) -> Iterator[Comparison]:
    """Compare on one image.

    Args:
        engine: Runs the checkpoints.
        image: The image.
        asked: What is compared.
        job: What it is a part of.
        progress: Told how far each checkpoint is, when it segments and again when it is timed.
        warm: Whether the checkpoints were timed on an earlier image of the run.

    Yields:
        A comparison of what is there after each checkpoint, and last, of all with their times.

    Raises:
        MedsegError: A checkpoint or a file cannot be used, or they do not go together.
        Cancelled: The job was cancelled.
    """
    chosen = {_name(one): one for one in asked.checkpoints}
    cards = {name: card for name, one in chosen.items() if (card := _card(engine, one)) is not None}
    given = read_members(
        image,
        asked.label_maps,
        reference=asked.reference,
        reference_name=asked.reference_name,
        taken=list(cards),
    )
    segment = partial(_segment_each, engine, chosen, job, progress)
    for found in run_comparison(image, cards, given, segment, stated=asked.stated):
        yield found
    if cards:
        yield with_times(engine, found, chosen, job, progress, warm=warm)


def _segment_each(
    engine: "Engine",
    chosen: Mapping[str, str | Checkpoint],
    job: "Job",
    progress: Progress | None,
    image: "MedicalImage",
    called: Sequence[str],
) -> "Iterator[tuple[Segmentation, Cost]]":
    return segment_each(engine, image, [chosen[name] for name in called], job, progress)


def _name(checkpoint: str | Checkpoint) -> str:
    return checkpoint if isinstance(checkpoint, str) else checkpoint.name


def _card(engine: "Engine", checkpoint: str | Checkpoint) -> ModelCard | None:
    return engine.entry(checkpoint).card if isinstance(checkpoint, str) else checkpoint.card


def match_files(stems: Sequence[str], files: Iterable[Path]) -> list[dict[str, Path]]:
    """Which files belong to which image: those that are called as it, with or without a word before or after.

    Args:
        stems: The images', no two alike.
        files: Label maps of them, such as ``case_01.png``, ``case_01_expert.nii.gz`` or ``mask-case_01.png``.

    Returns:
        One dict an image: what is left of the file's name ("expert"), or "label map" where nothing is, and the file.

    Raises:
        OptionError: A file belongs to no image, or two are of one name.
    """
    found: list[dict[str, Path]] = [{} for _ in stems]
    keys = [key for index, stem in enumerate(stems) for key in _keys(stem, index)]
    keys.sort(key=lambda key: -len(key[0]))  # case_1 must not get what is of case_10
    for path in files:
        stem = names.stem(path)
        index, rest = next(((index, rest) for key, index in keys if (rest := _rest(stem, key)) is not None), (None, ""))
        if index is None:
            some = ", ".join(stems[:MOST_NAMED]) + (", …" if len(stems) > MOST_NAMED else "")
            raise OptionError(
                f"{names.shown(path.name)} belongs to none of the images ({some}). Call it as its image, with or "
                f"without a word, such as {stems[0]}_expert."
            )
        name = rest or UNNAMED
        if name in found[index]:
            raise OptionError(
                f"{names.shown(path.name)} and {names.shown(found[index][name].name)} are both for {stems[index]}. "
                "Call them differently, or take one out."
            )
        found[index][name] = path
    return found


def _keys(stem: str, index: int) -> Iterator[tuple[str, int]]:
    """What a file of an image may be called by: nnU-Net's images have the number of their channel, masks do not."""
    yield stem.casefold(), index
    channel = NNUNET_CHANNEL.fullmatch(stem)
    if channel:
        yield channel[1].casefold(), index


def _rest(stem: str, key: str) -> str | None:
    """What a stem has beside the image's name, with other than a letter or digit between; None if it is another's."""
    folded = stem.casefold()
    if folded == key:
        return ""
    if folded.startswith(key) and not stem[len(key)].isalnum():
        return stem[len(key) :].strip("._- ")
    if folded.endswith(key) and not stem[-len(key) - 1].isalnum():
        return stem[: -len(key)].strip("._- ")
    return None
