"""The committed checkpoints: they load, keep their size, and their cards say what they must."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import zoo
from evaluation.results.table import read_runs
from medseg_demo import SegmentOptions, Settings, load_checkpoint, segment
from medseg_demo.errors import InputMismatchError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.card import FAILURE_FILE
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.settings import ROOT
from medseg_demo.training.config import read_config

CHECKPOINTS = ROOT / "checkpoints"
TASKS = ("lungs", "nuclei", "vessels")
VOLUMES = ("hippocampus-unet2d-tiny", "hippocampus-unet3d")
SIMULATED = ("brain-fusion", "brain-t1")
FURTHER_KINDS = (
    "hippocampus-unet-gru", "lungs-unet-mobilevit", "lungs-unet-tiny-pruned", "nerves-unet-lite0", "nuclei-manet-tiny",
    "vessels-unet-75k", "vessels-unet-scse-tiny",
)  # fmt: skip
NAMES = [*(f"{task}-unet-{size}" for task in TASKS for size in ("lite0", "tiny")), *VOLUMES, *SIMULATED, *FURTHER_KINDS]
PROMPTED = ("any-clicks",)
SIBLINGS = tuple(f"{task}-unet-tiny-int8" for task in TASKS)
LIMIT_MIB = {"tiny": 2.2}
FILES = {"README.md", "appearance.json", "config.json", "log.csv", "medseg.json", "model.safetensors", "training.yaml"}
FURTHER = {FAILURE_FILE, "findings.csv", "findings.yaml"}  # of those that were calibrated, or whose head came later


def size_of(name: str) -> str:
    return name.rpartition("-")[2]


@pytest.mark.parametrize("name", NAMES)
def test_folder_is_whole_and_small(name):
    assert {path.name for path in (CHECKPOINTS / name).iterdir()} - FURTHER == FILES
    assert (CHECKPOINTS / name / "model.safetensors").stat().st_size <= LIMIT_MIB.get(size_of(name), 8) * 2**20


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_segments(name):
    checkpoint = load_checkpoint(name)
    card = checkpoint.card
    if size_of(name) == "tiny":
        assert checkpoint.parameters < 1_200_000
    assert checkpoint.parameters == card.training["parameters"]
    size = (30, 50, 45) if name.startswith("hippocampus") else (150, 170)
    shape = (*size, card.in_channels) if card.in_channels > 1 else size
    noise = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    axes = "ZYX"[-len(size) :] + "C" * (len(shape) - len(size))
    image = MedicalImage(noise, axes, Geometry(), "noise", "NumPy", 8, (0, 255))
    result = segment(image, checkpoint, options=SegmentOptions(), settings=Settings(device="cpu", precision="float32"))
    assert result.label_map.labels.shape == size
    assert card.is_3d == name.endswith(("3d", "gru"))


@pytest.mark.parametrize("name", NAMES)
def test_card_carries_figures_licence_and_credit(name):
    card = load_folder(CHECKPOINTS / name).card
    text = (CHECKPOINTS / name / "README.md").read_text(encoding="utf-8")
    for split in ("val", "test"):
        figures = card.scores[split]
        assert figures["dice_worst"] <= figures["dice_median"]
        assert f"{figures['dice_mean']:.4f}" in text
    assert all(source.licence in text and source.credit in text for source in card.training_data)
    assert card.training_data
    assert len(card.training["data_hash"]) == 64
    assert "It is no medical device" in text
    assert "Apache-2.0" in text or "random weights" in text or "from the weights of `" in text
    if any("SA" in source.licence for source in card.training_data):
        assert "**These weights**: CC BY-SA 4.0" in text


@pytest.mark.parametrize("name", PROMPTED)
def test_a_prompted_one_is_whole_small_and_says_what_clicks_are_worth(name):
    folder = CHECKPOINTS / name
    assert {path.name for path in folder.iterdir()} == FILES - {"appearance.json"}
    assert (folder / "model.safetensors").stat().st_size <= 8 * 2**20
    card, text = load_folder(folder).card, (folder / "README.md").read_text(encoding="utf-8")
    assert card.prompts
    for task in card.training["train_cases"]:
        seen, unseen = card.scores[f"{task}: clicks"], card.scores[f"{task}: clicks, not learned from"]
        assert seen["dice_1"] <= seen["dice_3"] <= seen["dice_5"] <= seen["dice_10"]
        assert unseen["dice_3"] < seen["dice_3"]
        assert f"| {seen['dice_5']:.3f} | {seen['dice_10']:.3f} | {seen['clicks_to_90']:.1f} |" in text
        assert any(key.startswith(f"{task}: {task}") and "dice" in one for key, one in card.scores.items())
    assert all(source.licence in text and source.credit in text for source in card.training_data)
    assert "**These weights**: CC BY-SA 4.0" in text


@pytest.mark.parametrize("name", PROMPTED)
def test_a_prompted_one_segments_nothing_on_its_own(name):
    image = MedicalImage(np.zeros((64, 64), np.uint8), "YX", Geometry(), "black", "NumPy", 8, (0, 255))
    with pytest.raises(InputMismatchError, match="waits to be told by clicks"):
        segment(image, load_checkpoint(name), settings=Settings(device="cpu"))


@pytest.mark.parametrize("name", [*NAMES, *PROMPTED])
def test_its_configuration_can_train_again(name):
    config = read_config(CHECKPOINTS / name / "training.yaml")
    card = load_folder(CHECKPOINTS / name).card
    assert (config.task, config.input_size, config.inference, config.in_channels) == (
        card.task,
        card.input_size,
        card.inference,
        card.in_channels,
    )
    assert config.seed == card.training["seed"]


@pytest.mark.parametrize("folder", sorted(zoo.RUNS.iterdir()), ids=lambda folder: folder.name)
def test_reference_runs_are_of_these_weights(folder):
    scored = {run.checkpoint: run.checkpoint_hash for run in read_runs(folder) if run.source == "run"}
    assert scored == {name: load_folder(CHECKPOINTS / name).digest for name in scored}, "score them again"


@pytest.mark.parametrize("name", [path.parent.name for path in CHECKPOINTS.glob(f"*/{FAILURE_FILE}")])
def test_what_is_known_of_failures_is_of_these_weights(name):
    checkpoint = load_folder(CHECKPOINTS / name)
    assert checkpoint.card.failure.checkpoint_sha256 == checkpoint.digest, "run evaluation calibrate again"
    assert checkpoint.card.failure.test is not None


def test_no_checkpoint_is_there_unseen_and_all_of_a_task_call_it_the_same():
    folders = sorted(path.name for path in Path(CHECKPOINTS).iterdir() if path.is_dir())
    assert folders == sorted((*NAMES, *SIBLINGS, *PROMPTED))
    assert len({load_folder(CHECKPOINTS / name).card.task for name in NAMES}) == len(
        {name.partition("-")[0] for name in NAMES}
    )


def test_the_page_of_the_zoo_holds_their_figures():
    page = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")
    assert page.partition(zoo.BEGIN)[2].partition(zoo.END)[0] == zoo.table()


@pytest.mark.parametrize("name", SIBLINGS)
def test_int8_siblings_are_as_good_as_their_originals(name):
    folder, original = CHECKPOINTS / name, load_folder(CHECKPOINTS / name.removesuffix("-int8"))
    files = {"README.md", "appearance.json", "medseg.json", "openvino.bin", "openvino.xml"}
    assert {path.name for path in folder.iterdir()} == files
    sibling = load_folder(folder)
    made, scores = sibling.card.exported, sibling.card.scores
    assert (made.original, made.digest, made.parameters) == (original.name, original.digest, original.parameters)
    assert made.size_mb < 2
    ours, theirs = (scores[title]["dice_mean"] for title in ("val", "val, original"))
    assert ours == pytest.approx(theirs, abs=0.002)
    assert theirs == pytest.approx(original.card.scores["val"]["dice_mean"], abs=0.002)
    assert scores["val, beside the original's label maps"]["dice_worst"] > 0.9
    shared = {"task", "class_names", "input_size", "threshold", "normalisation", "training_data"}
    assert sibling.card.model_dump(include=shared) == original.card.model_dump(include=shared)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "It is no medical device" in text
    assert all(source.licence in text and source.credit in text for source in sibling.card.training_data)


@pytest.mark.parametrize("name", SIBLINGS)
def test_int8_siblings_segment(name):
    checkpoint = load_checkpoint(name)
    shape = (150, 170, 3) if checkpoint.card.in_channels == 3 else (150, 170)
    noise = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    image = MedicalImage(noise, "YXC"[: len(shape)], Geometry(), "noise", "NumPy", 8, (0, 255))
    assert segment(image, checkpoint, settings=Settings(device="cpu")).label_map.labels.shape == (150, 170)
