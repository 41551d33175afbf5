import json
import os
import pickle
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from medseg_demo import load_checkpoint
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.models.origins import find_origin

needs_transformers = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra transformers is absent")
PLANTED = "planted"
CONFIG = {
    "architectures": ["SegformerForSemanticSegmentation"],
    "model_type": "segformer",
    "depths": [1, 1, 1, 1],
    "hidden_sizes": [8, 16, 24, 32],
    "num_attention_heads": [1, 2, 2, 4],
    "decoder_hidden_size": 16,
    "id2label": {"0": "background", "1": "polyp", "2": "tool"},
    "label2id": {"background": 0, "polyp": 1, "tool": 2},
}
PROCESSOR = {"image_processor_type": "SegformerImageProcessor", "size": {"height": 64, "width": 64}}


def write(folder: Path, config: dict | None = None, processor: dict | None = None) -> Path:
    """A folder as transformers saves it, but for its weights, which are one number."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**CONFIG, **(config or {})}))
    (folder / "preprocessor_config.json").write_text(json.dumps({**PROCESSOR, **(processor or {})}))
    save_file({"one": torch.zeros(1)}, folder / "model.safetensors")
    return folder


def save(folder: Path, **config: object) -> Path:
    """The same as transformers itself saves it, with weights."""
    import transformers

    model = transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig(**{**CONFIG, **config}))
    model.save_pretrained(folder)
    transformers.SegformerImageProcessor(size=PROCESSOR["size"]).save_pretrained(folder)
    return folder


@needs_transformers
def test_what_transformers_saves_is_a_checkpoint(tmp_path):
    card = load_checkpoint(save(tmp_path / "polyps")).card
    assert (card.class_names, card.in_channels, card.input_size, card.head) == (
        ("polyp", "tool"),
        3,
        (64, 64),
        "softmax",
    )
    assert card.recipe.has_background
    (entry,) = list_checkpoints(tmp_path)
    assert (entry.problem, entry.origin) == (None, "transformers")
    assert "'background'" in entry.note


@needs_transformers
def test_every_id_is_a_class_where_the_first_is_not_called_background(tmp_path):
    card = load_checkpoint(save(tmp_path / "rooms", id2label={0: "wall", 1: "floor"}, num_labels=2)).card
    assert (card.class_names, card.recipe.has_background) == (("wall", "floor"), False)


@needs_transformers
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: {**state, "extra.weight": torch.zeros(1)}, "extra.weight is not in the network"),
        (lambda state: dict(list(state.items())[1:]), "is missing"),
        (lambda state: {key: torch.full_like(value, torch.nan) for key, value in state.items()}, "NaN"),
    ],
)
def test_weights_that_do_not_fit_are_told(spoil, message, tmp_path):
    path = save(tmp_path / "model") / "model.safetensors"
    state = {key: value.float() for key, value in load_file(path).items()}
    save_file(spoil(state), path)
    with pytest.raises(InvalidCheckpointError, match=message):
        load_checkpoint(path.parent)


HOSTILE = {
    "code beside it": ({"auto_map": {"AutoModel": "modeling.Evil"}}, {}, "auto_map .* names code"),
    "code of the processor": ({}, {"auto_map": {"AutoImageProcessor": "evil.Evil"}}, "none that is taken"),
    "another processor": ({}, {"image_processor_type": "EvilImageProcessor"}, "'EvilImageProcessor'"),
    "another model": ({"architectures": ["EvilForSegmentation"]}, {}, "'EvilForSegmentation' is no model"),
    "weights of the Hub": ({"backbone": "microsoft/swin"}, {}, "nothing is fetched"),
    "weights of timm": ({"use_timm_backbone": True, "backbone": "resnet18"}, {}, "neither is run or fetched"),
    "within": ({"backbone_config": {"model_type": "resnet", "use_pretrained_backbone": True}}, {}, "neither is run"),
    "ids without an order": ({"id2label": {"0": "a", "7": "b"}}, {}, "names no ids"),
    "too many ids": ({"id2label": {str(index): "a" for index in range(300)}}, {}, "at most 255"),
    "four channels": ({"num_channels": 4}, {}, "take three"),
    "huge picture": ({}, {"size": {"height": 60000, "width": 60000}}, "no size of an image"),
    "size that is none": ({}, {"size": {"height": "all", "width": 5}}, "no size of an image"),
    "huge number": ({}, {"size": {"shortest_edge": 10**9}}, "no size is larger"),
}


@needs_transformers
@pytest.mark.parametrize("case", HOSTILE)
def test_what_lies_outside_is_refused_and_never_run(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, processor, message = HOSTILE[case]
    folder = write(tmp_path / "model", config, processor)
    for name in ("modeling.py", "evil.py"):
        (folder / name).write_text(f"open({str(tmp_path / PLANTED)!r}, 'w').close()\nclass Evil: pass\n")
    with pytest.raises(InvalidCheckpointError, match=message):
        load_checkpoint(folder)
    assert not (tmp_path / PLANTED).exists()


@needs_transformers
def test_a_model_that_outgrows_its_weights_is_not_built(tmp_path):
    with pytest.raises(InvalidCheckpointError, match="larger than its weights"):
        load_checkpoint(write(tmp_path / "model", {"decoder_hidden_size": 60000}))


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {PLANTED}",)


@needs_transformers
def test_pickles_are_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InvalidCheckpointError, match=r"no model\.safetensors"):
        load_checkpoint(folder)
    assert not (tmp_path / PLANTED).exists()


def test_a_folder_of_smp_is_none_of_transformers(tmp_path):
    folder = write(tmp_path / "model", {"_model_class": "Unet"})
    assert find_origin(folder).name == "smp"


@pytest.mark.skipif(find_spec("transformers") is not None, reason="the extra transformers is installed")
def test_without_transformers_it_is_told_what_to_install(tmp_path):
    write(tmp_path / "model")
    (entry,) = list_checkpoints(tmp_path)
    assert "pip install" in entry.problem
