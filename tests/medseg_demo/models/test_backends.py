"""Both backends give the same logits, on threads and memory of their own."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

from medseg_demo.models import backends
from medseg_demo.models.backends import OpenVinoNetwork, TorchNetwork, prepare
from medseg_demo.models.checkpoint import Checkpoint, load_folder
from medseg_demo.models.compute import Compute
from medseg_demo.models.conversion import ConversionError

TORCH = Compute(torch.device("cpu"), torch.float32)
OPENVINO = replace(TORCH, backend="openvino")


@pytest.fixture
def small(checkpoints):
    return load_folder(checkpoints / "small")


def logits(network, *batches, expected=1):
    return list(network.logits(iter(batches), expected=expected))


@pytest.mark.parametrize("expected", [1, 100], ids=["latency", "throughput"])
def test_backends_agree(small, expected):
    batches = [torch.rand(size, 1, 64, 64) for size in (3, 1, 5)]
    theirs = logits(prepare(small, TORCH), *batches)
    ours = logits(prepare(small, replace(OPENVINO, threads=2)), *batches, expected=expected)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_backends_agree_in_3d(volume_network, volume_card):
    checkpoint = Checkpoint("volumes", volume_card, volume_network, "")
    batch = torch.rand(2, 1, 16, 16, 16)
    [ours], [theirs] = (logits(prepare(checkpoint, compute), batch) for compute in (OPENVINO, TORCH))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_a_network_tells_what_it_is(small):
    for compute, kind in ((TORCH, TorchNetwork), (OPENVINO, OpenVinoNetwork)):
        network = prepare(small, compute)
        assert isinstance(network, kind)
        assert (network.channels, network.classes, network.dimensions) == (1, 1, 2)
        assert network.parameters == small.parameters
        assert (network.device.type, network.name, network.note) == ("cpu", compute.name, "")
        assert network.bytes >= (4 * small.parameters if compute is OPENVINO else 0)


def test_a_network_is_prepared_once_for_each_compute_and_goes_with_its_checkpoint(small):
    assert prepare(small, TORCH) is prepare(small, TORCH)
    assert prepare(small, TORCH) is not prepare(small, OPENVINO)
    before = small.bytes
    assert before >= 8 * small.parameters
    for other in (replace(small), copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert other.prepared.bytes == 0


class Unseen(nn.Module):
    """Random, so that a trace computes something else."""

    def forward(self, images):
        return images + torch.rand_like(images)


def test_pytorch_runs_what_openvino_cannot_convert_and_says_so(card):
    network = prepare(Checkpoint("unseen", card, Unseen().eval(), ""), OPENVINO)
    assert isinstance(network, TorchNetwork)
    assert network.note == "PyTorch runs 'unseen' in place of OpenVINO: it computes something else of this network."
    assert network.name.endswith("PyTorch")
    assert logits(network, torch.zeros(2, 1, 64, 64))[0].shape == (2, 1, 64, 64)


def test_pytorch_runs_where_openvino_cannot_be_compiled(small, monkeypatch):
    def refuse(*rest, **options):
        raise ConversionError("it cannot run this network (RuntimeError)")

    monkeypatch.setattr(backends, "_Compiled", refuse)
    assert isinstance(prepare(small, OPENVINO), TorchNetwork)


def test_an_input_of_another_size_is_refused_and_the_next_one_taken(small):
    network = prepare(small, OPENVINO)
    with pytest.raises((RuntimeError, ValueError)):
        logits(network, torch.rand(1, 1, 64, 32))
    assert logits(network, torch.rand(1, 1, 64, 64))[0].shape == (1, 1, 64, 64)


def test_many_images_share_the_threads_otherwise_than_one(small):
    network = prepare(small, replace(OPENVINO, threads=2))
    logits(network, torch.rand(1, 1, 64, 64), expected=1)
    assert set(network._compiled) == {"latency"}
    logits(network, torch.rand(4, 1, 64, 64), expected=4)
    assert set(network._compiled) == {"latency", "throughput"}
    alone = prepare(small, replace(OPENVINO, threads=1))
    logits(alone, torch.rand(8, 1, 64, 64), expected=8)
    assert set(alone._compiled) == {"latency"}


def test_requests_are_used_again(small):
    network = prepare(small, OPENVINO)
    for _ in range(5):
        logits(network, torch.rand(3, 1, 64, 64))
    assert len(network._compiled["latency"]._idle) <= network._compiled["latency"].at_once


def test_threads_of_pytorch_are_those_of_the_call(small):
    seen = []
    handle = small.network.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    logits(prepare(small, replace(TORCH, threads=before + 2)), torch.rand(1, 1, 64, 64))
    handle.remove()
    assert seen == [before + 2]
    assert torch.get_num_threads() == before
