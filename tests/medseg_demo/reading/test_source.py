import pytest

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError
from medseg_demo.reading.source import Series, Source, decoding, open_source, size_on_disk, stem
from medseg_demo.settings import Settings


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("brain.nii.gz", "brain"),
        ("BRAIN.NII.GZ", "BRAIN"),
        ("a.b.png", "a.b"),
        ("scan.dcm", "scan"),
        ("1.2.840.10008.5", "1.2.840.10008.5"),
        ("patient.7", "patient.7"),
        ("IM0001", "IM0001"),
        (".png", ".png"),
        ("folder/with.dots/x.mha", "x"),
    ],
)
def test_stem_takes_off_image_suffixes_only(name, expected):
    assert stem(name) == expected


def test_open_source_of_nothing(tmp_path, write):
    with pytest.raises(DamagedFileError, match=r"nothing\.png: the file is empty"):
        open_source(write("nothing.png", b""), Settings())
    with pytest.raises(ReadError, match=r"gone\.png: the file cannot be opened"):
        open_source(tmp_path / "gone.png", Settings())
    with pytest.raises(ReadError, match="cannot be opened"):
        open_source(tmp_path, Settings())
    with pytest.raises(ReadError, match="not a usable file name"):
        open_source("a\0b", Settings())


def test_open_source_keeps_to_the_file_limit(write):
    settings = Settings(max_file_mb=1)
    assert open_source(write("fits", bytes(2**20)), settings).size == 2**20
    with pytest.raises(ImageTooLargeError, match=r"large: .*at most 1 MiB.*MEDSEG_MAX_FILE_MB"):
        open_source(write("large", bytes(2**20 + 1)), settings)


def test_the_size_of_a_file_a_series_and_what_is_no_file(write, tmp_path):
    paths = (write("a", bytes(3)), write("b", bytes(4)))
    assert size_on_disk(paths[0]) == 3
    assert size_on_disk(Series("s", paths, 2, "")) == 7
    assert size_on_disk(tmp_path) == size_on_disk(tmp_path / "gone") == 0


def test_decoding_hides_what_a_decoder_says(source: Source):
    with pytest.raises(DamagedFileError) as caught, decoding(source, "DICOM"):
        raise ValueError("Doe^John")
    assert "Doe" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(ImageTooLargeError), decoding(source, "PNG"):
        raise MemoryError
