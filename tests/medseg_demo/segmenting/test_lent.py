import importlib.util
import os
import pickle
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gradio.context import LocalContext

from medseg_demo.errors import InputMismatchError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.catalog import Catalog
from medseg_demo.models.origins.graph import GraphNetwork
from medseg_demo.segmenting import lent
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.turns import Cancelled

STAND_IN = Path(__file__).resolve().parents[2] / "stand_ins" / "spaces.py"
VISITOR = SimpleNamespace(client=SimpleNamespace(host="a visitor"))


@pytest.fixture
def spaces():
    """The stand-in, as if it had been imported first; the visitor of this test asks."""
    specification = importlib.util.spec_from_file_location("spaces_stand_in", STAND_IN)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.enter()
    token = LocalContext.request.set(VISITOR)
    yield module
    LocalContext.request.reset(token)
    module.leave()


@pytest.fixture
def lending(engine, spaces, monkeypatch):
    """An engine with the checkpoints of the fixture ``engine`` that is lent a GPU."""
    monkeypatch.setattr(lent, "_lent", spaces.GPU(duration=lent.seconds_needed)(lent._work))
    lent._networks.cache_clear()
    yield Engine(replace(engine.settings, device="auto", threads=1))
    lent._networks.cache_clear()


def test_a_worker_computes_and_the_result_is_that_of_the_cpu(lending, engine, square, spaces):
    told = []
    result = lending.segment(square, "bright", progress=lambda *step: told.append(step))
    here = engine.segment(square, "bright")
    assert np.array_equal(result.label_map.labels, here.label_map.labels)
    assert result.image is square
    assert result.warnings == here.warnings
    assert told[-1] == (1000, 1000)
    assert len(spaces.workers) == 1
    assert spaces.workers[0] != os.getpid()


def test_this_process_has_the_cpu_alone(lending):
    assert lending.runs_elsewhere
    assert lending.settings.device == "cpu"
    assert lending.compute_of("bright").device.type == "cpu"


def test_several_checkpoints_are_one_loan(lending, square, spaces):
    names = [one.checkpoint for one in lending.segment_each(square, ["bright", "bands"])]
    assert names == ["bright", "bands"]
    assert spaces.asked_s == [round(1.5 * lent.LEAST_S)]


def test_checkpoints_that_take_too_long_together_are_several_loans(lending, square, spaces, monkeypatch):
    monkeypatch.setattr(lent, "PER_MEGAPIXEL_S", 20 / 0.004096)
    assert len(list(lending.segment_each(square, ["bright", "bands"]))) == 2
    assert len(spaces.asked_s) == 2


def test_an_anonymous_visitor_segments_and_compares_within_119_seconds(lending, square, spaces):
    for _ in range(3):
        lending.segment(square, "bright")
        results = list(lending.segment_each(square, ["bright", "bands"]))
    assert len(spaces.workers) == 6
    assert all(result.notes == () for result in results)


def test_where_the_share_does_not_suffice_the_cpu_computes_and_says_so(lending, square, spaces):
    spaces.left_s["a visitor"] = 4
    first, second = lending.segment_each(square, ["bright", "bands"])
    assert first.label_map.labels.any()
    assert first.warnings == second.warnings
    assert "(8 s are asked for, 4 s are left)" in first.warnings[0]
    assert "or wait 9:08:07 hours" in first.warnings[0]
    assert spaces.workers == []


def test_what_no_visitor_asks_for_is_computed_here(lending, square, spaces):
    assert lending.here.segment(square, "bright").notes == ()
    assert lending.here.here is lending.here
    assert spaces.asked_s == []


def test_a_worker_that_is_ended_leaves_it_to_the_cpu(lending, square, monkeypatch):
    monkeypatch.setattr(lent, "segment", lambda *given, **options: os._exit(1))
    assert lending.segment(square, "bright").notes == (lent.ENDED,)


def test_what_nobody_foresaw_leaves_it_to_the_cpu(lending, square, monkeypatch):
    monkeypatch.setattr(lent, "_lent", lambda *arguments: iter([1 / 0]))
    assert lending.segment(square, "bright").notes == (lent.NO_GPU,)


