import pytest

from evaluation.runs.log import RunLog
from medseg_demo.errors import OutputError


def test_lines_are_there_at_once_and_across_resumptions(tmp_path):
    with RunLog(tmp_path) as log:
        log.write("scored", "set", "net", "case", "two\nlines\tand a tab")
        first = (tmp_path / "run.log").read_text()
    with RunLog(tmp_path) as log:
        log.write("finished")
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert lines[0] == first.rstrip("\n")
    assert lines[0].split("\t")[1:] == ["scored", "set", "net", "case", "two lines and a tab"]
    assert lines[1].split("\t")[1:] == ["finished"]


def test_a_full_disk_is_said(tmp_path):
    try:
        (tmp_path / "run.log").symlink_to("/dev/full")
        log = RunLog(tmp_path)
    except (OSError, OutputError):
        pytest.skip("this system has no /dev/full")
    with log, pytest.raises(OutputError, match=r"run\.log: cannot be written \(No space left on device\)"):
        log.write("finished")


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "run.log").mkdir()
    with pytest.raises(OutputError, match=r"run\.log"):
        RunLog(tmp_path)
