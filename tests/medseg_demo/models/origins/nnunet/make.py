"""Makes trained models of nnU-Net v2 with random weights, images for them, and the label maps that it gives itself.

Run in an environment with ``nnunetv2`` (2.8.1 and torch 2.14.1 made what lies beside), which the project's own has not:

    python tests/medseg_demo/models/origins/nnunet/make.py FOLDER [NAME...]

Each name becomes FOLDER/NAME/{model,images,expected}. What is tested with every run are the names of KEPT, made into
this folder; the others are for a look at everything that plans may hold.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import torch
from scipy import ndimage
from skimage import io

KEPT = ("regions", "picture")
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "active": 2}
TWO = {"background": 0, "rim": 1, "core": 2}
SIMPLE = {"channels": ["MR"], "labels": TWO}
# Of each: channels, labels, patch, spacing (of the plans, transposed), and what is not as usual.
CASES = {
    "regions": {
        "channels": ["CT", "zscore"],
        "labels": REGIONS,
        "order": [1, 3, 2],
        "patch": [4, 8, 8],
        "spacing": [4.0, 1.1, 0.9],
        "transpose": [2, 0, 1],
        "schemes": ["CTNormalization", "ZScoreNormalization"],
        "masks": [False, True],
        "folds": ["0", "1"],
        "shape": (14, 17, 7),
        "given": (1.0, 1.2, 4.2),
        "masked": True,
        "strides": [[1, 1, 1], [1, 2, 2]],
    },
    "picture": {
        "channels": ["R", "G", "B"],
        "labels": {"background": 0, "nucleus": 1},
        "patch": [16, 24],
        "spacing": [1.0, 1.0],
        "schemes": ["RGBTo01Normalization"] * 3,
        "mirrored": (0, 1),
        "kind": "ResidualEncoderUNet",
        "reader": "NaturalImage2DIO",
        "shape": (1, 40, 21),
    },
    "plain": {**SIMPLE, "patch": [16, 16, 16], "spacing": [1.0, 1.0, 1.0], "shape": (20, 34, 25), "given": (1, 1, 1)},
    "uneven": {
        **SIMPLE,
        "patch": [8, 16, 16],
        "spacing": [4.0, 1.0, 1.0],
        "shape": (9, 33, 30),
        "given": (4.4, 1.1, 1.1),
    },
    "coarser": {**SIMPLE, "patch": [8, 16, 16], "spacing": [5.0, 1.5, 1.5], "shape": (12, 33, 30), "given": (4, 1, 1)},
    "finer": {**SIMPLE, "patch": [16, 16, 16], "spacing": [1.0, 0.7, 0.7], "shape": (20, 20, 30), "given": (1.3, 1, 1)},
    "permuted": {
        **SIMPLE,
        "patch": [8, 16, 16],
        "spacing": [4.0, 1.0, 1.0],
        "transpose": [2, 0, 1],
        "shape": (33, 30, 9),
        "given": (1.1, 1.2, 4.4),
    },
    "many": {**SIMPLE, "patch": [8, 8, 8], "spacing": [1.0, 1.0, 1.0], "shape": (40, 37, 51), "given": (1, 1, 1)},
    "large": {**SIMPLE, "patch": [64, 48, 32], "spacing": [1.0, 1.0, 1.0], "shape": (20, 31, 45), "given": (1, 1, 1)},
    "folds": {
        **SIMPLE,
        "patch": [16, 16, 16],
        "spacing": [1.0, 1.0, 1.0],
        "folds": ["0", "1", "4"],
        "shape": (20, 34, 25),
        "given": (1, 1, 1.4),
    },
    "all": {
        **SIMPLE,
        "patch": [16, 16],
        "spacing": [1.0, 1.0],
        "folds": ["all"],
        "shape": (6, 34, 25),
        "given": (3, 1, 1),
    },
    "slices": {**SIMPLE, "patch": [16, 16], "spacing": [0.8, 1.2], "shape": (6, 34, 25), "given": (3, 1, 1)},
    "thick": {**SIMPLE, "patch": [16, 16], "spacing": [0.8, 1.2], "shape": (6, 34, 25), "given": (5, 1, 1)},
    "sideways": {
        **SIMPLE,
        "patch": [16, 16],
        "spacing": [1.0, 1.2],
        "transpose": [1, 0, 2],
        "shape": (26, 9, 25),
        "given": (1, 4, 1),
    },
    "unmirrored": {
        **SIMPLE,
        "patch": [16, 16, 16],
        "spacing": [1.0, 1.0, 1.0],
        "mirrored": None,
        "shape": (20, 34, 25),
        "given": (1, 1, 1),
    },
    "one": {
        **SIMPLE,
        "patch": [16, 16, 16],
        "spacing": [1.0, 1.0, 1.0],
        "mirrored": (1,),
        "shape": (20, 34, 25),
        "given": (1, 1, 1),
    },
    "scaled": {
        "channels": ["a", "b"],
        "labels": TWO,
        "patch": [16, 16, 16],
        "spacing": [1.0, 1.0, 1.0],
        "schemes": ["RescaleTo01Normalization", "NoNormalization"],
        "shape": (20, 34, 25),
        "given": (1, 1, 1),
    },
    "turned": {
        **SIMPLE,
        "patch": [16, 16, 16],
        "spacing": [1.0, 1.0, 1.0],
        "reader": "SimpleITKIOWithReorient",
        "shape": (20, 34, 25),
        "given": (1, 1.2, 1.4),
        "direction": (0, 0, -1, 1, 0, 0, 0, 1, 0),
    },
    "nibabel": {
        **SIMPLE,
        "patch": [8, 16, 16],
        "spacing": [3.0, 1.0, 1.0],
        "transpose": [2, 1, 0],
        "reader": "NibabelIOWithReorient",
        "shape": (20, 34, 9),
        "given": (1, 1.2, 3.4),
        "direction": (-1, 0, 0, 0, 1, 0, 0, 0, -1),
    },
    "residual": {
        **SIMPLE,
        "patch": [16, 16, 16],
        "spacing": [1.0, 1.0, 1.0],
        "kind": "ResidualEncoderUNet",
        "shape": (20, 34, 25),
        "given": (1, 1, 1),
    },
    "norms": {
        **SIMPLE,
        "patch": [16, 16],
        "spacing": [1.0, 1.0],
        "arguments": {
            "norm_op": "torch.nn.modules.batchnorm.BatchNorm2d",
            "nonlin": "torch.nn.ReLU",
            "dropout_op": "torch.nn.modules.dropout.Dropout2d",
            "dropout_op_kwargs": {"p": 0.3},
        },
        "shape": (6, 34, 25),
        "given": (3, 1, 1),
    },
}


def of_nnunet(module: str, name: str) -> Any:
    """What this needs of a package that is in no environment of the project."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(variable, "unused")
    return getattr(importlib.import_module(f"nnunetv2.{module}"), name)


