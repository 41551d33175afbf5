"""What an install brings: requirements that say one thing, and a wheel that works where nobody may write."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from medseg_demo import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def ranges(lines: list[str]) -> set[str]:
    """Requirements in one spelling, those of the project itself left out."""
    found = (line.split("  #")[0].strip() for line in lines)
    named = (Requirement(line) for line in found if line and not line.startswith(("#", "-r ")))
    return {str(one) for one in named if one.name != PROJECT["name"]}


@pytest.mark.parametrize("extra", ["", "train", "export", "dev"])
def test_requirements_files_repeat_the_projects_ranges(extra: str) -> None:
    lines = (ROOT / f"requirements{extra and '-'}{extra}.txt").read_text(encoding="utf-8").splitlines()
    assert ranges(lines) == ranges(EXTRAS[extra] if extra else PROJECT["dependencies"])


def test_what_the_tests_need_includes_training_and_exporting() -> None:
    assert "medseg-demo[train,export]" in EXTRAS["dev"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the files that git knows, unpacked into a folder; what it needs is this environment's."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("this is no git clone, so what belongs to the project is unknown")
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).symlink_to(ROOT / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    finished = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"medseg_demo-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    wheel.unlink()
    return folder


def call(installed: Path, working: Path, *arguments: str) -> str:
    """What a command of the installed wheel prints, for an account without a home."""
    environment = {key: value for key, value in os.environ.items() if key != "HOME" and not key.startswith("MEDSEG_")}
    environment |= {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(working / "missing")}
    command = [sys.executable, "-m", *arguments]
    finished = subprocess.run(command, cwd=working, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_wheel_holds_the_two_packages_and_nothing_else(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"medseg_demo", "evaluation"}
    kept = {path.relative_to(installed).as_posix() for path in installed.rglob("*")}
    data = {name for name in kept if not name.endswith((".py", ".pyc"))}
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = [name for name in listing.splitlines() if name.startswith(("medseg_demo/", "evaluation/"))]
    assert set(wanted) <= kept
    assert "medseg_demo/bundled/checkpoints/lungs-unet-tiny/model.safetensors" in data
    assert not [name for name in kept if "__pycache__" in name]


def test_scripts_lead_to_the_command_lines(installed: Path) -> None:
    (scripts,) = installed.glob("*.dist-info/entry_points.txt")
    assert set(scripts.read_text(encoding="utf-8").split()[1:]) >= {"medseg", "medseg-evaluate"}


def test_bundled_checkpoints_are_found_and_an_own_one_stands_beside_them(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "checkpoints" / "own"
    own.parent.mkdir()
    own.symlink_to(ROOT / "checkpoints" / "lungs-unet-tiny")
    listed = call(installed, tmp_path, "medseg_demo", "checkpoints")
    assert {"own", "lungs-unet-tiny", "hippocampus-unet3d"} <= {line.split(":")[0] for line in listed.splitlines()}
    assert "unusable" not in listed


def test_reference_runs_are_found_and_nothing_is_written_beside_the_code(installed: Path, tmp_path: Path) -> None:
    before = sorted(installed.rglob("*"))
    runs = installed / "evaluation" / "reference_runs" / "vessels"
    assert "vessels-unet-lite0" in call(installed, tmp_path, "evaluation", "summary", str(runs), "--json")
    assert sorted(installed.rglob("*")) == before


def test_the_page_is_a_command_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    assert "--test-sets" in call(installed, tmp_path, "medseg_demo", "demo", "--help")


def test_version_is_told(installed: Path, tmp_path: Path) -> None:
    assert call(installed, tmp_path, "medseg_demo", "--version").strip() == f"medseg-demo {__version__}"
