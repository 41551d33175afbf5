import threading

import pytest

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.models import catalog
from medseg_demo.models.catalog import CheckpointCache, find_checkpoint, list_checkpoints, load_checkpoint, to_records


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
def test_names_do_not_escape_into_other_folders_silently(checkpoints, name):
    try:
        folder = find_checkpoint(name, checkpoints)
    except UnknownCheckpointError:
        return
    assert (folder / "config.json").exists()


def test_a_checkpoint_loads_by_name_and_by_path(checkpoints):
    assert load_checkpoint("small", checkpoints).digest == load_checkpoint(checkpoints / "small").digest


def test_an_owner_and_name_is_fetched_from_the_hub(checkpoints, monkeypatch):
    asked = []

    def fetch(repository, allow_patterns):
        asked.append((repository, allow_patterns))
        return str(checkpoints / "small")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert load_checkpoint("someone/model", checkpoints).name == "small"
    assert asked[0][0] == "someone/model"
    assert not any("bin" in pattern or "pth" in pattern for pattern in asked[0][1])


def test_a_hub_without_network_says_so(checkpoints, monkeypatch):
    def fail(*_, **__):
        raise OSError("unreachable")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(UnknownCheckpointError, match="network"):
        find_checkpoint("someone/model", checkpoints)


def test_the_cache_keeps_the_most_recent(checkpoints):
    cache = CheckpointCache(checkpoints, capacity=1)
    first = cache.load("small")
    assert cache.load("small") is first
    cache.load("other")
    assert cache.load("small") is not first


def test_the_cache_loads_once_for_many_threads(checkpoints, monkeypatch):
    loads = []
    load = catalog.load_folder
    monkeypatch.setattr(catalog, "load_folder", lambda folder: (loads.append(folder), load(folder))[1])
    cache = CheckpointCache(checkpoints, capacity=2)
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
