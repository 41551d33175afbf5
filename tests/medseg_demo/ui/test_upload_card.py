import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from dicom_series import SeriesWriter, blob
from PIL import Image
from pydicom.data import get_testdata_file

from medseg_demo.image import Geometry
from medseg_demo.reading import Study, find_series, read_image
from medseg_demo.segmenting.fit import check_fit
from medseg_demo.settings import Settings
from medseg_demo.ui import upload_card


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


def test_channels_that_are_no_colours_are_listed_by_name_range_and_depth(make_image):
    pixels = np.stack([np.arange(12).reshape(3, 4) * 100 * index for index in (1, 2)], axis=-1).astype(np.uint16)
    image = replace(make_image(pixels, "YXC"), channel_names=("T1", "<T2>"), channel_bit_depths=(12, 16), bit_depth=16)
    assert dict(upload_card.describe(image))["Channels"] == "2, no colours"
    cells = text_of(upload_card.image_card(image))
    first = cells.index("T1")
    assert [cell.strip() for cell in cells[first : first + 6]] == [
        "T1", "0 to 1\N{NARROW NO-BREAK SPACE}100", "12 bit", "<T2>", "0 to 2\N{NARROW NO-BREAK SPACE}200", "16 bit",
    ]  # fmt: skip
    assert upload_card.channel_table(make_image(np.zeros((8, 8, 3), np.uint8), "YXC")) == ""


def test_a_volume_says_which_way_it_was_cut(make_image):
    image = make_image(np.zeros((4, 5, 6), np.uint8), "ZYX")
    assert dict(upload_card.describe(image))["Orientation"] == "unknown"
    sagittal = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)  # x to P, y to I, z to L
    for affine, words in ((np.eye(4), "Axial slices, L · P · S"), (sagittal, "Sagittal slices, P · I · L")):
        placed = replace(image, geometry=Geometry((1.0, 1.0, 1.0), affine))
        assert dict(upload_card.describe(placed))["Orientation"] == words


def test_notes_and_warnings_stand_on_the_card(make_image, card):
    image = make_image(np.zeros((8, 8), np.uint8)).with_note("The <i>polarity</i> was turned.")
    html = upload_card.image_card(image, check_fit(image, card))
    assert "The &lt;i&gt;polarity&lt;/i&gt; was turned." in html
    assert "ms-warning" in html
    assert "small (8 × 8 px)" in html
    assert "ms-warning" not in upload_card.image_card(image)


def text_of(html: str) -> list[str]:
    """The texts of a card, one an element."""
    return [unescape(part) for part in re.findall(r">([^<>]+)<", html)]


@pytest.fixture
def files(tmp_path):
    """Writes PNGs of this size called p0.png, p1.png, …, as studies; the n-th is n pixels higher."""

    def write(count: int, shape: tuple[int, int] = (64, 64)) -> list[Study]:
        for index in range(count):
            pixels = np.zeros((shape[0] + index, shape[1]), np.uint8)
            pixels[0, 0] = 200
            Image.fromarray(pixels).save(tmp_path / f"p{index}.png")
        return [Study(tmp_path / f"p{index}.png") for index in range(count)]

    return write


def test_several_files_stand_side_by_side_and_those_that_cannot_be_read_are_named(files, tmp_path, card):
    bad = [tmp_path / "bad.png", tmp_path / "worse.png"]
    for path in bad:
        path.write_text("x")
    texts = text_of(upload_card.studies_card([*map(Study, bad), *files(2)], card, Settings()))
    assert texts[0] == "4 files"
    assert texts[texts.index("p1.png") :][:7] == [
        "p1.png",
        "PNG",
        "64 × 65 px",
        "8 bit",
        "0 to 200",
        "unknown",
        "grey (1)",
    ]
    (problem,) = [text for text in texts if text.startswith("bad.png: its bytes are of no image format")]
    assert problem.endswith(" Likewise worse.png.")


