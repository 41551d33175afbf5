import numpy as np
import pytest
from dicom_series import item

from medseg_demo.reading.dicom.frames import planes_of_frames
from medseg_demo.reading.dicom.stack import lay_out
from medseg_demo.reading.dicom.volumes import volumes

AXIAL = ["1", "0", "0", "0", "1", "0"]
NM_POINTERS = {
    "EnergyWindowVector": 0x00540010, "DetectorVector": 0x00540020, "PhaseVector": 0x00540030,
    "RotationVector": 0x00540050, "TimeSlotVector": 0x00540070, "SliceVector": 0x00540080,
    "AngularViewVector": 0x00540090, "TimeSliceVector": 0x00540100,
}  # fmt: skip


def split(dataset, frames):
    """The volumes' names and frames, and the geometry of the first."""
    planes = planes_of_frames(dataset, frames)
    parts = volumes(planes)
    geometry, _ = lay_out([planes[index] for index in parts[0].planes])
    return [(part.name, part.planes) for part in parts], geometry


def nm(step=None, **vectors):
    pointers = [NM_POINTERS[name] for name in vectors]
    elements = {} if step is None else {"SpacingBetweenSlices": str(step)}
    detector = item(ImageOrientationPatient=AXIAL, ImagePositionPatient=["1", "2", "30"])
    return item(
        Modality="NM",
        PixelSpacing=["4", "4"],
        FrameIncrementPointer=pointers,
        DetectorInformationSequence=[detector],
        **elements,
        **vectors,
    )


def test_slices_of_nuclear_medicine():
    parts, geometry = split(nm(4.4, SliceVector=[1, 2, 3]), 3)
    assert parts == [("", (0, 1, 2))]
    assert geometry.spacing_mm == pytest.approx((4.4, 4, 4))
    assert (geometry.affine @ [0, 0, 2, 1])[:3] == pytest.approx([1, 2, 38.8])


def test_slices_that_run_against_the_normal():
    parts, geometry = split(nm(-5, SliceVector=[1, 2, 3]), 3)
    assert parts == [("", (2, 1, 0))]
    assert (geometry.affine @ [0, 0, 0, 1])[:3] == pytest.approx([1, 2, 20])
    assert geometry.affine[2, 2] == pytest.approx(5)


def test_gated_slices_are_a_volume_each_time():
    parts, _ = split(nm(4, TimeSlotVector=[1, 1, 2, 2], SliceVector=[1, 2, 1, 2]), 4)
    assert parts == [("time slot 1", (0, 1)), ("time slot 2", (2, 3))]


@pytest.mark.parametrize("vector", ["EnergyWindowVector", "DetectorVector", "PhaseVector", "AngularViewVector"])
def test_what_is_no_slice_is_a_choice(vector):
    parts, _ = split(nm(**{vector: [1, 2, 3]}), 3)
    assert [planes for _, planes in parts] == [(0,), (1,), (2,)]


def test_energy_windows_and_detectors():
    parts, _ = split(nm(EnergyWindowVector=[1, 1, 2, 2], DetectorVector=[1, 2, 1, 2]), 4)
    assert [name for name, _ in parts] == [
        f"energy window {window}, detector {detector}" for window in (1, 2) for detector in (1, 2)
    ]


@pytest.mark.parametrize(("kind", "count"), [("STATIC", 3), ("DYNAMIC", 3), ("RECON TOMO", 1)])
def test_nuclear_medicine_without_a_pointer(kind, count):
    image = item(Modality="NM", ImageType=["ORIGINAL", "PRIMARY", kind, "EMISSION"])
    assert len(split(image, 3)[0]) == count


@pytest.mark.parametrize(
    "elements",
    [
        {"FrameIncrementPointer": 0x00181063, "FrameTime": "33"},
        {"FrameIncrementPointer": 0x00181065, "FrameTimeVector": ["0", "30", "40"]},
        {"CineRate": "25"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1"},  # ultrasound
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1"},  # X-ray angiography
    ],
)
def test_moments_are_a_choice(elements):
    parts, geometry = split(item(PixelSpacing=["1", "2"], **elements), 3)
    assert parts == [("frame 1", (0,)), ("frame 2", (1,)), ("frame 3", (2,))]
    assert geometry.spacing_mm == (1, 2)


def test_frames_of_which_nothing_is_said():
    parts, geometry = split(item(PixelSpacing=["1", "2"]), 3)
    assert (parts, geometry.spacing_mm) == ([("", (0, 1, 2))], None)
    assert split(item(PixelSpacing=["1", "2"], SpacingBetweenSlices="3"), 3)[1].spacing_mm == (3, 1, 2)


@pytest.mark.parametrize(
    ("offsets", "heights"),
    [
        ([0, 5, 10], [30, 35, 40]),
        ([0, -5, -10], [20, 25, 30]),
        ([30, 35, 40], [30, 35, 40]),  # places along z
    ],
)
def test_dose_grids(offsets, heights):
    grid = item(
        PixelSpacing=["1", "1"],
        GridFrameOffsetVector=list(map(str, offsets)),
        ImagePositionPatient=["1", "2", "30"],
        ImageOrientationPatient=AXIAL,
    )
    affine = split(grid, 3)[1].affine
    assert [(affine @ [0, 0, z, 1])[2] for z in range(3)] == heights


def test_dose_grids_whose_normal_points_down():
    grid = item(
        PixelSpacing=["1", "1"],
        GridFrameOffsetVector=["30", "35", "40"],
        ImagePositionPatient=["1", "2", "30"],
        ImageOrientationPatient=["1", "0", "0", "0", "-1", "0"],
    )
    parts, geometry = split(grid, 3)
    assert parts == [("", (2, 1, 0))]  # places along z, whatever the normal
    assert geometry.affine[2].tolist() == [0, 0, -5, 40]


def test_a_dose_grid_without_a_place():
    grid = item(PixelSpacing=["1", "2"], GridFrameOffsetVector=["0", "5", "10"])
    assert split(grid, 3)[1].spacing_mm == (5, 1, 2)


def enhanced(*frames, **elements):
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=["0.5", "0.25"], SpacingBetweenSlices="9")],
        PlaneOrientationSequence=[item(ImageOrientationPatient=AXIAL)],
    )
    return item(SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=list(frames), **elements)


