"""One export from its beginning to its end; see ``medseg_demo.exporting.export``."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch

from medseg_demo.errors import OptionError
from medseg_demo.exporting.calibration import read_windows
from medseg_demo.exporting.onnx_file import to_onnx
from medseg_demo.exporting.quantise import quantise
from medseg_demo.exporting.readme import readme
from medseg_demo.language.terminal import say
from medseg_demo.models.backends import prepare
from medseg_demo.models.card import Exported, ModelCard, write_card
from medseg_demo.models.catalog import find_checkpoint
from medseg_demo.models.checkpoint import Checkpoint, load_folder
from medseg_demo.models.compute import Compute, choose_compute
from medseg_demo.models.conversion import ConversionError, convert, to_files
from medseg_demo.models.network import pad_where_needed
from medseg_demo.models.origins import origin_of
from medseg_demo.models.origins.openvino import GRAPH_FILE, GRAPH_WEIGHTS_FILE
from medseg_demo.models.recipes import BundleSteps, TransformersSteps
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import read_case_image, read_case_reference
from medseg_demo.test_sets.test_set import read_test_set

ONNX_FILE = "model.onnx"
ROUNDS, IMAGES = 9, 24  # of the timing: by turns, and the fastest counts, which other work on the machine slows least
SPLIT = "val"


@dataclass(frozen=True, eq=False)
class _Source:
    """What is exported: a checkpoint, its folder, and its network's name for people."""

    checkpoint: Checkpoint
    folder: Path

    @property
    def architecture(self) -> str:
        name = self.checkpoint.name
        return origin_of(self.folder, name).describe(self.folder, name, None).architecture

    @property
    def shape(self) -> tuple[int, ...]:
        return 1, self.checkpoint.card.input_channels, *self.checkpoint.card.input_size


def run(
    name: str,
    file_format: str,
    draft: Path,
    shown: str,
    *,
    test_set: Path | None,
    images: Sequence[Path],
    settings: Settings,
) -> None:
    """Export into a draft, which is to be called ``shown``; arguments and errors are those of ``export``."""
    found, folder = find_checkpoint(name, settings.checkpoints_dir)
    source = _Source(load_folder(folder, name=found), folder)
    _check_recipe(source.checkpoint.card, file_format, found)
    network = pad_where_needed(source.checkpoint.module, source.checkpoint.card.input_size)
    if file_format == "onnx" and shown.lower().endswith(".onnx"):
        draft.write_bytes(to_onnx(network, source.shape, found))
        return
    calibration = ""
    left_out: tuple[str, ...] = ()
    if file_format == "onnx":
        files = {ONNX_FILE: to_onnx(network, source.shape, found)}
    else:
        try:
            model = convert(network, source.shape)
        except ConversionError as error:
            raise OptionError(f"Checkpoint {found!r} cannot be exported by OpenVINO: {error}.") from None
        if file_format == "openvino-int8":
            windows = read_windows(source.checkpoint.card, test_set, images, settings=settings)
            quantised = quantise(model, source.checkpoint.card, windows, tell=_tell)
            model, left_out = quantised.model, quantised.full_precision
            calibration = f"{len(windows.calibration)} windows of {windows.words}"
        xml, weights = to_files(model, half=True)
        files = {GRAPH_FILE: xml, GRAPH_WEIGHTS_FILE: weights}
    draft.mkdir()
    for file, content in files.items():
        (draft / file).write_bytes(content)
    exported = Exported(
        original=found,
        digest=source.checkpoint.digest,
        format=file_format,  # type: ignore[arg-type]
        architecture=source.architecture,
        parameters=source.checkpoint.parameters,
        size_mb=round(sum(map(len, files.values())) / 1e6, 2),
        original_size_mb=round(max(path.stat().st_size for path in origin_of(folder, found).files(folder)) / 1e6, 2),
        calibration=calibration,
        full_precision=left_out,
    )
    card = source.checkpoint.card.model_copy(
        update={"exported": exported, "scores": {}, "findings": (), "failure": None}
    )
    write_card(card, draft)
    if file_format != "onnx":
        card = _measured(source.checkpoint, draft, card, test_set, settings)
        write_card(card, draft)
    (draft / "README.md").write_text(readme(shown, card), encoding="utf-8")


