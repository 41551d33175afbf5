import json
import os
import shutil
import threading

import pytest
import torch

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.models import catalog
from medseg_demo.models.backends import prepare
from medseg_demo.models.catalog import Catalog, find_checkpoint, list_checkpoints, load_checkpoint, to_records
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.models.compute import Compute


def test_usable_and_unusable_entries_are_listed(checkpoints):
    (checkpoints / "empty").mkdir()
    entries = {entry.name: entry for entry in list_checkpoints(checkpoints)}
    assert list(entries) == ["empty", "other", "small"]
    assert entries["small"].problem is None
    assert entries["small"].architecture == "Unet · tu-test_resnet"
    assert "config.json" in entries["empty"].problem
    assert entries["empty"].card is None


def test_an_unknown_architecture_makes_an_entry_unusable(checkpoints):
    path = checkpoints / "small" / "config.json"
    path.write_text(path.read_text().replace('"Unet"', '"Wnet"'))
    (problem,) = (entry.problem for entry in list_checkpoints(checkpoints) if entry.name == "small")
    assert "Wnet" in problem
    assert "UnetPlusPlus" in problem


@pytest.mark.parametrize("file", ["config.json", "medseg.json"])
def test_a_file_of_endless_depth_makes_its_entry_unusable_and_no_other(checkpoints, file):
    (checkpoints / "other" / file).write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    problems = {entry.name: entry.problem for entry in list_checkpoints(checkpoints)}
    assert "nested more than 64 deep" in problems["other"]
    assert problems["small"] is None


@pytest.mark.parametrize("encoder", ["tu-hf-hub:owner/name", "tu-local-dir:/etc"])
def test_an_encoder_from_elsewhere_is_listed_as_unusable_and_never_looked_for(checkpoints, encoder, monkeypatch):
    monkeypatch.setattr("timm.create_model", lambda *_, **__: pytest.fail("it was looked for"))
    path = checkpoints / "other" / "config.json"
    path.write_text(path.read_text().replace("tu-test_resnet", encoder))
    assert "nothing is fetched" in list_checkpoints(checkpoints)[0].problem
    with pytest.raises(InvalidCheckpointError, match="nothing is fetched"):
        load_checkpoint("other", checkpoints)


def test_an_unknown_encoder_makes_an_entry_unusable(checkpoints):
    path = checkpoints / "small" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"encoder_name": "tu-nothing"}))
    (problem,) = (entry.problem for entry in list_checkpoints(checkpoints) if entry.name == "small")
    assert "'tu-nothing'. Correct encoder_name in config.json" in problem
    with pytest.raises(InvalidCheckpointError, match="tu-nothing"):
        load_checkpoint(checkpoints / "small")


def test_truncated_weights_make_an_entry_unusable_until_they_are_whole(checkpoints):
    path = checkpoints / "small" / "model.safetensors"
    whole = path.read_bytes()
    for content, problem in ((whole[:-100], True), (whole, False)):
        path.write_bytes(content)
        (entry,) = (entry for entry in list_checkpoints(checkpoints) if entry.name == "small")
        assert ("model.safetensors is damaged" in (entry.problem or "")) is problem


def test_weights_that_only_loading_can_check_are_said_to_be_so(checkpoints, small_network):
    (checkpoints / "small" / "model.safetensors").unlink()
    torch.save(small_network.state_dict(), checkpoints / "small" / "model.pth")
    other, small = to_records(list_checkpoints(checkpoints))
    assert (other["usable"], other["note"]) == (True, "")
    assert (small["usable"], small["note"]) == (True, "model.pth is checked only when it is loaded.")


def test_a_missing_directory_has_no_checkpoints(tmp_path):
    assert list_checkpoints(tmp_path / "none") == []
    with pytest.raises(UnknownCheckpointError, match="no usable one"):
        find_checkpoint("x", tmp_path / "none")


