"""Text in pixels: found where it is written, on real images, and not seen where there is none."""

import numpy as np
import pytest
from dicom_series import SeriesWriter, blob
from PIL import Image, ImageDraw, ImageFont

from medseg_demo.errors import MedsegError
from medseg_demo.reading import find_studies, read_image
from medseg_demo.samples import list_samples
from medseg_demo.segmenting.fit import BURNED_IN, check_fit
from medseg_demo.settings import Settings
from medseg_demo.writing.burned_in import FOUND, burned_in_warnings, search_files, text_lines

SIZES = (10, 12, 14, 18, 24, 30)


@pytest.fixture(scope="module")
def tissue():
    """A stained section: the most structure of the small samples."""
    (sample,) = (sample for sample in list_samples() if sample.name == "stained-tissue")
    return np.asarray(Image.open(sample.path).convert("L"))


def with_text(pixels, text, size, *, place=(4, 4), shade=255):
    picture = Image.fromarray(pixels)
    ImageDraw.Draw(picture).text(place, text, font=ImageFont.load_default(size), fill=shade)
    return np.asarray(picture)


@pytest.mark.parametrize("text", ["MUSTER, ERIKA", "Mueller Anna 03.02.1961", "ID 4711-0815"])
@pytest.mark.parametrize("size", SIZES)
def test_text_of_any_usual_size_is_found(text, size):
    noise = np.random.default_rng(0).normal(60, 12, (200, 420)).clip(0, 255).astype(np.uint8)
    lines = text_lines(with_text(noise, text, size) / 255)
    assert any(top < 4 + 1.5 * size and left < 4 + 2 * size for top, left, *_ in lines)


@pytest.mark.parametrize("size", [14, 24])
def test_dark_text_on_a_bright_ground_is_found(tissue, size):
    ground = np.maximum(tissue, 190)
    assert text_lines(with_text(ground, "Mueller Anna", size, shade=0) / 255)


@pytest.mark.parametrize("sample", list_samples(), ids=lambda sample: sample.name)
def test_the_bundled_samples_raise_no_alarm(sample):
    assert burned_in_warnings(read_image(sample.path)) == ()


def test_a_ruler_of_dots_and_noise_are_no_text():
    noise = np.random.default_rng(0).normal(0.5, 0.05, (200, 200)).clip(0, 1)
    ruler = np.zeros((200, 200))
    ruler[::20, 5:9] = 1
    assert text_lines(noise) == text_lines(ruler) == []


def test_a_name_in_a_file_is_said(tissue, tmp_path):
    for name, pixels in (("plain", tissue), ("named", with_text(tissue, "MUSTER, ERIKA", 18, shade=0))):
        Image.fromarray(np.maximum(pixels, 200) if name == "plain" else pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"")
    files = [tmp_path / f"{name}.png" for name in ("plain", "named", "broken")]
    assert list(search_files(files, Settings())) == [("named.png", FOUND)]


@pytest.mark.parametrize(("stated", "expected"), [("YES", True), ("NO", False), (None, False)])
@pytest.mark.parametrize("slices", [1, 3])
def test_what_a_header_says_is_a_warning(tmp_path, card, stated, expected, slices):
    elements = {} if stated is None else {"BurnedInAnnotation": stated}
    SeriesWriter(tmp_path / "ct").volume(blob(slices, 40, 50), **elements)
    (study,) = find_studies([tmp_path / "ct"], settings=Settings(), unpack_to=tmp_path)
    image = read_image(study)
    assert image.has_burned_in_text == expected
    assert (BURNED_IN in check_fit(image, card)) == expected
    assert (BURNED_IN in burned_in_warnings(image, search=False)) == expected


def test_one_slice_that_says_so_is_enough(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(3, 40, 50), BurnedInAnnotation=lambda index: "YES" if index else "NO")
    (study,) = find_studies([tmp_path / "ct"], settings=Settings(), unpack_to=tmp_path)
    assert read_image(study).has_burned_in_text


def test_what_is_no_image_is_passed_over(tmp_path):
    (tmp_path / "a.txt").write_text("no image")
    with pytest.raises(MedsegError):
        read_image(tmp_path / "a.txt")
    assert list(search_files([tmp_path / "a.txt"], Settings())) == []
