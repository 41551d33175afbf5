import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from dicom_series import OBLIQUE, blob, write_enhanced, write_sparse_seg
from PIL import Image

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs.cases import attempt, case_digest, read_case, read_reference
from medseg_demo.reading import read_image
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image
from medseg_demo.test_sets.test_set import read_test_set


def read(case, class_names=("thing",)):
    return read_case(case, class_names=class_names, settings=Settings())


def write_volume(path, array, *, spacing=(1.0, 1.0, 2.0), origin=(0.0, 0.0, 0.0)):
    volume = SimpleITK.GetImageFromArray(array)
    volume.SetSpacing(spacing)
    volume.SetOrigin(origin)
    SimpleITK.WriteImage(volume, str(path))


@pytest.fixture
def volume_case(tmp_path):
    image, mask = tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz"
    pixels = np.arange(4 * 20 * 20, dtype=np.int16).reshape(4, 20, 20)
    write_volume(image, pixels)
    write_volume(mask, (pixels > 100).astype(np.uint8))
    return Case("scan", (image,), mask)


@pytest.fixture
def sparse_case(tmp_path):
    """A volume in one DICOM file whose reference is a DICOM SEG without the frames that hold no label, and its labels.

    It is tilted, so that the SEG's frames make no regular grid.
    """
    image, mask = tmp_path / "image.dcm", tmp_path / "mask.dcm"
    step = 3 * OBLIQUE[:, 2] + 0.8 * OBLIQUE[:, 1]
    write_enhanced(image, blob(6), [index * step for index in range(6)])
    labels = np.zeros((6, 12, 10), np.uint8)
    labels[[1, 4], 2:6, 3:8] = 1
    write_sparse_seg(labels, read_image(image), mask)
    return Case("scan", (image,), mask), labels


def test_a_dicom_seg_may_leave_out_empty_frames(sparse_case):
    case, labels = sparse_case
    assert np.array_equal(read(case).reference.labels, labels)


def test_the_image_is_read_first_only_where_it_decides(sparse_case, make_test_set):
    def refuse():
        raise CaseError("the image was read")

    picture = read_test_set(make_test_set(cases=1)).cases[0]
    read_reference(picture, class_names=("thing",), image=refuse)
    with pytest.raises(CaseError, match="the image was read"):
        read_reference(sparse_case[0], class_names=("thing",), image=refuse)


def test_a_damaged_image_under_a_dicom_seg_is_named(sparse_case):
    case, _ = sparse_case
    case.image_path.write_bytes(case.image_path.read_bytes()[:300])
    with pytest.raises(CaseError, match=r"Case 'scan', image: image\.dcm"):
        read(case)


def test_the_image_is_read_once(volume_case, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "evaluation.runs.cases.read_case_image", lambda *args, **named: calls.append(1) or read_case_image(*args)
    )
    read(volume_case)
    assert len(calls) == 1


def test_values_of_0_and_255_are_one_class(make_test_set):
    data = read(read_test_set(make_test_set(cases=1)).cases[0])
    assert data.reference.labels.sum() == 32 * 32
    assert data.spacing_mm is None


def test_the_spacing_of_either_file_counts(volume_case, tmp_path):
    assert read(volume_case).spacing_mm == pytest.approx((2, 1, 1))
    np.save(tmp_path / "image.npy", np.arange(4 * 20 * 20, dtype=np.int16).reshape(4, 20, 20))
    assert read(Case("scan", (tmp_path / "image.npy",), volume_case.mask_path)).spacing_mm == pytest.approx((2, 1, 1))


def test_another_shape_names_both(make_test_set):
    folder = make_test_set(cases=1)
    Image.fromarray(np.zeros((64, 65), np.uint8)).save(folder / "masks" / "case_00.png")
    with pytest.raises(CaseError, match=r"Case 'case_00': reference has shape \(64, 65\) but image has \(64, 64\)\. "):
        read(read_test_set(folder).cases[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"origin": (0.0, 0.0, 40.0)}, r"up to 40 mm \(20 voxels\) off the image"),
        ({"spacing": (1.0, 1.0, 2.5)}, r"up to 1.5 mm \(0.75 voxels\) off"),
    ],
)
def test_another_geometry_is_refused(volume_case, change, message):
    write_volume(volume_case.mask_path, np.ones((4, 20, 20), np.uint8), **change)
    with pytest.raises(CaseError, match=message):
        read(volume_case)


