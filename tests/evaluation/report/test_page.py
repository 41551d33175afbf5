"""The report's HTML."""

from evaluation.report import page
from evaluation.results.tables import Table


def test_texts_are_escaped_everywhere():
    evil = "<script>alert(1)</script>"
    case = page.WorstCase("set", evil, evil, evil, note=evil)
    table = Table(evil, (evil,), ((evil,),), (evil,))
    parts = [
        page.section(evil, anchor="a"), page.note(evil, alarm=True), page.table(table),
        page.sentences(evil, [evil]), page.figures([page.Plot("", evil, "", evil)]), page.worst([case], [("", evil)]),
        page.rows(page.CaseRows([evil], [[evil]], evil)),
    ]  # fmt: skip
    assert all(evil not in part for part in parts)


def test_a_figure_cannot_end_its_script_early():
    html = page.figures([page.Plot("p", "title", '{"a": "</script><b>"}')])
    assert html.count("</script>") == 1


def test_anchors_are_plain():
    assert page.case_anchor("my set", "net/1", "case é") == "case-my-set-net-1-case-"
