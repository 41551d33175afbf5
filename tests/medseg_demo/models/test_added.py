import errno
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medseg_demo.errors import InvalidCheckpointError, OutputError
from medseg_demo.models import added as module
from medseg_demo.models.added import Added, is_removable, put_in_place, read_added, remove
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.models.checkpoint import digest, save_checkpoint

FROM = Added(source="model.zip")


@pytest.fixture
def draft(tmp_path, small_network, card) -> Path:
    save_checkpoint(tmp_path / "draft", small_network, card)
    return tmp_path / "draft"


def test_it_is_listed_with_its_origin_and_the_same_hash(draft, tmp_path):
    kept = tmp_path / "kept"
    assert put_in_place(draft, kept, "My lungs!", added=Added(source="a/b", commit="c" * 40)) == "My_lungs"
    (entry,) = list_checkpoints(kept)
    assert entry.problem is None
    assert read_added(entry.folder) == Added(source="a/b", commit="c" * 40)
    assert digest(entry.folder) == digest(draft)
    assert read_added(draft) is None


def test_a_taken_name_is_numbered_also_where_it_lies_elsewhere(draft, tmp_path):
    kept = tmp_path / "kept"
    given = [put_in_place(draft, kept, "lungs", added=FROM, taken=("lungs",)) for _ in range(2)]
    assert given == ["lungs-2", "lungs-3"]


@pytest.mark.parametrize("name", ["../../out", "/etc", "<b>x</b>", "..", ".hidden", "con", "a\x00b", "", "é" * 300])
def test_a_name_never_leads_out_of_the_folder(draft, tmp_path, name):
    given = put_in_place(draft, tmp_path / "kept", name, added=FROM)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [given]
    assert not set(given) & set("/<>\x00")


def test_saves_at_once_get_a_name_each(draft, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(put_in_place, draft, tmp_path / "kept", "lungs", added=FROM) for _ in range(8)]
    assert len({future.result() for future in futures}) == 8
    assert all(entry.problem is None for entry in list_checkpoints(tmp_path / "kept"))


def test_a_full_disk_leaves_nothing(draft, tmp_path, monkeypatch):
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_flush", full)
    with pytest.raises(OutputError, match="No space left on device"):
        put_in_place(draft, tmp_path / "kept", "lungs", added=FROM)
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_a_killed_server_left_is_swept(draft, tmp_path):
    left, fresh = tmp_path / "kept" / ".adding-old", tmp_path / "kept" / ".adding-new"
    for folder in (left, fresh):
        folder.mkdir(parents=True)
    os.utime(left, (time.time() - 7200,) * 2)
    put_in_place(draft, tmp_path / "kept", "lungs", added=FROM)
    assert not left.exists()
    assert fresh.exists()


def test_an_added_one_is_removed_and_a_bundled_one_is_not(draft, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUNDLED", tmp_path)
    directory = tmp_path / "checkpoints"
    shutil.copytree(draft, directory / "bundled")
    name = put_in_place(draft, directory, "lungs", added=FROM)
    with pytest.raises(InvalidCheckpointError, match="came with the program"):
        remove(directory / "bundled", directory)
    remove(directory / name, directory)
    remove(directory / name, directory) if is_removable(directory / name, directory) else None
    assert [path.name for path in directory.iterdir()] == ["bundled"]


def test_what_lies_elsewhere_is_not_removed(draft, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "link").symlink_to(draft)
    for folder in (draft, tmp_path / "checkpoints" / "link", tmp_path / "checkpoints" / ".." / "draft"):
        assert not is_removable(folder, tmp_path / "checkpoints")