def test_equal_names_are_told_apart_and_nothing_is_ready_where_nothing_can_be_read(files, tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "scan.png").write_text("x")
    bad = [Study(tmp_path / folder / "scan.png") for folder in ("first", "second")]
    texts = text_of(upload_card.studies_card([*bad, *files(1)], None, Settings()))
    assert "Ready to segment" in texts
    (problem,) = [text for text in texts if "its bytes are of no image format" in text]
    assert (problem.split(":")[0], problem.split(" Likewise ")[1]) == ("scan", "scan-2.")  # no folder of the server
    assert "Ready to segment" not in text_of(upload_card.studies_card(bad, None, Settings()))


def test_a_name_that_is_no_text_is_said_once(tmp_path):
    path = tmp_path / "K\udcf6nig.png"
    path.write_text("x")
    texts = text_of(upload_card.studies_card([Study(path), Study(path.with_name("b.png"))], None, Settings()))
    assert "K?nig.png: its bytes" in " ".join(texts)
    assert " ".join(texts).count("K?nig.png") == 1


def test_a_warning_that_holds_for_many_files_is_one_line(files, card):
    wide = card.model_copy(update={"input_size": (512, 512)})
    texts = text_of(upload_card.studies_card(files(60), wide, Settings()))
    assert [text for text in texts if "small" in text] == [
        "p0.png: The image is small (64 × 64 px) for this checkpoint. Likewise p1.png, p2.png, p3.png and 56 more."
    ]
    assert not any("small" in text for text in text_of(upload_card.studies_card(files(60), None, Settings())))


def test_warnings_of_the_wrong_kind_and_notes_of_several_files(card):
    chest = card.model_copy(update={"modality": "Chest radiograph"})
    studies = [
        Study(Path(get_testdata_file(name, download=False)))
        for name in ("CT_small.dcm", "MR_small.dcm", "RG1_UNCR.dcm")
    ]
    texts = text_of(upload_card.studies_card(studies, chest, Settings()))
    assert [text.split(", but")[0] for text in texts if "The file says" in text] == [
        "CT_small.dcm: The file says CT",
        "MR_small.dcm: The file says MR",
    ]
    notes = [(study.name, note) for study in studies for note in read_image(study).notes]
    assert notes
    assert {f"{name}: {note}" for name, note in notes} <= set(texts)
    assert "0.661 × 0.661 mm" in texts


def test_what_is_large_or_beyond_the_first_waits_for_its_turn(files, card, monkeypatch):
    studies = files(5)
    length = studies[0].item.stat().st_size
    with studies[0].item.open("ab") as file:
        file.write(bytes(10 * length))
    for most_files, most_bytes, read, more in ((64, 1, 1, 4), (3, 10**6, 3, 2), (64, 10**6, 5, 0)):
        monkeypatch.setattr(upload_card, "READ_FILES", most_files)
        monkeypatch.setattr(upload_card, "READ_BYTES", most_bytes)
        texts = text_of(upload_card.studies_card(studies, card, Settings()))
        assert [text for text in texts if text.endswith(".png")] == [f"p{index}.png" for index in range(read)]
        assert (f"and {more} more, read when their turn comes" in texts) == (more > 0)


def test_a_series_says_what_it_is_before_it_is_read(files, card, tmp_path, monkeypatch):
    SeriesWriter(tmp_path / "chest").volume(blob())
    (series,) = find_series([tmp_path / "chest"])
    series = replace(series, notes=("1 image was left out.",))
    studies = [*files(1), Study(series)]
    chest = card.model_copy(update={"modality": "Chest radiograph"})
    whole = text_of(upload_card.studies_card(studies, chest, Settings()))
    assert whole[0] == "2 series or volumes"
    assert any(text.startswith("chest: The file says CT, but") for text in whole)
    monkeypatch.setattr(upload_card, "READ_BYTES", 1)
    unread = text_of(upload_card.studies_card(studies, chest, Settings()))
    assert unread[unread.index("chest") :][:4] == ["chest", "DICOM series", series.description, "–"]
    assert "chest: 1 image was left out." in unread
    assert not any("more, read" in text for text in unread)
