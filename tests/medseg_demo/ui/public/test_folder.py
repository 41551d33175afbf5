import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from medseg_demo.ui.public.folder import LOCK, PREFIX, server_folder, sweep_dead

HOLD = """
import sys
from medseg_demo.ui.public.folder import server_folder
with server_folder() as folder:
    (folder / "scan.png").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "before")
    return tmp_path


def other_server() -> tuple[subprocess.Popen, Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def test_everything_temporary_lies_in_it_and_it_is_deleted():
    with server_folder() as folder:
        assert Path(tempfile.gettempdir()) == folder
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "a").mkdir()
    assert not folder.exists()


def test_a_killed_servers_folder_is_deleted_by_the_next_and_a_living_ones_is_not():
    process, folder = other_server()
    try:
        sweep_dead()
        assert (folder / "scan.png").exists()
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        sweep_dead()
        assert not folder.exists()
    finally:
        process.kill()
        process.communicate()


def test_what_is_not_a_servers_stays(temporary):
    (temporary / "other").mkdir()
    (temporary / "other" / LOCK).touch()
    (temporary / "medseg-mine").mkdir()
    (temporary / f"{PREFIX}new").mkdir()  # its server has not locked it yet
    (temporary / "away").mkdir()
    (temporary / "away" / LOCK).touch()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "away")
    sweep_dead()
    assert {path.name for path in temporary.iterdir()} == {
        "other",
        "medseg-mine",
        f"{PREFIX}new",
        "away",
        f"{PREFIX}link",
    }
    assert (temporary / "away" / LOCK).exists()
