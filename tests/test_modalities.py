"""A simulated study of four modalities: from its files to a label map, and to scores, by the names of its channels."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from medseg_demo import read_image
from medseg_demo.errors import MedsegError
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.ui.api import segment_file

MODALITIES = ("t1", "t1ce", "t2", "flair")
SHAPE = (24, 32, 6)  # x, y, z


def volumes(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Noise in every modality; FLAIR alone is bright in the lesion."""
    random = np.random.default_rng(seed)
    lesion = np.zeros(SHAPE, bool)
    lesion[6:14, 8:20, 1:5] = True
    found = {name: random.uniform(0, 0.3, SHAPE).astype(np.float32) for name in MODALITIES}
    found["flair"][lesion] += 0.7
    return found, lesion


def write(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """A network of four inputs that looks at the last, FLAIR, alone, and one of FLAIR only."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    for name, channels in (("early", ("T1", "T1c", "T2", "FLAIR")), ("flair", ("FLAIR",))):
        network = smp.Unet(
            "tu-test_resnet", encoder_weights=None, encoder_depth=3, decoder_channels=(16, 8, 8),
            in_channels=len(channels),
        )  # fmt: skip
        with torch.no_grad():
            network.encoder.model.conv1[0].weight[:, :-1] = 0
            network.segmentation_head[0].bias.fill_(0)
        card = ModelCard(
            task="lesions", class_names=("lesion",), in_channels=len(channels), channel_names=channels,
            input_size=(32, 32), threshold=0.5, window=(0, 1),
        )  # fmt: skip
        save_checkpoint(folder / name, network, card)
    return folder


@pytest.fixture
def engine(checkpoints) -> Engine:
    return Engine(Settings(checkpoints_dir=checkpoints, device="cpu", precision="float32", backend="torch"))


@pytest.fixture
def study(tmp_path) -> Path:
    found, _ = volumes(0)
    for name, values in found.items():
        write(tmp_path / "files" / f"sub-01_{name}.nii.gz", values)
    with zipfile.ZipFile(tmp_path / "sub-01.zip", "w") as archive:
        for path in (tmp_path / "files").iterdir():
            archive.write(path, path.name)
    return tmp_path / "sub-01.zip"


def labels(engine: Engine, study: Path, **options) -> tuple[np.ndarray, list[str]]:
    label_map, measured = segment_file(engine, str(study), "early", channels=True, **options)
    return np.asarray(nib.load(label_map).dataobj), measured["notes"]


def test_names_tell_which_modality_goes_where(engine, study):
    by_name, notes = labels(engine, study)
    assert "Channels: T1 ← t1, T1c ← t1ce, T2 ← t2, FLAIR ← flair." in notes  # of files in the order of their names
    said, _ = labels(engine, study, channel_order="t1, t1ce, t2, flair")
    assert (by_name == said).all()
    assert 0 < by_name.mean() < 1
    other, _ = labels(engine, study, channel_order="flair, t1ce, t2, t1")
    assert (other != by_name).any()


def test_a_network_of_one_modality_takes_its_own_of_the_study(engine, study):
    label_map, _ = segment_file(engine, str(study), "flair", channels=True)
    alone, _ = segment_file(engine, str(study.parent / "files" / "sub-01_flair.nii.gz"), "flair")
    assert (np.asarray(nib.load(label_map).dataobj) == np.asarray(nib.load(alone).dataobj)).all()


def test_a_channel_that_is_not_there_is_told(engine, study):
    with pytest.raises(MedsegError, match="no channel 'swi'"):
        labels(engine, study, channel_order="t1,t1ce,t2,swi")


def test_a_test_set_with_its_channels_in_another_order_is_scored_by_their_names(checkpoints, tmp_path):
    folder = tmp_path / "Dataset001"
    for number in range(2):
        found, lesion = volumes(number)
        for place, name in enumerate(reversed(MODALITIES)):
            write(folder / "imagesTs" / f"case_{number}_{place:04}.nii.gz", found[name])
        write(folder / "labelsTs" / f"case_{number}.nii.gz", lesion.astype(np.uint8))
    named = {str(place): name for place, name in enumerate(("FLAIR", "T2", "T1w ce", "T1"))}
    about = {
        "channel_names": named,
        "labels": {"background": 0, "lesion": 1},
        "file_ending": ".nii.gz",
        "numTraining": 0,
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    command = [
        sys.executable, "-m", "evaluation", "run", "--test-set", str(folder), "--checkpoint", "early", "flair",
        "--output", str(tmp_path / "out"),
    ]  # fmt: skip
    environment = {"MEDSEG_CHECKPOINTS_DIR": str(checkpoints), "PATH": "", "MEDSEG_DEVICE": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    image = read_image(folder / "imagesTs" / "case_0_0000.nii.gz")
    assert image.shape == SHAPE[::-1]
    rows = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    assert len(rows) == 1 + 4
