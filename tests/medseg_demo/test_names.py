import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg_demo import names
from medseg_demo.names import folder_name, free_name, safe_stem, shown, stem, storable, suffix, unique_stems

# Text as file systems give it: any character, halves of surrogate pairs for bytes that are no UTF-8 among them.
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=[]), max_size=300)


@pytest.mark.parametrize(
    ("name", "its_stem", "its_suffix"),
    [
        ("a.nii.gz", "a", ".nii.gz"),
        ("a.NII.GZ", "a", ".NII.GZ"),
        ("a.b.png", "a.b", ".png"),
        ("scan.ome.tif", "scan", ".ome.tif"),
        ("1.2.840.113", "1.2.840.113", ".113"),  # a DICOM file called by its UID
        (".png", ".png", ".png"),
        ("folder/a.mha", "a", ".mha"),
        ("K\udcf6nig.png", "K?nig", ".png"),
    ],
)
def test_stem_and_suffix(name, its_stem, its_suffix):
    assert (stem(name), suffix(name)) == (its_stem, its_suffix)


def test_what_cannot_be_printed_is_shown_as_a_question_mark():
    assert shown("K\udcf6nig\n\x1b[31m\u202egnp.exe") == "K?nig??[31m?gnp.exe"
    assert shown("a b é 漢 🧠 \u3000 می\u200cشود") == "a b é 漢 🧠 \u3000 می\u200cشود"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("case 1", "case 1"),
        ("-a b#c%20'dé漢🧠", "-a b#c%20'dé漢🧠"),
        ('a"b<c>d|e?f*g:h/i\\j', "a_b_c_d_e_f_g_h_i_j"),
        ("K\udcf6nig", "K_nig"),
        ("a\nb\x00", "a_b_"),
        ("..", "_"),
        (".hidden", "_hidden"),
        ("", "image"),
        ("  ", "_"),
        ("con", "_con"),
        ("NUL.1", "_NUL.1"),
        ("console", "console"),
        ("x" * 300, "x" * 248),
        ("ü" * 300, "ü" * 124),
        ("🧠" * 100, "🧠" * 62),
    ],
)
def test_storable(name, stored):
    assert storable(name) == stored


@given(ANY_TEXT)
def test_every_name_can_be_stored_and_printed(name):
    for made in (storable(name), safe_stem(name), folder_name(name), *unique_stems([name, name])):
        assert made.encode()  # valid UTF-8
        assert not set(made) & set('/\\<>:"|?*\0\n')
        assert made not in (".", "..")
    assert len(f"{storable(name)}.nii.gz".encode()) <= 255
    assert len(f"{safe_stem(name)}_{safe_stem(name)}_measurements.json".encode()) <= 255
    assert shown(name).encode() is not None
    assert storable(storable(name)) == storable(name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("chest 01", "chest_01"),
        ("../../etc/passwd", "etc_passwd"),
        ("<b>&", "b"),
        ("...", "image"),
        ("", "image"),
        ("Röntgen", "Röntgen"),
        ("a" * 300, "a" * 80),
        ("漢" * 80, "漢" * 33),
    ],
)
def test_safe_stem(name, safe):
    assert safe_stem(name) == safe


def test_a_taken_name_is_numbered():
    assert safe_stem("a b", ["a_b"]) == "a_b-2"
    assert free_name("a", []) == "a"
    assert free_name("a", ["a", "a-2"]) == "a-3"
    assert free_name("A", ["a"]) == "A-2"  # one file on macOS and Windows
    assert free_name("u\u0308", ["\u00fc"]) == "u\u0308-2"
    assert free_name("x" * 255, ["x" * 255]) == "x" * 253 + "-2"


def test_folder_names_are_those_of_version_0_1():
    assert folder_name("Kvasir: SEG / 2") == "Kvasir_SEG_2"
    assert folder_name("../..") == "_"


@pytest.mark.parametrize(
    ("paths", "stems"),
    [
        (["a.png", "b.png"], ["a", "b"]),
        (["x/a.png", "y/b.png"], ["a", "b"]),
        (["CT1/IM000001", "CT2/IM000001"], ["CT1_IM000001", "CT2_IM000001"]),
        (["CT1/IM1", "b.png", "CT2/IM1"], ["CT1_IM1", "b", "CT2_IM1"]),
        (["P1/CT/IM1", "P2/CT/IM1"], ["P1_CT_IM1", "P2_CT_IM1"]),
        (["P1/CT/IM1", "P2/CT/IM1", "P1/MR/IM1"], ["P1_CT_IM1", "P2_CT_IM1", "P1_MR_IM1"]),
        (["IM1", "CT/IM1"], ["IM1", "CT_IM1"]),
        (["/CT/IM1", "/MR/IM1"], ["CT_IM1", "MR_IM1"]),
        (["x/a.png", "x/a.tif"], ["a", "a-2"]),  # folders do not tell them apart
        (["x/a.png", "x/a.tif", "y/a.png"], ["x_a", "x_a-2", "y_a"]),
        (["CT/a.png", "MR/a.png", "CT_a.png"], ["CT_a-2", "MR_a", "CT_a"]),  # who has a name keeps it
        (["x/A.png", "y/a.png"], ["x_A", "y_a"]),
        (["x/K\udcf6.png", "x/K\udcfc.png"], ["K_", "K_-2"]),
    ],
)
def test_equal_stems_get_their_folders(paths, stems):
    assert unique_stems(paths) == stems


def test_stems_of_their_own_take_the_folders_of_their_paths():
    assert unique_stems(["x/_", "y/_"], ["a.png", "a.png"]) == ["x_a.png", "y_a.png"]


def test_long_equal_stems_stay_apart_and_short_enough():
    found = unique_stems([f"{folder}/{'ü' * 125}.png" for folder in ("one", "two", "two")])
    assert len(set(found)) == 3
    assert max(len(name.encode()) for name in found) <= 248


@given(st.lists(ANY_TEXT, max_size=12))
def test_no_two_stems_are_one_file(paths):
    found = unique_stems(paths)
    assert len({name.casefold() for name in found}) == len(paths)


def test_anything_can_be_printed_in_any_encoding(monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # no text stream of the system
    names.allow_any_text()
    print("K\udcf6nig é 🧠", flush=True)
    assert buffer.getvalue() == b"K\\udcf6nig \\xe9 \\U0001f9e0\n"
