import getpass
import os
import pwd
from pathlib import Path

import pytest

from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings, name_account


def test_an_empty_environment_gives_the_defaults():
    assert Settings.from_environment({}) == Settings()


def test_each_setting_can_be_set():
    settings = Settings.from_environment(
        {"MEDSEG_THREADS": "3", "MEDSEG_CHECKPOINTS_DIR": "elsewhere", "MEDSEG_DEVICE": "cpu", "MEDSEG_BATCH_SIZE": ""}
    )
    assert settings == Settings(threads=3, checkpoints_dir=Path("elsewhere"), device="cpu")


@pytest.mark.parametrize(
    ("name", "value"), [("THREADS", "two"), ("THREADS", "-1"), ("PRECISION", "half"), ("BACKEND", "tpu")]
)
def test_unusable_values_are_named(name, value):
    with pytest.raises(OptionError, match=f"MEDSEG_{name}"):
        Settings.from_environment({f"MEDSEG_{name}": value})


def test_an_account_without_a_name_gets_one(monkeypatch):
    def refuse(number):
        raise KeyError("uid not found")

    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setattr(pwd, "getpwuid", refuse)
    name_account()
    assert getpass.getuser() == f"uid-{os.getuid()}"
