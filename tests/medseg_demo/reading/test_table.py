import pytest

from medseg_demo.errors import DamagedFileError
from medseg_demo.reading.table import read_table


def rows_of(tmp_path, content, **options):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, **options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(tmp_path, encoding):
    assert rows_of(tmp_path, "a,b\nKöln,1\n".encode(encoding)) == [(1, ["a", "b"]), (2, ["Köln", "1"])]


@pytest.mark.parametrize(
    "text", ["a;b\n1,5;x\n", "a\tb\n1,5\tx\n", 'a,b\n"1,5",x\n', "a|b\r\n1,5|x\r\n", 'a, b\n"1,5", x']
)
def test_delimiters_and_line_ends(tmp_path, text):
    assert [row for _, row in rows_of(tmp_path, text)] == [["a", "b"], ["1,5", "x"]]


def test_lines_are_those_of_the_file(tmp_path):
    assert rows_of(tmp_path, 'sep=;\na;b\n\n"x\ny";2\n') == [(2, ["a", "b"]), (5, ["x\ny", "2"])]


def test_columns_without_a_heading_are_left_out(tmp_path):
    assert [row for _, row in rows_of(tmp_path, ",a,b,\n0,1,2,\n")] == [["a", "b"], ["1", "2"]]


def test_rows_of_another_length_are_refused_or_said_or_taken(tmp_path):
    with pytest.raises(DamagedFileError, match="line 3 has 3 cells, but the heading has 2"):
        rows_of(tmp_path, "a,b\n1,2\n1,2,3\n")
    faults: list[str] = []
    assert len(rows_of(tmp_path, "a,b\n1,2\n1,2,3\n", faults=faults)) == 2
    assert len(faults) == 1
    assert len(rows_of(tmp_path, "a,b\n1,2\n1,2,3\n", ragged=True)) == 3


@pytest.mark.parametrize("content", [b"\x89PNG\0\1\2", b"a,b\n\x81\x8d,1\n", b'a,b\n"1,2\n', b"\xff\xfe\0"])
def test_what_is_no_table_is_refused(tmp_path, content):
    with pytest.raises(DamagedFileError, match=r"table\.csv: "):
        rows_of(tmp_path, content)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DamagedFileError, match="cannot be opened"):
        read_table(tmp_path / "none.csv")
