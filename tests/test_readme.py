"""What the README and the documents show is run as it stands there."""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_demo.samples import sample_path
from medseg_demo.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHEST_SIZE = (1841, 1955)  # width and height of the radiograph in pydicom-data

TINY_TRAINING = """
task: bright squares
network: {encoder_name: tu-mobilenetv3_small_050, decoder_channels: [16, 16, 8, 8, 8]}
in_channels: 1
input_size: [64, 64]
epochs: 2
batch_size: 2
"""


def block(language: str, containing: str) -> str:
    """The only fenced block of a language in the README that contains a text."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in text]
    assert len(found) == 1, f"{len(found)} {language} blocks contain {containing!r}"
    return found[0]


def run(command: list[str], folder: Path) -> str:
    """Run as a user would from the project's folder; files are written under another one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def folder_with_chest(tmp_path: Path) -> Path:
    (tmp_path / "chest.dcm").write_bytes(sample_path("chest-xray").read_bytes())
    return tmp_path


def test_make_runs_the_app_and_the_tests() -> None:
    commands = {line.split("#")[0].strip() for line in block("bash", "make demo").splitlines()}
    assert commands == {"make demo", "make test"}
    assert "app.py --host 127.0.0.1 --port 7860" in run(["make", "--dry-run", "demo"], ROOT)
    assert "-m pytest" in run(["make", "--dry-run", "test"], ROOT)


def test_files_that_commands_name_exist() -> None:
    named = re.findall(r"-[rc] (\S+\.\w+)", README)
    assert {"requirements.txt", "requirements-dev.txt", "requirements-train.txt", "requirements.lock"} == set(named)
    assert all((ROOT / name).is_file() for name in named)


def test_command_line(tmp_path: Path) -> None:
    printed = run(["bash", "-e", "-c", block("bash", "medseg_demo segment")], tmp_path)
    assert "lungs-unet-lite0" in printed
    assert (tmp_path / "results/chest/measurements.json").is_file()
    with Image.open(tmp_path / "results/chest/chest.png") as label_map:
        assert label_map.size == CHEST_SIZE
        assert set(np.unique(label_map)) == {0, 1}
    assert (tmp_path / "results/compared").is_dir()


def test_training(tmp_path: Path) -> None:
    write_test_set(tmp_path / "my-test-set")
    (tmp_path / "training.yaml").write_text(TINY_TRAINING, encoding="utf-8")
    command = next(line for line in block("bash", "medseg_demo train").splitlines() if "train " in line)
    run(["bash", "-e", "-c", command], tmp_path)
    assert (tmp_path / "checkpoints/my-model/model.safetensors").is_file()


def test_python(folder_with_chest: Path) -> None:
    printed = run([sys.executable, "-c", block("python", "read_image")], folder_with_chest)
    assert printed.startswith(f"({CHEST_SIZE[1]}, {CHEST_SIZE[0]}) ")


def test_web_api(folder_with_chest: Path, url: str) -> None:
    code = block("python", "gradio_client")
    assert "http://127.0.0.1:7860" in code
    printed = run([sys.executable, "-c", code.replace("http://127.0.0.1:7860", url.rstrip("/"))], folder_with_chest)
    share = float(printed.split()[-1])
    assert 0.1 < share < 0.6  # an adult's lungs fill a good part of a chest radiograph


def test_every_setting_is_listed_with_its_default() -> None:
    listed = set(re.findall(rf"`({PREFIX}\w+)`", README))
    known = {PREFIX + setting.name.upper(): getattr(Settings, setting.name) for setting in fields(Settings)}
    assert listed <= known.keys()
    for row in re.findall(rf"^\| `({PREFIX}\w+)` \|.*\| (.+) \|$", README, re.MULTILINE):
        default = str(known[row[0]])
        assert row[1].strip("`") in (default or "none", Path(default).name)


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_training_example_is_a_valid_configuration(tmp_path: Path) -> None:
    from medseg_demo.training.config import read_config

    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    (tmp_path / "training.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0], encoding="utf-8")
    assert read_config(tmp_path / "training.yaml").architecture == "Unet"


def test_checkpoint_document_lists_every_key_of_the_card() -> None:
    from medseg_demo.models.card import ModelCard

    text = (ROOT / "docs/checkpoints.md").read_text(encoding="utf-8")
    table = text.split("## Keys of medseg.json")[1].split("\n## ")[0]
    keys = {name for name, field in ModelCard.model_fields.items() if not field.exclude}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == keys


def write_test_set(folder: Path) -> None:
    """Three grey images with a bright square each, and their masks; one is for validation."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = ["case_id,split"]
    for number, split in enumerate(("train", "train", "val")):
        mask = np.zeros((64, 64), np.uint8)
        mask[10 * number + 5 : 10 * number + 30, 20:50] = 255
        Image.fromarray(mask // 2 + 40).save(folder / f"images/{number}.png")
        Image.fromarray(mask).save(folder / f"masks/{number}.png")
        rows.append(f"{number},{split}")
    (folder / "cases.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1}}', encoding="utf-8")


def test_schema_of_the_card_is_made_from_the_code() -> None:
    from medseg_demo.models.card import ModelCard

    path = ROOT / "docs/medseg.schema.json"
    fresh = json.dumps(ModelCard.model_json_schema(), indent=1, ensure_ascii=False)
    if path.read_text(encoding="utf-8") != f"{fresh}\n":
        pytest.fail("docs/medseg.schema.json is old; write ModelCard.model_json_schema() into it, indented by 1")