@pytest.mark.parametrize(("value", "message"), [(0.5, "value 0.5"), (2, "label 2"), (-1, "label -1")])
def test_values_that_are_no_labels_are_refused(make_test_set, value, message):
    folder = make_test_set(cases=1)
    (folder / "masks" / "case_00.png").unlink()
    np.save(folder / "masks" / "case_00.npy", np.full((64, 64), value))
    with pytest.raises(CaseError, match=f"Case 'case_00', reference: .*{message}"):
        read(read_test_set(folder).cases[0])


def test_a_damaged_image_is_told_from_a_damaged_reference(make_test_set):
    folder = make_test_set(cases=1)
    case = read_test_set(folder).cases[0]
    case.image_path.write_bytes(case.image_path.read_bytes()[:60])
    with pytest.raises(CaseError, match=r"Case 'case_00', image: case_00\.png"):
        read(case)
    case.mask_path.write_bytes(b"")
    with pytest.raises(CaseError, match=r"Case 'case_00', reference: case_00\.png: the file is empty"):
        read(case)


def test_the_digest_is_of_the_id_and_both_files(make_test_set):
    folder = make_test_set(cases=2)
    case, other = read_test_set(folder).cases
    same = Case(case.case_id, case.image_paths, case.mask_path, split="test")
    assert case_digest(case) == case_digest(same)
    digests = {
        case_digest(case),
        case_digest(Case("renamed", case.image_paths, case.mask_path)),
        case_digest(Case(case.case_id, other.image_paths, case.mask_path)),
        case_digest(Case(case.case_id, case.image_paths, other.image_path)),
    }
    assert len(digests) == 4
    with pytest.raises(CaseError, match=r"image: none\.png: the file cannot be opened"):
        case_digest(Case("case", (folder / "none.png",), case.mask_path))


def test_what_else_a_decoder_raises_keeps_its_words_to_itself(make_test_set):
    case = read_test_set(make_test_set(cases=1)).cases[0]

    def explode():
        raise RuntimeError("Doe^Jane")

    with pytest.raises(CaseError, match="RuntimeError") as caught:
        attempt(case, "image", explode)
    assert "Doe" not in str(caught.value)

    def starve():
        raise MemoryError

    with pytest.raises(PassingCaseError, match="memory"):
        attempt(case, "image", starve)


def test_all_channel_files_are_read_and_digested(tmp_path):
    paths = [tmp_path / f"imagesTr/case_{index:04}.nii.gz" for index in range(3)]
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    pixels = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5)
    for index, path in enumerate(paths):
        write_volume(path, pixels + index)
    write_volume(tmp_path / "labelsTr/case.nii.gz", (pixels > 50).astype(np.uint8))
    (tmp_path / "dataset.json").write_text('{"channel_names": {"0": "T1", "1": "T2", "2": "ADC"}}')
    (case,) = read_test_set(tmp_path).cases
    data = read(case)
    assert (data.image.channel_names, data.image.axes) == (("T1", "T2", "ADC"), "ZYXC")
    np.testing.assert_array_equal(data.image.pixels[..., 2], pixels + 2)
    before = case_digest(case)
    write_volume(paths[2], pixels + 9)
    assert case_digest(case) != before
    write_volume(paths[2], pixels, spacing=(1.0, 1.0, 3.0))
    with pytest.raises(CaseError, match=r"Case 'case', image: case: .*channel 'ADC'"):
        read(case)


def test_a_colour_picture_is_a_reference_where_the_test_set_names_its_colours(make_test_set):
    folder = make_test_set(cases=1)
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[10:20, 5:10] = (255, 0, 0)
    pixels[30:40, 5:10] = (0, 255, 0)
    Image.fromarray(pixels).save(folder / "masks" / "case_00.png")
    colours = {"edge": "#00ff00", "tumour": "#FF0000"}
    document = {"labels": {"background": 0, "tumour": 1, "edge": 2}, "colours": colours}
    (folder / "dataset.json").write_text(json.dumps(document))
    test_set = read_test_set(folder)
    labels = read(test_set.cases[0], test_set.class_names).reference.labels
    assert [int((labels == value).sum()) for value in (1, 2)] == [50, 50]
    plain = replace(test_set.cases[0], colours=None)
    assert case_digest(plain) != case_digest(test_set.cases[0])
    with pytest.raises(CaseError, match="is a colour picture"):
        read(plain, test_set.class_names)
