import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from bundles import ARGMAX, HALF, INVERT, LOAD, SCALE, SIGMOID, SOFTMAX, SPACED, compose, unet, windows, write_weights
from bundles import write_bundle as write

from medseg_demo import load_checkpoint
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.models.origins import find_origin
from medseg_demo.models.origins.bundle import read_bundle

NAMED = {
    "task": "Parts of the heart",
    "network_data_format": {
        "inputs": {"image": {"modality": "MR", "channel_def": {"0": "image"}}},
        "outputs": {"pred": {"channel_def": {"0": "background", "1": "left ventricle", "2": "myocardium"}}},
    },
}


def card_of(folder: Path):
    return read_bundle(folder, "bundle").card


def test_a_bundle_says_its_card(tmp_path):
    folder = write_weights(write(tmp_path / "heart", metadata=NAMED))
    card = load_checkpoint(folder).card
    assert (card.class_names, card.in_channels, card.head) == (("left ventricle", "myocardium"), 1, "softmax")
    assert (card.task, card.modality, card.spacing_mm) == ("Parts of the heart", "MR", (2.0, 1.5, 1.5))
    assert [call.target for call in card.bundle.preprocessing] == ["Orientationd", "Spacingd", "ScaleIntensityRanged"]
    (entry,) = list_checkpoints(tmp_path)
    assert (entry.problem, entry.origin, entry.architecture) == (None, "MONAI bundle", "UNet · MONAI bundle")


def test_a_bundle_may_be_of_yaml_and_its_references_are_followed(tmp_path):
    folder = write(
        tmp_path / "bundle",
        image="$monai.utils.CommonKeys.IMAGE",
        classes=3,
        settings={"roi": [16, 16, 8], "fine": False},
        steps=[{**LOAD[0], "keys": "@image"}, SPACED[0], {**SPACED[1], "pixdim": "@pixdim"}],
        pixdim="$[1.0, 1.0, 1.0] if @settings#fine else [2.0, 2.0, @settings::roi::2 / 2]",
        network_def={**unet(), "out_channels": "$@classes - 1"},
        preprocessing={"_target_": "Compose", "transforms": "$@steps"},
        inferer={**windows(), "roi_size": "@settings#roi", "device": "@device"},
    )
    (folder / "configs/inference.json").rename(folder / "configs/inference.yaml")  # JSON is YAML, too
    card = card_of(folder)
    assert (card.input_size, len(card.class_names)) == ((16, 16, 8), 1)
    assert card.bundle.preprocessing[1].arguments["pixdim"] == [2.0, 2.0, 4.0]


def test_a_part_of_another_file_of_the_configs_is_read(tmp_path):
    folder = write(tmp_path / "bundle", inferer="%common.json#window", network_def="%configs/common.json#net")
    common = {"window": windows(8, 8, 8), "net": unet(outputs=2)}
    (folder / "configs/common.json").write_text(json.dumps(common))
    assert card_of(folder).input_size == (8, 8, 8)


def test_what_is_disabled_is_left_out(tmp_path):
    unknown = {"_target_": "scripts.Unknown", "_disabled_": "true"}
    steps = (*LOAD, {**SCALE, "_disabled_": "$not @scaled"}, {**SPACED[0], "_disabled_": True}, unknown)
    folder = write(tmp_path / "bundle", scaled=True, preprocessing=compose(*steps))
    assert [call.target for call in card_of(folder).bundle.preprocessing] == ["ScaleIntensityd"]


@pytest.mark.parametrize(
    ("outputs", "after", "expected"),
    [
        (2, (SOFTMAX, INVERT, ARGMAX), ("softmax", 1, None)),
        (2, (INVERT,), ("softmax", 1, None)),
        (1, (SIGMOID, HALF), ("sigmoid", 1, 0.5)),
        (3, (SIGMOID, INVERT, HALF), ("sigmoid", 3, 0.5)),
    ],
)
def test_the_head_follows_from_the_transforms(outputs, after, expected, tmp_path):
    card = card_of(write(tmp_path / "bundle", network_def=unet(outputs=outputs), postprocessing=compose(*after)))
    assert (card.head, len(card.class_names), card.threshold) == expected


