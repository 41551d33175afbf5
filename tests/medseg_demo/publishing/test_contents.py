import ast
import importlib.metadata
import re
import shutil
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from medseg_demo.errors import InvalidCheckpointError, OptionError, OutputError, UnknownCheckpointError
from medseg_demo.models.card import read_card, write_card
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.publishing import contents as module
from medseg_demo.publishing.contents import Contents, model_contents, space_contents, write_contents
from medseg_demo.publishing.front_matter import GRADIO, PYTHON, SUMMARY, About
from medseg_demo.settings import ROOT


@pytest.fixture
def space(settings):
    return space_contents(["lungs-unet-tiny"], About(repository="me/demo"), settings)


def front_matter(contents):
    return yaml.safe_load(contents.files["README.md"].decode().split("---\n")[1])


def modules(contents):
    """The modules of the two packages in a Space, by their dotted names, with what they import."""
    for path, source in contents.files.items():
        if path.endswith(".py"):
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            yield name, ast.parse(Path(source).read_text(encoding="utf-8"))


def test_every_module_that_is_imported_is_there(space):
    parsed = dict(modules(space))
    missing = set()
    for name, tree in parsed.items():
        if name.endswith("__main__"):  # of the command lines, which train and export too
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("medseg_demo", "evaluation"):
                missing |= {node.module} - parsed.keys()
    assert missing == set()


def test_only_what_a_page_needs_is_there(space):
    assert {path.split("/")[0] for path in space.files} == {
        "README.md", ".gitattributes", "LICENSE", "requirements.txt", "app.py", "medseg_demo", "evaluation",
        "checkpoints",
    }  # fmt: skip
    assert not [path for path in space.files if re.search(r"/(training|publishing|__pycache__)/", path)]
    own = {path for path in space.files if path.startswith("checkpoints/")}
    assert own == {
        f"checkpoints/lungs-unet-tiny/{name}" for name in ("config.json", "medseg.json", "model.safetensors")
    }


def test_an_example_of_the_owner_goes_along_as_binary(settings):
    (settings.checkpoints_dir / "own" / "example.dcm").write_bytes(b"\0DICM")
    contents = space_contents(["own"], About(), settings)
    assert "checkpoints/own/example.dcm" in contents.files
    assert b"example.* filter=lfs" in contents.files[".gitattributes"]


def test_reference_runs_of_the_chosen_checkpoints_alone(space):
    runs = {path.split("/")[2] for path in space.files if path.startswith(module.REFERENCE_RUNS)}
    assert runs == {"lungs", "lungs-stress"}


def test_what_is_binary_is_stored_beside_the_history(settings):
    everything = space_contents(["lungs-unet-tiny"], About(), settings)
    patterns = [line.split()[0] for line in everything.files[".gitattributes"].decode().splitlines()]
    for path, source in everything.files.items():
        content = source if isinstance(source, bytes) else source.read_bytes()
        if b"\0" in content:
            assert any(fnmatch(path, pattern) for pattern in patterns), path


def test_pytorch_is_what_a_lent_gpu_has(space):
    lines = space.files["requirements.txt"].decode().splitlines()
    assert {"torch==2.11.0", "torchvision==0.26.0"} <= set(lines)
    assert any(line.startswith("gradio>=") for line in lines)
    assert not any(line.startswith(("#", "torch>", "torchvision>")) for line in lines)


def test_an_installed_package_knows_its_requirements(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "requires", lambda name: ["torch>=2.10", "numpy>=2", 'ray>=2 ; extra == "ray"'])
    assert module._requirements() == "torch==2.11.0\nnumpy>=2\n"

    def absent(name):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(module, "requires", absent)
    with pytest.raises(OptionError, match=r"requirements\.txt is missing"):
        module._requirements()


def test_the_front_matter_of_a_space(settings):
    about = About(title="My demo", licence="mit", hardware="cpu-basic", sign_in=True)
    found = front_matter(space_contents(["own"], about, settings))
    assert found["sdk"] == "gradio"
    assert (found["sdk_version"], found["python_version"]) == (GRADIO, PYTHON)
    assert (found["title"], found["license"], found["suggested_hardware"]) == ("My demo", "mit", "cpu-basic")
    assert (found["app_file"], found["hf_oauth"]) == ("app.py", True)
    assert "models" not in found


def test_what_the_hub_limits():
    assert len(SUMMARY) <= 60
    assert f"gradio=={GRADIO} " in (ROOT / "requirements.lock").read_text()


def test_the_front_matter_has_defaults(space):
    found = front_matter(space)
    assert found["title"] == "Medical image segmentation: bright things"
    assert (found["license"], found["suggested_hardware"]) == ("apache-2.0", "zero-a10g")
    assert "hf_oauth" not in found


