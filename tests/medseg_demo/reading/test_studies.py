import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import archive as unpacking
from medseg_demo.reading import collect_files, collect_images, find_studies, read_image
from medseg_demo.reading.studies import result_stems
from medseg_demo.settings import Settings


def png():
    stream = io.BytesIO()
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(stream, "PNG")
    return stream.getvalue()


def pack(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def collect(tmp_path):
    def collect(*paths, **settings):
        return collect_files(paths, settings=Settings(**settings), unpack_to=tmp_path / "unpacked")

    return collect


@pytest.fixture
def folder(tmp_path, dicom_file):
    root = tmp_path / "study"
    members = {
        "b.png": png(),
        "a/2.png": png(),
        "a/10": dicom_file("MR_small.dcm").read_bytes(),
        "a/.hidden.png": png(),
        ".git/x.png": png(),
        "__MACOSX/b.png": png(),
        "notes.txt": b"text",
        "table.csv": b"case_id,split\n",
        "dataset.json": b"{}",
        "empty.png": b"",
        "DICOMDIR": dicom_file("DICOMDIR").read_bytes(),
        "inner.zip": pack(tmp_path / "inner.zip", {"x.png": png()}).read_bytes(),
    }
    for name, content in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


WANTED = ["a/10", "a/2.png", "b.png"]


def test_folder(collect, folder):
    assert collect(folder) == [folder / name for name in WANTED]


def test_zip(collect, folder, tmp_path):
    path = tmp_path / "Study 1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    found = collect(path)
    base = found[-1].parent
    assert [str(file.relative_to(base)) for file in found] == WANTED
    assert base.parent == tmp_path / "unpacked"
    assert found[-1].read_bytes() == png()


def test_files_named_directly_are_kept(collect, folder, tmp_path):
    paths = [folder / "notes.txt", tmp_path / "gone.png", folder / "empty.png", folder / "b.png"]
    assert collect(*paths) == paths
    assert collect() == []


def test_an_npz_is_no_zip_of_files(collect, tmp_path):
    np.savez(tmp_path / "a.npz", image=np.eye(3))
    (tmp_path / "a.npz").rename(tmp_path / "a.zip")
    assert collect(tmp_path / "a.zip") == [tmp_path / "a.zip"]
    mixed = pack(tmp_path / "mixed.npz", {"a.npy": (tmp_path / "a.zip").read_bytes(), "b.png": png()})
    assert [file.name for file in collect(mixed)] == ["a.npy", "b.png"]


def test_the_same_names_in_two_zips_stay_apart(collect, tmp_path):
    paths = [pack(tmp_path / f"{name}.zip", {"x.png": png()}) for name in "ab"]
    found = collect(*paths, paths[0])
    assert len(set(found)) == 3


@pytest.mark.parametrize("members", [{}, {"a.txt": b"text"}, {".a.png": b"x"}])
def test_no_image(collect, tmp_path, members):
    with pytest.raises(UnsupportedImageError, match=r"x\.zip: it holds no image"):
        collect(pack(tmp_path / "x.zip", members))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnsupportedImageError, match="empty: it holds no image"):
        collect(tmp_path / "empty")


