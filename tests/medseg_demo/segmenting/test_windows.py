import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from medseg_demo.errors import DeviceMemoryError, InvalidCheckpointError
from medseg_demo.models.checkpoint import Checkpoint, load_folder
from medseg_demo.segmenting import windows as inference
from medseg_demo.segmenting.windows import Compute, predict

CPU = Compute(torch.device("cpu"), torch.float32)
BACKENDS = {"torch": CPU, "openvino": replace(CPU, backend="openvino")}


@pytest.fixture(params=BACKENDS)
def compute(request):
    return BACKENDS[request.param]


def test_probabilities_are_those_of_the_network(brightness, compute):
    tensor = torch.rand(3, 1, 64, 64)
    torch.testing.assert_close(predict(brightness, tensor, compute), torch.sigmoid(40 * (tensor - 0.5)))


def test_several_classes_sum_to_one(bands):
    probabilities = predict(bands, torch.rand(1, 1, 64, 64), CPU)
    assert probabilities.shape == (1, 3, 64, 64)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(1, 64, 64))


@pytest.mark.parametrize("size", [(64, 65), (100, 200), (64, 300), (333, 129)])
def test_blended_tiles_of_a_pointwise_network_equal_the_whole(brightness, compute, size):
    tensor = torch.rand(1, 1, *size)
    torch.testing.assert_close(predict(brightness, tensor, compute), torch.sigmoid(40 * (tensor - 0.5)))


def test_tiles_cover_every_pixel_with_the_stated_overlap():
    for length in range(65, 400):
        starts = inference._starts(length, 64)
        assert starts[0] == 0
        assert starts[-1] == length - 64
        assert max(b - a for a, b in pairwise(starts)) <= 64 * (1 - inference.OVERLAP) + 1


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_batch_size_does_not_matter(checkpoints, compute, precision):
    checkpoint = load_folder(checkpoints / "small")
    tensor = torch.rand(5, 1, 64, 64)
    compute = replace(compute, precision=precision)
    alone, together = (predict(checkpoint, tensor, compute, batch_size=size) for size in (1, 5))
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5 if precision == torch.float32 else 1e-2)


def test_flips_make_a_network_symmetric(checkpoints, compute):
    checkpoint = load_folder(checkpoints / "small")
    tensor = torch.rand(1, 1, 64, 64)
    for axis in (-1, -2):
        mirrored = predict(checkpoint, tensor.flip(axis), compute, flips=True).flip(axis)
        torch.testing.assert_close(predict(checkpoint, tensor, compute, flips=True), mirrored, rtol=0, atol=1e-5)
        assert not torch.allclose(
            predict(checkpoint, tensor, compute), predict(checkpoint, tensor.flip(axis), compute).flip(axis), atol=1e-5
        )


