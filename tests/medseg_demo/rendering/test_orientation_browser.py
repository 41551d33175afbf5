"""Volumes that were not acquired axially: every plane upright, and all that belongs to a slice exactly on it."""

import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, to_uint8, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(17)
PATIENT = RNG.integers(0, 4000, (6, 9, 12)).astype(np.int16)  # to the head, the back and the left: 4, 2 and 1 mm
MASK = RNG.random(PATIENT.shape).astype(np.float16)
NAMES = ("Axial", "Coronal", "Sagittal")
SPACING = (4.0, 2.0, 1.0)
TURN = np.linalg.qr([[1, -0.3, 0.2], [0.3, 1, -0.25], [-0.2, 0.25, 1]])[0]
TURN = TURN * np.sign(np.diag(TURN))

# Of the stored (Z, Y, X): which axis of the patient (head, back, left) each is, and which run against it.
ACQUIRED = {
    "sagittal": ((2, 0, 1), (1,)),
    "coronal": ((1, 0, 2), (0, 1)),
    "oblique": ((2, 1, 0), (0, 2)),
}


def stored(array: np.ndarray, acquired: str) -> np.ndarray:
    axes, against = ACQUIRED[acquired]
    return np.flip(array.transpose(axes), against)


def volume_of(acquired: str) -> MedicalImage:
    axes, against = ACQUIRED[acquired]
    directions = np.eye(3)[::-1] * SPACING  # its columns: head, back, left
    directions = (TURN @ directions if acquired == "oblique" else directions)[:, axes]
    directions[:, list(against)] *= -1
    affine = np.eye(4)
    affine[:3, :3] = directions[:, ::-1]
    spacing = tuple(SPACING[axis] for axis in axes)
    return MedicalImage(stored(PATIENT, acquired), "ZYX", Geometry(spacing, affine), "mr", "NIfTI", 16, (0.0, 4000.0))


def predictions_of(acquired: str) -> list[NamedPrediction]:
    maps = [stored((limit < MASK).astype(np.uint8), acquired) for limit in (0.5, 0.7)]
    probabilities = stored(MASK, acquired)[np.newaxis]
    first, second = (LabelMap(labels, ("core",)) for labels in maps)
    return [NamedPrediction("unet", first, probabilities, 0.5), NamedPrediction("fpn", second)]


@pytest.fixture(params=ACQUIRED)
def acquired(request) -> str:
    return request.param


@pytest.fixture
def volume(show, acquired):
    """A viewer that holds every slice of a volume with everything that belongs to it."""
    first, _ = predictions_of(acquired)
    reference = LabelMap(stored((PATIENT > 1800).astype(np.uint8), acquired), ("core",))
    return show(viewer_value(volume_of(acquired), [first], reference=reference, slice_indices="all"))


def patient_slice(array: np.ndarray, name: str, place: int) -> np.ndarray:
    """What a plane shows of the patient: the head or the front at the top, the right or the front on the left."""
    if name == "Axial":
        return array[place]
    return array[::-1, place] if name == "Coronal" else array[::-1, :, place]


def place_of(page, acquired: str, pane: int = 0) -> tuple[str, int]:
    """A pane's plane by its name in the patient, and where in the patient its slice lies."""
    name, axis, index = page.ask(
        f"((pane) => [viewer.value.planes[pane.plane].name, viewer.value.planes[pane.plane].axes[0], pane.slice.index])"
        f"(viewer.panes[{pane}])"
    )
    _, against = ACQUIRED[acquired]
    return name, PATIENT.shape[NAMES.index(name)] - 1 - index if axis in against else index


READ_STAGE = """(which) => {
  const { painter, camera, slice } = document.querySelector(".mv-host").viewer.panes[which];
  const { height, width } = slice.image;
  const colourAt = (column, row) => {
    const place = camera.toStage(column + 0.5, row + 0.5);
    const [x, y] = [place.x, place.y].map((length) => Math.floor(length * painter.ratio));
    return [...painter.context.getImageData(x, y, 1, 1).data.subarray(0, 3)];
  };
  const places = (length) => [...Array(length).keys()];
  return places(height).map((row) => places(width).map((column) => colourAt(column, row)));
}"""


