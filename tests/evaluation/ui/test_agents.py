"""Tools for agents: what they say of themselves, and all of them through a real client of MCP."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_function_description
from own_loop import run_alone
from PIL import Image

from evaluation.ui import agents
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.api import described_by, segment_file

ROOT = Path(__file__).resolve().parents[3]
needs_mcp = pytest.mark.skipif(importlib.util.find_spec("mcp") is None, reason="the extra mcp is not installed")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "MUSTER_ERIKA.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80), dtype=np.uint8)).save(path)
    return path


def test_without_the_package_it_is_said_what_to_install(monkeypatch, settings):
    monkeypatch.setitem(sys.modules, "mcp.server.fastmcp", None)
    with pytest.raises(OptionError, match=r"pip install 'medseg-demo\[mcp\]'"):
        agents.make_server(Engine(settings))


def test_what_was_made_is_moved_and_replaces_nothing(tmp_path):
    for content in (b"one", b"two"):
        for name in ("a.nii.gz", "scores.csv"):
            (tmp_path / name).write_bytes(content)
            agents._kept(str(tmp_path / name), str(tmp_path / "out"))
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    one, two = {"a.nii.gz": b"one", "scores.csv": b"one"}, {"a-2.nii.gz": b"two", "scores-2.csv": b"two"}
    assert found == one | two


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    for name in ("a.png", "out"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(OutputError, match="Choose another output folder"):
        agents._kept(str(tmp_path / "a.png"), str(tmp_path / "out"))


def test_a_file_that_is_not_there_is_said_without_its_folders(tmp_path):
    with pytest.raises(OptionError, match=r"no file 'a\.png' at that path") as caught:
        agents._existing(str(tmp_path / "a.png"))
    assert str(tmp_path) not in str(caught.value)


def test_the_words_of_an_endpoint_are_those_of_the_function_behind_it():
    @described_by(segment_file)
    def endpoint(request, file, threshold=None):
        pass

    told, parameters, returned = get_function_description(endpoint)
    assert told.startswith("Segment one image")
    assert "(0, 1)" in parameters["threshold"]
    assert "Raises" not in " ".join(returned)


@needs_mcp
def test_every_tool_and_every_parameter_is_described(settings):
    tools = run_alone(agents.make_server(Engine(settings)).list_tools())
    assert [tool.name for tool in tools] == ["checkpoints", "segment", "compare", "follow", "evaluate"]
    for tool in tools:
        assert len(tool.description or "") > 100
        for name, schema in tool.inputSchema["properties"].items():
            assert schema.get("description"), f"{tool.name}: {name}"
            assert name not in agents.OWN
            assert "type" in schema or "anyOf" in schema or "enum" in schema, f"{tool.name}: {name}"


async def _talk(folder: Path, picture: Path) -> dict:
    """What a client hears from the program, started as agents start it."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    environment = {**os.environ, "MEDSEG_CHECKPOINTS_DIR": str(folder / "checkpoints"), "MEDSEG_DEVICE": "cpu"}
    environment["MEDSEG_TEST_SETS_DIR"] = str(folder / "test_sets")
    command = StdioServerParameters(command=sys.executable, args=[str(ROOT / "app.py"), "--mcp"], env=environment)
    output, heard = str(folder / "out"), {}
    async with stdio_client(command) as (read, write), ClientSession(read, write) as session:
        heard["name"] = (await session.initialize()).serverInfo.name
        heard["tools"] = [tool.name for tool in (await session.list_tools()).tools]
        given = {"file": str(picture), "checkpoint": "lungs-unet-tiny", "output": output}
        for key, change in {
            "checkpoints": None,
            "segmented": {},
            "renamed": {"deidentify": True},
            "unknown": {"checkpoint": "nothing"},
            "missing": {"file": str(folder / "absent.png")},
            "wrong": {"threshold": 7},
            "untyped": {"threshold": "high"},
        }.items():
            tool, arguments = ("checkpoints", {}) if change is None else ("segment", given | change)
            heard[key] = await session.call_tool(tool, arguments)
        several = {"file": str(picture), "output": output, "label_maps": [str(folder / "out" / picture.name)]}
        heard["compared"] = await session.call_tool("compare", several | {"checkpoints": ["lungs-unet-tiny"]})
        heard["alone"] = await session.call_tool("compare", several | {"checkpoints": []})
        heard["no map"] = await session.call_tool(
            "compare", several | {"checkpoints": [], "label_maps": ["absent.png"]}
        )
        scored = {"checkpoints": ["lungs-unet-tiny"], "output": output, "test_set": "simulated-nuclei"}
        heard["evaluated"] = await session.call_tool("evaluate", scored)
        heard["no test set"] = await session.call_tool("evaluate", scored | {"test_set": "nothing"})
    return heard


@pytest.mark.slow
@needs_mcp
def test_every_tool_through_a_real_client(tmp_path, picture):
    shutil.copytree(ROOT / "checkpoints" / "lungs-unet-tiny", tmp_path / "checkpoints" / "lungs-unet-tiny")
    heard = run_alone(_talk(tmp_path, picture))
    assert heard["name"] == "medseg-demo"
    assert "segment" in heard["tools"]
    assert "lungs-unet-tiny" in heard["checkpoints"].content[0].text
    answer = json.loads(heard["segmented"].content[0].text)
    assert Path(answer["label_map"]) == (tmp_path / "out" / "MUSTER_ERIKA.png").resolve()
    with Image.open(answer["label_map"]) as labels:
        assert labels.size == (80, 60)
    assert answer["measurements"]["classes"][0]["class_name"]
    assert Path(json.loads(heard["renamed"].content[0].text)["label_map"]).name == "case_0001.png"
    compared = json.loads(heard["compared"].content[0].text)
    assert zipfile.is_zipfile(compared["archive"])
    assert [member["name"] for member in compared["comparison"]["members"]] == ["lungs-unet-tiny", "MUSTER_ERIKA"]
    evaluated = json.loads(heard["evaluated"].content[0].text)
    assert Path(evaluated["scores_csv"]).read_text().count("\n") == len(evaluated["scores"]["rows"]) + 1
    for key, words in {
        "unknown": "nothing",
        "missing": "no file 'absent.png'",
        "wrong": "threshold",
        "untyped": "threshold",
        "alone": "only one label map",
        "no map": "no file 'absent.png'",
        "no test set": "simulated-nuclei",
    }.items():
        assert heard[key].isError, key
        assert words in heard[key].content[0].text
        assert "Traceback" not in heard[key].content[0].text


@pytest.mark.slow
@needs_mcp
def test_it_ends_quietly_with_its_agent():
    program = [sys.executable, str(ROOT / "app.py"), "--mcp"]
    ended = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "Error" not in ended.stderr
