"""Small MONAI bundles with random weights, and what ``monai.bundle`` itself makes of an image with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

LOAD = [{"_target_": "LoadImaged", "keys": "image"}, {"_target_": "EnsureChannelFirstd", "keys": "image"}]
SCALE = {"_target_": "ScaleIntensityd", "keys": "image"}
SPACED = [
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": [1.5, 1.5, 2.0], "mode": "bilinear"},
    {
        "_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1,
        "clip": True,
    },
]  # fmt: skip
SOFTMAX = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
SIGMOID = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}
INVERT = {
    "_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image", "nearest_interp": False,
}  # fmt: skip
ARGMAX = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
HALF = {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5}


def unet(inputs: int = 1, outputs: int = 3, dimensions: int = 3) -> dict[str, Any]:
    return {
        "_target_": "UNet", "spatial_dims": dimensions, "in_channels": inputs, "out_channels": outputs,
        "channels": [4, 8], "strides": [2], "num_res_units": 1, "norm": "batch",
    }  # fmt: skip


def windows(*roi: int, **arguments: object) -> dict[str, Any]:
    return {"_target_": "SlidingWindowInferer", "roi_size": list(roi), "sw_batch_size": 2, "overlap": 0.5, **arguments}


def compose(*transforms: dict[str, Any]) -> dict[str, Any]:
    return {"_target_": "Compose", "transforms": list(transforms)}


def write_bundle(folder: Path, *, metadata: dict[str, Any] | None = None, **parts: object) -> Path:
    """A bundle of a U-Net of three channels at 1.5 × 1.5 × 2 mm; ``parts`` stand in place of its own, or are added."""
    config = {
        "imports": ["$import os"],
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": unet(),
        "network": "$@network_def.to(@device)",
        "preprocessing": compose(*LOAD, *SPACED),
        "inferer": windows(16, 16, 16),
        "postprocessing": compose(SOFTMAX, INVERT, ARGMAX),
        "handlers": [{"_target_": "StatsHandler"}],
        **parts,
    }
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs/inference.json").write_text(json.dumps(config))
    (folder / "configs/metadata.json").write_text(json.dumps(metadata or {}))
    return folder


def write_weights(folder: Path) -> Path:
    """Random ones, under the name that MONAI's own loader takes them by."""
    torch.manual_seed(0)
    network = _parser(folder).get_parsed_content("network_def")
    for values in network.parameters():
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=1.8 / values[0].numel() ** 0.5)
    torch.save({"model": network.state_dict()}, folder / "models/model.pt")
    return folder


def by_monai(folder: Path, files: Path | list[Path], *, keys: tuple[str, ...] = ("image",)) -> np.ndarray:
    """(C, X, Y, Z) that the bundle's own objects make of files, as its evaluator calls them."""
    from monai.data import decollate_batch, list_data_collate

    parser = _parser(folder)
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(folder / "models/model.pt", weights_only=True)["model"])
    before, inferer, after = (
        parser.get_parsed_content(part) for part in ("preprocessing", "inferer", "postprocessing")
    )
    given = dict(zip(keys, files, strict=True)) if isinstance(files, list) and len(keys) > 1 else {keys[0]: files}
    batch = list_data_collate([before(given)])
    with torch.no_grad():
        batch["pred"] = inferer(batch["image"], network)
    return after(decollate_batch(batch)[0])["pred"].numpy()


def _parser(folder: Path) -> Any:
    from monai.bundle import ConfigParser

    parser = ConfigParser(json.loads((folder / "configs/inference.json").read_text()))
    parser.parse()
    return parser
