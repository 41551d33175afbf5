import numpy as np
import pytest

from medseg_demo.reading.dicom.planes import Plane
from medseg_demo.reading.dicom.volumes import BY_NUMBER, volumes

AXIAL = np.eye(3)


def plane(height, number=0, *, directions=AXIAL, **traits):
    values = {key: value if isinstance(value, tuple) else (str(value),) for key, value in traits.items()}
    position = np.array([0, 0, height], float)
    return Plane(spacing_mm=(1.0, 1.0), directions=directions, position=position, traits=values, number=number)


def found(planes):
    return [(volume.name, volume.planes) for volume in volumes(planes)]


def test_one_volume():
    assert found([plane(4), plane(0), plane(2)]) == [("", (1, 2, 0))]


@pytest.mark.parametrize(
    "key",
    ["TemporalPositionIdentifier", "EchoTime", "EchoNumbers", "InversionTime", "FlipAngle", "DiffusionBValue",
     "TriggerTime", "AcquisitionTime", "ContentTime", "FrameReferenceTime", "NominalPercentageOfCardiacPhase",
     "KVP", "ConvolutionKernel", "b-value"],
)  # fmt: skip
def test_any_attribute_tells_apart(key):
    # The numbers of the images mix the two.
    planes = [plane(0, 1, **{key: 10}), plane(0, 2, **{key: 9}), plane(3, 3, **{key: 9}), plane(3, 4, **{key: 10})]
    (one, lower), (other, higher) = found(planes)
    assert (lower, higher) == ((1, 2), (0, 3))  # 9 before 10: by size, not as text
    assert (one[-1], other[-1]) == ("1", "2")


def test_water_and_fat():
    planes = [plane(z, ImageType=("DERIVED", kind)) for z in (0, 3) for kind in ("WATER", "FAT")]
    assert found(planes) == [("image type 1 (FAT)", (1, 3)), ("image type 2 (WATER)", (0, 2))]


def test_two_attributes_together():
    planes = [plane(z, TemporalPositionIdentifier=t, EchoTime=e) for z in (0, 3) for t in (1, 2) for e in (10, 20)]
    assert found(planes) == [
        ("temporal position identifier 1, echo time 1", (0, 4)),
        ("temporal position identifier 1, echo time 2", (1, 5)),
        ("temporal position identifier 2, echo time 1", (2, 6)),
        ("temporal position identifier 2, echo time 2", (3, 7)),
    ]


def test_one_image_without_diffusion_and_three_with():
    directions = [(0, None), (1000, "x"), (1000, "y"), (1000, "z")]
    planes = [
        plane(z, DiffusionBValue=b, **({"DiffusionGradientOrientation": d} if d else {}))
        for z in (0, 3)
        for b, d in directions
    ]
    assert [name for name, _ in found(planes)] == [
        "without diffusion gradient orientation",
        "diffusion gradient orientation 1",
        "diffusion gradient orientation 2",
        "diffusion gradient orientation 3",
    ]


def test_echoes_of_which_every_slice_has_times_of_its_own():
    planes = [
        plane(z, EchoTime=e, AcquisitionTime=f"10{z}{t}00", ImageType=("ORIGINAL",))
        for z in (0, 3)
        for t in (1, 0)
        for e in (9, 20)
    ]
    assert found(planes) == [
        ("echo time 1, acquisition time 1", (2, 6)),
        ("echo time 1, acquisition time 2", (0, 4)),
        ("echo time 2, acquisition time 1", (3, 7)),
        ("echo time 2, acquisition time 2", (1, 5)),
    ]


def test_times_of_which_every_slice_has_its_own():
    planes = [plane(z, AcquisitionTime=f"10{z}{t}00") for z in (0, 3) for t in (1, 0)]
    assert found(planes) == [("acquisition time 1", (1, 3)), ("acquisition time 2", (0, 2))]


