"""Trained models of nnU-Net v2: read as data alone, and their label maps are those that nnU-Net itself gave."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg_demo import read_image, read_label_map
from medseg_demo.__main__ import main
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, write_card
from medseg_demo.models.catalog import list_checkpoints, load_checkpoint
from medseg_demo.models.checkpoint import digest
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings

MADE = Path(__file__).parent / "nnunet"
EXACT = Settings(backend="torch", precision="float32", device="cpu")


@pytest.fixture
def model(tmp_path):
    """A copy of the trained model whose regions overlap: two folds of a 3-D network of two channels."""
    return Path(shutil.copytree(MADE / "regions" / "model", tmp_path / "model"))


def image_of(name):
    parts = [read_image(path) for path in sorted((MADE / name / "images").iterdir())]
    if len(parts) == 1:
        return parts[0]
    pixels = np.stack([part.pixels for part in parts], -1)
    windows = tuple(part.display_window for part in parts)
    return replace(parts[0], pixels=pixels, axes="ZYXC", channel_windows=windows, channel_names=("CT", "zscore"))


# "regions": 1 × 1.2 × 4.2 mm along x, axes permuted, CT and masked z-score, several patches, two folds, mirrored.
# "picture": residual encoder, colours, one class beside background.
@pytest.mark.parametrize("name", ["regions", "picture"])
def test_label_maps_are_those_of_nnunet(name):
    checkpoint = load_checkpoint(MADE / name / "model")
    (expected,) = (MADE / name / "expected").iterdir()
    result = segment(image_of(name), checkpoint, settings=EXACT)
    assert np.array_equal(result.label_map.labels, read_label_map(expected).labels)
    assert len(np.unique(result.label_map.labels)) == len(checkpoint.card.class_names) + 1


def test_channel_files_of_a_case_go_together_on_the_command_line(tmp_path):
    files = (MADE / "regions" / "images", "--checkpoint", MADE / "regions" / "model", "--output", tmp_path)
    assert main(["segment", *map(str, files)]) == 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["case.nii.gz", "measurements.json"]


def test_openvino_gives_the_same(tmp_path):
    checkpoint, image = load_checkpoint(MADE / "regions" / "model"), image_of("regions")
    ours, theirs = (
        segment(image, checkpoint, settings=one).label_map.labels
        for one in (replace(EXACT, backend="openvino", cache_dir=tmp_path), EXACT)
    )
    assert (ours != theirs).mean() < 1e-3


def test_plans_become_a_card():
    card = load_checkpoint(MADE / "regions" / "model").card
    assert (card.class_names, card.regions, card.head) == (("whole", "active", "core"), (1, 3, 2), "sigmoid")
    assert (card.channel_names, card.input_size, card.spacing_mm) == (("CT", "zscore"), (4, 8, 8), (4.0, 1.1, 0.9))
    assert (card.nnunet.axes, card.nnunet.folds, card.nnunet.mirrored) == ((2, 0, 1), 2, (0, 1, 2))
    assert [(one.method, one.nonzero) for one in card.nnunet.channels] == [("ct", False), ("zscore", True)]
    assert load_checkpoint(MADE / "picture" / "model").card.channel_names == ()  # colours


def test_it_is_listed_with_its_origin(model):
    (entry,) = list_checkpoints(model.parent)
    assert (entry.problem, entry.origin, entry.architecture) == (None, "nnU-Net v2", "PlainConvUNet · 3d · 2 folds")


def test_what_an_export_unpacks_to_is_read(model, tmp_path):
    folder = tmp_path / "export"
    for configuration in ("2d", "3d_fullres"):
        shutil.copytree(model, folder / "Dataset999_Made" / f"nnUNetTrainer__nnUNetPlans__{configuration}")
    shutil.rmtree(folder / "Dataset999_Made" / "nnUNetTrainer__nnUNetPlans__3d_fullres" / "fold_1")
    assert load_checkpoint(folder).card.nnunet.folds == 1
    (entry,) = (entry for entry in list_checkpoints(tmp_path) if entry.name == "export")
    assert "2d" in entry.note


def test_folds_without_a_final_checkpoint_give_the_best(model):
    for fold in (0, 1):
        (model / f"fold_{fold}" / "checkpoint_final.pth").rename(model / f"fold_{fold}" / "checkpoint_best.pth")
    assert load_checkpoint(model).card.nnunet.folds == 2
    (model / "fold_0").rename(model / "fold_all")
    assert load_checkpoint(model).card.nnunet.folds == 1


def test_a_card_beside_the_plans_names_things_and_changes_no_step(model):
    before, card = digest(model), load_checkpoint(model).card
    write_card(card.model_copy(update={"task": "tumour", "class_names": ("a", "b", "c")}), model)
    assert (load_checkpoint(model).card.task, digest(model) == before) == ("tumour", False)
    write_card(card.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0)}), model)
    with pytest.raises(InvalidCheckpointError, match=f"{CARD_FILE}: spacing_mm"):
        load_checkpoint(model)


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def configuration(document):
    return document["configurations"]["3d"]


def arguments(document):
    return configuration(document)["architecture"]["arch_kwargs"]


def network(document):
    return configuration(document)["architecture"]


PLANS_FAULTS = {
    "another network": lambda plans: network(plans).update(network_class_name="os.system"),
    "a path for a network": lambda plans: network(plans).update(network_class_name="/tmp/evil.PlainConvUNet"),
    "an address for a network": lambda plans: network(plans).update(network_class_name="http://a.b/c.PlainConvUNet"),
    "another norm": lambda plans: arguments(plans).update(norm_op="builtins.eval"),
    "another activation": lambda plans: arguments(plans).update(nonlin="subprocess.run"),
    "huge features": lambda plans: arguments(plans).update(features_per_stage=[65536, 65536]),
    "larger features": lambda plans: arguments(plans).update(features_per_stage=[2**40, 8]),
    "features as text": lambda plans: arguments(plans).update(features_per_stage="many"),
    "negative features": lambda plans: arguments(plans).update(features_per_stage=[-4, 8]),
    "too many convolutions": lambda plans: arguments(plans).update(n_conv_per_stage=[60000, 2]),
    "too few strides": lambda plans: arguments(plans).update(strides=[[1, 1, 1]]),
    "even kernels": lambda plans: arguments(plans).update(kernel_sizes=[[2, 2, 2], [3, 3, 3]]),
    "flat kernels": lambda plans: arguments(plans).update(kernel_sizes=[[3, 3], [3, 3]]),
    "huge patch": lambda plans: configuration(plans).update(patch_size=[2**31, 8, 8]),
    "large patch": lambda plans: configuration(plans).update(patch_size=[4096, 4096, 4096]),
    "patch that cannot be halved": lambda plans: configuration(plans).update(patch_size=[4, 7, 8]),
    "no spacing": lambda plans: configuration(plans).update(spacing=[0, 1, 1]),
    "spacing that is no number": lambda plans: configuration(plans).update(spacing=[float("nan"), 1, 1]),
    "another normalisation": lambda plans: configuration(plans).update(normalization_schemes=["eval"] * 2),
    "normalisation of one channel": lambda plans: configuration(plans).update(use_mask_for_norm=[True]),
    "another preprocessor": lambda plans: configuration(plans).update(preprocessor_name="Mine"),
    "another resampling": lambda plans: configuration(plans).update(resampling_fn_data="os.remove"),
    "a cascade": lambda plans: configuration(plans).update(previous_stage="3d_lowres"),
    "no intensities": lambda plans: plans.update(foreground_intensity_properties_per_channel={}),
    "no order of axes": lambda plans: plans.update(transpose_forward=[0, 1, 1]),
    "another reader": lambda plans: plans.update(image_reader_writer="../reader.py"),
    "no configurations": lambda plans: plans.update(configurations=[]),
    "itself as its parent": lambda plans: configuration(plans).update(inherits_from="3d"),
    "deep nesting": lambda plans: plans.update(extra=json.loads("[" * 80 + "]" * 80)),
}
DATASET_FAULTS = {
    "no background": lambda dataset: dataset["labels"].pop("background"),
    "one region less": lambda dataset: (dataset["labels"].pop("core"), dataset.update(regions_class_order=[1, 2])),
    "a value left out": lambda dataset: dataset.update(regions_class_order=[1, 4, 2]),
    "no order": lambda dataset: dataset.pop("regions_class_order"),
    "one channel more": lambda dataset: dataset["channel_names"].update({"2": "T2"}),
    "channels out of order": lambda dataset: dataset.update(channel_names={"a": "CT", "b": "MR"}),
    "labels as text": lambda dataset: dataset.update(labels="all"),
}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        *(pytest.param("plans.json", change, id=name) for name, change in PLANS_FAULTS.items()),
        *(pytest.param("dataset.json", change, id=name) for name, change in DATASET_FAULTS.items()),
    ],
)
def test_what_contradicts_or_threatens_is_refused_in_words(model, file, change):
    edit(model / file, change)
    with pytest.raises(InvalidCheckpointError, match="model") as caught:
        load_checkpoint(model)
    assert str(model) not in str(caught.value)


@pytest.mark.parametrize("file", ["plans.json", "dataset.json"])
@pytest.mark.parametrize("content", [None, b"", b"[1]", b'{"labels": ', b"\xff\xfe"])
def test_missing_and_damaged_documents_are_named(model, file, content):
    (model / file).unlink() if content is None else (model / file).write_bytes(content)
    with pytest.raises(InvalidCheckpointError, match=file):
        load_checkpoint(model)


def change_checkpoint(model, change, fold=0):
    path = model / f"fold_{fold}" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    change(checkpoint)
    torch.save(checkpoint, path)


def first(checkpoint):
    return next(iter(checkpoint["network_weights"].values()))


class Planted:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return Path.touch, (self.place,)


CHECKPOINT_FAULTS = {
    "NaN": lambda checkpoint: first(checkpoint).fill_(torch.nan),
    "no weights": lambda checkpoint: checkpoint.pop("network_weights"),
    "weights of another network": lambda checkpoint: checkpoint.update(network_weights={"a": torch.zeros(3)}),
    "one weight less": lambda checkpoint: checkpoint["network_weights"].popitem(),
    "weights that are none": lambda checkpoint: checkpoint.update(network_weights={"a": "b"}),
    "numbers for names": lambda checkpoint: checkpoint.update(network_weights={1: torch.zeros(3)}),
    "no configuration": lambda checkpoint: checkpoint.update(init_args={}),
    "another configuration": lambda checkpoint: checkpoint["init_args"].update(configuration="2d"),
    "axes beyond": lambda checkpoint: checkpoint.update(inference_allowed_mirroring_axes=(3,)),
    "axes twice": lambda checkpoint: checkpoint.update(inference_allowed_mirroring_axes=(0, 0)),
    "axes as text": lambda checkpoint: checkpoint.update(inference_allowed_mirroring_axes="012"),
}


@pytest.mark.parametrize("change", CHECKPOINT_FAULTS.values(), ids=CHECKPOINT_FAULTS.keys())
def test_checkpoints_that_do_not_fit_are_refused_in_words(model, change):
    change_checkpoint(model, change)
    with pytest.raises(InvalidCheckpointError, match="model"):
        load_checkpoint(model)


@pytest.mark.parametrize("fold", [0, 1])
def test_code_in_a_checkpoint_is_never_executed(model, tmp_path, fold):
    planted = tmp_path / "planted"
    change_checkpoint(model, lambda checkpoint: checkpoint.update(logging=Planted(planted)), fold)
    with pytest.raises(InvalidCheckpointError, match="code is never executed"):
        load_checkpoint(model)
    (model / f"fold_{fold}" / "checkpoint_final.pth").write_bytes(pickle.dumps(Planted(planted)))
    with pytest.raises(InvalidCheckpointError):
        load_checkpoint(model)
    assert not planted.exists()


@pytest.mark.parametrize("kept", [0, 100, 20_000, 41_000])
def test_a_checkpoint_that_was_cut_off_is_refused(model, kept):
    path = model / "fold_1" / "checkpoint_final.pth"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InvalidCheckpointError, match="damaged"):
        load_checkpoint(model)


def test_axes_of_none_are_not_mirrored(model):
    change_checkpoint(model, lambda checkpoint: checkpoint.update(inference_allowed_mirroring_axes=None))
    assert load_checkpoint(model).card.nnunet.mirrored == ()


def test_plans_of_version_2_0_describe_the_network_among_the_rest(model):
    def flatten(plans):
        made = configuration(plans).pop("architecture")["arch_kwargs"]
        configuration(plans).update(
            UNet_class_name="PlainConvUNet",
            UNet_base_num_features=4,
            unet_max_num_features=320,
            n_conv_per_stage_encoder=made["n_conv_per_stage"],
            n_conv_per_stage_decoder=made["n_conv_per_stage_decoder"],
            conv_kernel_sizes=made["kernel_sizes"],
            pool_op_kernel_sizes=made["strides"],
        )

    before = load_checkpoint(model)
    edit(model / "plans.json", flatten)
    after = load_checkpoint(model)
    assert after.card == before.card
    batch = torch.rand(1, 2, 4, 8, 8)
    assert torch.equal(after.module(batch), before.module(batch))


def test_a_folder_without_folds_is_told(model):
    for fold in (0, 1):
        shutil.rmtree(model / f"fold_{fold}")
    with pytest.raises(InvalidCheckpointError, match="fold_"):
        load_checkpoint(model)