def plans_of(case: dict) -> dict:
    dimensions, levels = len(case["patch"]), 2
    kind, channels = case.get("kind", "PlainConvUNet"), case["channels"]
    plain = kind == "PlainConvUNet"
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    arguments = {
        "n_stages": levels,
        "features_per_stage": [4, 8],
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": [[3] * dimensions] * levels,
        "strides": case.get("strides", [[1] * dimensions, [2] * dimensions]),
        "n_conv_per_stage" if plain else "n_blocks_per_stage": [2] * levels,
        "n_conv_per_stage_decoder": [2],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
        **case.get("arguments", {}),
    }
    module = "unet" if plain else "residual_unet"
    configuration = {
        "data_identifier": "unused",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": case["patch"],
        "spacing": case["spacing"],
        "normalization_schemes": case.get("schemes", ["ZScoreNormalization"] * len(channels)),
        "use_mask_for_norm": case.get("masks", [False] * len(channels)),
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": {**resampling, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {**resampling, "order": 1},
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.{module}.{kind}",
            "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }
    figures = {"mean": 40.0, "std": 60.0, "percentile_00_5": -80.0, "percentile_99_5": 170.0}
    forward = case.get("transpose", [0, 1, 2])
    return {
        "dataset_name": "Dataset999_Made",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": case.get("reader", "SimpleITKIO"),
        "transpose_forward": forward,
        "transpose_backward": [forward.index(axis) for axis in range(3)],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(index): figures for index in range(len(channels))},
        "configurations": {f"{dimensions}d": configuration},
    }


