import pytest

from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.case_table import CaseFinder, apply_table


def table_of(tmp_path, text, ids=("001", "002"), encoding="utf-8"):
    path = tmp_path / "cases.csv"
    path.write_bytes(text.encode(encoding))
    faults: list[str] = []
    cases, notes = apply_table(path, tuple(Case(one, (), path, group=one) for one in ids), faults)
    return [(case.case_id, case.split, case.group, dict(case.metadata)) for case in cases], notes, faults


EXPECTED = [("001", "test", "p1", {"site": "Köln"}), ("002", "test", "p1", {"site": "Zürich"})]
COMMAS = "case_id,split,group,site\n001,test,p1,Köln\n002,test,p1,Zürich\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (COMMAS, "utf-8-sig"),
        (COMMAS.replace(",", ";"), "utf-8"),
        (COMMAS.replace(",", "\t"), "utf-16"),
        (COMMAS.replace(",", ", "), "cp1252"),
        (COMMAS.replace("case_id,split,group", "Case ID,Split,GROUP"), "utf-8"),
        (COMMAS.replace("00", ""), "utf-8"),
        (COMMAS.replace("001", "001.nii.gz").replace("002", "images/002.png"), "utf-8"),
        (COMMAS.replace("001", "1.0").replace("002", "2.0"), "utf-8"),
        (COMMAS.replace("case_id", "filename"), "utf-8"),
    ],
)
def test_tables_as_people_have_them(tmp_path, text, encoding):
    cases, _, faults = table_of(tmp_path, text, encoding=encoding)
    assert (cases, faults) == (EXPECTED, [])


def test_a_patient_is_a_group_where_no_column_is_called_so_and_a_note_says_it(tmp_path):
    cases, notes, _ = table_of(tmp_path, "case_id,patient\n001,p1\n002,p1\n")
    assert [group for _, _, group, _ in cases] == ["p1", "p1"]
    assert "'patient' of cases.csv was taken for group" in notes[0]


def test_a_patient_is_the_case_where_no_other_column_is(tmp_path):
    cases, notes, _ = table_of(tmp_path, "patient_id,site\n001,x\n002,y\n")
    assert [(case_id, group) for case_id, _, group, _ in cases] == [("001", "001"), ("002", "002")]
    assert "taken for case_id" in notes[0]


def test_a_number_that_two_ids_share_is_neither():
    finder = CaseFinder([Case(one, (), None) for one in ("01", "1", "Case_A")])
    assert (finder.find("1"), finder.find("001"), finder.find("case_a.png")) == ("1", None, "Case_A")


def test_faults_are_all_said(tmp_path):
    _, _, faults = table_of(tmp_path, "case_id,split\n001,a\n1,a\n,a\n003,a\n002\n")
    assert [fault.split(".")[0] for fault in faults] == [
        "cases",
        "Line 4 of cases",
        "Case '003' stands in cases",
        "Case '001' stands twice in cases",
    ]


def test_a_column_method_of_the_cases_is_no_method_that_is_compared(tmp_path):
    assert Case("001", (), tmp_path, group="001", metadata={"method": "MRI"}).columns == {"case_method": "MRI"}
