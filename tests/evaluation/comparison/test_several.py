"""What comparisons of several images say together, against means that are taken by hand."""

import csv
import json
import math

import numpy as np
import pytest

from evaluation.comparison.files import write_comparison, write_tables
from evaluation.comparison.members import Comparison, Cost, Member, with_consensus
from evaluation.comparison.several import Figures, summarise
from medseg_demo.image import Geometry, LabelMap, MedicalImage

FULL, HALF, NONE = [[1, 1], [0, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]


def comparison(name, *maps, reference=None, spacing=None, costs=()):
    geometry = Geometry(spacing)
    image = MedicalImage(np.zeros((2, 2), np.uint8), "YX", geometry, name, "PNG", 8, (0.0, 255.0))
    costs = costs or (None,) * len(maps)
    members = [
        Member(f"net {place}", "checkpoint", LabelMap(np.array(labels, np.uint8), ("one",), geometry), cost=cost)
        for place, (labels, cost) in enumerate(zip(maps, costs, strict=True))
    ]
    if reference is not None:
        members.append(Member("expert", "reference", LabelMap(np.array(reference, np.uint8), ("one",), geometry)))
    return Comparison(image, tuple(members))


def means(*comparisons):
    return {mean.name: mean for mean in summarise([Figures.of(one) for one in comparisons])}


def test_means_over_the_images():
    found = means(comparison("a", FULL, HALF, reference=FULL), comparison("b", FULL, FULL, reference=HALF))
    assert (found["net 0"].dice, found["net 0"].scored) == (pytest.approx((1 + 2 / 3) / 2), 2)
    assert (found["net 1"].dice, found["net 1"].size) == (pytest.approx(2 / 3), 1.5)
    assert found["net 0"].agreement == pytest.approx((2 / 3 + 1) / 2)
    assert math.isnan(found["expert"].dice)
    assert math.isnan(found["expert"].agreement)


def test_an_image_without_a_reference_is_not_scored_but_counted():
    found = means(comparison("a", FULL, HALF, reference=FULL), comparison("b", FULL, FULL))["net 1"]
    assert (found.images, found.scored, found.agreed) == (2, 1, 2)


def test_finding_nothing_where_nothing_is_counts_where_another_raises_a_false_alarm():
    found = means(comparison("a", FULL, NONE, reference=NONE), comparison("b", FULL, FULL, reference=FULL))
    assert (found["net 0"].dice, found["net 1"].dice) == (0.5, 1.0)
    none = means(comparison("a", NONE, NONE, reference=NONE))["net 0"]
    assert math.isnan(none.dice)
    assert none.scored == 0


def test_a_consensus_agrees_with_nobody():
    found = means(with_consensus(comparison("a", FULL, HALF, FULL), "majority"))
    assert found["net 0"].agreement == pytest.approx((2 / 3 + 1) / 2)
    assert found["majority"].agreed == 0


def test_sizes_of_different_units_have_no_mean():
    assert math.isnan(means(comparison("a", FULL), comparison("b", FULL, spacing=(1.0, 1.0)))["net 0"].size)


def test_the_time_is_the_median_and_loading_that_of_the_first():
    costs = [Cost(10, 5, first_seconds=2.0, seconds=0.5, passes=3), *(Cost(10, 5, None, s, 1) for s in (0.1, 0.2))]
    found = means(*(comparison(str(place), FULL, costs=(cost,)) for place, cost in enumerate(costs)))["net 0"].cost
    assert (found.seconds, found.passes, found.parameters) == (0.2, 5, 10)
    assert found.load_seconds == pytest.approx(1.5)


def test_the_tables_of_all_images(tmp_path):
    found = [comparison(name, FULL, HALF, reference=FULL) for name in ("a", "b")]
    written = [write_comparison(one, tmp_path) for one in found]
    tables = write_tables([Figures.of(one) for one in found], written, tmp_path)
    rows = list(csv.DictReader(tables.means.open()))
    assert [(row["name"], row["mean_dice"], row["images_with_dice"]) for row in rows] == [
        ("net 0", "1.0", "2"), ("net 1", str(2 / 3), "2"), ("expert", "", "0"),
    ]  # fmt: skip
    assert [row["image"] for row in csv.DictReader(tables.members.open())] == ["a"] * 3 + ["b"] * 3
    document = json.loads(tables.document.read_text())
    assert [one["image"] for one in document["images"]] == ["a", "b"]
    assert document["means"][2]["mean_dice"] == "nan"
    assert [path.name for path in tables.paths] == [
        "all_means.csv", "all_members.csv", "all_pairs.csv", "all_comparisons.json",
    ]  # fmt: skip


def test_the_tables_of_one_image_are_its_own(tmp_path):
    found = comparison("a", FULL, HALF)
    written = write_comparison(found, tmp_path)
    tables = write_tables([Figures.of(found)], [written], tmp_path)
    assert (tables.paths, tables.means) == ((written.members, written.pairs, written.document), None)


def test_figures_hold_no_pictures():
    figures = Figures.of(comparison("a", FULL, HALF))
    assert not any(isinstance(value, np.ndarray | LabelMap | Member) for value in vars(figures).values())
