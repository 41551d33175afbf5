import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg_demo.ui.downloads import safe_stem


@pytest.mark.parametrize(
    ("stem", "safe"),
    [
        ("chest 01", "chest_01"),
        ("../../etc/passwd", "etc_passwd"),
        ("<b>&", "b"),
        ("...", "image"),
        ("", "image"),
        ("Röntgen", "Röntgen"),
        ("a" * 300, "a" * 80),
    ],
)
def test_safe_stem(stem, safe):
    assert safe_stem(stem) == safe


def test_a_taken_name_is_numbered():
    assert safe_stem("a", ["a"]) == "a-2"
    assert safe_stem("a", ["a", "a-2"]) == "a-3"


@given(st.text(max_size=40))
def test_no_stem_leaves_its_folder(stem):
    assert not set(safe_stem(stem)) & set('/\\<>:"|?*\0\n')
    assert not safe_stem(stem).startswith(".")
