"""Networks inside a report: those that were scored, the best first, and why others are missing."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from evaluation.report import networks
from evaluation.report.page import whole
from evaluation.results.table import Run
from medseg_demo.errors import OptionError
from medseg_demo.exporting import page
from medseg_demo.models.checkpoint import digest
from medseg_demo.settings import Settings


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Settings, and runs of three checkpoints: one as it was, one that changed, one that is gone."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install -r requirements-export.txt")
    for name in ("first", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"_model_class": "Unet", "name": name}))
        save_file({"weights": np.zeros(1, np.float32)}, tmp_path / name / "model.safetensors")

    def make(name, folder):
        card = {"class_names": ["a"], "input_size": [8, 8], "task": "t"}
        return page.PageNetwork(name, digest(folder / name), "t", card, {}, b"")

    monkeypatch.setattr(page, "page_network", make)
    runs = [Run("other", "set", "f" * 64), Run("first", "set", digest(tmp_path / "first")), Run("gone", "set")]
    return Settings(checkpoints_dir=tmp_path), runs


def test_what_was_scored_is_there_and_what_is_missing_is_named(scored):
    settings, runs = scored
    part = networks.networks_part(runs, settings)
    assert '"name": "first"' in part
    assert '"name": "other"' not in part
    assert part.count("Not in this page:") == 2


def test_without_any_network_there_is_no_page(scored):
    settings, runs = scored
    with pytest.raises(OptionError, match="no network of these results"):
        networks.networks_part([runs[0], runs[2]], settings)


def test_a_page_with_networks_lets_nothing_out():
    assert "connect-src 'none'" in whole("t", [], [], is_closed=True)
    assert "connect-src" not in whole("t", [], []).split("</head>")[0]
