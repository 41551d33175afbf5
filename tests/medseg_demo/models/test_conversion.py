"""Conversion by OpenVINO, and the cache folder, which may be full, read-only, or hold anything."""

import os
import pickle
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from medseg_demo.models import conversion
from medseg_demo.models.conversion import ConversionError, convert, read_model, to_files, to_openvino

SHAPE = (1, 2, 8, 8)
DIGEST = "d" * 64


def network(weight=2.0):
    layer = nn.Conv2d(2, 1, 1)
    nn.init.constant_(layer.weight, weight)
    nn.init.zeros_(layer.bias)
    return layer.eval()


def result_of(model):
    import openvino

    return float(openvino.Core().compile_model(model, "CPU")(torch.ones(SHAPE).numpy())[0].mean())


def kept(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_network_is_converted_once(tmp_path, monkeypatch):
    first = to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)
    monkeypatch.setattr(conversion, "convert", lambda *_: pytest.fail("converted again"))
    again = to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)
    assert result_of(first) == result_of(again) == 4
    assert len(kept(tmp_path)) == 1


def test_another_checkpoint_shape_or_version_is_converted_anew(tmp_path, monkeypatch):
    to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)
    to_openvino(network(), (1, 2, 16, 8), digest=DIGEST, cache_dir=tmp_path)
    assert result_of(to_openvino(network(3.0), SHAPE, digest="e" * 64, cache_dir=tmp_path)) == 6
    monkeypatch.setattr(conversion.importlib.metadata, "version", lambda name: "0")
    to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)
    assert len(kept(tmp_path)) == 4


def test_without_a_digest_or_a_folder_nothing_is_kept(tmp_path):
    assert result_of(to_openvino(network(), SHAPE, cache_dir=tmp_path)) == 4
    assert result_of(to_openvino(network(), SHAPE, digest=DIGEST)) == 4
    assert kept(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"x" * 10, "cut", "turned", "folder"])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)
    [path] = tmp_path.iterdir()
    content = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        changed = {"cut": content[:-5], "turned": content[:-1] + bytes([content[-1] ^ 1])}
        path.write_bytes(changed.get(damage, damage))
    assert result_of(to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)) == 4
    if damage != "folder":
        assert path.read_bytes()[:32] == conversion.hashlib.sha256(path.read_bytes()[32:]).digest()
    assert kept(tmp_path) == [path.name]


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    assert result_of(to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path / "file")) == 4

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(conversion.Path, "write_bytes", full)
    assert result_of(to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path / "full")) == 4
    assert kept(tmp_path / "full") == []


def test_a_file_of_somebody_else_is_not_trusted(tmp_path, monkeypatch):
    to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    made = []
    whole = conversion.convert
    monkeypatch.setattr(conversion, "convert", lambda *rest: made.append(rest) or whole(*rest))
    to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)
    assert len(made) == 1


def test_the_folder_stays_under_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "MOST_BYTES", 8000)
    for number in range(4):
        to_openvino(network(), SHAPE, digest=str(number) * 64, cache_dir=tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 8000
    assert kept(tmp_path)


def test_threads_that_convert_at_once_get_whole_files(tmp_path):
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(result_of(to_openvino(network(), SHAPE, digest=DIGEST, cache_dir=tmp_path)))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [4] * 4
    assert len(kept(tmp_path)) == 1


def test_the_network_itself_and_torchs_generator_stay_as_they_are():
    layer = network()
    layer.weight.requires_grad_()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    convert(layer, SHAPE)
    assert torch.equal(torch.rand(1), expected)
    assert layer.weight.requires_grad
    pickle.dumps(layer)


class Refusing(nn.Module):
    def forward(self, images):
        raise RuntimeError("no such input")


class Random(nn.Module):
    def forward(self, images):
        return images[:, :1] + torch.rand(8, 8)


@pytest.mark.parametrize("module", [Refusing(), Random()])
def test_a_network_that_cannot_be_converted_is_told(module):
    with pytest.raises(ConversionError):
        convert(module.eval(), SHAPE)


def test_a_broken_installation_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConversionError, match="cannot be imported"):
        convert(network(), SHAPE)


def test_files_come_back(tmp_path):
    xml, weights = to_files(convert(network(), SHAPE))
    assert result_of(read_model(xml, weights)) == 4
    for one, other in ((b"<net>", weights), (xml, b""), (xml[:200], weights)):
        with pytest.raises(ConversionError, match="cannot read"):
            read_model(one, other)


def test_nothing_is_told_to_the_maker_of_openvino():
    code = (
        "import sys\n"
        "from medseg_demo.models.conversion import import_openvino\n"
        "import_openvino()\n"
        "print(sys.modules['openvino_telemetry'], [name for name in sys.modules if name.startswith('openvino_tele')])"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "None ['openvino_telemetry']"
