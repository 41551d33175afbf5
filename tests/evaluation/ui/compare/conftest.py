"""A comparison by two checkpoints, as plain functions."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from evaluation.ui.compare import run as compare_run
from evaluation.ui.compare.state import Request

BOTH = Request(("half", "strict"))


@pytest.fixture
def steps(known_engine, visitor):
    """What a comparison shows, step by step."""

    def go(request=BOTH, say=None):
        return visitor.run(partial(compare_run.run, known_engine), request, tab="compare", say=say)

    return go


@pytest.fixture
def run(steps):
    """The same, to its end."""
    return lambda request=BOTH, say=None: list(steps(request, say))


@pytest.fixture
def mask(tmp_path):
    def write(name="reference.png", columns=32):
        labels = np.zeros((64, 64), np.uint8)
        labels[:, :columns] = 1
        Image.fromarray(labels).save(tmp_path / name)
        return str(tmp_path / name)

    return write
