import pandas as pd
import pytest

from evaluation.results.comparable import difference_in_kind, lacking_classes
from evaluation.results.table import Run


def table_of(*rows):
    return pd.DataFrame(rows, columns=["checkpoint", "class_name", "distance_unit"])


MM = table_of(("a", "x", "mm"), ("b", "x", "mm"), ("c", "x", ""))


@pytest.mark.parametrize(
    ("metric", "table", "settings", "said"),
    [
        ("hd95", MM, {}, ""),
        ("dice", table_of(("a", "x", "mm"), ("b", "x", "px")), {}, ""),
        ("hd95", table_of(("a", "x", "mm"), ("b", "x", "px")), {}, "in different units"),
        ("nsd", MM, {"a": {"nsd_tolerance": 1.0}, "b": {"nsd_tolerance": 2.0}}, "with different tolerances"),
        ("nsd", MM, {"a": {"nsd_tolerance": 1.0}, "b": {}}, ""),
        ("dice", MM, {"a": {"nsd_tolerance": 1.0}, "b": {"nsd_tolerance": 2.0}}, ""),
        ("lesion_f1", MM, {"a": {"lesions": {"smallest": 5}}, "b": {}}, "with different rules for lesions"),
    ],
)
def test_values_of_different_kinds_are_not_compared(metric, table, settings, said):
    runs = {name: Run(name, "set", source="score", settings=own) for name, own in settings.items()}
    found = difference_in_kind(table, metric, runs)
    assert said in found
    assert bool(said) == bool(found)


def test_what_other_programs_measured_has_no_settings_to_compare():
    runs = {
        "a": Run("a", "set", source="score", settings={"lesions": {"smallest": 5}}),
        "b": Run("b", "set", "", "", "import"),
    }
    assert difference_in_kind(MM, "lesion_f1", runs) == ""


def test_the_classes_that_one_lacks_are_named():
    assert lacking_classes(MM) == ()
    (note,) = lacking_classes(table_of(("a", "x", ""), ("a", "y", ""), ("b", "x", "")))
    assert note.startswith("Not all have the same classes: b lacks y.")
