import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch

from medseg_demo.errors import InvalidCheckpointError, MedsegError, OptionError, OutputError, ReadError
from medseg_demo.models.added import Added
from medseg_demo.models.checkpoint import load_folder, save_checkpoint
from medseg_demo.ui.models import drafts


@pytest.fixture
def saved(tmp_path, small_network, card) -> Path:
    save_checkpoint(tmp_path / "saved" / "lungs", small_network, card)
    return tmp_path / "saved" / "lungs"


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / "session" / "draft"


def packed(folder: Path, path: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, f"{inside}{file.relative_to(folder)}")
    return path


def test_files_of_a_folder_are_one_checkpoint(saved, place, settings):
    draft = drafts.from_files(sorted(saved.iterdir()), place, settings)
    assert draft.origin.name == "smp"
    assert draft.described.card.class_names == ("bright",)
    assert draft.name == "Unet-tu-test_resnet"
    assert draft.added == Added(source="model.safetensors")
    assert draft.checkpoint.private


@pytest.mark.parametrize("inside", ["", "export/deep/lungs/"])
def test_a_zip_is_one_wherever_its_folder_lies(saved, place, settings, tmp_path, inside):
    draft = drafts.from_files([packed(saved, tmp_path / "lungs.zip", inside)], place, settings)
    assert (draft.name, draft.added.source) == ("lungs", "lungs.zip")


def test_a_folder_of_this_computer_is_copied(saved, place, settings):
    draft = drafts.from_folder(f" {saved} ", place, settings)
    assert draft.name == "lungs"
    assert draft.added.source == "lungs"
    shutil.rmtree(saved)
    assert draft.folder.is_dir()


def test_a_folder_of_a_public_page_is_not(saved, place, settings):
    with pytest.raises(OptionError, match="public page"):
        drafts.from_folder(str(saved), place, replace(settings, public=True))
    assert not place.exists()


@pytest.mark.parametrize("text", ["", "  ", "/nowhere/at/all", "\x00", "a" * 5000])
def test_a_folder_that_is_not_there_is_named_without_its_path(place, settings, text):
    with pytest.raises(OptionError, match="There is no folder") as refused:
        drafts.from_folder(text, place, settings)
    assert "/nowhere/at" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.h5", "TensorFlow or Keras"),
        ("train.py", "never executed"),
        ("weights.pkl", "never executed"),
        ("notes.txt", "No checkpoint was recognised among the files .notes.txt"),
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path, place, settings, name, words):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(InvalidCheckpointError, match=words):
        drafts.from_files([tmp_path / name], place, settings)
    assert not place.exists()


def test_several_are_refused(saved, place, settings, tmp_path):
    shutil.copytree(saved, tmp_path / "two" / "a")
    shutil.copytree(saved, tmp_path / "two" / "b")
    with pytest.raises(InvalidCheckpointError, match=r"several checkpoints in it \(a, b\)"):
        drafts.from_files([packed(tmp_path / "two", tmp_path / "two.zip")], place, settings)


def test_two_files_of_one_name_are_refused(saved, place, settings, tmp_path):
    (tmp_path / "fold").mkdir()
    shutil.copy(saved / "config.json", tmp_path / "fold")
    with pytest.raises(OptionError, match=r"called config\.json\. Pack the folder as a zip"):
        drafts.from_files([saved / "config.json", tmp_path / "fold" / "config.json"], place, settings)


def test_ten_gigabytes_are_refused_before_they_are_read(place, settings, tmp_path):
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(OptionError, match="10240 MiB, more than the 1024 MiB"):
        drafts.from_files([tmp_path / "large.safetensors"], place, settings)
    (tmp_path / "folder").mkdir()
    (tmp_path / "large.safetensors").rename(tmp_path / "folder" / "large.safetensors")
    with pytest.raises(OptionError, match="MEDSEG_MAX_FILE_MB"):
        drafts.from_folder(str(tmp_path / "folder"), place, settings)


