"""Tiles of cases."""

import re

from evaluation.results.answers import Question, answer
from evaluation.results.table import Results, Run
from evaluation.ui.evaluate.gallery import Picture, legend, score_of, tiles


def test_tiles_have_scores_and_a_picture_only_where_there_is_one(table_of):
    table = table_of({"net": [(0.5, 0.75), "failed"]})
    found = answer(Results(table, (Run("net", "set"),), (), ("dice",)), Question("set"))
    worst = [("case_001", "net"), ("case_000", "net")]
    html = tiles(found, worst, {("case_000", "net"): Picture("data:image/png;base64,xyz", outcomes=True)})
    assert (html.count('class="ev-tile"'), html.count('class="ev-line"')) == (1, 1)
    assert html.index("case_000") < html.index("case_001")  # pictures first
    assert score_of(found, "case_000", "net") == "Dice 0.500 / 0.750"
    assert score_of(found, "case_001", "net") == "failed"
    assert ("ev-legend" in html, "A click" in html) == (True, False)
    assert tiles(found, [], {}) == ""


def test_of_many_classes_the_worst_is_named(table_of):
    table = table_of({"net": [(0.9, 0.8, 0.2, 0.7)]})
    found = answer(Results(table, (Run("net", "set"),), (), ("dice",)), Question("set"))
    assert score_of(found, "case_000", "net") == "Dice 0.200 in class_3, the worst of 4 classes"


def test_the_legend_names_every_outcome():
    assert re.findall("<span>(.*?)</span>", legend()) == [
        "True positive",
        "False positive",
        "False negative",
        "Other class",
    ]
