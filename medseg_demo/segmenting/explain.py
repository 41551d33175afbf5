"""A heat map beside a result: what a network looked at (Grad-CAM), or where it is unsure (flips, an ensemble).

None of them changes a result: each is computed after it, from the same input.

Sources: Selvaraju et al. 2017, Grad-CAM, doi:10.1109/ICCV.2017.74; for networks that segment, where the sum of a
class's logits over its own pixels stands in place of one logit, Vinogradova et al. 2020, doi:10.1609/aaai.v34i10.7244.
Variation over mirrored inputs: Wang et al. 2019, doi:10.1016/j.neucom.2019.01.103.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import torch
from torch import nn

from medseg_demo.errors import OptionError
from medseg_demo.image import HeatMap, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.network import pad_where_needed, with_findings
from medseg_demo.orientation import network_orientation
from medseg_demo.segmenting.channels import arranged
from medseg_demo.segmenting.crop import cropped, places
from medseg_demo.segmenting.nnunet import frame_of, spacing_in
from medseg_demo.segmenting.options import Explain, SegmentOptions
from medseg_demo.segmenting.pipeline import CHUNK, Segmentation, segment, segment_batch
from medseg_demo.segmenting.prepare import place_slices, to_tensor
from medseg_demo.segmenting.windows import Progress, Turn, choose_compute, tiles_of, told
from medseg_demo.settings import Settings

GRADIENT_RUNS = 3  # of the network forwards: so long take forwards and backwards
NO_CAPTUM = "Grad-CAM needs the package captum, which is not installed here: pip install captum. Or choose flips."
NOTHING_MARKED = "Nothing is marked as {name}, so that Grad-CAM has nothing to explain: its map is 0 everywhere."


def explain_each(
    images: Sequence[MedicalImage],
    checkpoint: Checkpoint,
    *,
    options: SegmentOptions,
    settings: Settings,
    progress: Progress | None,
    turn: Turn,
) -> list[Segmentation]:
    """As ``pipeline.segment_batch``, each result with the heat map that the options ask for.

    Raises:
        OptionError: The checkpoint cannot be explained so, or captum is missing. No network has run then.
    """
    question = Explain.of(options.explain)
    targets = _targets(question, checkpoint)
    plain = replace(options, explain="")
    done = _Steps(progress, len(images) * (1 + extra_runs(options.explain, checkpoint.card)))
    results = segment_batch(
        images, checkpoint, options=plain, settings=settings, progress=done.part(len(images)), turn=turn
    )
    explained = []
    for result in results:
        if question.kind == "gradcam":
            heat, notes = _gradcam(result, checkpoint, targets, settings, done.part(GRADIENT_RUNS), turn)
        elif question.kind == "flips":
            heat, notes = _variation_over_flips(result, checkpoint, settings, done, turn), ()
        else:
            heat, notes = _disagreement(result), ()
        notes = (*result.notes, *notes)
        explained.append(replace(result, options=options, heat=heat, notes=notes))
    return explained


def _targets(question: Explain, checkpoint: Checkpoint) -> tuple[str, ...]:
    """What is explained, once it is sure that it can be."""
    targets = question.targets(checkpoint.card)
    if question.kind != "gradcam":
        return targets
    _ = checkpoint.module  # which a graph, without gradients, and an ensemble refuse
    if find_spec("captum") is None:
        raise OptionError(NO_CAPTUM)
    return targets


def extra_runs(explain: str, card: ModelCard) -> int:
    """For how many runs of the network a heat map takes as long, beside that of the result; "" takes none."""
    kind = Explain.of(explain).kind if explain else ""
    return {"gradcam": GRADIENT_RUNS, "flips": len(_mirrored(card, None))}.get(kind, 0)


class _Steps:
    """Progress of several runs of about the same length, told in thousandths of all of them."""

    def __init__(self, progress: Progress | None, runs: int) -> None:
        self._progress, self._runs, self._before = progress, runs, 0

    def part(self, runs: int) -> Progress | None:
        """That of the next so many runs."""
        before = self._before
        self._before += runs
        if (progress := self._progress) is None:
            return None
        return lambda done, total: progress(round(1000 * (before + runs * done / total) / self._runs), 1000)


def _disagreement(result: Segmentation) -> HeatMap:
    """The share of an ensemble's members that have another label than the ensemble."""
    assert result.agreement is not None
    return HeatMap("Share of the members with another label", 1 - result.agreement.astype(np.float32))


