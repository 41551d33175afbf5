"""``README.md`` of an exported checkpoint: what it is, what changed, and what has to be said of its training data."""

from collections.abc import Mapping

from medseg_demo.models.card import Exported, ModelCard

FORMAT_NAMES = {
    "onnx": "ONNX, in full precision",
    "openvino": "OpenVINO's intermediate representation, in half precision on disk",
    "openvino-int8": "OpenVINO's intermediate representation, quantised to int8 by NNCF",
}


def readme(name: str, card: ModelCard) -> str:
    """The Markdown text.

    Args:
        name: The folder's.
        card: With what it was exported from.
    """
    made = card.exported
    if made is None:
        raise ValueError("only an exported checkpoint has this text")
    parts = [
        f"# {name}\n\n{card.task}: `{made.original}` ({made.architecture}) as {FORMAT_NAMES[made.format]}.",
        _changes(made),
        _scores(card.scores),
        "## Use\n\n"
        + (
            "Input `image` (N, C, …) float32, output `logits` (N, K, …); `medseg.json` says how an image reaches it."
            if made.format == "onnx"
            else "It is listed, run and compared like any other checkpoint; OpenVINO runs it, on a CPU. Its weak sides "
            f"are those of `{made.original}`, whose README tells them. It is no medical device."
        ),
        _sources(card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _changes(made: Exported) -> str:
    lines = [f"- Size: {made.size_mb:.2f} MB; the original's weights: {made.original_size_mb:.2f} MB."]
    if made.images_per_second and made.original_images_per_second:
        lines.append(
            f"- Speed: {made.images_per_second / made.original_images_per_second:.2f} times the original's "
            f"({made.images_per_second:g} and {made.original_images_per_second:g} inputs a second, measured by turns; "
            f"{made.measured_with})."
        )
    if made.calibration:
        lines.append(f"- Calibrated on {made.calibration}.")
    if made.format == "openvino-int8":
        left = len(made.full_precision)
        lines.append(f"- Layers left in full precision, since images suffered otherwise: {left or 'none'}.")
    return "## What changed\n\n" + "\n".join(lines)


def _scores(scores: Mapping[str, object]) -> str:
    rows = [
        f"| {title} | {figures['dice_mean']:.4f} | {figures['dice_median']:.4f} | {figures['dice_worst']:.4f} | "
        f"{figures['n']} |"
        for title, figures in scores.items()
        if isinstance(figures, Mapping)
    ]
    if not rows:
        return ""
    head = "| Cases | mean | median | worst | n |\n|---|---|---|---|---|\n"
    return "## Dice\n\n" + head + "\n".join(rows)


def _sources(card: ModelCard) -> str:
    lines = [f"- {source.name}: {source.licence}. {source.credit}." for source in card.training_data]
    return "## Training data\n\n" + "\n".join(lines) if lines else ""
