import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medseg_demo.reading.dicom.geometry import functional_groups, judge_lean, locate, numbers, stack_frames


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
    geometry, notes = locate(dataset())
    assert (geometry.spacing_mm, geometry.affine, notes) == (None, None, ())


@pytest.mark.parametrize(
    ("offsets", "expected"), [([0, 5, 10], 5), ([10, 5, 0], 5), ([0, 5, 11], None), ([0, 5], None)]
)
def test_dose_offsets(offsets, expected):
    grid = dataset(PixelSpacing=["1", "2"], GridFrameOffsetVector=list(map(str, offsets)))
    geometry, _ = locate(grid, stack_frames(grid, 3))
    assert geometry.spacing_mm == (None if expected is None else (expected, 1, 2))


def test_dose_offsets_that_run_down():
    grid = dataset(
        PixelSpacing=["1", "1"], GridFrameOffsetVector=["0", "-5", "-10"], ImagePositionPatient=["1", "2", "30"],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
    )  # fmt: skip
    stack = stack_frames(grid, 3)
    assert stack.order.tolist() == [2, 1, 0]
    assert (locate(grid, stack)[0].affine @ [0, 0, 1, 1]).tolist() == [1, 2, 25, 1]


def test_slices_step_along_the_normal():
    image = dataset(
        PixelSpacing=["1", "2"],
        SpacingBetweenSlices="3",
        ImagePositionPatient=["1", "2", "3"],
        ImageOrientationPatient=["0", "1", "0", "1", "0", "0"],
    )
    geometry, _ = locate(image, stack_frames(image, 4))
    assert geometry.affine.tolist() == [[0, 1, 0, 1], [2, 0, 0, 2], [0, 0, -3, 3], [0, 0, 0, 1]]
    assert np.linalg.norm(geometry.affine[:3, :3], axis=0)[::-1].tolist() == list(geometry.spacing_mm)


def frames_at(places, *, cosines=("1", "0", "0", "0", "1", "0")):
    """An enhanced image; ``cosines`` of all frames, or a list of those of each."""
    each = cosines if isinstance(cosines, list) else [cosines] * len(places)
    return dataset(
        PixelSpacing=["1", "1"],
        PerFrameFunctionalGroupsSequence=Sequence(
            dataset(
                PlanePositionSequence=Sequence([dataset(ImagePositionPatient=[*map(str, place)])]),
                PlaneOrientationSequence=Sequence([dataset(ImageOrientationPatient=list(one))] if one else []),
            )
            for place, one in zip(places, each, strict=True)
        ),
    )


def test_frames_without_an_orientation_keep_their_order():
    image = frames_at([(0, 0, 6), (0, 0, 3), (0, 0, 0)], cosines=None)
    stack = stack_frames(image, 3)
    assert stack.order.tolist() == [0, 1, 2]
    geometry, _ = locate(image, stack)
    assert (geometry.spacing_mm, geometry.affine) == ((3, 1, 1), None)


def test_frames_of_several_orientations_make_no_volume():
    turned = [("1", "0", "0", "0", "1", "0"), ("1", "0", "0", "0", "0", "-1"), ("0", "1", "0", "0", "0", "-1")]
    image = frames_at([(0, 0, 6), (0, 0, 3), (0, 0, 0)], cosines=turned)
    stack = stack_frames(image, 3)
    assert stack.order.tolist() == [0, 1, 2]
    assert locate(image, stack)[0].spacing_mm is None


@pytest.mark.parametrize(("degrees", "is_kept", "is_told"), [(0.04, False, False), (0.4, True, False), (4, True, True)])
def test_a_small_lean_is_rounding(degrees, is_kept, is_told):
    normal = np.array([0.0, 0, 1])
    lean = np.array([np.tan(np.radians(degrees)), 0, 1])
    kept, notes = judge_lean(lean, normal)
    assert kept is (lean if is_kept else normal)
    assert len(notes) == is_told