@pytest.mark.parametrize("inside", ["../../out/", "C:/out/"])
def test_a_zip_never_leads_out_of_its_folder(saved, place, settings, tmp_path, inside):
    with pytest.raises(ReadError, match="points outside of it"):
        drafts.from_files([packed(saved, tmp_path / "slip.zip", inside)], place, settings)
    assert not (tmp_path / "out").exists()
    assert not place.exists()


def test_a_zip_that_would_unpack_to_gigabytes_is_refused(place, settings, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(3):
            archive.writestr(f"{index}.pth", bytes(64 * 2**20))
    with pytest.raises(MedsegError, match="would unpack to 192 MiB"):
        drafts.from_files([tmp_path / "bomb.zip"], place, settings)
    assert not place.exists()


def test_code_in_weights_is_not_executed(saved, place, settings, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    (saved / "model.safetensors").unlink()
    torch.save({"state_dict": Evil()}, saved / "model.pth")
    with pytest.raises(InvalidCheckpointError, match="code in weights is never executed"):
        drafts.from_files(sorted(saved.iterdir()), place, settings)
    assert not (tmp_path / "executed").exists()


def test_of_several_networks_that_weights_may_be_of_another_can_be_chosen(place, settings, tmp_path):
    shape = {"encoder_depth": 3, "decoder_channels": [8, 8, 8], "in_channels": 1, "encoder_weights": None}
    torch.save(smp.Unet("tu-efficientnet_lite0", **shape).state_dict(), tmp_path / "best.pth")
    draft = drafts.from_files([tmp_path / "best.pth"], place, settings)
    labels = [one.label for one in draft.proposals]
    assert labels == ["Unet · tu-tf_efficientnet_lite0", "Unet · tu-efficientnet_lite0"]
    for index in (1, 0, 1):
        chosen = drafts.as_proposed(draft, index)
        assert (chosen.described.architecture, chosen.name) == (labels[index], "best")
    image = torch.rand(1, 1, 64, 64)
    assert not torch.allclose(chosen.checkpoint.module(image), draft.checkpoint.module(image))
    again = drafts.with_card(chosen, chosen.described.card.model_copy(update={"task": "lungs"}))
    assert again.described.architecture == labels[1]
    assert load_folder(draft.folder).card.task == "lungs"
    (draft.folder / "best.pth").write_bytes(b"cut")
    with pytest.raises(InvalidCheckpointError):
        drafts.as_proposed(draft, 0)
    assert "tu-efficientnet_lite0" in (draft.folder / "config.json").read_text()


def test_a_full_disk_is_said(saved, place, settings, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drafts.os, "link", full)
    monkeypatch.setattr(drafts.shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        drafts.from_files(sorted(saved.iterdir()), place, settings)
    assert not place.exists()


def test_another_card_keeps_the_network_where_it_fits(saved, place, settings):
    draft = drafts.from_files(sorted(saved.iterdir()), place, settings)
    card = draft.described.card
    named = drafts.with_card(draft, card.model_copy(update={"class_names": ("lung",)}))
    assert named.checkpoint.prepared is draft.checkpoint.prepared
    smaller = drafts.with_card(draft, card.model_copy(update={"input_size": (32, 32)}))
    assert smaller.checkpoint.prepared is not draft.checkpoint.prepared
    with pytest.raises(InvalidCheckpointError, match="in_channels=1"):
        drafts.with_card(draft, card.model_copy(update={"in_channels": 2}))


def test_another_card_leaves_the_uploaded_one_alone(saved, place, settings):
    before = (saved / "medseg.json").read_bytes()
    draft = drafts.from_files(sorted(saved.iterdir()), place, settings)
    drafts.with_card(draft, draft.described.card.model_copy(update={"task": "another"}))
    assert (saved / "medseg.json").read_bytes() == before


def test_where_it_was_before_is_forgotten(saved, place, settings):
    (saved / "added.json").write_text('{"source": "other/place"}')
    draft = drafts.from_files(sorted(saved.iterdir()), place, settings)
    assert not (draft.folder / "added.json").exists()
