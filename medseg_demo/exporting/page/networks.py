"""A checkpoint → what the page holds of it: an ONNX file of two bytes a weight, and facts."""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg_demo.errors import OptionError
from medseg_demo.exporting.onnx_file import to_onnx
from medseg_demo.models.card import ModelCard
from medseg_demo.models.catalog import find_checkpoint
from medseg_demo.models.checkpoint import Checkpoint, load_folder
from medseg_demo.models.network import pad_where_needed
from medseg_demo.segmenting.fit import KINDS

MOST_STEPS = 2**15 - 1


@dataclass(frozen=True, eq=False)
class PageNetwork:
    """A network inside a page.

    Attributes:
        name: The checkpoint's.
        digest: Its hash.
        task: As its card says.
        card: What the page's script must know of it.
        facts: What people may read of it.
        content: The ONNX file, gzipped.
    """

    name: str
    digest: str
    task: str
    card: dict[str, Any]
    facts: dict[str, Any]
    content: bytes


def page_network(name: str, folder: Path) -> PageNetwork:
    """Make a checkpoint of 2-D ready for a page.

    Args:
        name: As for ``load_checkpoint``.
        folder: Of the checkpoint folders.

    Raises:
        OptionError: Its network is 3-D.
        MedsegError: It cannot be loaded or exported, such as an export itself.
    """
    found, path = find_checkpoint(name, folder)
    checkpoint = load_folder(path, name=found)
    card = checkpoint.card
    _check(found, card)
    network = pad_where_needed(checkpoint.module, card.input_size)
    content = in_two_bytes(to_onnx(network, (1, card.input_channels, *card.input_size), found))
    return PageNetwork(
        name=found,
        digest=checkpoint.digest,
        task=card.task,
        card=_card(checkpoint),
        facts=_facts(checkpoint),
        content=gzip.compress(content, mtime=0),
    )


def _check(name: str, card: ModelCard) -> None:
    if card.is_3d:
        raise OptionError(f"Checkpoint {name!r} is of a 3-D network, which a page cannot run. Choose 2-D checkpoints.")
    takes_pictures = card.in_channels == 1 or (card.in_channels == 3 and not card.channel_names)
    if card.recipe or card.may_overlap or card.neighbours or card.denoise != "none" or not takes_pictures:
        raise OptionError(
            f"Checkpoint {name!r} cannot be in a page, which knows networks of grey or colour images, of classes that "
            "do not overlap, no neighbouring slices, no filter before them and no steps of other libraries. Choose "
            "another checkpoint."
        )


def in_two_bytes(content: bytes) -> bytes:
    """An ONNX file whose weights are stored in two bytes each, and taken back to single precision before they are used.

    Half precision would do for weights as they were trained, but the exporter multiplies those of a convolution with
    the scale of the normalisation behind it; so they are whole numbers of 16 bits and a scale for each output channel,
    which are far closer.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(content)
    graph, restored, scales = model.graph, [], []
    for weights in graph.initializer:
        if weights.data_type != TensorProto.FLOAT or len(weights.dims) < 2:
            continue
        name, values = weights.name, numpy_helper.to_array(weights)
        most = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        scale = (np.where(most > 0, most, 1) / MOST_STEPS).astype(np.float32)
        weights.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int16), f"{name}_steps"))
        scales.append(numpy_helper.from_array(scale, f"{name}_scale"))
        restored += [
            helper.make_node("Cast", [f"{name}_steps"], [f"{name}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name]),
        ]
    graph.initializer.extend(scales)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*restored, *nodes])
    return model.SerializeToString()


def _card(checkpoint: Checkpoint) -> dict[str, Any]:
    card = checkpoint.card
    wanted = {"task", "class_names", "modality", "in_channels", "input_size", "inference", "spacing_mm"}
    return {
        **card.model_dump(mode="json", include=wanted | {"normalisation", "window", "activated", "threshold"}),
        "outputs": card.output_channels,
        "has_background": card.has_background,
        "takes_threshold": card.takes_threshold,
        "kinds": [[kind.name, kind.codes] for kind in KINDS],
        "codes": [code for kind in KINDS if re.search(kind.words, card.modality, re.IGNORECASE) for code in kind.codes],
        "appearance": {name: list(ends) for name, ends in card.appearance.items()},
    }


def _facts(checkpoint: Checkpoint) -> dict[str, Any]:
    card = checkpoint.card
    scores = [
        {"split": split, "mean": found["dice_mean"], "worst": found["dice_worst"], "n": found["n"]}
        for split, found in card.scores.items()
        if isinstance(found, dict) and {"dice_mean", "dice_worst", "n"} <= found.keys()
    ]
    return {
        "parameters": checkpoint.parameters,
        "scores": scores,
        "training_data": [source.model_dump() for source in card.training_data],
    }
