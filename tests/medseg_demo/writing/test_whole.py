import errno
import os
import stat

import pytest

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.writing.whole import whole_file, write_text


def test_what_is_written_takes_the_place_of_the_old_file(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_text("old")
    with whole_file(path) as draft:
        assert draft.parent == tmp_path
        assert draft.name.startswith(".")  # listings of a folder leave it out
        assert draft.name.endswith(".nii.gz")  # by which libraries choose the format
        draft.write_text("new")
        assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.nii.gz"]
    assert path.read_text() == "new"


def fail(path, raised):
    with whole_file(path) as draft:
        draft.write_text("half of")
        raise raised


@pytest.mark.parametrize(
    "raised",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ValueError("of the patient"), MemoryError(), KeyError("x")],
)
def test_an_exception_leaves_what_was_there(tmp_path, raised):
    (tmp_path / "a.png").write_text("old")
    with pytest.raises(OutputError, match=r"^a\.png cannot be written \(.*\)\. C") as told:
        fail(tmp_path / "a.png", raised)
    assert "patient" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("a.png", "old")]


@pytest.mark.parametrize("raised", [OptionError("as it is"), KeyboardInterrupt()])
def test_errors_of_the_project_and_interrupts_go_on(tmp_path, raised):
    with pytest.raises(type(raised)):
        fail(tmp_path / "a.png", raised)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 255, "K\udcf6nig.png", "x" * 251 + ".png"])
def test_any_name_that_the_disk_takes(tmp_path, name):
    with whole_file(tmp_path / name) as draft:
        draft.write_text("new")
    assert [os.fsencode(entry.name) for entry in tmp_path.iterdir()] == [os.fsencode(name)]


@pytest.mark.parametrize("name", ["x" * 256, "a\0b", "none/a.png", "folder"])
def test_a_name_that_cannot_be_given_is_told(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be written") as told, whole_file(tmp_path / name) as draft:
        draft.write_text("new")
    assert str(told.value).isprintable()
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_link_is_followed_and_a_pipe_is_written_into(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_file(tmp_path / "link") as draft:
        draft.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    with whole_file(tmp_path / "null") as draft:
        draft.touch()
    os.mkfifo(tmp_path / "pipe")
    with whole_file(tmp_path / "pipe") as draft:
        assert draft == tmp_path / "pipe"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with whole_file(tmp_path / "a") as draft:
        draft.write_text("new")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_text_is_valid_utf_8_whatever_is_in_it(tmp_path):
    write_text(tmp_path / "new" / "a.json", "K\udcf6nig é\r\n", kept=True)
    assert (tmp_path / "new" / "a.json").read_bytes() == "K?nig é\r\n".encode()
