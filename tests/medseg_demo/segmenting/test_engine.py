import shutil
import threading
import time
from dataclasses import replace

import pytest
import torch

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.segmenting import engine as module
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings


def test_usable_checkpoints_are_grouped_by_task(engine):
    assert [entry.name for entry in engine.usable()] == ["bands", "bright"]
    assert [entry.name for entry in engine.entries()] == ["bands", "bright", "broken"]


def test_find(engine):
    assert engine.find("bright").name == "bright"
    assert engine.find("broken") is None
    assert engine.find(None) is None


@pytest.mark.parametrize("name", ["nothing", "../checkpoints/bright", "owner/name", "/", ""])
def test_only_names_of_the_folder_are_known(engine, name):
    with pytest.raises(UnknownCheckpointError, match="Choose one of: bands, bright"):
        engine.entry(name)


def test_where_no_checkpoint_is_usable_that_is_said(tmp_path):
    with pytest.raises(UnknownCheckpointError, match="there is no usable one"):
        module.Engine(Settings(checkpoints_dir=tmp_path)).entry("x")


def test_an_absolute_path_is_no_name(engine):
    with pytest.raises(UnknownCheckpointError):
        engine.entry(str(engine.settings.checkpoints_dir / "bright"))


def test_an_unusable_checkpoint_says_why(engine, square):
    with pytest.raises(InvalidCheckpointError, match=r"'broken' has no config\.json"):
        engine.segment(square, "broken")


def test_segment(engine, square):
    seen = []
    result = engine.segment(square, "bright", progress=lambda done, total: seen.append((done, total)))
    assert result.label_map.labels.sum() == pytest.approx(40 * 30, rel=0.1)
    assert seen[-1][0] == seen[-1][1]


def test_one_image_at_a_time(engine, square, monkeypatch):
    running, most = 0, 0

    def slow(images, checkpoint, *, turn, **options):
        nonlocal running, most
        with turn():
            running += 1
            most = max(most, running)
            time.sleep(0.02)
            running -= 1
        return images

    monkeypatch.setattr(module, "segment_batch", slow)
    threads = [threading.Thread(target=engine.segment, args=(square, "bright")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_loaded_checkpoint_need_not_lie_in_the_folder(engine, square, brightness):
    assert engine.segment(square, brightness).checkpoint == brightness.name
    assert [one.image for one in engine.segment_batch([square, square], "bright")] == [square, square]


@pytest.mark.parametrize(
    ("threads", "images", "slots", "each"), [(1, 9, 1, 1), (2, 9, 2, 1), (20, 9, 8, 2), (6, 1, 1, 6)]
)
def test_a_command_line_shares_all_threads_out(settings, threads, images, slots, each):
    engine = module.Engine.for_many(replace(settings, threads=threads), images)
    assert (engine.slots, engine.settings.threads) == (slots, each)


def test_what_runs_a_checkpoint_is_known(engine):
    assert engine.compute_of("bright").precision == torch.float32


def test_several_checkpoints_come_one_after_the_other(engine, square):
    told = []
    results = engine.segment_each(square, ["bright", "bands"], progress=lambda *step: told.append(step))
    assert next(results).checkpoint == "bright"
    assert {name for name, _, _ in told} == {"bright"}
    assert next(results).checkpoint == "bands"
    assert engine.loaded("bright").parameters == 0


def test_what_a_visitor_added_is_seen_and_named_by_nobody_else(settings, checkpoints, small_network, card, tmp_path):
    engine = Engine(settings)
    assert engine.beside(tmp_path / "nobody") is engine
    own = tmp_path / "visitor" / "checkpoints"
    save_checkpoint(own / "mine", small_network, card)
    theirs = engine.beside(own)
    assert [entry.name for entry in theirs.usable()] == ["mine", "other", "small"]
    assert theirs.loaded("mine").private
    assert not theirs.loaded("small").private
    assert [entry.name for entry in engine.usable()] == ["other", "small"]
    with pytest.raises(UnknownCheckpointError):
        engine.loaded("mine")
    shutil.rmtree(own)
    assert theirs.find("mine") is None


def test_nothing_of_what_a_visitor_added_is_kept_elsewhere(settings, small_network, card, tmp_path, square):
    settings = replace(settings, cache_dir=tmp_path / "cache", backend="auto")
    save_checkpoint(tmp_path / "own" / "mine", small_network, card)
    Engine(settings).beside(tmp_path / "own").segment(square, "mine")
    assert not (tmp_path / "cache").exists()
