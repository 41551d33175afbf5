import os
from pathlib import Path

import pytest

from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings
from medseg_demo.ui.public.uploads import MEBIBYTE, Often, Place, Refused, Uploads

ANNA = ("anna", "anna from a second tab")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def uploads(tmp_path, clock):
    settings = Settings(max_uploads_a_minute=100, max_session_mb=2, max_total_mb=4)
    return Uploads(settings, lambda: tmp_path, clock)


def send(uploads: Uploads, visitor: str = "anna", size: int = 1, *, others=(), busy=()) -> str:
    """One file that has arrived; its path."""
    upload = uploads.begin(visitor, visitor, size, others, busy)
    path = upload.folder / "hash" / "scan.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(size))
    uploads.finish(upload, [str(path)])
    return str(path)


def test_the_first_session_that_uses_a_file_keeps_it(uploads):
    path = send(uploads)
    uploads.claim(path, "first", ANNA)
    uploads.claim(path, "first", ANNA)
    with pytest.raises(OptionError, match="none that this session uploaded"):
        uploads.claim(path, "second", ANNA)


def test_nobody_else_has_it(uploads):
    path = send(uploads)
    for visitor in ("ben", ""):
        with pytest.raises(OptionError):
            uploads.claim(path, "first", (visitor,))


def test_calls_that_name_no_session_share_the_files_of_a_visitor_with_a_cookie(uploads):
    path, loose = send(uploads), send(uploads, "")
    for call in ("first call", "second call"):
        uploads.claim(path, call, ANNA, is_named=False)
    uploads.claim(loose, "first call", ("",), is_named=False)
    with pytest.raises(OptionError):
        uploads.claim(loose, "second call", ("",), is_named=False)


@pytest.mark.parametrize("change", ["{}/", "{}/../scan.png", "./{}", "file://{}", " {}", "{}\0", ""])
def test_a_path_is_taken_letter_by_letter(uploads, change):
    path = send(uploads)
    with pytest.raises(OptionError):
        uploads.claim(change.format(path), "first", ANNA)


@pytest.mark.parametrize("kind", ["link", "folder", "gone"])
def test_what_is_no_regular_file_any_more_is_refused(uploads, kind, tmp_path):
    path = Path(send(uploads))
    path.unlink()
    if kind == "link":
        (tmp_path / "target").touch()
        path.symlink_to(tmp_path / "target")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(OptionError):
        uploads.claim(str(path), "first", ANNA)


def test_files_end_with_their_session(uploads):
    mine, others = send(uploads), send(uploads, "ben")
    uploads.claim(mine, "first", ANNA)
    uploads.claim(others, "second", ("ben",))
    uploads.end("first")
    assert not Path(mine).parent.parent.exists()
    assert Path(others).exists()


def test_what_nobody_uses_ends_after_an_hour_and_not_before(uploads, clock):
    old, busy = send(uploads), send(uploads)
    uploads.claim(busy, "running", ANNA)
    clock.now += 3599
    young = send(uploads)
    uploads.sweep(())
    assert Path(old).exists()
    clock.now += 2
    uploads.sweep({"running"})
    assert not Path(old).exists()
    assert Path(busy).exists()
    assert Path(young).exists()


def test_loose_files_of_gradio_end_after_an_hour(uploads, tmp_path):
    old, new = tmp_path / "tmp_old", tmp_path / "tmp_new"
    for path in (old, new):
        path.write_text("")
    os.utime(old, (1, 1))
    uploads.sweep(set())
    assert list(tmp_path.iterdir()) == [new]


def test_the_oldest_finished_files_of_a_visitor_make_room(uploads, clock):
    running, first, second = (send(uploads, size=600_000) for _ in range(3))
    uploads.claim(running, "running", ANNA)
    clock.now += 1
    uploads.claim(first, "used", ANNA)
    third = send(uploads, size=600_000, busy={"running"})
    assert [Path(path).exists() for path in (running, first, second, third)] == [True, True, False, True]


def test_all_visitors_together_have_a_limit_and_old_results_go_too(uploads, clock):
    deleted = []
    results = Place(used=0.0, size=2 * MEBIBYTE, delete=lambda: deleted.append("results"))
    first, second = send(uploads, "anna", 1_500_000), send(uploads, "ben", 1_500_000)
    send(uploads, "cleo", 1_000_000, others=[results])
    assert deleted == ["results"]
    assert Path(first).exists()
    send(uploads, "dora", 1_000_000)
    assert not Path(first).exists()
    assert Path(second).exists()


def test_where_runs_need_everything_there_is_no_room(uploads):
    for visitor in ("anna", "ben"):
        uploads.claim(send(uploads, visitor, 2 * MEBIBYTE), visitor, (visitor,))
    with pytest.raises(Refused, match="no room") as refused:
        send(uploads, "cleo", 1, busy={"anna", "ben"})
    assert (refused.value.status, refused.value.seconds) == (429, 30)


def test_what_arrives_counts_already(uploads):
    for visitor in ("anna", "ben"):
        uploads.begin(visitor, visitor, 2 * MEBIBYTE, (), ())
    with pytest.raises(Refused, match="no room"):
        uploads.begin("cleo", "cleo", 1, (), ())


def test_one_upload_has_a_limit(uploads):
    with pytest.raises(Refused, match="2 MiB") as refused:
        uploads.begin("anna", "anna", 2 * MEBIBYTE + 1, (), ())
    assert refused.value.status == 413


def test_a_form_without_files_and_half_a_file_leave_nothing(uploads, tmp_path):
    upload = uploads.begin("anna", "anna", 1, (), ())
    upload.folder.mkdir(parents=True)
    (upload.folder / "tmp1").touch()
    uploads.finish(upload, [])
    assert not upload.folder.exists()


def test_so_many_a_minute_and_no_more(clock):
    often = Often(2, clock)
    often.count("anna")
    clock.now += 20
    often.count("anna")
    often.count("ben")
    with pytest.raises(Refused, match="in 40 s") as refused:
        often.count("anna")
    assert refused.value.seconds == 40
    clock.now += 40
    often.count("anna")
