"""A checkpoint's card as HTML: what it finds, how well, from what, under which licence, and where it is weak."""

import re
from collections.abc import Mapping

from medseg_demo.models.card import ModelCard
from medseg_demo.models.catalog import CatalogEntry
from medseg_demo.segmenting.failure import rates_in_words
from medseg_demo.ui import markup, texts

WEAKNESSES = re.compile(r"^#+ [^\n]*\b(?:weak|limit)[^\n]*\n.*?(?=^#|\Z)", re.DOTALL | re.IGNORECASE | re.MULTILINE)
ELEMENT = re.compile(r"</?[A-Za-z!][^<>]*>")
OPENED = re.compile(r"<(?=[A-Za-z!?/])")  # what is left of an element in an element
DIAGRAM = re.compile(r"([`~]{3,}[ \t]*)mermaid", re.IGNORECASE)  # drawn by the page, with pictures from anywhere
MOST_NOTES = 200_000  # bytes
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def choices(entries: list[CatalogEntry]) -> list[tuple[str, str]]:
    """(label, name) of each usable checkpoint; the task leads, so that the list is grouped by it."""
    return [(f"{entry.name} · {entry.card.task}", entry.name) for entry in entries if entry.card]


def entry_card(entry: CatalogEntry) -> str:
    """The card of a usable checkpoint."""
    card = entry.card
    if card is None:
        return markup.panel("error", entry.name, [entry.problem or ""])
    sources = [f"{data.name}. Licence: {data.licence}. Credit: {data.credit}" for data in card.training_data]
    return markup.card(
        entry.name,
        markup.facts(_facts(card, entry.architecture)),
        markup.panel("info", "Not checked yet", [entry.note]) if entry.note else "",
        _scores(card.scores),
        "<h4>Trained on</h4>" if sources else "",
        markup.bullets(sources),
        note=card.task,
    )


def notes(entry: CatalogEntry) -> str:
    """The checkpoint's own README as Markdown, without its front matter; empty where it has none.

    Pictures become links, diagrams code, and elements go, so that reading it asks nobody for anything.
    """
    path = entry.folder / "README.md"
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        read = file.read(MOST_NOTES).decode("utf-8", errors="replace").replace("\r\n", "\n")
    text = OPENED.sub("< ", ELEMENT.sub("", FRONT_MATTER.sub("", read).strip()))
    return DIAGRAM.sub(r"\1", text).replace("![", "[")


def weaknesses(entry: CatalogEntry) -> str:
    """The part of the notes that says where the checkpoint is weak, as Markdown; empty where there is none."""
    found = WEAKNESSES.search(notes(entry))
    return found[0].strip() if found else ""


def unusable(entries: list[CatalogEntry]) -> str:
    """Each folder that cannot be used, with the reason; nothing where all can."""
    return "".join(markup.panel("warning", entry.name, [entry.problem]) for entry in entries if entry.problem)


def _facts(card: ModelCard, architecture: str) -> list[tuple[str, str]]:
    pairs = [
        ("Finds", ", ".join(card.class_names)),
        ("Modality", card.modality),
        ("Network", architecture),
        ("Input", _input(card)),
    ]
    if card.threshold is not None:
        pairs.append((texts.THRESHOLD, f"{card.threshold:.2f}"))
    if card.spacing_mm:
        pairs.append(("Spacing", " × ".join(texts.number(value) for value in card.spacing_mm) + " mm"))
    if card.failure and card.failure.tells:
        pairs.append((texts.DOUBTED, rates_in_words(card.failure)))
    return pairs


def _input(card: ModelCard) -> str:
    """What the network takes at once, such as "whole image resized to 224 × 288 px, grey"."""
    size = " × ".join(map(str, card.input_size))
    if card.inference == "resize":
        way = f"whole volume resized to {size} voxels" if card.is_3d else f"whole image resized to {size} px"
    else:
        way = f"tiles of {size} voxels" if card.is_3d else f"tiles of {size} px"
    channels = {1: texts.GREY, 3: texts.COLOUR}.get(card.in_channels, f"{card.in_channels} channels")
    beside = f", {card.neighbours} slice(s) on either side" if card.neighbours else ""
    return f"{way}, {', '.join(card.channel_names) or channels}{beside}"


def _scores(scores: Mapping[str, object]) -> str:
    """A table of split × figure; what is grouped further is left to the notes."""
    rows = [(split, _figures(values)) for split, values in scores.items() if isinstance(values, Mapping)]
    names = list(dict.fromkeys(name for _, figures in rows for name in figures))
    if not names:
        return ""
    lines = [[split, *(figures.get(name, "–") for name in names)] for split, figures in rows]
    heads = (texts.MEASURED.get(name, name.replace("_", " ")) for name in names)
    return markup.table("Measured", ["Split", *heads], lines)


def _figures(values: Mapping[str, object]) -> dict[str, str]:
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return {name: f"{value:.3f}" if isinstance(value, float) else str(value) for name, value in numbers.items()}