def _variation_over_flips(
    result: Segmentation, checkpoint: Checkpoint, settings: Settings, done: _Steps, turn: Turn
) -> HeatMap:
    options, box = result.options, places(result.options.crop)[3 - len(result.image.shape) :]
    part = cropped(result.image, options.crop)
    own = replace(options, threshold=None, flips=False, crop=None, smallest_component=0, fill_holes=False)

    def each() -> Iterator[np.ndarray]:
        yield result.probabilities[:, *box]
        for axes in _mirrored(checkpoint.card, part):
            mirrored = replace(part, pixels=np.ascontiguousarray(np.flip(part.pixels, axes)))
            found = segment(mirrored, checkpoint, options=own, settings=settings, progress=done.part(1), turn=turn)
            yield np.flip(found.probabilities, tuple(axis + 1 for axis in axes))

    heat = np.zeros(result.image.shape, np.float32)
    heat[box] = variation(each())
    return HeatMap("Variation of the probability over mirrored inputs", heat)


def _mirrored(card: ModelCard, image: MedicalImage | None) -> list[tuple[int, ...]]:
    """The axes of an image's pixels along which it is mirrored, as for ``windows.FLIPS``; its number needs no image."""
    if card.is_3d:
        return [(0,)] if image is None else [(network_orientation(image.geometry.affine).order[2],)]
    first = 1 if image is not None and image.is_volume else 0
    return [(first + 1,), (first,), (first, first + 1)]


def variation(each: Iterable[np.ndarray]) -> np.ndarray:
    """How far several probabilities of one class differ: twice their standard deviation, of the class where it is most.

    Args:
        each: (K, …), one after the other.

    Returns:
        float32 (…): 0 where all are the same, 1 where half of them are 0 and half 1.
    """
    total, squares, number = np.zeros(0, np.float32), np.zeros(0, np.float32), 0
    for number, one in enumerate(each, start=1):
        values = one.astype(np.float32)
        total, squares = (values, values**2) if number == 1 else (total + values, squares + values**2)
    spread = np.maximum(squares / number - (total / number) ** 2, 0)
    return np.minimum(2 * np.sqrt(spread), 1).max(axis=0)


def _gradcam(
    result: Segmentation,
    checkpoint: Checkpoint,
    targets: Sequence[str],
    settings: Settings,
    progress: Progress | None,
    turn: Turn,
) -> tuple[HeatMap, tuple[str, ...]]:
    card, image, options = checkpoint.card, result.image, result.options
    part = arranged(cropped(image, options.crop), card, options.channels)
    frame = frame_of(part, card)
    tensor = to_tensor(part, card, denoise=options.denoise, frame=frame)
    found = np.zeros(part.slices.shape[:3], np.float32)
    seen = frame.of(found)
    explainer = _GradCam(checkpoint, targets, settings)
    for start in range(0, len(tensor), CHUNK):
        placed, placement = place_slices(tensor, card, start, CHUNK, spacing_mm=spacing_in(part, frame))
        cam = explainer.of(placed, turn, progress, before=start / len(tensor), share=len(placed) / len(tensor))
        restored = placement.restore_classes(cam)[0]
        seen[start : start + len(restored)] = restored
    heat = np.zeros(image.slices.shape[:3], np.float32)
    heat[places(options.crop)] = found / (found.max() or 1)
    name = " + ".join(targets)
    notes = () if found.any() else (NOTHING_MARKED.format(name=name),)
    return HeatMap(f"Grad-CAM of {name}", heat.reshape(image.shape)), notes


