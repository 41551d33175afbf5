"""What the page computes before and after its network, beside what Python computes of the same numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medseg_demo.exporting.page.networks import _card
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.models.card import ModelCard, Normalisation
from medseg_demo.segmenting import windows
from medseg_demo.segmenting.decide import clean, to_labels
from medseg_demo.segmenting.fit import check_fit
from medseg_demo.segmenting.measure import measure
from medseg_demo.segmenting.prepare import place, to_tensor

RANDOM = np.random.default_rng(5)
CARD = ModelCard(class_names=("lung",), in_channels=1, input_size=(64, 96), threshold=0.5)
ZSCORE = Normalisation(method="zscore")
OF_COLOURS = Normalisation(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
UNLIKE = {"saturation": (0, 0.1), "black": (0.5, 0.9), "values": (14, 16)}
TILES = {"inference": "tile", "input_size": (32, 48)}


def image(height: int, width: int, *, colour: bool = False, spacing_mm=None, dtype=np.uint8) -> MedicalImage:
    shape = (height, width, 3) if colour else (height, width)
    pixels = RANDOM.integers(0, 256, shape).astype(dtype)
    return MedicalImage(pixels, "YXC" if colour else "YX", Geometry(spacing_mm), "made", "PNG", 8, (10.0, 200.0))


def as_page(shown: MedicalImage) -> dict:
    height, width = shown.shape
    return {
        "width": width, "height": height, "channels": shown.channels, "pixels": shown.pixels.reshape(-1),
        "window": list(shown.display_window), "spacing": shown.geometry.spacing_mm, "unit": None,
        "modality": shown.modality,
    }  # fmt: skip


def card_for(card: ModelCard) -> dict:
    return _card(SimpleNamespace(card=card))


@pytest.mark.parametrize(
    ("size", "changes", "options"),
    [
        ((200, 310), {}, {}),
        ((20, 31), {}, {}),
        ((64, 96), {}, {}),
        ((300, 40), {"normalisation": ZSCORE}, {}),
        ((50, 70), {"window": (20, 90)}, {"colour": True}),
        ((90, 70), {"in_channels": 3, "normalisation": OF_COLOURS}, {"colour": True}),
        ((90, 70), {"in_channels": 3, "normalisation": ZSCORE}, {}),
        ((100, 80), TILES, {}),
        ((20, 9), TILES, {}),
        ((100, 80), TILES | {"spacing_mm": (0.7, 0.5)}, {"spacing_mm": (0.4, 0.6)}),
    ],
)  # fmt: skip
def test_the_network_gets_the_same_numbers(call, size, changes, options):
    shown, card = image(*size, **options), CARD.model_copy(update=changes)
    expected, placement = place(to_tensor(shown, card), card, spacing_mm=shown.geometry.spacing_mm)
    found = call(
        "place(toTensor(input.image, input.card), input.image, input.card)", image=as_page(shown), card=card_for(card)
    )
    placed = found["result"]["placed"]
    np.testing.assert_allclose(placed["data"].reshape(expected.shape[1:]), expected[0].numpy(), atol=2e-5)
    scores = RANDOM.random((1, 2, *placement.canvas)).astype(np.float32)
    back = call(
        "restore(input.scores, placementOf(input.image, input.card))",
        image=as_page(shown),
        card=card_for(card),
        scores={"data": scores.reshape(-1), "channels": 2, "height": scores.shape[2], "width": scores.shape[3]},
    )["result"]["data"]
    np.testing.assert_allclose(
        back.reshape(2, *size), placement.restore(torch.from_numpy(scores))[0].numpy(), atol=1e-5
    )


@pytest.mark.parametrize(("classes", "flips"), [(1, False), (1, True), (2, False)])
def test_tiles_are_blended_alike(call, brightness, bands, classes, flips):
    checkpoint = brightness if classes == 1 else bands
    card = checkpoint.card.model_copy(update={"inference": "tile", "input_size": (24, 32)})
    tensor = torch.from_numpy(RANDOM.random((1, 1, 60, 75)).astype(np.float32))
    compute = windows.Compute(torch.device("cpu"), torch.float32)
    expected = windows.predict(replace(checkpoint, card=card), tensor, compute, flips=flips)[0].numpy()
    run = """const run = async (tile) => ({ ...tile, channels: input.card.outputs, data: Float32Array.from(
      { length: tile.data.length * input.card.outputs }, (_, i) => input.card.outputs === 1 ? 40 * (tile.data[i] - 0.5)
        : -200 * (tile.data[i % tile.data.length] - Math.floor(i / tile.data.length) / 2) ** 2) });
      return predict(input.placed, input.card, { flips: input.flips, run, progress: async () => {} });"""
    placed = {"data": tensor.numpy().reshape(-1), "channels": 1, "height": 60, "width": 75}
    found = call(f"{{{run}}}", placed=placed, card=card_for(card), flips=flips)["result"]
    np.testing.assert_allclose(found["data"].reshape(expected.shape), expected, atol=1e-5)


def test_probabilities_are_rounded_as_half_precision(call):
    values = np.concatenate([RANDOM.random(500), 10.0 ** -RANDOM.random(500) * 8, [0, 1, 1e-9, 0.5, 2**-24]]).astype(
        np.float32
    )
    values = values.clip(0, 1)
    found = call("input.values.map(toHalf)", values=values)["result"]
    np.testing.assert_array_equal(found, values.astype(np.float16).astype(np.float32))


def smooth(classes: int, shape: tuple[int, int]) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    noise = np.stack([gaussian_filter(RANDOM.random(shape), 2) for _ in range(classes)])
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.mark.parametrize(("classes", "head"), [(1, None), (1, "softmax"), (3, None)])
@pytest.mark.parametrize(("smallest", "fill"), [(0, False), (25, False), (25, True)])
def test_labels_are_decided_cleaned_and_measured_alike(call, classes, head, smallest, fill):
    shown = image(50, 64, spacing_mm=(0.5, 0.8))
    names = [f"class {value}" for value in range(1, classes + 1)]
    card = CARD.model_copy(update={"class_names": tuple(names), "head": head})
    scores = smooth(card.output_channels, shown.shape)
    maps = scores[int(card.has_background) :].astype(np.float16).astype(np.float32)
    labels = to_labels(maps if card.takes_threshold else scores, threshold=0.55)
    labels = clean(labels, classes=classes, smallest_component=smallest, fill_holes=fill)
    expected = measure(LabelMap(labels, tuple(names), shown.geometry), maps.astype(np.float16), shown)
    found = call(
        """{ const kept = keptOf(input.scores, input.card); const labels = decide(kept, input.options);
          return { labels, figures: measure(labels, kept, input.image, input.names) }; }""",
        scores={"data": scores.reshape(-1), "channels": len(scores), "height": 50, "width": 64},
        options={"threshold": 0.55, "smallest": smallest, "fill": fill},
        image=as_page(shown),
        card=card_for(card),
        names=names,
    )["result"]
    np.testing.assert_array_equal(found["labels"].reshape(labels.shape), labels)
    for one, figures in zip(expected, found["figures"], strict=True):
        assert rounded(figures) == rounded(one.as_dict())


def rounded(value):
    """Numbers as texts of six digits, so that records with texts in them can be compared."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return value if value is None or isinstance(value, str) else f"{value:.6g}"


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        (image(200, 90), {}),
        (image(60, 160, colour=True), {}),
        (image(90, 70), {"in_channels": 3}),
        (image(10, 12), {}),
        (image(90, 100), {"window": (-1000, 400)}),
        (image(90, 100), {"window": (400, 1000)}),
        (replace(image(90, 100), modality="CT"), {"modality": "chest radiograph"}),
        (image(90, 100, colour=True), {"appearance": UNLIKE}),
    ],
)  # fmt: skip
def test_warnings_are_those_of_python(call, given, changes):
    card = CARD.model_copy(update=changes)
    found = call("warningsFor(input.image, input.card)", image=as_page(given), card=card_for(card))["result"]
    assert found == check_fit(given, card) != []
