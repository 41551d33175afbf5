"""A comparison as code: its texts, and what running them gives."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.comparison.run import Asked
from evaluation.ui.compare.code import to_code
from evaluation.ui.compare.state import Request
from medseg_demo.settings import ROOT
from medseg_demo.ui.code import Source

ADDRESS = "http://127.0.0.1:7860/"


def test_a_sample_has_a_link():
    code = to_code([Source("RG1_UNCR.dcm", "chest-xray")], Request(("a", "b")), ADDRESS)
    assert code.command.splitlines()[1] == (
        "python -m evaluation compare RG1_UNCR.dcm --checkpoint a b --output results"
    )
    assert 'checkpoints=["a", "b"],' in code.python
    assert code.link == f"{ADDRESS}?sample=chest-xray&compare=a,b"


def test_uploads_are_named_by_their_bare_names():
    request = Request(
        ("a",), ("/tmp/secret/reference 1.png",), ("/tmp/secret/m.png",), "m: x = lung\ny =; z = heart", "staple"
    )
    code = to_code([Source("scan.png", "chest-xray")], request, ADDRESS)
    assert shlex.split(code.command.splitlines()[1])[5:] == [
        "--checkpoint", "a", "--reference", "reference 1.png", "--label-map", "m.png", "--classes",
        "m: x = lung", "y =", "z = heart", "--consensus", "staple", "--output", "results",
    ]  # fmt: skip
    assert 'reference=handle_file("reference 1.png"),' in code.python
    assert 'label_maps=[handle_file("m.png")],' in code.python
    assert "secret" not in code.command + code.python
    assert code.link == ""


def test_several_images_are_one_command_and_one_call():
    request = Request(("net",), ("b_expert.png", "a.png"), ("b_rater.png",), "", None)
    asked = Asked(("net",), {"rater": Path("b_rater.png")}, Path("b_expert.png"), "reference")
    code = to_code([Source("a.png"), Source("b.png")], request, ADDRESS, at=1, asked=asked)
    assert "compare a.png b.png --checkpoint net --reference b_expert.png a.png" in code.command
    assert 'file=handle_file("b.png")' in code.python
    assert 'reference=handle_file("b_expert.png")' in code.python
    assert code.link == ""


@pytest.mark.slow
def test_the_command_runs(checkpoints, picture, tmp_path):
    (checkpoints / "small").rename(checkpoints / "a net")
    picture("my scan.png")
    request = Request(("a net",), (str(tmp_path / "reference.png"),))
    (tmp_path / "reference.png").write_bytes(mask_file())
    code = to_code([Source("my scan.png")], request, ADDRESS)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "MEDSEG_CHECKPOINTS_DIR": str(checkpoints), "MEDSEG_DEVICE": "cpu",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    finished = subprocess.run(
        ["bash", "-e", "-c", code.command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "a net and reference, bright: Dice" in finished.stdout
    assert (tmp_path / "results" / "my_scan_a_net.png").is_file()


def mask_file() -> bytes:
    """A 64 × 64 label map with one class on its left half, as a PNG."""
    import io

    import numpy as np
    from PIL import Image

    labels = np.zeros((64, 64), np.uint8)
    labels[:, :32] = 1
    file = io.BytesIO()
    Image.fromarray(labels).save(file, "PNG")
    return file.getvalue()