def test_a_network_without_a_fixed_size_runs_in_pytorch(tmp_path):
    folder = write(tmp_path / "bundle", preprocessing=compose(*LOAD, SCALE), inferer={"_target_": "SimpleInferer"})
    assert card_of(folder).bundle.any_size


def test_the_folders_own_card_gives_the_words(tmp_path):
    folder = write_weights(write(tmp_path / "bundle"))
    (folder / "medseg.json").write_text(
        json.dumps({"task": "heart", "class_names": ["ventricle", "wall"], "in_channels": 1})
    )
    card = load_checkpoint(folder).card
    assert (card.task, card.class_names, card.bundle is not None) == ("heart", ("ventricle", "wall"), True)
    (folder / "medseg.json").write_text(json.dumps({"class_names": ["ventricle"], "in_channels": 1}))
    with pytest.raises(InvalidCheckpointError, match="Correct or remove medseg"):
        load_checkpoint(folder)


PLANTED = "planted"
TOUCH = f"open({PLANTED!r}, 'w').close()"
OS_SYSTEM = {"_target_": "os.system", "command": f"touch {PLANTED}"}
HOSTILE = {
    "network of os": ({"network_def": OS_SYSTEM}, "network_def: it names 'os.system'"),
    "transform of os": ({"preprocessing": compose(*LOAD, OS_SYSTEM)}, r"preprocessing::transforms::2.*'os.system'"),
    "inferer of os": ({"inferer": OS_SYSTEM}, "inferer: it names 'os.system'"),
    "after the network": ({"postprocessing": compose(OS_SYSTEM)}, r"postprocessing::transforms::0.*'os.system'"),
    "component as an argument": ({"network_def": {**unet(), "act": OS_SYSTEM}}, "component of its own"),
    "expression": ({"network_def": {**unet(), "channels": f"$[{TOUCH}, 8]"}}, "expression of Python"),
    "import in an expression": (
        {"inferer": {**windows(8), "overlap": f"$__import__('os').system('touch {PLANTED}')"}},
        "inferer::overlap.*expression of Python",
    ),
    "by a reference": ({"evil": f"${TOUCH}", "network_def": {**unet(), "strides": "@evil"}}, "evil.*expression"),
    "lambda": (
        {"postprocessing": compose({"_target_": "Lambdad", "keys": "pred", "func": f"$lambda x: {TOUCH} or x"})},
        "expression of Python",
    ),
    "class by an expression": ({"network_def": {**unet(), "_target_": f"${TOUCH}"}}, "no class but MONAI's own"),
    "mode of a debugger": ({"network_def": {**unet(), "_mode_": "debug"}}, "_mode_"),
    "module of MONAI that is no transform": (
        {"preprocessing": compose({"_target_": "monai.bundle.ConfigWorkflow"})},
        "none that is taken before the network",
    ),
    "another network": ({"network_def": {"_target_": "monai.networks.nets.HoVerNet"}}, "no network of MONAI that"),
    "file outside": ({"network_def": "%../../../../etc/passwd.json#x"}, "outside of the bundle's configs"),
    "absolute file": ({"network_def": "%/etc/passwd.yaml"}, "outside of the bundle's configs"),
    "address": ({"network_def": "%https://example.org/config.json#net"}, "outside of the bundle's configs"),
    "circle": ({"a": "@b", "b": "@a", "network_def": {**unet(), "channels": "@a"}}, "refers to itself"),
    "circle of wholes": ({"network_def": "@other", "other": "@network_def"}, "without an end"),
    "circle of files": ({"network_def": {**unet(), "channels": "%inference.json#network_def::channels"}}, "itself"),
    "reference to nothing": ({"network_def": {**unet(), "channels": "@gone"}}, "'gone', which is not there"),
    "bomb of references": (
        {**{f"a{i}": [f"@a{i + 1}"] * 10 for i in range(9)}, "a9": [1], "network_def": {**unet(), "channels": "@a0"}},
        "without an end",
    ),
    "depth": ({"network_def": {**unet(), "channels": json.loads("[" * 60 + "]" * 60)}}, "."),
    "huge window": ({"inferer": windows(4096, 4096, 4096)}, "no memory holds"),
    "huge padding": (
        {"preprocessing": compose({"_target_": "DivisiblePadd", "keys": "image", "k": 10**9})},
        "larger than",
    ),
    "number that is none": ({"preprocessing": compose({**SCALE, "maxv": float("nan")})}, "finite"),
    "channels without an end": ({"network_def": unet(inputs=10**9)}, "in_channels"),
    "other inverse": ({"postprocessing": compose({**INVERT, "transform": "@postprocessing"})}, "something else"),
    "no network": ({"network_def": None}, "names no class"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_data_is_refused_with_its_place_and_never_run(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts, message = HOSTILE[case]
    folder = write(tmp_path / "bundle", **parts)
    torch.save({}, folder / "models/model.pt")
    with pytest.raises(InvalidCheckpointError, match=message) as caught:
        load_checkpoint(folder)
    assert not (tmp_path / PLANTED).exists()
    assert str(tmp_path) not in str(caught.value)
    assert list_checkpoints(tmp_path)[0].problem or case == "depth"  # MONAI alone can say


def test_code_in_parts_that_do_not_count_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write(
        tmp_path / "bundle",
        imports=[f"$exec({TOUCH!r})"],
        device=f"${TOUCH}",
        initialize=[f"${TOUCH}"],
        handlers=[OS_SYSTEM],
        evaluator=OS_SYSTEM,
        preprocessing=compose({**LOAD[0], "reader": f"${TOUCH}"}, {**SCALE, "device": f"${TOUCH}"}),
    )
    network = torch.nn.Module()
    torch.save(network.state_dict(), folder / "models/model.pt")
    assert card_of(folder).bundle.preprocessing[0].arguments == {"keys": "image"}
    assert not (tmp_path / PLANTED).exists()


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {PLANTED}",)


def test_a_pickle_with_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "bundle")
    for content in (pickle.dumps(Evil()), None):
        path = folder / "models/model.pt"
        path.write_bytes(content) if content else torch.save({"model": Evil()}, path)
        with pytest.raises(InvalidCheckpointError, match=r"model\.pt"):
            load_checkpoint(folder)
    assert not (tmp_path / PLANTED).exists()


def test_a_program_is_refused_in_words(tmp_path):
    folder = write(tmp_path / "bundle")
    torch.jit.script(torch.nn.ReLU()).save(folder / "models/model.ts")
    with pytest.raises(InvalidCheckpointError, match="is a program"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: {**state, "extra": torch.zeros(1)}, "extra is not in the network"),
        (lambda state: dict(list(state.items())[1:]), "is missing"),
        (lambda state: {key: torch.full_like(value, torch.nan) for key, value in state.items()}, "NaN or infinity"),
        (lambda state: {key: value.flatten() for key, value in state.items()}, "has shape"),
    ],
)
def test_weights_that_do_not_fit_are_told(spoil, message, tmp_path):
    folder = write_weights(write(tmp_path / "bundle"))
    path = folder / "models/model.pt"
    state = torch.load(path, weights_only=True)["model"]
    torch.save(spoil({key: value.float() for key, value in state.items()}), path)
    with pytest.raises(InvalidCheckpointError, match=message):
        load_checkpoint(folder)


def test_a_network_that_outgrows_its_weights_is_not_built(tmp_path):
    folder = write_weights(write(tmp_path / "bundle"))
    config = json.loads((folder / "configs/inference.json").read_text())
    config["network_def"]["channels"] = [60000, 60000]
    (folder / "configs/inference.json").write_text(json.dumps(config))
    with pytest.raises(InvalidCheckpointError, match="larger than its weights"):
        load_checkpoint(folder)


def test_arguments_that_monai_refuses_are_told_at_loading(tmp_path):
    folder = write_weights(write(tmp_path / "bundle", preprocessing=compose({**SCALE, "brightness": 2})))
    with pytest.raises(InvalidCheckpointError, match="ScaleIntensityd has no argument 'brightness'"):
        load_checkpoint(folder)


def test_a_truncated_configuration_and_a_folder_without_one(tmp_path):
    folder = write(tmp_path / "bundle")
    content = (folder / "configs/inference.json").read_text()
    (folder / "configs/inference.json").write_text(content[:100])
    with pytest.raises(InvalidCheckpointError, match=r"inference\.json cannot be read"):
        load_checkpoint(folder)
    (folder / "configs/inference.json").unlink()
    assert find_origin(folder) is None
