from dataclasses import replace

import numpy as np

from medseg_demo.image import Geometry
from medseg_demo.settings import Settings
from medseg_demo.ui import upload_card
from medseg_demo.ui.studies import Study


def test_an_image_is_described_in_plain_words(make_image):
    image = make_image(np.array([[0, 7], [9, 255]], np.uint8).repeat(300, 1), spacing_mm=(0.7, 0.35))
    assert dict(upload_card.describe(image)) == {
        "Format": "PNG",
        "Size": "600 × 2 px",
        "Bit depth": "8 bit",
        "Intensities": "0 to 255",
        "Spacing": "0.35 × 0.7 mm",
        "Channels": "grey (1)",
    }


def test_a_volume_in_colour_without_spacing(make_image):
    facts = dict(upload_card.describe(make_image(np.zeros((4, 5, 6, 3), np.uint8), "ZYXC")))
    assert (facts["Size"], facts["Spacing"], facts["Channels"]) == ("6 × 5 px, 4 slices", "unknown", "colour (3)")


def test_a_volume_says_which_way_it_was_cut(make_image):
    image = make_image(np.zeros((4, 5, 6), np.uint8), "ZYX")
    assert dict(upload_card.describe(image))["Orientation"] == "unknown"
    sagittal = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)  # x to P, y to I, z to L
    for affine, words in ((np.eye(4), "axial slices, L · P · S"), (sagittal, "sagittal slices, P · I · L")):
        placed = replace(image, geometry=Geometry((1.0, 1.0, 1.0), affine))
        assert dict(upload_card.describe(placed))["Orientation"] == words


def test_notes_and_warnings_stand_on_the_card(make_image, card):
    image = make_image(np.zeros((8, 8), np.uint8)).with_note("The <i>polarity</i> was turned.")
    html = upload_card.image_card(image, card)
    assert "The &lt;i&gt;polarity&lt;/i&gt; was turned." in html
    assert "ms-warning" in html
    assert "small (8 × 8 px)" in html
    assert "ms-warning" not in upload_card.image_card(image, None)


def test_of_many_files_the_first_are_read_and_faults_named(picture, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("x")
    html = upload_card.studies_card(
        [Study(path) for path in (bad, *(picture(f"p{index}") for index in range(9)))], Settings()
    )
    assert "10 files" in html
    assert "p0.png" in html
    assert "p8.png" not in html
    assert "and 2 more" in html
    assert "bad.png" in html
