"""Test sets, checkpoints and tables of a few small cases, whose scores are known."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image


def write_case(folder: Path, case_id: str, image: np.ndarray, mask: np.ndarray) -> None:
    for name, pixels in (("images", image), ("masks", mask)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{case_id}.png")


@pytest.fixture
def make_test_set(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of 64 × 64 images that are bright where the mask is, but for a stripe that grows by case."""

    def make(name: str = "squares", cases: int = 4, value: int = 255) -> Path:
        folder = tmp_path / name
        for number in range(cases):
            mask = np.zeros((64, 64), np.uint8)
            mask[16:48, 16:48] = value
            image = np.where(mask > 0, 220, 20).astype(np.uint8)
            image[:, : number % 12] = 220
            write_case(folder, f"case_{number:02}", image, mask)
        return folder

    return make


@pytest.fixture
def card():
    from medseg_demo.models.card import ModelCard

    return ModelCard(task="bright things", class_names=("bright",), in_channels=1, input_size=(64, 64), threshold=0.5)


@pytest.fixture
def brightness(card):
    """A checkpoint that finds what is bright."""
    from torch import nn

    from medseg_demo.models.checkpoint import Checkpoint

    class Brightness(nn.Module):
        def forward(self, x):
            return 40 * (x.mean(dim=1, keepdim=True) - 0.5)

    return Checkpoint("brightness", card, Brightness().eval(), "0" * 64)


@pytest.fixture(scope="session")
def small_network():
    import segmentation_models_pytorch as smp
    import torch

    torch.manual_seed(0)
    return smp.Unet("tu-test_resnet", encoder_weights=None, encoder_depth=3, decoder_channels=(16, 8, 8), in_channels=1)


@pytest.fixture
def checkpoints(tmp_path: Path, card, small_network) -> Path:
    """A checkpoints folder with a small real network, "small"."""
    from medseg_demo.models.checkpoint import save_checkpoint

    save_checkpoint(tmp_path / "checkpoints" / "small", small_network, card)
    return tmp_path / "checkpoints"


@pytest.fixture
def known_engine(tmp_path: Path, brightness, small_network, monkeypatch):
    """An engine whose checkpoints are known: "half" and "strict" find what is brighter than 0.5 and 0.75 of white.

    "other" finds another class, and "broken" cannot be used.
    """
    from dataclasses import replace

    import torch
    from torch import nn

    from medseg_demo.models.catalog import Catalog
    from medseg_demo.models.checkpoint import save_checkpoint
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.settings import Settings

    class Above(nn.Module):
        def __init__(self, level: float) -> None:
            super().__init__()
            self.level = nn.Parameter(torch.tensor(level))

        def forward(self, x):
            return 40 * (x.mean(dim=1, keepdim=True) - self.level)

    folder = tmp_path / "known"
    dark = brightness.card.model_copy(update={"class_names": ("dark",)})
    known = {
        "half": replace(brightness, name="half", network=Above(0.5).eval(), digest="5" * 64),
        "strict": replace(brightness, name="strict", network=Above(0.75).eval(), digest="7" * 64),
        "other": replace(brightness, name="other", card=dark),
    }
    for name, checkpoint in known.items():
        save_checkpoint(folder / name, small_network, checkpoint.card)
    (folder / "broken").mkdir()
    monkeypatch.setattr(Catalog, "load", lambda self, name: known[name])
    return Engine(Settings(checkpoints_dir=folder, results_dir=tmp_path / "results", device="cpu", precision="float32"))


def make_table(scores, *, metric="dice", groups=None, test_set="set", **metadata):
    """A table from {checkpoint: [value, ...]}, or {checkpoint: [(one a class), ...]}; "failed" makes a failed case."""
    rows = []
    for checkpoint, values in scores.items():
        for place, value in enumerate(values):
            for number, one in enumerate(value if isinstance(value, tuple) else (value,), start=1):
                lost = isinstance(one, str)
                # A value that is not applicable is that of two empty masks.
                volume = math.nan if lost else 0.0 if math.isnan(one) else 10.0 + place
                rows.append(
                    {
                        "test_set": test_set,
                        "checkpoint": checkpoint,
                        "case_id": f"case_{place:03d}",
                        "class_name": f"class_{number}",
                        "status": "failed" if lost else "ok",
                        "error": "unreadable" if lost else "",
                        **({"group": groups[place]} if groups else {}),
                        **{column: cells[place] for column, cells in metadata.items()},
                        metric: math.nan if lost else float(one),
                        "reference_volume": volume,
                        "predicted_volume": 1.1 * volume,
                        "distance_unit": "mm",
                        "size_unit": "ml",
                    }
                )
    return pd.DataFrame(rows)


def make_simulated(cases=40, checkpoints=3, classes=2, seed=0, misses=0.02, failures=0.01, empty=0.02):
    """A table as large runs give it: checkpoints that differ a little, with misses, failures and empty masks."""
    generator = np.random.default_rng(seed)
    shape = (checkpoints, cases, classes)
    net, case, label = (place.ravel() for place in np.indices(shape))
    dice = np.clip(generator.beta(8, 2, shape[1:]) + generator.normal(0, 0.05, shape), 0, 1).ravel() - 0.02 * net
    hd95 = np.where(generator.random(len(net)) < misses, np.inf, generator.gamma(2, 3, len(net)))
    reference = np.broadcast_to(generator.lognormal(3, 1, shape[1:]), shape).ravel()
    predicted = reference * generator.normal(1, 0.1, len(net))
    absent = generator.random(len(net)) < empty
    failed = np.broadcast_to((generator.random(shape[:2]) < failures)[..., np.newaxis], shape).ravel()
    scores = pd.DataFrame({"dice": np.maximum(dice, 0), "hd95": hd95, "reference_volume": reference})
    scores["predicted_volume"] = predicted
    scores.loc[absent] = [np.nan, np.nan, 0, 0]
    scores.loc[failed] = np.nan
    identity = pd.DataFrame(
        {
            "test_set": "set",
            "checkpoint": [f"net{place}" for place in net],
            "case_id": [f"case_{place:05d}" for place in case],
            "class_name": [f"class_{place + 1}" for place in label],
            "status": np.where(failed, "failed", "ok"),
            "error": np.where(failed, "unreadable", ""),
            "site": generator.choice(["A", "B", "C"], cases)[case],
        }
    )
    return pd.concat([identity, scores], axis=1).assign(distance_unit="mm", size_unit="ml")


@pytest.fixture(scope="session")
def table_of():
    """Makes tidy tables from literal scores."""
    return make_table


@pytest.fixture(scope="session")
def simulated():
    """Makes tidy tables like those of large runs."""
    return make_simulated
