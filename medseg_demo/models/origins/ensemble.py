"""Several checkpoints as one: ``ensemble`` in a ``medseg.json`` that lies alone in a folder beside theirs."""

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, ModelCard
from medseg_demo.models.network import Ensemble
from medseg_demo.models.origins.origin import Described, Loaded, Origin, existing
from medseg_demo.settings import BUNDLED, CHECKPOINTS

# What the card of an ensemble need not say, since its first member does.
TAKEN_OVER = (
    "task", "class_names", "modality", "in_channels", "channel_names", "input_size", "inference", "spacing_mm", "head",
    "threshold", "training_data",
)  # fmt: skip


def _names(folder: Path) -> tuple[str, ...]:
    """The members that a card names; none where it is no card of an ensemble."""
    try:
        found = read_document(folder / CARD_FILE)
    except (OSError, ValueError):
        return ()
    names = found.get("ensemble") if isinstance(found, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _place(folder: Path, name: str) -> Path | None:
    """Where a member lies: beside the ensemble, or among the bundled ones."""
    if not name or name != Path(name).name or name in (".", ".."):
        return None
    beside = Path(folder.absolute()).parent
    with suppress(OSError):  # such as a name that is too long
        return next((place / name for place in (beside, BUNDLED / CHECKPOINTS) if (place / name).is_dir()), None)
    return None


def _members(folder: Path, name: str) -> list[tuple[str, Path, Origin]]:
    """The members with their folders and origins.

    Raises:
        InvalidCheckpointError: One is missing, named twice, or an ensemble itself; or there is one alone.
    """
    from medseg_demo.models.origins import origin_of  # which has this origin in its table

    names, found = _names(folder), []
    if len(set(names)) != len(names) or len(names) < 2:
        raise _refused(name, f"ensemble names {len(set(names))} checkpoint(s). Name two or more, each once")
    for one in names:
        place = _place(folder, one)
        if place is None:
            raise _refused(name, f"its member {one[:80]!r} does not lie beside it. Copy it there, or correct the name")
        origin = origin_of(place, one)
        if origin is ENSEMBLE:
            raise _refused(name, f"its member {one!r} is an ensemble. Name the members of that in its place")
        found.append((one, place, origin))
    return found


def _refused(name: str, fault: str) -> InvalidCheckpointError:
    return InvalidCheckpointError(f"Checkpoint {name!r}, an ensemble: {fault}.")


def _card(folder: Path, name: str, cards: dict[str, ModelCard]) -> ModelCard:
    """The ensemble's card: what it does not say, its first member does.

    Raises:
        InvalidCheckpointError: It is faulty, or the members have other classes, or other channels without names.
    """
    first = next((card for card in cards.values() if card.is_3d), next(iter(cards.values())))
    for member, card in cards.items():
        if card.class_names != first.class_names or card.may_overlap != first.may_overlap:
            theirs, ours = ", ".join(card.class_names), ", ".join(first.class_names)
            raise _refused(name, f"its member {member!r} finds {theirs}, and another finds {ours}. All need the same")
    taken = {key: getattr(first, key) for key in TAKEN_OVER} | _channels(name, cards)
    try:
        given = read_document(folder / CARD_FILE)
        card = ModelCard.model_validate({**taken, **(given if isinstance(given, dict) else {})})
    except (ValueError, OSError) as error:
        found = error.errors() if isinstance(error, ValidationError) else [{"loc": ("file",), "msg": str(error)}]
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
        raise _refused(name, f"{CARD_FILE} is not valid ({faults}). Correct these keys") from None
    if card.class_names != first.class_names:
        raise _refused(
            name, f"class_names are not those of its members, {', '.join(first.class_names)}. Leave them out"
        )
    return card


def _channels(name: str, cards: dict[str, ModelCard]) -> dict[str, object]:
    """Those of all members together: of late fusion each member knows its own, by their names."""
    if len({(card.in_channels, card.channel_names) for card in cards.values()}) == 1:
        return {}
    if all(card.in_channels in (1, 3) and not card.channel_names for card in cards.values()):
        return {"in_channels": max(card.in_channels for card in cards.values())}  # grey and colour are turned
    named: dict[str, str] = {}
    for channel in (channel for card in cards.values() for channel in card.channel_names):
        named.setdefault(channel.casefold(), channel)
    alone = next((one for one, card in cards.items() if not card.channel_names), None)
    if alone is not None:
        raise _refused(
            name,
            f"its members take different channels, and {alone!r} names none of its own. Give each channel its name",
        )
    return {"in_channels": len(named), "channel_names": tuple(named.values())}


def _recognises(folder: Path) -> bool:
    return (folder / CARD_FILE).is_file()


def _files(folder: Path) -> tuple[Path, ...]:
    """The card, and the files of the members: it is another ensemble where one of them is another."""
    from medseg_demo.models.origins import find_origin

    places = [place for one in _names(folder) if (place := _place(folder, one))]
    found = [(place, find_origin(place)) for place in places]
    inner = [path for place, origin in found if origin and origin is not ENSEMBLE for path in origin.files(place)]
    return (*existing(folder, CARD_FILE), *inner)


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    if not _names(folder):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r} has no config.json, and its {CARD_FILE} names no ensemble. Copy all of its files."
        )
    found = {one: origin.describe(place, one, cache_dir).card for one, place, origin in _members(folder, name)}
    return Described(_card(folder, name, found), f"ensemble of {', '.join(found)}")


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    from medseg_demo.models.checkpoint import load_folder

    described = _describe(folder, name, cache_dir)
    members = (load_folder(place, name=one, cache_dir=cache_dir) for one, place, _ in _members(folder, name))
    return Loaded(described, Ensemble(tuple(members)))


ENSEMBLE = Origin("ensemble", "ensemble", _recognises, _files, _describe, _load)
