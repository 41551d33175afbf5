"""Device, precision, backend and threads that settings ask for."""

import importlib.util

import pytest
import torch

from medseg_demo.errors import OptionError
from medseg_demo.models import compute as compute_module
from medseg_demo.models.compute import Compute, choose_compute, computes_bfloat16, processors
from medseg_demo.settings import Settings


@pytest.fixture
def without_openvino(monkeypatch):
    monkeypatch.setattr(compute_module, "find_spec", lambda name: None)


@pytest.fixture
def with_openvino(monkeypatch):
    monkeypatch.setattr(compute_module, "find_spec", importlib.util.find_spec)


def test_auto_finds_a_device_and_names_it():
    compute = choose_compute(Settings())
    assert compute.device.type in ("cuda", "mps", "cpu")
    assert str(compute.precision).removeprefix("torch.") in compute.name


def test_bfloat16_is_chosen_only_where_the_processor_has_it():
    compute = choose_compute(Settings(device="cpu", backend="torch"))
    assert (compute.precision == torch.bfloat16) == computes_bfloat16()


def test_openvino_takes_no_bfloat16_on_arm(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"arm_bf16": True}, raising=False)
    assert choose_compute(Settings(device="cpu", backend="openvino")).precision == torch.float32
    assert choose_compute(Settings(device="cpu", backend="torch")).precision == torch.bfloat16


def test_precision_and_threads_can_be_set_and_change_nothing_of_the_process():
    before = torch.get_num_threads()
    compute = choose_compute(Settings(device="cpu", precision="float32", backend="torch", threads=1))
    assert compute.precision == torch.float32
    assert compute.name == "CPU, float32, 1 thread, PyTorch"
    assert torch.get_num_threads() == before
    assert choose_compute(Settings(device="cpu")).threads_of_a_call == processors() >= 1


@pytest.mark.parametrize(
    ("backend", "precision", "expected"),
    [
        ("auto", "float32", "openvino"),
        ("auto", "float16", "torch"),
        ("openvino", "float32", "openvino"),
        ("torch", "float32", "torch"),
    ],
)
def test_the_backend_can_be_set(with_openvino, backend, precision, expected):
    compute = choose_compute(Settings(device="cpu", precision=precision, backend=backend))
    assert (compute.backend, compute.note) == (expected, "")


def test_without_openvino_pytorch_runs_and_says_so(without_openvino):
    compute = choose_compute(Settings(device="cpu"))
    assert compute.backend == "torch"
    assert "OpenVINO is not installed" in compute.note
    assert choose_compute(Settings(device="cpu", backend="torch")).note == ""
    with pytest.raises(OptionError, match="pip install openvino"):
        choose_compute(Settings(device="cpu", backend="openvino"))


def test_openvino_by_name_takes_the_cpu_and_refuses_another_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_compute(Settings(backend="openvino")).device.type == "cpu"
    with pytest.raises(OptionError, match="MEDSEG_DEVICE"):
        choose_compute(Settings(backend="openvino", device="meta"))


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "cpu:x"])
def test_an_absent_device_is_told(name):
    with pytest.raises(OptionError, match="MEDSEG_DEVICE"):
        choose_compute(Settings(device=name))


def test_names_of_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    assert Compute(torch.device("cuda"), torch.bfloat16).name == "Some GPU, bfloat16"
    assert Compute(torch.device("mps"), torch.float32).name == "Apple GPU, float32"
    two = Compute(torch.device("cpu"), torch.bfloat16, "openvino", threads=2)
    assert two.name == "CPU, bfloat16, 2 threads, OpenVINO"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", 8), ("", 8), ("1 0", 8)],
)
def test_a_container_has_its_share_of_the_processors(monkeypatch, tmp_path, text, expected):
    monkeypatch.setattr(compute_module.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(compute_module, "CONTAINER_LIMIT", tmp_path / "cpu.max")
    assert processors() == 8
    (tmp_path / "cpu.max").write_text(text)
    assert processors() == expected