def frame(height=None, content=None, **groups):
    if height is not None:
        groups["PlanePositionSequence"] = [item(ImagePositionPatient=["5", "6", str(height)])]
    if content:
        groups["FrameContentSequence"] = [item(**content)]
    return item(**groups)


def test_enhanced_frames_come_in_the_order_of_their_places():
    parts, geometry = split(enhanced(frame(4), frame(0), frame(2)), 3)
    assert parts == [("", (1, 2, 0))]
    assert geometry.spacing_mm == (2, 0.5, 0.25)


@pytest.mark.parametrize(
    "groups",
    [
        lambda n: {"content": {"TemporalPositionIndex": n}},
        lambda n: {"content": {"DimensionIndexValues": [1, n]}},
        lambda n: {"MREchoSequence": [item(EffectiveEchoTime=10.0 * n)]},
        lambda n: {"MRDiffusionSequence": [item(DiffusionBValue=500.0 * n)]},
        lambda n: {"CardiacSynchronizationSequence": [item(NominalCardiacTriggerDelayTime=40.0 * n)]},
        lambda n: {"MRImageFrameTypeSequence": [item(ComplexImageComponent=("MAGNITUDE", "PHASE")[n - 1])]},
        lambda n: {"TemporalPositionSequence": [item(TemporalPositionTimeOffset=2.0 * n)]},
    ],
)
def test_what_tells_frames_apart(groups):
    image = enhanced(*(frame(z, **groups(n)) for z, n in ((0, 1), (0, 2), (3, 2), (3, 1))))
    assert [planes for _, planes in split(image, 4)[0]] == [(0, 3), (1, 2)]


def test_directions_of_diffusion():
    def direction(*gradient):
        inner = item(DiffusionGradientOrientation=list(gradient))
        return {"MRDiffusionSequence": [item(DiffusionBValue=1000.0, DiffusionGradientDirectionSequence=[inner])]}

    along = direction(1.0, 0.0, 0.0), direction(0.0, 1.0, 0.0)
    image = enhanced(*(frame(z, **along[n]) for z, n in ((0, 0), (0, 1), (3, 1), (3, 0))))
    assert [planes for _, planes in split(image, 4)[0]] == [(1, 2), (0, 3)]


def test_stacks_of_one_file():
    image = enhanced(*(frame(z, {"StackID": str(1 + (z > 3))}) for z in (0, 3, 6, 9)))
    assert [planes for _, planes in split(image, 4)[0]] == [(0, 1), (2, 3)]


def test_enhanced_frames_without_a_place():
    numbered = enhanced(*(frame(content={"InStackPositionNumber": n}) for n in (3, 1, 2)))
    parts, geometry = split(numbered, 3)
    assert (parts, geometry.spacing_mm) == ([("", (1, 2, 0))], (9, 0.5, 0.25))
    moments = enhanced(*(frame(content={"TemporalPositionIndex": n}) for n in (1, 2, 3)))
    assert [planes for _, planes in split(moments, 3)[0]] == [(0,), (1,), (2,)]


def test_an_ultrasound_volume():
    groups = [
        item(
            PlanePositionVolumeSequence=[item(ImagePositionVolume=[0.0, 0.0, z])],
            PlaneOrientationVolumeSequence=[item(ImageOrientationVolume=[1.0, 0, 0, 0, 1.0, 0])],
        )
        for z in (0.5, 0.0, 1.0)
    ]
    measures = item(PixelMeasuresSequence=[item(PixelSpacing=["0.2", "0.2"])])
    image = item(SharedFunctionalGroupsSequence=[measures], PerFrameFunctionalGroupsSequence=groups)
    parts, geometry = split(image, 3)
    assert parts == [("", (1, 0, 2))]
    assert (geometry.spacing_mm, geometry.affine) == ((0.5, 0.2, 0.2), None)  # not the patient's coordinates


def test_every_frame_may_have_an_orientation():
    turned = [["1", "0", "0", "0", "1", "0"], ["1", "0", "0", "0", "0", "-1"], ["0", "1", "0", "0", "0", "-1"]]
    each = [frame(0, PlaneOrientationSequence=[item(ImageOrientationPatient=one)]) for one in turned]
    assert [planes for _, planes in split(enhanced(*each), 3)[0]] == [(0,), (1,), (2,)]
    assert np.allclose(split(enhanced(*each), 3)[1].spacing_mm, (0.5, 0.25))