def test_numbers_are_the_last_resort():
    assert found([plane(0, 3), plane(0, 1), plane(3, 2), plane(3, 4)]) == [("number 1", (1, 2)), ("number 2", (0, 3))]


def test_a_time_that_lacks_a_slice_is_not_filled_from_another():
    planes = [plane(z, TriggerTime=t) for z in (0, 3, 6) for t in (0, 50) if (z, t) != (3, 50)]
    assert found(planes) == [("trigger time 1", (0, 2, 3)), ("trigger time 2", (1, 4))]


def test_two_attributes_of_which_an_image_is_missing():
    places = [(z, t, e) for z in (0, 3, 6) for t in (1, 2) for e in (10, 20) if (z, t, e) != (3, 1, 20)]
    planes = [plane(z, TemporalPositionIdentifier=t, EchoTime=e) for z, t, e in places]
    assert found(planes) == [
        ("temporal position identifier 1, echo time 1", (0, 4, 7)),
        ("temporal position identifier 1, echo time 2", (1, 8)),
        ("temporal position identifier 2, echo time 1", (2, 5, 9)),
        ("temporal position identifier 2, echo time 2", (3, 6, 10)),
    ]


def test_places_that_lack_an_image_which_nothing_names():
    planes = [plane(z, 2 * z + n) for z in (0, 3, 6) for n in (0, 1) if (z, n) != (3, 1)]
    first, second = volumes(planes)
    assert (first.planes, second.planes) == ((0, 3), (1, 4))
    assert first.notes == (BY_NUMBER, "1 image was left out: at places where not every volume has one.")


def test_a_doubled_place():
    (volume,) = volumes([plane(0, 1), plane(3, 2), plane(3, 3), plane(6, 4)])
    assert volume.planes == (0, 1, 3)
    assert volume.notes == ("1 image was left out: lying where another one lies already.",)


def test_echoes_that_lie_between_each_other():
    planes = [plane(z + shift, EchoTime=e) for z in (0, 3, 6) for shift, e in ((0, 10), (1, 20))]
    assert found(planes) == [("echo time 1", (0, 2, 4)), ("echo time 2", (1, 3, 5))]


def test_orientations_are_separated():
    turned = np.column_stack([[0, 1.0, 0], [0, 0, -1.0], [-1.0, 0, 0]])
    across = [Plane(spacing_mm=(1.0, 1.0), directions=turned, position=np.array([x, 0, 0.0])) for x in (0, 3)]
    first, second = volumes([plane(0), across[0], plane(3), across[1]])
    assert (first.planes, second.planes) == ((0, 2), (3, 1))
    assert "mixes 2 sizes or orientations" in first.notes[0]


def test_stacks_are_separated():
    stacks = [Plane(spacing_mm=(1.0, 1.0), directions=AXIAL, position=np.array([0, 0, z]), stack=(s,))
              for s, z in (("1", 0.0), ("1", 2.0), ("2", 4.0), ("2", 6.0))]  # fmt: skip
    assert [volume.planes for volume in volumes(stacks)] == [(0, 1), (2, 3)]


def test_a_stray_is_left_out_of_a_clear_majority():
    turned = np.column_stack([[0, 1.0, 0], [0, 0, -1.0], [-1.0, 0, 0]])
    (volume,) = volumes([plane(0), plane(3), plane(6), plane(1, directions=turned)])
    assert volume.notes == ("1 image was left out: of another size or orientation.",)


def test_times_at_one_place():
    assert found([plane(0, n, frame=n) for n in (1, 2, 3)]) == [
        ("frame 1", (0,)),
        ("frame 2", (1,)),
        ("frame 3", (2,)),
    ]


def test_thousands_of_orientations_are_told_apart():
    angles = np.linspace(0, np.pi, 2000)
    turned = [np.array([[np.cos(a), 0, -np.sin(a)], [np.sin(a), 0, np.cos(a)], [0, 1, 0]]) for a in angles]
    assert len(found([plane(0, directions=each) for each in turned])) > 100