def write_page(names: Sequence[str], draft: Path, shown: str, *, images: Sequence[Path], settings: Settings) -> None:
    """Write a page without a server into a draft, which is to be called ``shown``; errors are those of ``export``."""
    from medseg_demo.exporting.page import page_network, page_samples, whole_page

    if not shown.lower().endswith((".html", ".htm")):
        raise OptionError(f"--output {shown}: a page is one file. Give it a name that ends in .html.")
    networks = [page_network(name, settings.checkpoints_dir) for name in names]
    draft.write_text(whole_page(networks, page_samples(networks, images, settings)), encoding="utf-8")


def _check_recipe(card: ModelCard, file_format: str, name: str) -> None:
    """Refuse a network that gets images of any size, and calibration on what its own steps would make otherwise.

    Raises:
        OptionError: It is one.
    """
    if not isinstance(card.recipe, BundleSteps | TransformersSteps):
        return
    if card.recipe.any_size:
        raise OptionError(
            f"Checkpoint {name!r} takes images of any size, and what is exported takes one. State it in its "
            "configuration."
        )
    if file_format == "openvino-int8":
        raise OptionError(
            f"Checkpoint {name!r} has steps of another library, which no calibration knows. Export it as openvino."
        )


def _tell(text: str) -> None:
    say(text, file=sys.stderr)


def _measured(
    original: Checkpoint, draft: Path, card: ModelCard, test_set: Path | None, settings: Settings
) -> ModelCard:
    """The card with speed, and with Dice beside the original's where there is a test set."""
    compute = choose_compute(replace(settings, device="cpu"))
    exported = load_folder(draft)
    first, second = _speeds((original, exported), compute)
    made = card.exported.model_copy(  # type: ignore[union-attr]
        update={
            "original_images_per_second": first,
            "images_per_second": second,
            "measured_with": compute.name,
        }
    )
    scores = _scores(original, exported, test_set, replace(settings, device="cpu")) if test_set else {}
    return card.model_copy(update={"exported": made, "scores": scores})


def _speeds(checkpoints: Sequence[Checkpoint], compute: Compute) -> list[float]:
    """Images or windows a second of the networks alone, by turns, so that other work on the machine slows both."""
    card = checkpoints[0].card
    batch = torch.rand(IMAGES if not card.is_3d else 4, card.input_channels, *card.input_size)
    networks = [prepare(checkpoint, compute) for checkpoint in checkpoints]
    seconds: list[list[float]] = [[] for _ in networks]
    for number in range(ROUNDS + 1):
        for network, times in zip(networks, seconds, strict=True):
            start = time.perf_counter()
            for _ in network.logits([batch], expected=len(batch)):
                pass
            if number:  # the first one compiles
                times.append(time.perf_counter() - start)
    return [round(len(batch) / min(times), 1) for times in seconds]


def _scores(original: Checkpoint, exported: Checkpoint, test_set: Path, settings: Settings) -> dict[str, object]:
    """Figures of a test set's validation cases: of both checkpoints, and of one beside the other."""
    found = read_test_set(test_set, split=SPLIT)
    names = original.card.class_names
    rows: list[tuple[float, float, float]] = []
    for case in found.cases:
        image = read_case_image(case, settings=settings)
        mask = read_case_reference(case, class_names=names, image=image, settings=settings).labels
        first, second = (segment(image, one, settings=settings).label_map.labels for one in (original, exported))
        rows.append((dice(mask, second, len(names)), dice(mask, first, len(names)), dice(first, second, len(names))))
    titles = (SPLIT, f"{SPLIT}, original", f"{SPLIT}, beside the original's label maps")
    return {title: _figures(values) for title, values in zip(titles, zip(*rows, strict=True), strict=True)}


def dice(reference: np.ndarray, prediction: np.ndarray, classes: int) -> float:
    """Mean Dice of the classes that are in either label map; 1 where neither holds any."""
    scores = []
    for value in range(1, classes + 1):
        ours, theirs = reference == value, prediction == value
        if both := int(ours.sum() + theirs.sum()):
            scores.append(2 * int((ours & theirs).sum()) / both)
    return fmean(scores) if scores else 1.0


def _figures(values: Sequence[float]) -> dict[str, object]:
    return {
        "dice_mean": round(fmean(values), 4),
        "dice_median": round(median(values), 4),
        "dice_worst": round(min(values), 4),
        "n": len(values),
    }
