import numpy as np
import pytest
from dicom_series import item

from medseg_demo.reading.dicom.planes import (
    ASPECT_NOTE,
    DETECTOR_NOTE,
    MAGNIFIED_NOTE,
    REGION_NOTE,
    REGIONS_NOTE,
    SCANNED_NOTE,
    describe_frames,
    is_mosaic,
    is_tiled,
    pixel_spacing,
    plane_of,
    shown_value,
    traits_of,
)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, (None, ())),
        ({"PixelSpacing": [2, 3], "ImagerPixelSpacing": [1, 1]}, ((2, 3), ())),
        ({"PixelSpacing": [0, 3]}, (None, ())),
        ({"ImagerPixelSpacing": [0.3, 0.6]}, ((0.3, 0.6), (DETECTOR_NOTE,))),
        (
            {"ImagerPixelSpacing": [0.3, 0.6], "EstimatedRadiographicMagnificationFactor": 1.5},
            ((0.2, 0.4), (MAGNIFIED_NOTE,)),
        ),
        ({"NominalScannedPixelSpacing": [0.1, 0.2]}, ((0.1, 0.2), (SCANNED_NOTE,))),
        ({"PixelAspectRatio": [2, 1]}, (None, (ASPECT_NOTE,))),
        ({"PixelAspectRatio": [5, 5]}, (None, ())),
        ({"PixelSpacing": [2, 1], "PixelAspectRatio": [2, 1]}, ((2, 1), ())),
    ],
)
def test_spacing_from_wherever_it_is(elements, expected):
    spacing, notes = pixel_spacing(item(**elements))
    assert (spacing and pytest.approx(spacing), notes) == expected


def region(dx, dy, *, units=3, kind=1):
    return item(
        RegionSpatialFormat=kind,
        PhysicalUnitsXDirection=units,
        PhysicalUnitsYDirection=units,
        PhysicalDeltaX=dx,
        PhysicalDeltaY=dy,
    )


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([region(0.02, 0.03)], ((0.3, 0.2), ())),  # cm
        ([region(0.02, -0.03)], ((0.3, 0.2), ())),
        ([region(0.02, 0.03), region(1, 1, units=4, kind=3)], ((0.3, 0.2), (REGION_NOTE,))),  # a spectrum in seconds
        ([region(0.02, 0.03), region(0.02, 0.04)], (None, (REGIONS_NOTE,))),
        ([region(0.02, 0.03, units=4)], (None, ())),
    ],
)
def test_ultrasound_regions(regions, expected):
    spacing, notes = pixel_spacing(item(SequenceOfUltrasoundRegions=regions))
    assert (spacing and pytest.approx(spacing), notes) == expected


def test_a_place_without_an_orientation_is_none():
    assert plane_of(item(ImagePositionPatient=[1, 2, 3])).position is None
    flat = plane_of(item(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=[1, 0, 0, 1, 0, 0]))
    assert (flat.position, flat.directions) == (None, None)
    endless = plane_of(item(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=["1e200", 0, 0, 0, "1e200", 0]))
    assert endless.directions is None


def test_the_detector_of_nuclear_medicine():
    detector = item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1], ImagePositionPatient=[1, 2, 3])
    plane = plane_of(item(DetectorInformationSequence=[detector]))
    assert plane.position.tolist() == [1, 2, 3]
    assert plane.directions[:, 2].tolist() == [-1, 0, 0]  # y × −z


def test_traits_are_compared_and_not_shown():
    traits = traits_of(item(EchoTime="30", ImageType=["DERIVED", "WATER"], PatientName="Doe", TriggerTime=None))
    assert traits == {"EchoTime": ("30",), "ImageType": ("DERIVED", "WATER")}
    assert shown_value(traits["ImageType"]) == "WATER"
    assert shown_value(("DOE",)) == ""


def test_private_diffusion():
    dataset = item()
    dataset.add_new(0x0019100C, "IS", "1000")
    assert traits_of(dataset) == {"b-value": ("1000",)}


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"TotalPixelMatrixRows": 8, "TotalPixelMatrixColumns": 8}, True),
        ({"TotalPixelMatrixRows": 4, "TotalPixelMatrixColumns": 4}, False),  # a thumbnail is one tile
        ({"DimensionOrganizationType": "TILED_SPARSE", "NumberOfFrames": 3}, True),
        ({"NumberOfFrames": 3}, False),
    ],
)
def test_tiles(elements, expected):
    assert is_tiled(item(Rows=4, Columns=4, **elements)) is expected


def test_mosaic():
    assert is_mosaic(item(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]))
    assert not is_mosaic(item(ImageType=["ORIGINAL", "PRIMARY", "M", "ND"]))
    assert np.isclose(plane_of(item(PixelSpacing=[1, 2])).spacing_mm, (1, 2)).all()


def test_source_frames_are_those_of_the_planes():
    planes = [
        plane_of(item(ImagePositionPatient=[1, 2, z], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])) for z in (3, 8)
    ]
    found = describe_frames(planes, ("a", "a"), "1.2", (2, 0))
    assert (found.instances, found.frames, found.frame_of_reference) == (("a", "a"), (3, 1), "1.2")
    assert found.positions.tolist() == [[1, 2, 3], [1, 2, 8]]
    assert found.directions.tolist() == np.eye(3)[:, :2].tolist()
    assert describe_frames([planes[0], plane_of(item())], ("a", "b"), "").positions is None