def test_sources_are_named_as_their_licence_asks(space):
    assert "Some images (CC BY 4.0; Some people)" in space.files["README.md"].decode()


def test_a_model_is_as_it_is_loaded_from_the_hub(settings):
    contents = model_contents("own", About(repository="me/bright", licence="mit"), settings)
    assert set(contents.files) == {"config.json", "medseg.json", "model.safetensors", "README.md", ".gitattributes"}
    found = front_matter(contents)
    assert (found["license"], found["pipeline_tag"]) == ("mit", "image-segmentation")
    (result,) = found["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == 0.875
    text = contents.files["README.md"].decode()
    assert "# Mine" in text
    assert 'load_checkpoint("me/bright")' in text
    assert "license: other" not in text


def test_a_model_shows_a_packaged_sample_of_its_task_and_its_scores_on_a_data_set_of_the_hub(settings):
    entry = settings.checkpoints_dir / "own"
    card = read_card(entry).model_copy(update={"task": "lungs in chest radiographs"})
    write_card(card, entry)
    contents = model_contents("own", About(repository="me/lungs", dataset="me/chests"), settings)
    with Image.open(BytesIO(contents.files["sample.png"])) as picture:
        assert max(picture.size) == 512
    found = front_matter(contents)
    assert found["widget"][0]["src"] == "https://huggingface.co/me/lungs/resolve/main/sample.png"
    (score,) = yaml.safe_load(contents.files[".eval_results/chests.yaml"])
    assert score["dataset"] == {"id": "me/chests", "task_id": "val"}
    assert score["value"] == 0.875


def test_checkpoints_of_the_hub_are_named_as_models(settings, monkeypatch):
    folder = settings.checkpoints_dir / "own"
    monkeypatch.setattr(module, "find_checkpoint", lambda name, directory: (name, folder))
    contents = space_contents(["them/net"], About(), settings)
    assert front_matter(contents)["models"] == ["them/net"]
    assert "checkpoints/net/model.safetensors" in contents.files


def test_unknown_and_broken_checkpoints_are_refused(settings):
    with pytest.raises(UnknownCheckpointError, match="Choose one of"):
        space_contents(["nothing"], About(), settings)
    with pytest.raises(InvalidCheckpointError, match="has no config"):
        space_contents(["broken"], About(), settings)
    with pytest.raises(OptionError, match="are called own"):
        space_contents(["own", "own"], About(), settings)


def test_an_ensemble_takes_its_members_along(settings, tmp_path):
    (settings.checkpoints_dir / "both").mkdir()
    (settings.checkpoints_dir / "both" / "medseg.json").write_text('{"ensemble": ["own", "lungs-unet-tiny"]}')
    contents = space_contents(["both"], About(), settings)
    write_contents(contents, tmp_path / "space")
    listed = {one.name: one.problem for one in list_checkpoints(tmp_path / "space" / "checkpoints")}
    assert listed == {"both": None, "lungs-unet-tiny": None, "own": None}
    assert "Some images" in contents.files["README.md"].decode()
    assert space_contents(["both", "own"], About(), settings).files.keys() == contents.files.keys()
    shutil.copytree(settings.checkpoints_dir / "own", tmp_path / "own")
    with pytest.raises(OptionError, match="are called own"):
        space_contents(["both", str(tmp_path / "own")], About(), settings)
    with pytest.raises(OptionError, match="one by one"):
        model_contents("both", About(), settings)


def test_a_program_is_not_published(settings, monkeypatch):
    monkeypatch.setenv("MEDSEG_ALLOW_TORCHSCRIPT", "1")
    place = settings.checkpoints_dir / "program"
    place.mkdir()
    torch.jit.script(torch.nn.ReLU()).save(place / "model.ts")
    write_card(read_card(settings.checkpoints_dir / "own"), place)
    with pytest.raises(OptionError, match="is TorchScript, a program"):
        space_contents(["program"], About(), settings)


def test_a_folder_is_written_and_replaced(tmp_path):
    folder = tmp_path / "space"
    write_contents(Contents({"app.py": b"1", "checkpoints/a/x.bin": b"2"}), folder)
    (folder / ".git").mkdir()
    write_contents(Contents({"app.py": b"3", "checkpoints/b/x.bin": b"4"}), folder)
    assert sorted(path.name for path in folder.iterdir()) == [".git", "app.py", "checkpoints"]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["b"]
    assert (folder / "app.py").read_bytes() == b"3"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds thesis\.tex"):
        write_contents(Contents({"app.py": b"1"}), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_contents(Contents({"app.py": b"1"}), tmp_path / "file")
