"""Correcting by hand in a real browser: what is painted, undone and sent is what the server then holds."""

from dataclasses import replace
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
VOLUME = MedicalImage(
    (10 * X).astype(np.int16), "ZYX", Geometry((2.0, 1.0, 1.0), AFFINE), "ct", "NIfTI", 16, (0.0, 230.0), "CT"
)
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


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_what_is_painted_on_a_plane_is_there_in_every_plane(show, plane):
    volume = Correcting(show, VOLUME, LABELS, plane=plane, slice_index=7)
    width, height = volume.shown.ask("[viewer.slice.image.width, viewer.slice.image.height]")
    volume.page.evaluate("document.querySelector('.mv-host').viewer.set({ brush: 4 })")
    volume.drag((3.5, 4.5), (width - 4.5, height - 3.5))
    volume.serve()
    changed = np.argwhere(volume.labels != LABELS.labels)
    assert len(changed) > 20
    assert set(changed[:, PLANE_AXES[plane]]) == {7}
    assert np.array_equal(volume.browser_labels(), volume.labels)
    assert volume.shown.ask("viewer.value.predictions[0].totals.map((one) => one.predicted)") == [
        np.count_nonzero(volume.labels == label) for label in (1, 2)
    ]


PLANE_AXES = {"axial": 0, "coronal": 1, "sagittal": 2}


def test_ten_undos_and_redos_give_the_same_bytes(volume):
    for step in range(10):
        volume.shown.press(str(step % 3))
        volume.drag((3.5 + step, 4.5), (6.5 + step, 9.5))
    volume.serve()
    after = volume.labels.tobytes()
    assert after != LABELS.labels.tobytes()
    volume.shown.press(*["Control+z"] * 10)
    volume.serve()
    assert volume.labels.tobytes() == volume.browser_labels().tobytes() == LABELS.labels.tobytes()
    assert not volume.corrected.correction.is_changed
    volume.shown.press(*["Control+Shift+Z"] * 5, *["Control+y"] * 5)
    volume.serve()
    assert volume.labels.tobytes() == volume.browser_labels().tobytes() == after


def test_protected_classes_and_other_intensities_are_left_alone(volume):
    volume.page.get_by_role("button", name="Protect tail: no tool changes it").click()
    volume.page.get_by_role("button", name="Between", exact=True).click()
    for word, value in (("Least", "60"), ("Greatest", "215")):  # x from 6 to 21
        volume.page.get_by_role("spinbutton", name=f"{word} intensity to paint on").fill(value)
        volume.page.keyboard.press("Tab")
    volume.page.evaluate("document.querySelector('.mv-host').viewer.set({ brush: 60 })")
    volume.drag((10.5, 10.5), (11.5, 10.5))
    volume.serve()
    expected = LABELS.labels.copy()
    expected[3][(X[3] >= 6) & (X[3] <= 18)] = 1
    assert np.array_equal(volume.labels, expected)
    volume.drag((10.5, 10.5), (11.5, 10.5))  # nothing is left to paint
    assert volume.page.evaluate("told.filter(([name]) => name === 'edit').length") == 0


def test_polygon_lasso_and_fill(picture):
    picture.shown.press("p")
    for place in ((10, 10), (30, 10), (30, 20), (10, 20), (10, 10)):
        picture.page.mouse.click(*picture.shown.place(0, *place))
    picture.serve()
    expected = np.zeros((40, 60), np.uint8)
    expected[10:20, 10:30] = 1
    assert np.array_equal(picture.labels, expected)
    picture.shown.press("0", "l")
    picture.drag((12, 12), (18, 12), (18, 16), (12, 16))
    picture.serve()
    expected[12:16, 12:18] = 0
    assert np.array_equal(picture.labels, expected)
    picture.shown.press("1", "u")
    picture.page.mouse.click(*picture.shown.place(0, 14.5, 14.5))
    picture.serve()
    expected[12:16, 12:18] = 1
    assert np.array_equal(picture.labels, expected)
    assert picture.browser_labels().tobytes() == expected.tobytes()


def test_slices_between_two_that_were_painted_are_filled_and_this_is_undone(volume):
    volume.shown.press("1")
    for index in (5, 9):
        volume.shown.ask(f"viewer.goTo({index})")
        volume.drag((10.5, 10.5), (10.5, 10.5))
    volume.shown.press("s")
    volume.serve()
    assert volume.corrected.correction.changed_slices() == (5, 6, 7, 8, 9)
    assert np.array_equal(volume.labels[7] == 1, volume.labels[5] == 1)
    assert np.array_equal(volume.browser_labels(), volume.labels)
    expect(volume.page.get_by_role("button", name="5 changed")).to_be_visible()
    volume.shown.press("Control+z")
    volume.serve()
    assert volume.corrected.correction.changed_slices() == (5, 9)