def test_an_image_that_does_not_fit_is_told_in_words(lending, square):
    channels = replace(square, pixels=np.zeros((64, 64, 5), np.uint8), axes="YXC", channel_windows=((0, 1),) * 5)
    with pytest.raises(InputMismatchError, match="5 channels"):
        lending.segment(channels, "bright")


def test_what_openvino_alone_runs_is_computed_here(lending, square, spaces, monkeypatch):
    other = replace(lending.loaded("bands"), network=GraphNetwork((b"", b""), (1, 1, 64, 64), 0))
    monkeypatch.setattr(lending, "_segment_here", lambda *given: SimpleNamespace(checkpoint="here", notes=()))
    results = list(lending.segment_each(square, ["bright", other, "bright"]))
    assert [one.checkpoint for one in results] == ["bright", "here", "bright"]
    assert len(spaces.asked_s) == 2
    assert results[1].notes == ()


def test_what_lies_elsewhere_is_computed_here(lending, square, spaces, brightness):
    assert lending.segment(square, brightness).checkpoint == "brightness"
    assert spaces.asked_s == []


def test_stop_ends_it_while_it_waits_for_a_gpu(lending, square, monkeypatch):
    waits, goes_on = threading.Event(), threading.Event()
    worked = []

    def queued(*arguments):
        waits.set()
        goes_on.wait(20)
        yield lent.Step("bright", 1, 2)
        worked.append(arguments)
        yield lent.Step("bright", 2, 2)

    monkeypatch.setattr(lent, "_lent", queued)

    def stop():
        waits.wait(20)
        lending.cancel("me")

    threading.Thread(target=stop).start()
    with lending.job("me") as job, pytest.raises(Cancelled):
        lending.segment(square, "bright", job=job)
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "loan":
            thread.join(20)
    assert worked == []


def test_stop_ends_the_worker_within_a_batch(lending, square, spaces):
    def stop(done, total):
        lending.cancel("me")

    slices = replace(square, pixels=np.repeat(square.pixels[None], 200, 0), axes="ZYX", geometry=Geometry())
    with lending.job("me") as job, pytest.raises(Cancelled):
        lending.segment(slices, "bright", progress=stop, job=job)
    assert len(spaces.workers) == 1


def test_only_pixels_names_and_options_are_sent(lending, square, monkeypatch):
    sent = []

    def worker(*arguments):
        sent.append(pickle.dumps(arguments))
        yield from ()

    monkeypatch.setattr(lent, "_lent", worker)
    facts = {"notes": ("A. Person",), "header_facts": (("who", "A. Person"),), "source_files": (Path("A. Person"),)}
    job = SimpleNamespace(check=lambda: None)
    arguments = (["bright"], SegmentOptions(), lending._lent_settings)
    assert list(lent._borrow(replace(square, **facts), *arguments, job, None)) == []
    assert b"A. Person" not in sent[0]


@pytest.mark.parametrize(
    ("shape", "options", "seconds"),
    [
        ((512, 512), {}, 5),
        ((300, 512, 512), {}, 20),
        ((300, 512, 512), {"flips": True}, 30),
        ((300, 512, 512), {"flips": True, "crop": (0, 0, 0, 40, 256, 256)}, 9),
    ],
)
def test_the_seconds_grow_with_the_work(lending, card, monkeypatch, shape, options, seconds):
    known = SimpleNamespace(name="net", card=card.model_copy(update={"input_size": (512, 512)}))
    monkeypatch.setattr(Catalog, "entries", lambda self: [known])
    image = MedicalImage(np.zeros(shape, np.uint8), "ZYX"[-len(shape) :], Geometry(), "x", "PNG", 8, (0, 255))
    assert lent.seconds_needed(image, ["net"], SegmentOptions(**options), lending._lent_settings) == seconds


@pytest.mark.parametrize("asked", [{"device": "cpu"}, {"backend": "openvino", "device": "auto"}])
def test_settings_that_ask_for_the_cpu_have_it(lending, engine, asked):
    assert not Engine(replace(engine.settings, **asked)).runs_elsewhere


def test_elsewhere_nothing_is_lent(engine):
    assert not Engine(replace(engine.settings, device="auto")).runs_elsewhere
