import numpy as np
import pytest
import SimpleITK

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnsupportedImageError
from medseg_demo.reading.itk import read_with_itk
from medseg_demo.reading.source import Source
from medseg_demo.settings import Settings


@pytest.fixture
def save(tmp_path):
    def save(image):
        SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"))
        return Source(tmp_path / "a.nrrd", b"", 0)

    return save


def test_axes_of_one_are_taken_off(save, volume):
    image = SimpleITK.GetImageFromArray(volume)
    read = read_with_itk(save(SimpleITK.JoinSeries([image])), "NrrdImageIO", Settings())
    assert read.GetSize() == image.GetSize()


def test_refusals(save, volume):
    image = SimpleITK.GetImageFromArray(volume)
    with pytest.raises(UnsupportedImageError, match="holds 2 volumes"):
        read_with_itk(save(SimpleITK.JoinSeries([image] * 2)), "NrrdImageIO", Settings())
    wide = SimpleITK.GetImageFromArray(np.zeros((1001, 1000), np.uint8))
    with pytest.raises(ImageTooLargeError):
        read_with_itk(save(wide), "NrrdImageIO", Settings(max_megapixels=1))


def test_nothing_is_printed(save, volume, capfd):
    source = save(SimpleITK.GetImageFromArray(volume))
    source.path.write_bytes(source.path.read_bytes()[:-50])
    with pytest.raises(DamagedFileError):
        read_with_itk(source, "NrrdImageIO", Settings())
    assert capfd.readouterr().err == ""
