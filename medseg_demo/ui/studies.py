"""What was uploaded, as a list to choose from: files, series, volumes, and several of them as channels."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from medseg_demo import names
from medseg_demo.errors import OptionError
from medseg_demo.reading.studies import Channels, Series, Study, channel_groups, find_studies, result_stems
from medseg_demo.settings import Settings
from medseg_demo.ui import texts
from medseg_demo.ui.session import known_folder

EVERY = "every"
MOST_NAMES = 6

Choice = tuple[str, str]


def offer(
    paths: Sequence[Path], settings: Settings, *, unpack_to: Path, say: Callable[[str], None] | None = None
) -> tuple[Study, ...]:
    """Everything that can be segmented in files, folders and zips; last what several volumes or files make together.

    Among several, a zip that cannot be opened is a study as well, and reading it says why; ``say`` is told what zips
    and folders hold beside images.

    Raises:
        ReadError: The only one is a zip that cannot be unpacked or holds no image.
        OptionError: There are more images than one upload may hold.
    """
    found = find_studies(paths, settings=settings, unpack_to=unpack_to, say=say)
    count = len({study.item for study in found})
    if count > settings.max_upload_files:
        raise OptionError(texts.TOO_MANY_IMAGES.format(count=count, most=settings.max_upload_files))
    return (*found, *channel_groups(found))


def item_names(studies: Sequence[Study]) -> list[str]:
    """What each study's file, series or case is called; equal names get their folders in front, as their results do."""
    items = tuple(dict.fromkeys(study.item for study in studies))
    own = {item: names.shown(item.name) for item in items}
    stems = dict(zip(items, result_stems(items, known_folder), strict=True))
    count = Counter(own.values())
    return [own[item] if count[own[item]] == 1 else stems[item] for item in (study.item for study in studies)]


def labels(studies: Sequence[Study]) -> list[str]:
    """What tells each study of an upload from the others; the name of the only file tells nothing."""
    if len({study.item for study in studies}) > 1 or not all(study.volume for study in studies):
        return [_label(study, name) for study, name in zip(studies, item_names(studies), strict=True)]
    return [label[:1].upper() + label[1:] for label in (_label(study, "").removeprefix(": ") for study in studies)]


def _label(study: Study, name: str) -> str:
    if isinstance(study.item, Series):
        return f"{name}: {study.item.description}"
    if isinstance(study.item, Channels):
        return texts.FILES_AS_CHANNELS.format(
            name=name, count=len(study.item.parts), names=_some(study.item.channel_names)
        )
    if study.volume == "channels":
        return texts.VOLUMES_AS_CHANNELS.format(name=name, count=study.volumes)
    if study.volume is None:
        return name
    own = study.volume_names[study.volume - 1] if study.volume_names else ""
    return texts.ONE_VOLUME.format(name=name, number=study.volume, count=study.volumes) + (own and f" ({own})")


def reading(study: Study) -> str:
    """What is said while it is read."""
    if isinstance(study.item, Series):
        return texts.READING_SLICES.format(count=study.item.slices)
    return texts.READING.format(name=study.name)


def choices(studies: Sequence[Study]) -> list[Choice]:
    """What a person chooses from: each study, and all of them apart; empty where there is nothing to choose.

    Several ordinary files are all meant; several series, or the volumes of a file, rarely are.
    """
    if len(studies) < 2 or not any(study.volume or not isinstance(study.item, Path) for study in studies):
        return []
    every = (texts.EVERY_STUDY.format(count=len(apart(studies))), EVERY)
    return [*((label, str(place)) for place, label in enumerate(labels(studies))), every]


def first_choice(studies: Sequence[Study]) -> str:
    """The series with most slices, else the first study; all where they are ordinary files."""
    single = apart(studies)
    if not choices(single):
        return EVERY if len(single) > 1 or len(studies) < 2 else "0"
    slices = [study.item.slices if isinstance(study.item, Series) else 0 for study in single]
    return str(slices.index(max(slices)))


def chosen(studies: Sequence[Study], choice: str | None) -> tuple[Study, ...]:
    """The studies that a choice stands for; all of them, apart, where it stands for none."""
    if choice is not None and choice.isdecimal() and int(choice) < len(studies):
        return (studies[int(choice)],)
    return apart(studies)


def apart(studies: Sequence[Study]) -> tuple[Study, ...]:
    """Those that are no combination of others."""
    return tuple(study for study in studies if study.volume != "channels" and not isinstance(study.item, Channels))


def _some(own: Sequence[str]) -> str:
    return ", ".join(own[:MOST_NAMES]) + (", …" if len(own) > MOST_NAMES else "")
