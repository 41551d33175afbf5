"""Checkpoint folders of OpenVINO: listed, loaded and run like any other; damaged ones are told."""

from dataclasses import replace

import pytest
import torch

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.backends import OpenVinoNetwork, prepare
from medseg_demo.models.card import Exported, write_card
from medseg_demo.models.catalog import list_checkpoints, load_checkpoint
from medseg_demo.models.checkpoint import digest, load_folder
from medseg_demo.models.compute import Compute
from medseg_demo.models.conversion import convert, to_files
from medseg_demo.segmenting.windows import predict

CPU = Compute(torch.device("cpu"), torch.float32)


def exported(parameters):
    return Exported(
        original="small",
        digest="d" * 64,
        format="openvino",
        architecture="Unet · tu-test_resnet",
        parameters=parameters,
        size_mb=1,
        original_size_mb=1,
    )


@pytest.fixture
def original(checkpoints):
    return load_folder(checkpoints / "small")


@pytest.fixture
def graph(checkpoints, original):
    """A folder of the small network as OpenVINO has it."""
    folder = checkpoints / "graph"
    folder.mkdir()
    xml, weights = to_files(convert(original.network, (1, 1, 64, 64)))
    (folder / "openvino.xml").write_bytes(xml)
    (folder / "openvino.bin").write_bytes(weights)
    write_card(original.card.model_copy(update={"exported": exported(original.parameters)}), folder)
    return folder


@pytest.mark.parametrize("compute", [CPU, replace(CPU, backend="openvino"), replace(CPU, threads=1)])
def test_it_computes_what_the_original_does(graph, original, compute):
    checkpoint = load_checkpoint(graph)
    tensor = torch.rand(3, 1, 64, 80)
    torch.testing.assert_close(predict(checkpoint, tensor, compute), predict(original, tensor, CPU), rtol=0, atol=1e-4)
    assert isinstance(prepare(checkpoint, compute), OpenVinoNetwork)
    assert checkpoint.parameters == original.parameters
    assert checkpoint.bytes > 4 * original.parameters


def test_it_is_listed_and_found_by_name(graph, checkpoints):
    entries = {entry.name: entry for entry in list_checkpoints(checkpoints)}
    assert entries["graph"].problem is None
    assert entries["graph"].architecture == "Unet · tu-test_resnet · openvino"
    assert load_checkpoint("graph", checkpoints).name == "graph"


def test_without_a_record_of_its_export_it_is_still_used(graph, original, checkpoints):
    write_card(original.card, graph)
    assert load_folder(graph).parameters > 0.9 * original.parameters
    assert {entry.name: entry.architecture for entry in list_checkpoints(checkpoints)}["graph"] == "OpenVINO"


def test_its_digest_is_of_all_three_files(graph):
    found = {digest(graph)}
    for name in ("openvino.xml", "openvino.bin", "medseg.json"):
        with (graph / name).open("ab") as file:
            file.write(b" ")
        found.add(digest(graph))
    assert len(found) == 4


def test_what_pytorch_needs_is_not_there(graph):
    with pytest.raises(InvalidCheckpointError, match="exported from"):
        _ = load_folder(graph).module


def two_classes(card):
    return card.replace(b'"bright"', b'"grey", "dark"').replace(b"0.5", b"null")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("openvino.bin", None, "has no openvino.bin"),
        ("openvino.bin", lambda content: content[:-50], "damaged"),
        ("openvino.xml", lambda content: content[:500], "cannot read"),
        ("openvino.xml", lambda content: b"<net/>", "cannot read"),
        ("openvino.xml", lambda content: b"", "cannot read"),
        ("medseg.json", None, "no medseg.json"),
        ("medseg.json", lambda content: content.replace(b'"in_channels": 1', b'"in_channels": 3'), "no input of 1 × 3"),
        ("medseg.json", two_classes, "1 × 3"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_told(graph, checkpoints, name, change, message):
    path = graph / name
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InvalidCheckpointError, match=message):
        load_folder(graph)
    problems = [entry.problem for entry in list_checkpoints(checkpoints) if entry.name == "graph"]
    assert problems[0] is None or message in problems[0]
