import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medseg_demo.readers.dicom_geometry import functional_groups, locate, numbers


def dataset(**elements):
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def test_numbers():
    assert numbers(dataset(PixelSpacing=["0.5", "2"]), "PixelSpacing") == (0.5, 2)
    assert numbers(dataset(Rows=7), "Rows") == (7,)
    assert numbers(dataset(), "Rows") == ()
    assert numbers(dataset(PatientName="Doe"), "PatientName") == ()
    assert numbers(dataset(DiffusionBValue=float("nan")), "DiffusionBValue") == ()


def test_a_frame_has_the_first_word():
    shared = dataset(PixelMeasuresSequence=Sequence([dataset(PixelSpacing=["1", "1"])]))
    own = dataset(PixelMeasuresSequence=Sequence([dataset(PixelSpacing=["2", "2"])]))
    image = dataset(
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence([dataset(), own]),
    )
    assert numbers(image, "PixelSpacing", group="PixelMeasuresSequence", frame=0) == (1, 1)
    assert numbers(image, "PixelSpacing", group="PixelMeasuresSequence", frame=1) == (2, 2)
    assert functional_groups(image, "FrameVOILUTSequence", 0) == []


def test_nothing_stated():
    geometry, notes = locate(dataset(), 0)
    assert (geometry.spacing_mm, geometry.affine, notes) == (None, None, ())


@pytest.mark.parametrize(
    ("offsets", "expected"), [([0, 5, 10], 5), ([10, 5, 0], 5), ([0, 5, 11], None), ([0, 5], None)]
)
def test_dose_offsets(offsets, expected):
    geometry, _ = locate(dataset(PixelSpacing=["1", "2"], GridFrameOffsetVector=list(map(str, offsets))), 3)
    assert geometry.spacing_mm == (None if expected is None else (expected, 1, 2))


def test_slices_step_along_the_normal():
    geometry, _ = locate(
        dataset(
            PixelSpacing=["1", "2"],
            SpacingBetweenSlices="3",
            ImagePositionPatient=["1", "2", "3"],
            ImageOrientationPatient=["0", "1", "0", "1", "0", "0"],
        ),
        4,
    )
    assert geometry.affine.tolist() == [[0, 1, 0, 1], [2, 0, 0, 2], [0, 0, -3, 3], [0, 0, 0, 1]]
    assert np.linalg.norm(geometry.affine[:3, :3], axis=0)[::-1].tolist() == list(geometry.spacing_mm)