def test_a_slice_is_copied_from_how_it_was_and_a_refusal_is_said(volume):
    volume.drag((3.5, 4.5), (15.5, 9.5))
    volume.page.get_by_role("button", name="Copy", exact=True).click()
    volume.serve()
    assert np.array_equal(volume.labels, LABELS.labels)
    assert volume.corrected.correction.revision == 2
    volume.page.get_by_role("button", name="Copy", exact=True).click()
    volume.serve()
    expect(volume.page.locator(".mv-edit-said")).to_contain_text("Nothing to change")


def test_keys_alone_paint_and_erase(picture):
    picture.shown.press("b", *[","] * 8, "Enter", " ", "ArrowRight", "ArrowRight", " ")
    picture.serve()
    assert np.argwhere(picture.labels).tolist() == [[20, 30], [20, 31], [20, 32]]
    picture.shown.press("e", "ArrowLeft", "Enter")
    picture.serve()
    assert np.argwhere(picture.labels).tolist() == [[20, 30], [20, 32]]
    picture.shown.press("Escape", "Escape")
    assert not picture.shown.ask("viewer.state.correcting")


def test_one_finger_paints_and_two_do_not(picture):
    client = picture.page.context.new_cdp_session(picture.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [
            dict(zip("xy", picture.shown.place(0, *place), strict=True), id=number)
            for number, place in enumerate(places)
        ]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        picture.shown.settle()

    touch("touchStart", (10.5, 10.5))
    touch("touchMove", (14.5, 10.5))
    touch("touchEnd")
    picture.serve()
    painted = picture.labels.copy()
    assert painted[10, 10:15].all()
    touch("touchStart", (30.5, 30.5))
    touch("touchStart", (30.5, 30.5), (40.5, 30.5))
    touch("touchMove", (28.5, 30.5), (44.5, 30.5))
    touch("touchEnd")
    picture.serve()
    assert np.array_equal(picture.labels, painted)
    assert np.array_equal(picture.browser_labels(), painted)


def test_edits_wait_for_the_connection_and_are_done_once(picture):
    picture.drag((10.5, 10.5), (20.5, 10.5))
    picture.drag((10.5, 20.5), (20.5, 20.5))
    (lost,) = picture.page.evaluate("() => window.told.splice(0)")  # no answer comes
    picture.answer(*lost)  # though it arrived
    assert picture.corrected.correction.revision == 1
    picture.page.evaluate("window.dispatchEvent(new Event('online'))")
    picture.serve()
    assert picture.corrected.correction.revision == 2
    assert np.array_equal(picture.browser_labels(), picture.labels)


def test_what_was_edited_elsewhere_is_said_and_shown_again(volume):
    step = {"number": 1, "kind": "brush", "runs": [[3 * 480, 1, 0, 1]]}
    handlers.edit(volume.corrections, SimpleNamespace(key=volume.shown.ask("viewer.value.key"), steps=[step]))
    held = volume.labels.copy()
    volume.drag((3.5, 4.5), (6.5, 4.5))
    volume.page.evaluate("document.querySelector('.mv-host').viewer.host.offersSlices = true")
    volume.serve()
    assert np.array_equal(volume.labels, held)
    expect(volume.page.locator(".mv-edit-said")).to_contain_text("edited in another tab")
    assert volume.shown.ask("viewer.editor.sync.next") == 2


def test_a_result_that_was_replaced_takes_no_more(picture):
    picture.corrections.clear()
    picture.drag((10.5, 10.5), (20.5, 10.5))
    picture.serve()
    expect(picture.page.locator(".mv-edit-said")).to_contain_text("was replaced or has expired")
    picture.page.evaluate("() => window.told.splice(0)")
    picture.drag((10.5, 20.5), (20.5, 20.5))
    assert picture.page.evaluate("told.filter(([name]) => name === 'edit')") == []


def test_slices_that_come_late_get_what_was_painted_since(volume):
    late = viewer_value(
        VOLUME, [NamedPrediction("net", LABELS)], slice_indices=[3], key=volume.shown.ask("viewer.value.key"),
        editing=volume.corrected.shown(),
    )  # fmt: skip
    volume.drag((3.5, 4.5), (6.5, 4.5))
    volume.serve()
    volume.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", late)
    assert np.array_equal(volume.browser_labels(), volume.labels)


def test_a_page_without_a_server_and_a_reduced_image_say_no(show):
    shown = show(viewer_value(PICTURE, [NamedPrediction("net", EMPTY)]))
    expect(shown.page.get_by_role("button", name="Correct", exact=True)).to_be_hidden()
    reduced = Correcting(show, PICTURE, EMPTY, max_side=30)
    expect(reduced.page.locator(".mv-edit-said")).to_contain_text("shown reduced")
    reduced.drag((10, 10), (20, 10))
    assert reduced.page.evaluate("told") == []
