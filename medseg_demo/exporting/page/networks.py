"""A checkpoint → what the page holds of it: an ONNX file whose weights are stored in half precision, and facts."""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg_demo.errors import OptionError
from medseg_demo.exporting.onnx_file import to_onnx
from medseg_demo.models.catalog import find_checkpoint
from medseg_demo.models.checkpoint import Checkpoint, load_folder
from medseg_demo.models.network import pad_where_needed
from medseg_demo.segmenting.fit import KINDS

HALF_SUFFIX = "_half"


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
        OptionError: Its network is 3-D, or quantised.
        MedsegError: It cannot be loaded or exported.
    """
    found, path = find_checkpoint(name, folder)
    checkpoint = load_folder(path, name=found)
    card = checkpoint.card
    if card.is_3d:
        raise OptionError(f"Checkpoint {found!r} is of a 3-D network, which a page cannot run. Choose 2-D checkpoints.")
    if card.exported is not None:
        raise OptionError(
            f"Checkpoint {found!r} is an export itself. Choose what it was made from: {card.exported.original!r}."
        )
    network = pad_where_needed(checkpoint.module, card.input_size)
    content = halved(to_onnx(network, (1, card.in_channels, *card.input_size), found))
    return PageNetwork(
        name=found,
        digest=checkpoint.digest,
        task=card.task,
        card=_card(checkpoint),
        facts=_facts(checkpoint),
        content=gzip.compress(content, mtime=0),
    )


def halved(content: bytes) -> bytes:
    """An ONNX file whose weights are stored in half precision and cast to single before they are used."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(content)
    graph = model.graph
    casts = []
    for weights in graph.initializer:
        if weights.data_type != TensorProto.FLOAT or not weights.dims:
            continue
        values = numpy_helper.to_array(weights)
        half = values.astype(np.float16)
        if not np.isfinite(half).all():  # beyond 65504
            continue
        name = weights.name
        weights.CopyFrom(numpy_helper.from_array(half, name + HALF_SUFFIX))
        casts.append(helper.make_node("Cast", [name + HALF_SUFFIX], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return model.SerializeToString()


def _card(checkpoint: Checkpoint) -> dict[str, Any]:
    card = checkpoint.card
    wanted = {"task", "class_names", "modality", "in_channels", "input_size", "inference", "spacing_mm"}
    return {
        **card.model_dump(mode="json", include=wanted | {"normalisation", "window", "threshold"}),
        "outputs": card.output_channels,
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
