"""The table of cases."""

import math
import re

import pytest

from evaluation.results.answers import Question, answer
from evaluation.results.table import Results, Run
from evaluation.ui.evaluate.board import CaseKey, TableView
from evaluation.ui.evaluate.case_table import PAGE, columns, shown_rows, table_html


@pytest.fixture
def found(table_of):
    def make(scores, **metadata):
        table = table_of(scores, **metadata)
        runs = tuple(Run(name, "set") for name in scores)
        return answer(Results(table, runs, tuple(metadata), ("dice",)), Question("set"))

    return make


def order(found, view) -> list[str]:
    return [found.table["case_id"].iloc[row][-1] for row in shown_rows(found, view)]


def test_the_worst_come_first_and_a_column_sorts_with_missing_values_last(found):
    cases = found({"a": [0.5, math.nan, "failed", 0.2]})
    assert order(cases, TableView()) == ["2", "3", "0", "1"]
    assert order(cases, TableView(sort="dice")) == ["3", "0", "1", "2"]
    assert order(cases, TableView(sort="dice", descending=True)) == ["0", "3", "1", "2"]
    assert order(cases, TableView(sort="case_id", descending=True)) == ["3", "2", "1", "0"]


def test_the_filter_looks_at_names_errors_and_metadata(found):
    cases = found({"a": [0.5, 0.6, "failed"]}, site=["north", "south", "south"])
    assert order(cases, TableView(text="SOUTH")) == ["2", "1"]
    assert order(cases, TableView(text="unread")) == ["2"]
    assert order(cases, TableView(text="nowhere")) == []


def test_the_case_is_the_first_column_and_the_metric_leads(found):
    names = columns(found({"a": [0.5]}, site=["x"]))
    assert names[0] == "case_id"
    assert names.index("dice") == 4
    assert names[-1] == "site"


def test_rows_are_buttons_that_name_the_case_and_the_open_one_is_marked(found):
    html = table_html(found({"a": [0.5, 0.6]}), TableView(), CaseKey("set", "a", "case_001"))
    assert "[&quot;set&quot;, &quot;a&quot;, &quot;case_000&quot;, &quot;class_1&quot;]" in html
    assert len(re.findall('aria-current="true"', html)) == 1


def test_an_error_is_shown_whole(found):
    cases = found({"a": [0.5, "failed"]})
    sentence = "The prediction has 3 slices, the reference 5. Export it again in the geometry of the image."
    cases.table.loc[1, "error"] = sentence
    assert f'<td class="ev-words ev-sentence">{sentence}</td>' in table_html(cases, TableView(), None)


def test_names_from_files_are_escaped(found):
    cases = found({"<b>": [0.5]})
    assert "<b>" not in table_html(cases, TableView(), None)


def test_many_rows_come_in_pages(found):
    cases = found({"a": [0.5] * (PAGE + 1)})
    assert table_html(cases, TableView(), None).count("<tr data-pick") == PAGE
    last = table_html(cases, TableView(page=99), None)
    assert last.count("<tr data-pick") == 1
    assert "page 2 of 2" in last


def test_a_filter_that_names_no_column_says_so_in_place_of_rows(found):
    html = table_html(found({"a": [0.5]}), TableView(text="dise < 1"), None)
    assert "no column &#x27;dise&#x27;" in html
    assert "data-pick" not in html