def save_model(case: dict, folder: Path) -> None:
    plans = plans_of(case)
    ending = ".png" if case.get("reader") == "NaturalImage2DIO" else ".nii.gz"
    dataset = {
        "channel_names": {str(index): name for index, name in enumerate(case["channels"])},
        "labels": case["labels"],
        "numTraining": 1,
        "file_ending": ending,
        **({"regions_class_order": case["order"]} if "order" in case else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans, indent=1) + "\n")
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=1) + "\n")
    (name,) = plans["configurations"]
    made = plans["configurations"][name]["architecture"]
    outputs = len(case["labels"]) - ("order" in case)
    get_network = of_nnunet("utilities.get_network_from_plans", "get_network_from_plans")
    mirrored = case.get("mirrored", tuple(range(len(case["patch"]))))
    for seed, fold in enumerate(case.get("folds", ["0"])):
        torch.manual_seed(seed)
        network = get_network(
            made["network_class_name"],
            made["arch_kwargs"],
            made["_kw_requires_import"],
            len(case["channels"]),
            outputs,
            deep_supervision=True,
        )
        for parameter in network.parameters():  # so that norms and biases count
            parameter.data += 0.1 * torch.randn(parameter.shape)
        head = network.decoder.seg_layers[-1]
        with torch.no_grad():  # so that every class is found somewhere
            logits = network.eval()(torch.randn(1, len(case["channels"]), *case["patch"]))[0]
            spread = logits.std([0, *range(2, logits.ndim)]).clamp_min(1e-3)
            head.weight /= spread.view(-1, *[1] * (head.weight.ndim - 1))
            head.bias -= logits.mean([0, *range(2, logits.ndim)])
            head.bias /= spread
        checkpoint = {
            "network_weights": network.state_dict(),
            "logging": {"ema_fg_dice": [np.float64(0.5), np.float32(0.25)], "epoch_end_timestamps": [1.5]},
            "_best_ema": np.float64(0.5),
            "current_epoch": 2,
            "init_args": {"configuration": name, "fold": 0},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": mirrored,
        }
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")


def save_images(case: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random, shape = np.random.default_rng(7), case["shape"]
    count = len(case["channels"])
    volumes = [
        ndimage.gaussian_filter(random.normal(size=shape), 1.5 if min(shape) > 1 else (0, 1.5, 1.5))
        for _ in range(count)
    ]
    volumes = [volume / volume.std() for volume in volumes]
    if case.get("reader") == "NaturalImage2DIO":
        picture = np.clip(np.stack(volumes, -1)[0] * 40 + 120, 0, 255).astype(np.uint8)
        io.imsave(folder / "case_0000.png", picture, check_contrast=False)
        return
    inside = np.zeros(shape, bool)
    inside[tuple(slice(max(1, side // 6), side - max(1, side // 8)) for side in shape)] = True
    inside &= ndimage.gaussian_filter(random.normal(size=shape), 1) > -0.2
    for index, volume in enumerate(volumes):
        stored = (volume * 60 + 40).round().astype(np.int16)
        if case.get("masked"):
            stored[~inside] = 0
        image = SimpleITK.GetImageFromArray(stored)
        image.SetSpacing([float(step) for step in reversed(case["given"])])
        image.SetOrigin((-3.0, 5.0, 7.0))
        image.SetDirection([float(one) for one in case.get("direction", np.eye(3).ravel())])
        SimpleITK.WriteImage(image, str(folder / f"case_{index:04d}.nii.gz"), True)


def save_expected(case: dict, folder: Path) -> None:
    (folder / "expected").mkdir(exist_ok=True)
    predictor = of_nnunet("inference.predict_from_raw_data", "nnUNetPredictor")(
        device=torch.device("cpu"), allow_tqdm=False
    )
    folds = tuple(case.get("folds", ["0"]))
    predictor.initialize_from_trained_model_folder(str(folder / "model"), folds, "checkpoint_final.pth")
    files = [[str(path) for path in sorted((folder / "images").iterdir())]]
    predictor.predict_from_files_sequential(files, [str(folder / "expected" / "case")], overwrite=True)
    for extra in (folder / "expected").glob("*.json"):
        extra.unlink()


if __name__ == "__main__":
    place, names = Path(sys.argv[1]), sys.argv[2:] or KEPT
    torch.set_num_threads(1)
    for name in names:
        save_model(CASES[name], place / name / "model")
        save_images(CASES[name], place / name / "images")
        save_expected(CASES[name], place / name)
