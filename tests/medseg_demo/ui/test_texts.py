import pytest

from medseg_demo.ui import texts

SPACE = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12, "12"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.5, f"1{SPACE}234"),
        (3581351, f"3{SPACE}581{SPACE}351"),
        (-1024, f"-1{SPACE}024"),
        (0.00001234, "1.23e-05"),
    ],
)
def test_number(value, text):
    assert texts.number(value) == text


@pytest.mark.parametrize(("mib", "most"), [(1024, "1 GiB"), (100, "100 MiB"), (1500, "1500 MiB"), (4096, "4 GiB")])
def test_the_largest_file_and_how_to_change_it(mib, most):
    assert texts.file_limit(mib) == f"At most {most} a file; MEDSEG_MAX_FILE_MB changes it."


def test_seconds():
    assert texts.seconds(0.0534) == "53 ms"
    assert texts.seconds(2.34) == "2.3 s"


def test_nothing_found_names_the_threshold_and_the_highest_probability():
    assert texts.nothing_found(0.5, [("lung", 0.314)]).startswith(
        "No pixel lies above 0.50. Highest probability: lung: 0.31."
    )
    assert "background" in texts.nothing_found(None, [("a", 0.3), ("b", 0.2)])


def test_a_sentence_that_holds_for_others_names_some_of_them():
    assert texts.likewise("a: x.", []) == "a: x."
    assert texts.likewise("a: x.", ["b", "c"]) == "a: x. Likewise b, c."
    assert texts.likewise("a: x.", list("bcdef"), named=2) == "a: x. Likewise b, c and 3 more."