def stage_pixels(page, pane: int = 0) -> np.ndarray:
    """The colours on the stage at the centre of each pixel of the picture, (Y, X, 3)."""
    page.settle()
    return np.array(page.page.evaluate(READ_STAGE, pane))


def test_a_plane_named_after_the_patient_shows_the_patient_upright(volume, acquired):
    sizes = {"Axial": (2, 1), "Coronal": (4, 1), "Sagittal": (4, 2)}
    letters = {"Axial": "RLAP", "Coronal": "RLSI", "Sagittal": "APSI"}
    for name in NAMES:
        volume.click(name)
        volume.slide("Slice", 3)
        shown, place = place_of(volume, acquired)
        assert shown == name
        coloured = np.ptp(stage_pixels(volume), axis=-1) > 8
        np.testing.assert_array_equal(coloured, patient_slice(MASK, name, place) > 0.5)
        volume.click("Image")
        grey = to_uint8(patient_slice(PATIENT, name, place), (0, 4000))[..., np.newaxis].astype(int)
        assert np.abs(stage_pixels(volume) - grey).max() <= 1
        volume.click("Overlay")
        at_edges = volume.page.locator(".mv-letter").all_inner_texts()
        assert "".join(letter[0] for letter in at_edges) == letters[name]
        down, right = sizes[name]
        assert volume.ask("viewer.camera.scaleY / viewer.camera.scaleX") == pytest.approx(down / right)


def test_reference_probabilities_and_the_live_mask_lie_on_the_image(volume, acquired):
    volume.slide("Threshold", 0.3)
    for name in NAMES:
        volume.click(name)
        volume.slide("Slice", 2)
        _, place = place_of(volume, acquired)
        found = {
            "reference": (volume.array("viewer.slice.reference.data"), PATIENT > 1800),
            "labels": (volume.array("viewer.layers.labels(viewer.value, viewer.state, viewer.view)"), MASK > 0.3),
            "probabilities": (volume.array("viewer.view.probabilities[0].data") > 60, MASK > 0.3),
        }
        for part, (shown, expected) in found.items():
            np.testing.assert_array_equal(shown, patient_slice(expected, name, place).ravel(), err_msg=part)


def picture_place(name: str, head: int, back: int, left: int) -> tuple[int, int]:
    """The row and column of a voxel of the patient."""
    height = PATIENT.shape[0]
    return {"Axial": (back, left), "Coronal": (height - 1 - head, left), "Sagittal": (height - 1 - head, back)}[name]


def coloured_in(page, pane: int, area: str) -> np.ndarray:
    """Where a row or column of pixels of the stage is coloured, not grey."""
    pixels = page.array(f"viewer.panes[{pane}].painter.context.getImageData({area}).data").reshape(-1, 4)
    return np.flatnonzero(np.ptp(pixels[:, :3], axis=1) > 30)


def test_clicks_take_the_crosshair_to_one_voxel_on_every_plane(volume, acquired):
    voxel = head, back, left = 2, 5, 7
    volume.click("All three")
    volume.press("m")
    titles = volume.page.locator(".mv-title:not(.mv-title-right)").all_inner_texts()
    assert [title.split()[0] for title in titles] == list(NAMES)
    for pane, name in enumerate(NAMES):
        row, column = picture_place(name, *voxel)
        volume.page.mouse.click(*volume.place(pane, column + 0.5, row + 0.5))
    z, y, x = volume.ask("viewer.state.point")
    assert volume_of(acquired).pixels[z, y, x] == PATIENT[voxel]
    for pane, name in enumerate(NAMES):
        assert place_of(volume, acquired, pane) == (name, voxel[pane])
        row, column = picture_place(name, *voxel)
        place = volume.ask(f"viewer.panes[{pane}].camera.toStage({column + 0.5}, {row + 0.5})")
        width, height = (volume.ask(f"viewer.panes[{pane}].painter.canvas.{side}") for side in ("width", "height"))
        assert coloured_in(volume, pane, f"0, 1, {width}, 1").tolist() == [round(place["x"])]
        assert coloured_in(volume, pane, f"1, 0, 1, {height}").tolist() == [round(place["y"])]
        volume.page.mouse.move(*volume.place(pane, column + 0.5, row + 0.5))
        volume.settle()
        texts = volume.page.locator(".mv-readout span").all_inner_texts()
        assert (texts[0], texts[2]) == (f"x {x}  y {y}  z {z}", str(PATIENT[head, back, left]))


