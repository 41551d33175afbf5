import errno

import numpy as np
import pytest
import torch

from medseg_demo.errors import TrainingError
from medseg_demo.training import memory
from medseg_demo.training.memory import MIB, Memory


def test_beyond_the_limit_tensors_lie_in_files_and_are_the_same():
    kept = Memory(1)
    tensors = [torch.randn(3, MIB // 8).half() for _ in range(3)]
    stored = [kept.keep(tensor) for tensor in tensors]
    assert stored[0] is tensors[0]
    assert kept.in_files == tensors[1].nbytes + tensors[2].nbytes
    assert all(torch.equal(one, other) for one, other in zip(stored, tensors, strict=True))
    assert stored[2].data_ptr() != tensors[2].data_ptr()


def test_files_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(memory.tempfile, "tempdir", str(tmp_path))
    kept = Memory(1)
    stored = kept.keep(torch.zeros(2 * MIB, dtype=torch.uint8))
    assert kept.in_files == 2 * MIB
    assert list(tmp_path.iterdir()) == []
    assert int(stored.sum()) == 0


def test_a_full_disk_is_told_in_words(monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(memory.tempfile, "TemporaryFile", full)
    with pytest.raises(TrainingError, match=r"No space left .* TMPDIR"):
        Memory(1).keep(torch.from_numpy(np.zeros(2 * MIB, np.uint8)))


def test_without_a_limit_half_of_what_is_free_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 10 * MIB)
    assert Memory().left == 5 * MIB
