"""The page as one file: what lies in it, what may leave it, and both of its languages."""

import gzip
import json
import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

from medseg_demo.errors import OptionError
from medseg_demo.exporting import export
from medseg_demo.exporting.page import PageNetwork, page, page_network, page_samples, whole_page
from medseg_demo.exporting.page.networks import _check, in_two_bytes
from medseg_demo.models.card import ModelCard
from medseg_demo.settings import Settings

NASTY = "</script><script>alert(1)</script>"
SCRIPTS = "\n".join(map(page._source, (*page.PAGE_SCRIPTS, *page.WORKER_SCRIPTS)))


@pytest.fixture
def network():
    card = {"class_names": ["bright"], "input_size": [64, 64], "task": "bright things"}
    return PageNetwork("small", "0" * 64, "bright things", card, {}, b"network")


def test_names_cannot_end_a_script_and_nothing_is_asked_for(network):
    text = whole_page([replace(network, name=NASTY)], [], title=NASTY)
    assert NASTY not in text
    assert text.index("connect-src 'none'") < text.index("<script")
    assert "default-src 'none'" in text
    assert not re.search(r"<(link|img|iframe)\b|<script[^>]*\bsrc=", text)


def test_own_scripts_ask_for_nothing():
    assert not re.search(r"\bfetch\(\"|XMLHttpRequest|WebSocket|sendBeacon|innerHTML|\beval\(|https?:", SCRIPTS)


def test_no_name_of_the_page_hides_one_of_the_viewer():
    """They share a scope, where a second function of a name silently takes the place of the first."""
    names = re.findall(
        r"^(?:async )?(?:function|class|const|let) (\w+)", page.page_script([], [], title="", heading="h1"), re.M
    )
    assert len(names) == len(set(names))


def test_weights_are_stored_in_two_bytes_and_computed_in_single():
    weights = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32) * np.float32(
        [[1e-6], [1], [90000], [0], [3]]
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gemm", ["image", "weights", "bias"], ["logits"], transB=1)],
        "g",
        [onnx.helper.make_tensor_value_info("image", TensorProto.FLOAT, [4, 4])],
        [onnx.helper.make_tensor_value_info("logits", TensorProto.FLOAT, [4, 5])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.ones(5, np.float32), "bias")],
    )
    opset = onnx.helper.make_opsetid("", 18)
    content = in_two_bytes(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())
    onnx.checker.check_model(onnx.load_from_string(content))
    kinds = {one.name: one.data_type for one in onnx.load_from_string(content).graph.initializer}
    assert kinds == {"weights_steps": TensorProto.INT16, "weights_scale": TensorProto.FLOAT, "bias": TensorProto.FLOAT}
    (found,) = ReferenceEvaluator(content).run(None, {"image": np.eye(4, dtype=np.float32)})
    largest = np.abs(weights).max(axis=1, keepdims=True)
    assert (np.abs(found.T - 1 - weights) <= largest / 2**16 + 1e-6).all()  # the bias costs the last digits


def test_own_samples_hold_their_pixels_alone(network, tmp_path):
    picture, exif = Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)), Image.Exif()
    exif[0x010E] = "Doe^Jane"
    picture.save(tmp_path / "case.jpg", exif=exif)
    (sample,) = page_samples([network], [tmp_path / "case.jpg"], Settings())
    assert (sample.title, sample.networks, sample.file) == ("case", ("small",), "sample.npy")
    assert b"Doe" not in gzip.decompress(sample.content)


def test_a_large_sample_is_reduced(network, tmp_path):
    Image.fromarray((np.indices((30, 1500)).sum(axis=0) * 20).astype(np.uint16)).save(tmp_path / "wide.png")
    (sample,) = page_samples([network], [tmp_path / "wide.png"], Settings())
    assert b"(15, 750)" in gzip.decompress(sample.content)[:200]


def test_volumes_are_no_samples(network, tmp_path):
    np.save(tmp_path / "volume.npy", np.random.default_rng(0).random((20, 20, 20)))
    with pytest.raises(OptionError, match="single images"):
        page_samples([network], [tmp_path / "volume.npy"], Settings())


def test_what_a_page_cannot_run_is_refused(checkpoints, volume_network, volume_card, tmp_path):
    from medseg_demo.models.checkpoint import save_checkpoint

    save_checkpoint(checkpoints / "volumes", volume_network, volume_card)
    with pytest.raises(OptionError, match="3-D"):
        page_network("volumes", checkpoints)
    card = ModelCard(class_names=("a", "b"), in_channels=1, input_size=(64, 64))
    several = {"in_channels": 3, "channel_names": ("T1", "T2", "PD")}
    for changes in ({"head": "sigmoid"}, {"in_channels": 2}, several, {"denoise": "median"}):
        with pytest.raises(OptionError, match="grey or colour images"):
            _check("other", card.model_copy(update=changes))
    settings = Settings(checkpoints_dir=checkpoints)
    with pytest.raises(OptionError, match=r"\.html"):
        export(["small"], "page", tmp_path / "page", settings=settings)
    with pytest.raises(OptionError, match="one checkpoint"):
        export(["small", "other"], "onnx", tmp_path / "network.onnx", settings=settings)
    assert not [path for path in tmp_path.iterdir() if path.name != "checkpoints"]


def test_the_vendored_runtime_is_that_of_the_licence():
    assert b"ONNX Runtime Web v1.30.0" in page._vendored(page.RUNTIME)[:200]
    assert b"ONNX Runtime Web 1.30.0" in page._vendored(page.LICENCES)
    assert "import.meta" not in page.worker_script()
    assert json.loads(page._json({"a": "<b>"})) == {"a": "<b>"}
