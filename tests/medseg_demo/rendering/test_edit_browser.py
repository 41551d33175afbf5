"""Correcting by hand in a real browser: what is painted, undone and sent is what the server then holds."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest

from medseg_demo.correcting.correction import Correction
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, viewer_value
from medseg_demo.ui.correct import handlers
from medseg_demo.ui.correct.corrections import Corrected, Corrections

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

SHAPE = (12, 20, 24)
AFFINE = np.array([[-1.0, 0, 0, 9], [0, 0, 2, 3], [0, 1, 0, 4], [0, 0, 0, 1]])  # turned and flipped in every plane
Z, Y, X = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
VOLUME = MedicalImage((10 * X).astype(np.int16), "ZYX", Geometry((2.0, 1.0, 1.0), AFFINE), "ct", "NIfTI", 16, (0.0, 230.0), "CT")  # fmt: skip
HEAD = (np.hypot(Y - 10, X - 8) < 5).astype(np.uint8)
LABELS = LabelMap(np.where(X > 18, 2, HEAD * (Z == 3)).astype(np.uint8), ("head", "tail"), VOLUME.geometry)
PICTURE = MedicalImage(np.full((40, 60), 255, np.uint8), "YX", Geometry(), "x-ray", "PNG", 8, (0.0, 255.0))
EMPTY = LabelMap(np.zeros((40, 60), np.uint8), ("lungs",))


class Correcting:
    """A page whose viewer corrects, and a server that it talks to when it is let."""

    def __init__(self, show, image: MedicalImage, label_map: LabelMap, **options) -> None:
        self.corrected = Corrected(Correction(label_map, name="net"), others={})
        self.corrections = Corrections()
        value = viewer_value(
            image, [NamedPrediction("net", label_map), *options.pop("others", [])], slice_indices="all",
            editing=replace(self.corrected.shown(), copies=options.pop("copies", [])), **options,
        )  # fmt: skip
        self.corrections.show(value["key"], self.corrected)
        self.shown = show(value)
        self.page = self.shown.page
        self.page.evaluate(
            """() => {
              window.told = [];
              document.querySelector('.mv-host').viewer.host.emit = (name, data) => window.told.push([name, data]);
            }"""
        )
        self.shown.press("d")

    def serve(self) -> None:
        """Have the server answer until nothing more is said."""
        for _ in range(20):
            told = self.page.evaluate("() => window.told.splice(0)")
            answers = [answer for name, data in told if (answer := self.answer(name, data)) is not None]
            if not answers:
                break
            for answer in answers:
                self.page.evaluate("(answer) => document.querySelector('.mv-host').viewer.editor.hear(answer)", answer)
        self.shown.settle()

    def answer(self, name: str, data: dict) -> dict | None:
        handler = {"edit": handlers.edit, "fill_between": handlers.between, "copy": handlers.copy}.get(name)
        return handler and handlers.as_value(handler(self.corrections, SimpleNamespace(**data)))

    @property
    def labels(self) -> np.ndarray:
        return self.corrected.correction.label_map.labels

    def drag(self, *places: tuple[float, float], pane: int = 0) -> None:
        mouse = self.page.mouse
        mouse.move(*self.shown.place(pane, *places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.shown.place(pane, *place), steps=3)
        mouse.up()
        self.shown.settle()

    def browser_labels(self) -> np.ndarray:
        """The label map as the slices of one plane hold it, for each plane the same."""
        found = []
        for plane in self.shown.ask("Object.keys(viewer.value.planes)"):
            volume = np.zeros(self.labels.size, np.uint8)
            for index in range(self.count(plane)):
                slice_ = f"viewer.store.get('{plane}', {index})"
                data = self.shown.array(f"{slice_}.views[0].labels.data")
                volume[self.places(plane, index)] = data
            found.append(volume.reshape(self.labels.shape))
        for one in found[1:]:
            assert np.array_equal(one, found[0])
        return found[0]

    def count(self, plane: str) -> int:
        return self.shown.ask(f"viewer.value.planes['{plane}'].count")

    def places(self, plane: str, index: int) -> np.ndarray:
        """Where each pixel of a shown slice lies in the array, worked out by NumPy."""
        view = self.shown.ask(f"viewer.value.planes['{plane}']")
        indices = np.arange(self.labels.size).reshape(
            self.labels.shape if self.labels.ndim == 3 else (1, *self.labels.shape)
        )
        cut = np.moveaxis(indices, view["axes"][0], 0)[index]
        turned = cut if view["axes"][1] < view["axes"][2] else cut.T
        return turned[:: -1 if view["flips"][0] else 1, :: -1 if view["flips"][1] else 1].ravel()


@pytest.fixture
def volume(show) -> Correcting:
    return Correcting(show, VOLUME, LABELS, slice_index=3)


@pytest.fixture
def picture(show) -> Correcting:
    return Correcting(show, PICTURE, EMPTY)


def test_a_brush_paints_a_line_of_discs_and_the_server_holds_it(picture):
    picture.page.get_by_role("slider", name="Size").fill("5")
    picture.drag((10.5, 10.5), (20.5, 10.5))
    picture.serve()
    y, x = np.mgrid[:40, :60]
    line = np.hypot(y - 10, x - np.clip(x, 10, 20)) <= 2.5
    assert np.array_equal(picture.labels, line.astype(np.uint8))
    assert np.array_equal(picture.browser_labels(), picture.labels)