class _GradCam:
    """Grad-CAM of one checkpoint at its deepest features, tile by tile.

    Its network is a copy: others may run the checkpoint's own meanwhile, whose outputs must not come in between.
    """

    def __init__(self, checkpoint: Checkpoint, targets: Sequence[str], settings: Settings) -> None:
        self._checkpoint, self._card = checkpoint, checkpoint.card
        self._compute = choose_compute(replace(settings, backend="torch"))
        classes, findings = self._card.class_names, [one.name for one in self._card.findings]
        self._finding = None if targets[0] in classes else findings.index(targets[0])
        self._values = [1 + classes.index(name) for name in targets if name in classes]
        network = copy.deepcopy(checkpoint.module)
        padded = pad_where_needed(network, self._card.input_size) if self._finding is None else with_findings(network)
        self._network = padded.requires_grad_(False).to(self._compute.device, torch.float32).eval()
        self._layer: nn.Module | None = None

    def of(
        self, placed: torch.Tensor, turn: Turn, progress: Progress | None, *, before: float, share: float
    ) -> torch.Tensor:
        """(N, C, …) → float32 (N, 1, …) on the CPU, from 0 on; where tiles overlap, the greatest of theirs."""
        total = torch.zeros(len(placed), 1, *placed.shape[2:])
        jobs = [(index, window) for index in range(len(placed)) for window in tiles_of(placed.shape[2:], self._card)]
        for done, (index, window) in enumerate(jobs, start=1):
            with turn(), told(self._checkpoint, self._compute):
                tile = self._tile(placed[index][:, *window][None])
            kept = total[index][:, *window]
            torch.maximum(kept, tile, out=kept)
            if progress:
                progress(round(1000 * (before + share * done / len(jobs))), 1000)
        return total

    def _tile(self, tile: torch.Tensor) -> torch.Tensor:
        """One tile (1, C, …) → (1, …) of its size."""
        from captum.attr import LayerGradCam

        given = tile.to(self._compute.device, torch.float32).requires_grad_()
        self._layer = self._layer or deepest_layer(self._network, given.detach())
        with torch.enable_grad():
            cam = LayerGradCam(self._target, self._layer).attribute(given, relu_attributions=True)
        size, mode = tile.shape[2:], "bilinear" if tile.ndim == 4 else "trilinear"
        return nn.functional.interpolate(cam.detach().float(), size, mode=mode, align_corners=False)[0].cpu()

    def _target(self, images: torch.Tensor) -> torch.Tensor:
        """A finding's logit; or the mean logit of the classes over the pixels that they are given, 0 where none are."""
        logits, card = self._network(images), self._card
        if self._finding is not None:
            return logits[1][:, self._finding]
        if card.has_background:
            channels, marked = (
                self._values,
                torch.isin(logits.argmax(1), torch.tensor(self._values, device=logits.device)),
            )
        else:
            channels = [card.regions_written.index(value) for value in self._values]
            limit = 0.5 if card.activated else 0.0
            marked = (logits[:, channels] > limit).any(1)
        return (logits[:, channels].sum(1) * marked).flatten(1).sum(1) / marked.sum().clamp(min=1)


def deepest_layer(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """The last module whose features are the coarsest of a network: the end of its encoder, or the bottleneck.

    There a feature has seen most of the image, and is not yet the mask that the decoder makes of it.

    Args:
        network: Of any library.
        example: Its input, (1, C, …).

    Raises:
        RuntimeError: No module of it gives features in the place of the image.
    """
    seen: list[tuple[int, nn.Module]] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == example.ndim and max(output.shape[2:]) > 1:
            seen.append((output.shape[2:].numel(), module))

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    once = [(size, module) for size, module in seen if sum(module is other for _, other in seen) == 1]
    if not once:
        raise RuntimeError("it has no layer whose features lie in the place of the image.")
    least = min(size for size, _ in once)
    return [module for size, module in once if size == least][-1]