def test_progress_counts_tiles(brightness, compute):
    told = []
    predict(brightness, torch.rand(2, 1, 64, 100), compute, batch_size=3, progress=lambda *step: told.append(step))
    assert told == [(3, 4), (4, 4)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_what_progress_raises_ends_the_work_as_it_is(brightness, compute, error):
    def stop(done, total):
        raise error

    tensor = torch.rand(4, 1, 64, 64)
    with pytest.raises(error):
        predict(brightness, tensor, compute, batch_size=1, progress=stop)
    torch.testing.assert_close(predict(brightness, tensor, compute), torch.sigmoid(40 * (tensor - 0.5)))


def test_calls_at_the_same_time_do_not_meet(checkpoints, compute):
    checkpoint = load_folder(checkpoints / "small")
    images = torch.rand(12, 1, 1, 64, 64)
    alone = [predict(checkpoint, image, compute) for image in images]
    start = threading.Barrier(4)

    def run(number):
        if number < 4:
            start.wait()
        return predict(checkpoint, images[number], compute)

    with ThreadPoolExecutor(4) as pool:
        for result, expected in zip(pool.map(run, range(12)), alone, strict=True):
            torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_no_thread_setting_of_the_process_is_touched(brightness, compute):
    before = torch.get_num_threads()
    predict(brightness, torch.rand(1, 1, 64, 64), replace(compute, threads=before + 1))
    assert torch.get_num_threads() == before


def test_too_little_memory_is_told(card):
    class Hungry(torch.nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError

    with pytest.raises(DeviceMemoryError, match="MEDSEG_BATCH_SIZE"):
        predict(Checkpoint("hungry", card, Hungry(), ""), torch.rand(1, 1, 64, 64), CPU)


def test_a_network_that_does_not_take_what_its_card_says(card, compute):
    checkpoint = Checkpoint("colour", card, torch.nn.Conv2d(3, 1, 1).eval(), "")
    with pytest.raises(InvalidCheckpointError, match=r"'colour' does not take an input of 1 × 64 × 64: .*medseg\.json"):
        predict(checkpoint, torch.rand(1, 1, 64, 64), compute)


def test_a_network_goes_with_its_checkpoint(checkpoints, compute):
    checkpoint = load_folder(checkpoints / "small")
    predict(checkpoint, torch.rand(1, 1, 64, 64), compute)
    gone = weakref.ref(checkpoint)
    del checkpoint
    gc.collect()
    assert gone() is None


def test_blended_windows_of_a_pointwise_network_equal_the_whole(volume_bands, compute):
    volume = torch.rand(1, 1, 17, 30, 16)
    expected = volume_bands.network(volume).softmax(dim=1)
    torch.testing.assert_close(predict(volume_bands, volume, compute), expected)


def test_sliding_agrees_with_that_of_monai(volume_network, volume_card, compute):
    from monai.inferers import sliding_window_inference

    # With these sizes MONAI, which steps by a fixed stride, puts its windows where ours lie.
    volume = torch.rand(1, 1, 28, 40, 16)
    assert [window[0].start for window in inference.windows_of((28,), (16,))] == [0, 12]
    assert [window[0].start for window in inference.windows_of((40,), (16,))] == [0, 12, 24]
    with torch.inference_mode():
        expected = sliding_window_inference(
            volume, (16, 16, 16), 1, lambda x: volume_network(x).softmax(dim=1), overlap=0.25, mode="gaussian"
        )
    checkpoint = Checkpoint("volumes", volume_card, volume_network, "")
    torch.testing.assert_close(predict(checkpoint, volume, compute), expected, rtol=0, atol=1e-5)
    together = predict(checkpoint, volume, compute, batch_size=4)
    torch.testing.assert_close(together, expected, rtol=0, atol=1e-5)


def test_flips_make_a_3d_network_symmetric_from_left_to_right_alone(volume_network, volume_card, compute):
    checkpoint = Checkpoint("volumes", volume_card, volume_network, "")
    volume = torch.rand(1, 1, 16, 16, 16)
    averaged = predict(checkpoint, volume, compute, flips=True)
    equal = {
        axis: torch.allclose(
            averaged, predict(checkpoint, volume.flip(axis), compute, flips=True).flip(axis), atol=1e-5
        )
        for axis in (-1, -2, -3)
    }
    assert equal == {-1: True, -2: False, -3: False}
    assert not torch.allclose(averaged, predict(checkpoint, volume, compute), atol=1e-4)


def test_progress_counts_windows_and_can_stop_after_any(volume_bands, compute):
    told = []

    def stop_after_two(done, total):
        told.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(volume_bands, torch.rand(1, 1, 28, 28, 28), compute, progress=stop_after_two)
    assert told == [(1, 8), (2, 8)]


def test_a_volume_needs_memory_for_its_sums_alone(volume_card):
    class Watched(torch.nn.Module):
        """Notes how large the batches are that it gets."""

        largest = 0

        def forward(self, x):
            self.largest = max(self.largest, x.numel())
            return x.expand(-1, 3, -1, -1, -1)

    network = Watched()
    volume = torch.rand(1, 1, 60, 60, 60)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        predict(Checkpoint("watched", volume_card, network, ""), volume, CPU)
    memory = held = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            memory = max(memory, held)
    sums = (3 + 1) * volume.numel() * 4
    assert network.largest == 16**3, "one window at a time"
    assert sums <= memory < 1.5 * sums


@pytest.mark.parametrize(("free", "place"), [(10**9, "cuda"), (10**6, "cpu")])
def test_sums_lie_on_a_gpu_that_has_room_for_them(monkeypatch, free, place):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    tensor = torch.zeros(1, 1, 64, 64, 64)
    assert inference._place(tensor, (1, 3, 64, 64, 64), torch.device("cuda")).type == place
    assert inference._place(tensor, (1, 3, 64, 64, 64), torch.device("mps")).type == "cpu"


def test_a_gpu_is_never_far_behind_what_is_told(monkeypatch):
    class Event:
        waited = 0

        def record(self):
            pass

        def synchronize(self):
            Event.waited += 1

    monkeypatch.setattr(torch.cuda, "Event", Event)
    begun = inference.deque()
    for _ in range(5):
        inference._keep_pace(begun)
    assert (Event.waited, len(begun)) == (5 - inference.AHEAD, inference.AHEAD)