@pytest.mark.parametrize("acquired", ["coronal"])
def test_planes_are_offered_in_the_order_of_the_patient(volume):
    order = [*NAMES, "All three"]
    group = volume.page.get_by_role("group", name="Plane")
    assert group.get_by_role("button").all_inner_texts() == order
    seen = [group.locator("[aria-pressed=true]").inner_text()]
    for _ in range(4):
        volume.press("v")
        seen.append(group.locator("[aria-pressed=true]").inner_text())
    assert seen == ["Coronal", "Sagittal", "All three", "Axial", "Coronal"]  # from that of the stored slices
    volume.click("All three")
    for name, length in zip(NAMES, PATIENT.shape, strict=True):
        volume.slide(name, 1)
        control = volume.page.get_by_role("slider", name=name, exact=True)
        expect(control).to_have_attribute("aria-valuetext", f"2 / {length}")


def test_linked_panes_lie_on_the_image_and_regions_are_found_on_every_plane(show, acquired):
    centre = np.zeros(PATIENT.shape, bool)
    centre[1:3, 4:8, 6:9] = True  # of the patient: a box of 2 × 4 × 3 voxels
    places = np.argwhere(stored(centre, acquired))
    box = [*places.min(axis=0).tolist(), *(places.max(axis=0) + 1).tolist()]
    regions = [{"class_name": "core", "size": "0.2 ml", "box": box}]
    value = viewer_value(volume_of(acquired), predictions_of(acquired), regions=regions, slice_indices="all")
    page = show(value)
    page.click("All three")
    page.press("n")
    page.settle()
    for pane in range(6):
        name, place = place_of(page, acquired, pane)
        limit = (0.5, 0.7)[pane % 2]
        labels = page.array(f"viewer.panes[{pane}].view.labels.data")
        np.testing.assert_array_equal(labels, patient_slice(MASK, name, place).ravel() > limit)
        middle = page.ask(
            "((camera, { width, height }) => camera.toPicture(width / 2, height / 2))"
            f"(viewer.panes[{pane}].camera, viewer.panes[{pane}].camera.stage)"
        )
        rows, columns = np.nonzero(patient_slice(centre, name, place))
        assert len(rows), "the slice does not pass through the region"
        assert (middle["y"], middle["x"]) == pytest.approx((rows.mean() + 0.5, columns.mean() + 0.5)), name


def test_an_image_of_two_dimensions_is_turned_too(show):
    pixels = RNG.integers(0, 4000, (5, 7)).astype(np.int16)  # columns run to the head, rows to the back
    affine = np.eye(4)[[2, 1, 0, 3]]
    image = MedicalImage(pixels, "YX", Geometry((1.0, 1.0), affine), "x", "NIfTI", 16, (0.0, 4000.0))
    page = show(viewer_value(image))
    expected = pixels.T[::-1]
    grey = stage_pixels(page)
    assert np.abs(grey - to_uint8(expected, (0, 4000))[..., np.newaxis].astype(int)).max() <= 1
    assert page.page.locator(".mv-letter").all_inner_texts() == ["A", "P", "S", "I"]
    page.hover(1.5, 0.5)
    texts = page.page.locator(".mv-readout span").all_inner_texts()
    assert (texts[0], texts[2]) == ("x 6  y 1", str(pixels[1, 6]))