def test_an_unknown_name_lists_the_valid_ones(checkpoints):
    with pytest.raises(UnknownCheckpointError, match="other, small"):
        find_checkpoint("smal", checkpoints)


def test_a_known_but_unusable_name_says_why(checkpoints):
    (checkpoints / "small" / "model.safetensors").unlink()
    with pytest.raises(InvalidCheckpointError, match="no weights"):
        find_checkpoint("small", checkpoints)


@pytest.mark.parametrize("name", ["../checkpoints/small", "..", "", "/", "small/"])
def test_names_do_not_escape_into_other_folders_silently(checkpoints, name, tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    try:
        _, folder = find_checkpoint(name, checkpoints)
    except UnknownCheckpointError:
        return
    assert (folder / "config.json").exists()


def test_a_checkpoint_loads_by_name_and_by_path(checkpoints):
    assert load_checkpoint("small", checkpoints).digest == load_checkpoint(checkpoints / "small").digest


@pytest.mark.parametrize(("path", "name"), [(".", "small"), ("..", "checkpoints"), ("../other", "other")])
def test_a_checkpoint_by_path_is_called_as_its_folder(checkpoints, monkeypatch, path, name):
    for file in ("config.json", "model.safetensors", "medseg.json"):
        shutil.copy(checkpoints / "small" / file, checkpoints)
    monkeypatch.chdir(checkpoints / "small")
    assert load_checkpoint(path, checkpoints).name == name


@pytest.fixture
def hub(checkpoints, monkeypatch):
    """What was asked of the Hub, which gives a snapshot of "small" in a folder that is called as a commit."""
    asked = []
    snapshot = checkpoints.parent / "snapshots" / "d67aba2ff17f4d4e"
    shutil.copytree(checkpoints / "small", snapshot)

    def fetch(repository, allow_patterns):
        asked.append((repository, allow_patterns))
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    monkeypatch.chdir(checkpoints.parent)
    return asked, snapshot


def test_an_owner_and_name_is_fetched_from_the_hub(checkpoints, hub):
    asked, _ = hub
    assert load_checkpoint("someone/model", checkpoints).name == "someone/model"
    assert Catalog(checkpoints).load("someone/model").name == "someone/model"
    assert asked[0][0] == "someone/model"
    assert not {"pytorch_model.bin", "model.pth", "model.pt"} & set(asked[0][1])


@pytest.mark.parametrize(
    ("file", "content"),
    [("config.json", "{"), ("medseg.json", "{}"), ("model.safetensors", None),
     ("model.safetensors", "x")],
)  # fmt: skip
def test_what_is_wrong_with_a_checkpoint_of_the_hub_is_told_by_its_name(checkpoints, hub, file, content):
    _, snapshot = hub
    (snapshot / file).unlink()
    if content is not None:
        (snapshot / file).write_text(content)
    for load in (load_checkpoint, lambda name, directory: Catalog(directory).load(name)):
        with pytest.raises(InvalidCheckpointError, match=r"^Checkpoint 'someone/model'"):
            load("someone/model", checkpoints)


@pytest.mark.parametrize("name", ["./nope", "../nope", "checkpoints/nope", "folder/nope", "x" * 300, "a" * 300 + "/b"])
def test_a_path_that_does_not_exist_is_not_looked_for_on_the_hub(checkpoints, hub, name):
    (checkpoints.parent / "folder").mkdir()
    with pytest.raises(UnknownCheckpointError, match=r"does not exist\. Choose one of: other, small\."):
        load_checkpoint(name, checkpoints)
    assert hub[0] == []


@pytest.mark.parametrize("name", ["some--one/model", "someone/.model", "someone/mod..el"])
def test_a_name_that_the_hub_cannot_have_lists_the_valid_ones(checkpoints, monkeypatch, name):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnknownCheckpointError, match=r"HFValidationError.* Choose one of: other, small\."):
        load_checkpoint(name, checkpoints)