@pytest.fixture
def unusable(tmp_path):
    """An empty folder, and zips that are without images, damaged, and unsafe."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.zip").write_bytes(pack(tmp_path / "whole.zip", {"x.png": png()}).read_bytes()[:60])
    return [
        tmp_path / "empty",
        pack(tmp_path / "texts.zip", {"a.txt": b"text"}),
        tmp_path / "cut.zip",
        pack(tmp_path / "escape.zip", {"../x.png": png()}),
    ]


def test_among_several_inputs_an_unusable_folder_or_zip_is_kept_so_that_reading_it_says_why(folder, unusable, tmp_path):
    good = folder / "b.png"
    assert collect_images([good, *unusable], unpack_to=tmp_path / "unpacked") == [good, *unusable]
    for path in unusable:
        with pytest.raises(ReadError, match=path.name) as alone:
            collect_images([path], unpack_to=tmp_path / "unpacked")
        with pytest.raises(type(alone.value)) as read:
            read_image(path)
        assert str(read.value) == str(alone.value)


def test_a_folder_beside_an_unusable_zip_is_searched(folder, unusable, tmp_path):
    found = collect_images([unusable[1], folder], unpack_to=tmp_path / "unpacked")
    assert found == [unusable[1], *(folder / name for name in WANTED)]


def test_collected_files_are_all_usable_or_none(collect, folder, unusable):
    with pytest.raises(UnsupportedImageError, match="empty"):
        collect(folder / "b.png", *unusable)


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/tmp/x.png", "..\\x.png", "C:/x.png"])
def test_names_outside_the_folder(collect, tmp_path, name):
    with pytest.raises(UnsupportedImageError, match="points outside"):
        collect(pack(tmp_path / "x.zip", {"good.png": png(), name: png()}))
    assert not list((tmp_path).rglob("good.png"))


def test_links(collect, tmp_path):
    link = zipfile.ZipInfo("x.png")
    link.external_attr = 0o120777 << 16
    with pytest.raises(UnsupportedImageError, match="points outside"):
        collect(pack(tmp_path / "x.zip", {link: b"/etc/passwd"}))


def test_encrypted(collect, tmp_path):
    path = pack(tmp_path / "x.zip", {"x.png": png()})
    content = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + place] |= 1
    path.write_bytes(content)
    with pytest.raises(UnsupportedImageError, match="encrypted"):
        collect(path)


def test_rare_compression(collect, tmp_path):
    with pytest.raises(UnsupportedImageError, match="rare kind"):
        collect(pack(tmp_path / "x.zip", {"x.png": png()}, zipfile.ZIP_LZMA))


def test_too_many_files(collect, tmp_path, monkeypatch):
    paths = [pack(tmp_path / f"{name}.zip", {f"{i}.png": png() for i in range(3)}) for name in "ab"]
    monkeypatch.setattr(unpacking, "MOST_FILES", 6)
    assert len(collect(*paths)) == 6
    monkeypatch.setattr(unpacking, "MOST_FILES", 5)
    with pytest.raises(ImageTooLargeError, match=r"b\.zip.*more than the 5 that are unpacked"):
        collect(*paths)


def test_bombs(collect, tmp_path):
    with pytest.raises(ImageTooLargeError, match=r"would unpack to 2 MiB"):
        collect(pack(tmp_path / "x.zip", {"x.png": bytes(2**21)}), max_file_mb=1)
    path = pack(tmp_path / "y.zip", {"x.png": bytes(65 * 2**20)})
    assert path.stat().st_size < 2**20
    with pytest.raises(ImageTooLargeError, match="200 times"):
        collect(path)


def test_a_member_cannot_exceed_the_size_that_it_states(collect, tmp_path):
    path = pack(tmp_path / "x.zip", {"x.png": png() + bytes(100_000)})
    content = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(magic) + place, 50)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="cannot be unpacked"):
        collect(path)
    assert sum(file.stat().st_size for file in (tmp_path / "unpacked").rglob("*") if file.is_file()) <= 50


def test_damaged(collect, tmp_path):
    content = pack(tmp_path / "whole.zip", {"x.png": png(), "y.png": png()}).read_bytes()
    for cut in range(30, len(content), 20):
        (tmp_path / "x.zip").write_bytes(content[:cut])
        with pytest.raises(DamagedFileError, match=r"x\.zip"):
            collect(tmp_path / "x.zip")
    with pytest.raises(DamagedFileError, match="names that cannot be written"):
        collect(pack(tmp_path / "x.zip", {"n" * 300 + ".png": png()}))
    assert not list((tmp_path / "unpacked").iterdir())


@pytest.mark.parametrize("stems", [("t1", "t2"), ("case_0000", "case_0001")])
def test_a_folder_a_patient_is_an_image_of_several_channels_each(tmp_path, stems):
    for name in (f"{patient}/{stem}.png" for patient in ("p1", "p2") for stem in stems):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png())
    studies = find_studies([tmp_path], unpack_to=tmp_path / "unpacked", channels=True)
    assert [[path.parent.name for path in study.paths] for study in studies] == [["p1", "p1"], ["p2", "p2"]]
    assert len(set(result_stems(studies))) == 2


def test_files_that_are_no_images_are_told_of(tmp_path):
    header = b"ObjectType = Image\nNDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\nElementDataFile = a.raw\n"
    beside = {"a.mhd": header, "a.raw": bytes(range(4)), "x.png": png(), "._x.png": b"", "deep/notes.txt": b"n"}
    told = []
    folder = tmp_path / "folder"
    many = {"x.png": png()} | {f"{number}.txt": b"" for number in range(7)}
    for number, members in enumerate((beside, {"x.png": png()}, many)):
        path = pack(tmp_path / f"{number}.zip", members)
        find_studies([path], unpack_to=tmp_path / "unpacked", say=told.append)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / str(number))
    assert told == [
        "1 file left out, being no image: notes.txt.",
        "7 files left out, being no images: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt, ….",
    ]
    find_studies([folder], unpack_to=tmp_path / "unpacked", say=told.append)
    assert told[-1].startswith("8 files left out")
