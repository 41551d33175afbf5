import getpass
import os
import pwd
import tempfile
from pathlib import Path

import pytest

from medseg_demo import settings
from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings, complete_account


def test_an_empty_environment_gives_the_defaults():
    assert Settings.from_environment({}) == Settings()


def test_each_setting_can_be_set():
    settings = Settings.from_environment(
        {"MEDSEG_THREADS": "3", "MEDSEG_CHECKPOINTS_DIR": "elsewhere", "MEDSEG_DEVICE": "cpu", "MEDSEG_BATCH_SIZE": ""}
    )
    assert settings == Settings(threads=3, checkpoints_dir=Path("elsewhere"), device="cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [("THREADS", "two"), ("THREADS", "-1"), ("PRECISION", "half"), ("BACKEND", "tpu"), ("PUBLIC", "maybe")],
)
def test_unusable_values_are_named(name, value):
    with pytest.raises(OptionError, match=f"MEDSEG_{name}"):
        Settings.from_environment({f"MEDSEG_{name}": value})


@pytest.mark.parametrize("settings", [Settings.from_environment({"MEDSEG_PUBLIC": "1", "MEDSEG_MAX_JOBS": "9"}),
                                      Settings.from_environment({"MEDSEG_MAX_JOBS": "9"}, public=True)])  # fmt: skip
def test_a_public_page_has_its_own_limits_except_those_that_are_set(settings):
    assert (settings.public, settings.max_jobs, settings.max_file_mb) == (True, 9, 256)


def test_an_account_gets_a_name_and_a_home_where_it_has_none(monkeypatch):
    def refuse(number):
        raise KeyError("uid not found")

    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", refuse)
    complete_account()
    assert getpass.getuser() == f"uid-{os.getuid()}"
    assert Path.home() == Path(tempfile.gettempdir())


def test_files_are_kept_where_somebody_may_write(tmp_path, monkeypatch):
    monkeypatch.setattr(settings.sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert settings.writable_folder() == Path()
    closed = {Path()}
    monkeypatch.setattr(settings.os, "access", lambda path, _: path not in closed)
    assert settings.writable_folder() == tmp_path / "data" / "medseg-demo"
    closed.add(tmp_path)
    assert settings.writable_folder().parent == Path(tempfile.gettempdir())
