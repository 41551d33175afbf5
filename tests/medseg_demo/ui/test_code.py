"""Copy as code: the texts, and that a shell and Python take them as they are."""

import ast
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from medseg_demo.reading import Channels, Study
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.ui.code import DEFAULT_ADDRESS, Code, Source, page_address, segment_code, source_of
from medseg_demo.ui.code_view import CODE_PARTS, code_updates

ADDRESS = "http://127.0.0.1:7860/"


def arguments(python: str) -> dict[str, object]:
    """The keyword arguments of the call in a program."""
    tree = ast.parse(python)
    call = next(
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "client.predict"
    )
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def test_an_upload_with_the_defaults():
    code = segment_code(Source("scan.png"), "net", SegmentOptions(), ADDRESS)
    assert code.command == "python -m medseg_demo segment scan.png --checkpoint net --output results"
    assert arguments(code.python) == {
        "file": "handle_file('scan.png')", "checkpoint": "'net'", "api_name": "'/segment'",
    }  # fmt: skip
    assert code.link == ""


def test_channels_are_said():
    volumes = source_of(Study(Path("brain.nii.gz"), "channels", 4))
    files = source_of(Study(Channels("brain", (Path("brain_0000.nii.gz"), Path("brain_0001.nii.gz")), ("a", "b"))))
    for source, file in ((volumes, "brain.nii.gz"), (files, "brain.zip")):  # a zip of the files, as of a series
        code = segment_code(source, "net", SegmentOptions(), ADDRESS)
        assert code.command == f"python -m medseg_demo segment {file} --checkpoint net --channels --output results"
        assert arguments(code.python) == {
            "file": f"handle_file('{file}')", "checkpoint": "'net'", "channels": "True", "api_name": "'/segment'",
        }  # fmt: skip


def test_every_option_is_written():
    options = SegmentOptions(0.4, True, "median", smallest_component=20, fill_holes=True, crop=(0, 1, 2, 3, 4, 5))
    code = segment_code(Source("scan.nii.gz", volume=2), "net", options, ADDRESS)
    options_written = code.command.partition(" --checkpoint net ")[2]
    assert options_written == (
        "--threshold 0.4 --flips --denoise median --smallest-component 20 --fill-holes --crop 0,1,2,3,4,5 --volume 2 "
        "--output results"
    )
    given = arguments(code.python)
    assert (given["threshold"], given["flips"], given["denoise"]) == ("0.4", "True", "'median'")
    assert (given["smallest_component"], given["fill_holes"], given["volume"]) == ("20", "True", "2")
    assert given["crop"] == "[0, 1, 2, 3, 4, 5]"


def test_a_sample_is_copied_first_and_can_be_linked_to():
    code = segment_code(Source("RG1_UNCR.dcm", "chest-xray"), "net", SegmentOptions(threshold=0.5), ADDRESS)
    first, second = code.command.splitlines()
    assert "sample_path('chest-xray')" in shlex.split(first)[2]
    assert "segment RG1_UNCR.dcm" in second
    assert "handle_file(sample_path('chest-xray'))" in arguments(code.python)["file"]
    assert code.link == f"{ADDRESS}?sample=chest-xray&checkpoint=net"


@pytest.mark.parametrize("name", ["my scan.png", 'o\'brien "x".png', "$(rm -rf).png", "Ünï.png", "a\\b.png", "-x.png"])
def test_odd_names_are_quoted(name):
    code = segment_code(Source(name), "net", SegmentOptions(), ADDRESS)
    words = shlex.split(code.command)
    assert words[4].removeprefix("./") == name
    assert not words[4].startswith("-")
    assert ast.literal_eval(arguments(code.python)["file"].removeprefix("handle_file(")[:-1]) == name


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"referer": "http://localhost:7860/?sample=x&__theme=dark#a"}, "http://localhost:7860/"),
        ({"referer": "https://me-demo.hf.space/app"}, "https://me-demo.hf.space/app/"),
        ({"origin": "http://[::1]:7860"}, "http://[::1]:7860/"),
        ({"referer": "javascript:alert(1)"}, DEFAULT_ADDRESS),
        ({"referer": 'http://x/"); import os; ("'}, DEFAULT_ADDRESS),
        ({}, DEFAULT_ADDRESS),
    ],
)
def test_the_address_is_the_pages_own(headers, address):
    assert page_address(SimpleNamespace(headers=headers)) == address
    assert page_address(None) == DEFAULT_ADDRESS


def test_texts_are_shown_as_they_are_and_what_is_missing_is_not():
    assert set(code_updates(None).values()) == {""}
    assert set(code_updates(None)) == set(CODE_PARTS)
    shown = code_updates(Code("a < b", "c"))
    assert "a &lt; b</pre>" in shown["code_command"]
    assert shown["code_link"] == ""
    assert "http://x" in code_updates(Code("a", "b", "http://x"))["code_link"]


def test_a_heat_map_is_asked_for_at_its_own_endpoint():
    code = segment_code(Source("a.png"), "net", SegmentOptions(explain="gradcam:lung", threshold=0.4), ADDRESS)
    assert "--threshold 0.4 --explain gradcam:lung" in code.command
    assert 'api_name="/explain"' in code.python
    assert set(arguments(code.python)) == {"file", "checkpoint", "explain", "api_name"}
