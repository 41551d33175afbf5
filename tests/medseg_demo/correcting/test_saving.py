from dataclasses import replace

import highdicom
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import trimesh
from dicom_segs import labels_on, series_in
from PIL import Image

from medseg_demo.correcting.correction import Correction
from medseg_demo.correcting.edits import Step
from medseg_demo.correcting.saving import correction_formats, save_correction
from medseg_demo.correcting.segmentation import corrected_segmentation
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import LabelMap, Pseudonym
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings
from medseg_demo.writing.measurements import summary


def painted(label_map):
    """A correction with runs of both classes over several slices."""
    one = Correction(label_map, name="net-a")
    flat = label_map.labels.reshape(-1)
    before = [int(flat[at]) for at in (3, 141, 300)]
    one.apply(
        [Step(1, "brush", tuple((at, 1, old, (old + 1) % 3) for at, old in zip((3, 141, 300), before, strict=True)))]
    )
    return one


@pytest.fixture
def image(tmp_path):
    return series_in(tmp_path)


@pytest.fixture
def correction(image):
    return painted(labels_on(image))


def test_every_format_of_a_volume_holds_the_labels_that_were_painted(tmp_path, image, correction):
    assert correction_formats(correction, image) == ("auto", "nifti", "nrrd", "dicom-seg", "stl", "glb")
    wanted = correction.label_map.labels
    nifti = save_correction(correction, image, tmp_path / "out", "nifti")
    assert nifti.name == f"{image.name}-corrected.nii.gz"
    np.testing.assert_array_equal(np.asarray(nibabel.load(nifti).dataobj).T, wanted)
    np.testing.assert_array_equal(
        np.asarray(nibabel.load(save_correction(correction, image, tmp_path)).dataobj).T, wanted
    )
    nrrd = sitk.ReadImage(str(save_correction(correction, image, tmp_path, "nrrd", name="a")))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(nrrd), wanted)
    stored = highdicom.seg.segread(save_correction(correction, image, tmp_path, "dicom-seg"))
    np.testing.assert_array_equal(stored.get_volume(combine_segments=True).array[::-1], wanted)
    described = stored.get_segment_description(1)
    assert described.algorithm_type == highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC
    assert described.algorithm_identification.name == "net-a"
    assert stored.SeriesDescription == "Segmentation corrected by hand"
    assert trimesh.load(save_correction(correction, image, tmp_path, "stl")).is_watertight


def test_of_an_image_pixel_values_of_the_png_are_the_classes(tmp_path, square):
    one = painted(LabelMap(np.zeros(square.shape, np.uint8), ("a", "b"), square.geometry))
    assert correction_formats(one, square) == ("auto", "nifti", "nrrd")
    with Image.open(save_correction(one, square, tmp_path)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), one.label_map.labels)
    with pytest.raises(OptionError, match="Choose one of: auto, nifti, nrrd"):
        save_correction(one, square, tmp_path, "stl")


def test_files_are_called_by_the_pseudonym(tmp_path, image, correction):
    named = replace(image, pseudonym=Pseudonym("case_7", b"secret"))
    assert save_correction(correction, named, tmp_path, "nrrd").name == "case_7-corrected.nrrd"


def test_what_was_undone_is_saved_as_the_networks_own(tmp_path, image, correction):
    one = Correction(labels_on(image), name="net-a")
    stored = highdicom.seg.segread(save_correction(one, image, tmp_path, "dicom-seg"))
    assert stored.SeriesDescription == "Automatic segmentation"


def test_without_room_the_older_file_stays(tmp_path, square, monkeypatch):
    one = painted(LabelMap(np.zeros(square.shape, np.uint8), ("a", "b"), square.geometry))
    path = save_correction(one, square, tmp_path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_correction(one, square, tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_corrected_segmentation_is_measured_anew_and_says_what_it_is(square, brightness):
    found = segment(square, brightness, settings=Settings(device="cpu", precision="float32", backend="torch"))
    one = Correction(found.label_map, name="unet")
    assert corrected_segmentation(found, one) is found
    first = int(np.flatnonzero(found.label_map.labels == 0)[0])
    one.apply([Step(1, "brush", ((first, 1, 0, 1),))])
    corrected = corrected_segmentation(found, one)
    assert corrected.measurements[0].pixels == found.measurements[0].pixels + 1
    assert corrected.measurements[0].mean_confidence is None
    said = summary(corrected)
    assert said["notes"][0].startswith("Corrected by hand;") or "Corrected by hand;" in " ".join(said["notes"])
    assert said["threshold"] is None
    assert corrected.doubts == ()
    assert len(corrected.probabilities) == 0
    with pytest.raises(OptionError, match="corrected by hand"):
        corrected.at_threshold(0.4)
    assert found.threshold is not None