def test_a_hub_without_network_says_so(checkpoints, monkeypatch):
    def fail(*_, **__):
        raise OSError("unreachable")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(UnknownCheckpointError, match=r"network\. Choose one of: other, small\."):
        find_checkpoint("someone/model", checkpoints)


def test_the_most_recent_stay_as_far_as_memory_goes(checkpoints):
    cache = Catalog(checkpoints, most_bytes=1)
    first = cache.load("small")
    assert cache.load("small") is first
    cache.load("other")
    assert cache.load("small") is not first
    cache = Catalog(checkpoints, most_bytes=3 * first.bytes)
    both = cache.load("small"), cache.load("other")
    assert (cache.load("small"), cache.load("other")) == both


def test_networks_made_ready_count_as_memory(checkpoints):
    first = Catalog(checkpoints).load("small")
    cache = Catalog(checkpoints, most_bytes=3 * first.bytes)
    first = cache.load("small")
    prepare(first, Compute(torch.device("cpu"), torch.float32, "openvino"))
    cache.load("other")
    assert cache.load("small") is not first


def test_a_folder_is_looked_at_again_only_when_it_changed(checkpoints, small_network, card, monkeypatch):
    looked = []
    inspect = catalog._inspect
    monkeypatch.setattr(catalog, "_inspect", lambda folder, _: looked.append(folder.name) or inspect(folder))
    cache = Catalog(checkpoints)
    assert cache.entries() == cache.entries() == list_checkpoints(checkpoints)
    looked.clear()
    save_checkpoint(checkpoints / "small", small_network, card.model_copy(update={"threshold": 0.25}))
    save_checkpoint(checkpoints / "third", small_network, card)
    shutil.rmtree(checkpoints / "other")
    assert [entry.name for entry in cache.entries()] == ["small", "third"]
    assert looked == ["small", "third"]


def test_a_checkpoint_replaced_while_it_is_read_is_read_again(checkpoints, small_network, card, monkeypatch):
    load = catalog.load_folder

    def replaced_meanwhile(folder, **rest):
        monkeypatch.setattr(catalog, "load_folder", load)
        loaded = load(folder, **rest)
        save_checkpoint(folder, small_network, card.model_copy(update={"threshold": 0.25}))
        return loaded

    monkeypatch.setattr(catalog, "load_folder", replaced_meanwhile)
    assert Catalog(checkpoints).load("small").card.threshold == 0.25


def test_the_cache_notices_a_changed_checkpoint(checkpoints, small_network, card):
    cache = Catalog(checkpoints)
    first, other = cache.load("small"), cache.load("other")
    save_checkpoint(checkpoints / "small", small_network, card.model_copy(update={"threshold": 0.25}))
    second = cache.load("small")
    assert (first.card.threshold, second.card.threshold) == (0.5, 0.25)
    assert first.digest != second.digest
    assert cache.load("small") is second
    assert cache.load("other") is other, "the old entry takes no room"


@pytest.mark.parametrize("name", ["config.json", "medseg.json", "model.safetensors"])
def test_the_cache_looks_at_every_file_that_decides(checkpoints, name):
    cache = Catalog(checkpoints)
    first = cache.load("small")
    state = (checkpoints / "small" / name).stat()
    os.utime(checkpoints / "small" / name, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert cache.load("small") is not first


def test_the_cache_loads_once_for_many_threads(checkpoints, monkeypatch):
    loads = []
    load = catalog.load_folder
    monkeypatch.setattr(catalog, "load_folder", lambda folder, **rest: (loads.append(folder), load(folder, **rest))[1])
    cache = Catalog(checkpoints)
    threads = [threading.Thread(target=cache.load, args=("small",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_records_hold_no_path(checkpoints):
    records = to_records(list_checkpoints(checkpoints))
    assert [record["name"] for record in records] == ["other", "small"]
    assert str(checkpoints) not in str(records)
    assert records[0]["card"]["class_names"] == ["bright"]
