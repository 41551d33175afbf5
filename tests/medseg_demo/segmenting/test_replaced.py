"""A checkpoint folder that is written anew while its network computes."""

import numpy as np
import pytest
import torch

from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.segmenting.engine import Engine


@pytest.fixture
def noisy(make_image):
    """6 planes of 40 × 40, so that there are several windows."""
    return make_image(np.random.default_rng(0).integers(0, 255, (6, 40, 40), np.uint8), "ZYX", (1.0, 1.0, 1.0))


@pytest.fixture
def other_network(volume_network):
    """The same architecture with the signs of its last layer turned."""
    import copy

    network = copy.deepcopy(volume_network)
    *_, last = network.parameters()
    with torch.no_grad():
        last.copy_(torch.tensor([5.0, -5.0, 0.0]))
    return network


def test_a_run_ends_with_what_it_loaded_and_the_next_takes_the_new(
    settings, volume_card, volume_network, other_network, noisy
):
    folder = settings.checkpoints_dir / "net"
    save_checkpoint(folder, volume_network, volume_card)
    engine = Engine(settings)
    before = engine.segment(noisy, "net").label_map.labels
    steps = []

    def replace_it(done: int, total: int) -> None:
        if not steps:
            save_checkpoint(folder, other_network, volume_card)
        steps.append((done, total))

    during = engine.segment(noisy, "net", progress=replace_it).label_map.labels
    after = engine.segment(noisy, "net").label_map.labels
    assert steps[0][0] < steps[0][1]
    assert np.array_equal(during, before)
    assert not np.array_equal(after, before)
    assert not after.any()
