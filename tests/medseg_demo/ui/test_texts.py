import pytest

from medseg_demo.ui import texts


@pytest.mark.parametrize(("mib", "most"), [(1024, "1 GiB"), (100, "100 MiB"), (1500, "1500 MiB"), (4096, "4 GiB")])
def test_the_largest_file(mib, most):
    assert texts.file_limit(mib) == f"At most {most} a file."


def test_nothing_found_names_the_threshold_and_the_highest_probability():
    assert texts.nothing_found(0.5, [("lung", 0.314)]).startswith(
        "No pixel lies above 0.50. Highest probability: lung: 0.31."
    )
    assert "background" in texts.nothing_found(None, [("a", 0.3), ("b", 0.2)])


def test_a_sentence_that_holds_for_others_names_some_of_them():
    assert texts.likewise("a: x.", []) == "a: x."
    assert texts.likewise("a: x.", ["b", "c"]) == "a: x. Likewise b, c."
    assert texts.likewise("a: x.", list("bcdef"), named=2) == "a: x. Likewise b, c and 3 more."
