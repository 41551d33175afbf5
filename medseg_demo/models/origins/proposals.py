"""Which network a bare state dict is of: proposed from the names and shapes of its tensors, and seen to fit them.

What weights do not tell takes the library's default, and ``Proposal.why`` says so: dilation, strides, interpolation.
"""

import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn

from medseg_demo.models.architectures import MONAI_NETWORKS, build_network
from medseg_demo.models.origins.weights import shared_names, unwrapped
from medseg_demo.models.soundness import bounded_by

ENCODERS = Path(__file__).with_name("encoders.json")  # made by benchmarks/encoders.py
MOST = 8  # proposals that are looked at: encoders whose tensors are named alike

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Parameters = dict[str, object]


@dataclass(frozen=True)
class Proposal:
    """A network whose tensors are those of a state dict, each by its name and its shape.

    Attributes:
        architecture: As ``_model_class`` of a ``config.json``, such as "FPN".
        parameters: The other keys of that file.
        why: What it rests on and what the weights do not tell, in words.
    """

    architecture: str
    parameters: Parameters
    why: str

    @property
    def label(self) -> str:
        """For people, such as "FPN · mit_b0"."""
        encoder = self.parameters.get("encoder_name")
        return f"{self.architecture} · {encoder}" if encoder else self.architecture


def propose(weights: Mapping[str, torch.Tensor]) -> list[Proposal]:
    """The networks that fit, the likeliest first; empty where none is known.

    Args:
        weights: As ``read_weights`` gives them; their values are not looked at.
    """
    for named in unwrapped(weights):
        shapes = {name: tuple(value.shape) for name, value in named.items()}
        elements = sum(value.numel() for value in named.values())
        is_smp = any(name.startswith("encoder.") for name in shapes)
        found = [one for one in (_of_smp if is_smp else _of_monai)(shapes) if _fits(one, shapes, elements)]
        if found:
            return found
    return []


def short(shapes: Shapes) -> str:
    """The names of tensors and their first sizes in eight digits: the channels of an image do not count."""
    lines = sorted(f"{name}:{shape[0] if shape else 0}" for name, shape in shapes.items())
    return f"{zlib.crc32(' '.join(lines).encode()):08x}"


def _fits(proposal: Proposal, shapes: Shapes, elements: int) -> bool:
    """Whether a network of that description has just these tensors."""
    try:
        with bounded_by(elements):
            network = without_memory(partial(build_network, proposal.architecture, proposal.parameters))
    except ValueError:
        return False
    state = network.state_dict()
    alike = shared_names(state) if proposal.architecture in MONAI_NETWORKS else []
    spare = {name for names in alike for name in names if name not in shapes and shapes.keys() & set(names)}
    return {name: tuple(value.shape) for name, value in state.items() if name not in spare} == dict(shapes)


def without_memory(build: Callable[[], nn.Module]) -> nn.Module:
    """A network without values, which takes no memory; with them where its making needs some of them."""
    try:
        with torch.device("meta"):
            return build()
    except (RuntimeError, ValueError):  # such as MixTransformer, which reads its rates from a tensor
        return build()


@cache
def _encoders() -> dict[str, list[str]]:
    return json.loads(ENCODERS.read_text(encoding="utf-8"))


def _of_smp(shapes: Shapes) -> Iterator[Proposal]:
    encoder = {name.removeprefix("encoder."): shape for name, shape in shapes.items() if name.startswith("encoder.")}
    # Of two that are named alike the one of TensorFlow is the one that people train: its weights are the better ones.
    names = sorted(_encoders().get(short(encoder), []), key=lambda name: not name.startswith("tu-tf_"))
    heads = [shape for name, shape in shapes.items() if name.startswith("segmentation_head.") and len(shape) == 4]
    first = next((shape for shape in encoder.values() if len(shape) == 4), None)
    if not names or not heads or first is None:
        return
    for architecture, decoder in _DECODERS.items():
        given = decoder(shapes)
        if given is None:
            continue
        for name in names[:MOST]:
            others = [other for other in names if other != name]
            why = "encoder and decoder are told by the names and shapes of the weights"
            if others:
                why += f"; {', '.join(others[:3])} would fit as well"
            yield Proposal(
                architecture,
                {
                    "encoder_name": name,
                    **given,
                    "in_channels": first[1],
                    "classes": heads[-1][0],
                    **_classifier(shapes),
                },
                why,
            )


def _classifier(shapes: Shapes) -> Parameters:
    """A second head that tells what an image as a whole shows, which is not asked here."""
    head = next((shape for name, shape in shapes.items() if name.startswith("classification_head.")), None)
    return {"aux_params": {"classes": head[0]}} if head else {}


def _numbered(shapes: Shapes, pattern: str) -> list[Shape]:
    """The shapes of tensors whose names hold a number, in the order of it."""
    found = [(int(match[1]), shape) for name, shape in shapes.items() if (match := re.fullmatch(pattern, name))]
    return [shape for _, shape in sorted(found)]


def _unet(shapes: Shapes) -> Parameters | None:
    blocks = _numbered(shapes, r"decoder\.blocks\.(\d+)\.conv1\.0\.weight")
    if not blocks or "decoder.center.top_conv.weight" in shapes:
        return None
    attention = "scse" if any(".attention1.attention.cSE" in name for name in shapes) else None
    return {
        "encoder_depth": len(blocks),
        "decoder_channels": [one[0] for one in blocks],
        "decoder_attention_type": attention,
    }


def _unet_plus_plus(shapes: Shapes) -> Parameters | None:
    blocks = _numbered(shapes, r"decoder\.blocks\.x_0_(\d+)\.conv1\.0\.weight")
    attention = "scse" if any(".attention1.attention.cSE" in name for name in shapes) else None
    given = {"encoder_depth": len(blocks), "decoder_channels": [one[0] for one in blocks]}
    return {**given, "decoder_attention_type": attention} if blocks else None


def _manet(shapes: Shapes) -> Parameters | None:
    blocks, centre = _numbered(shapes, r"decoder\.blocks\.(\d+)\.conv1\.0\.weight"), "decoder.center.top_conv.weight"
    if centre not in shapes:
        return None
    channels = [one[0] for one in blocks]
    return {"encoder_depth": len(blocks), "decoder_channels": channels, "decoder_pab_channels": shapes[centre][0]}


def _linknet(shapes: Shapes) -> Parameters | None:
    blocks = _numbered(shapes, r"decoder\.blocks\.(\d+)\.block\.0\.0\.weight")
    return {"encoder_depth": len(blocks)} if blocks else None


def _fpn(shapes: Shapes) -> Parameters | None:
    if "decoder.p5.weight" not in shapes:
        return None
    inner = shapes["decoder.seg_blocks.0.block.0.block.0.weight"][0]
    merged = shapes["segmentation_head.0.weight"][1] if "segmentation_head.0.weight" in shapes else inner
    return {
        "decoder_pyramid_channels": shapes["decoder.p5.weight"][0],
        "decoder_segmentation_channels": inner,
        "decoder_merge_policy": "add" if merged == inner else "cat",
    }


def _pspnet(shapes: Shapes) -> Parameters | None:
    if "decoder.psp.blocks.0.pool.1.0.weight" not in shapes:
        return None
    return {"psp_out_channels": shapes["decoder.conv.0.weight"][0]}


def _single(marker: str, key: str, place: str) -> Callable[[Shapes], Parameters | None]:
    """A decoder that one tensor marks, and another's first size describes."""
    return lambda shapes: {key: shapes[place][0]} if marker in shapes and place in shapes else None


def _dpt(shapes: Shapes) -> Parameters | None:
    blocks = _numbered(shapes, r"decoder\.reassemble_blocks\.(\d+)\.project_to_out_channel\.weight")
    if not blocks:
        return None
    return {
        "encoder_depth": len(blocks),
        "decoder_intermediate_channels": [one[0] for one in blocks],
        "decoder_fusion_channels": shapes["decoder.fusion_blocks.0.project.weight"][0],
    }


_DECODERS: Mapping[str, Callable[[Shapes], Parameters | None]] = {
    "Unet": _unet,
    "UnetPlusPlus": _unet_plus_plus,
    "MAnet": _manet,
    "Linknet": _linknet,
    "FPN": _fpn,
    "PSPNet": _pspnet,
    "PAN": _single("decoder.fpa.branch1.1.conv.weight", "decoder_channels", "decoder.fpa.branch1.1.conv.weight"),
    "DeepLabV3": _single("decoder.aspp.convs.0.0.weight", "decoder_channels", "decoder.conv.weight"),
    "DeepLabV3Plus": _single("decoder.block2.0.0.weight", "decoder_channels", "decoder.aspp.0.convs.0.0.weight"),
    "UPerNet": _single("decoder.feature_norms.0.weight", "decoder_channels", "decoder.psp.out_conv.0.weight"),
    "Segformer": _single(
        "decoder.mlp_stage.0.linear.weight", "decoder_segmentation_channels", "decoder.fuse_stage.0.weight"
    ),
    "DPT": _dpt,
}


def _of_monai(shapes: Shapes) -> Iterator[Proposal]:
    for architecture, network in _NETWORKS.items():
        with suppress(KeyError, IndexError):  # another network, whose tensors are called otherwise
            yield Proposal(
                architecture, network(shapes), f"MONAI's network is told by the names of its weights; {UNTOLD}"
            )


UNTOLD = "strides and activations that have no weights are MONAI's defaults"


def _sizes(kernel: Shape) -> Parameters:
    """Of a kernel (outputs, inputs, …)."""
    return {"spatial_dims": len(kernel) - 2, "in_channels": kernel[1]}


def _normed(shapes: Shapes, place: str) -> Parameters:
    """The norm at a place, where it is not MONAI's default, an instance norm without weights."""
    if f"{place}.running_mean" in shapes:
        return {"norm": "BATCH"}
    return {"norm": ["INSTANCE", {"affine": True}]} if f"{place}.weight" in shapes else {}


def _levels(shapes: Shapes, *ends: str) -> tuple[list[int], str]:
    """The channels of nested levels, and how the first kernel's name ends."""
    channels, prefix = [], "model."
    end = next((end for end in ends if f"model.0.{end}" in shapes), "")
    while f"{prefix}0.{end}" in shapes:
        channels.append(shapes[f"{prefix}0.{end}"][0])
        prefix += "1.submodule."
    return [*channels, shapes[f"{prefix}{end}"][0]], end


def _monai_unet(shapes: Shapes) -> Parameters:
    with_units = "model.0.conv.unit0.conv.weight" in shapes
    channels, end = _levels(shapes, "conv.unit0.conv.weight" if with_units else "conv.weight")
    units = len(_numbered(shapes, r"model\.0\.conv\.unit(\d+)\.conv\.weight"))
    first = shapes[f"model.0.{end}"]
    place = f"model.0.{end.removesuffix('conv.weight')}adn"
    last = shapes["model.2.1.conv.unit0.conv.weight"][0] if with_units else shapes["model.2.conv.weight"][1]
    return {
        **_sizes(first),
        "classes": last,
        "channels": channels,
        "strides": [2] * (len(channels) - 1),
        "kernel_size": first[2],
        "num_res_units": units,
        **_normed(shapes, f"{place}.N"),
        **({} if f"{place}.A.weight" in shapes else {"act": "RELU"}),
    }


def _monai_attention_unet(shapes: Shapes) -> Parameters:
    channels, end = _levels(shapes, "conv.0.conv.weight")
    return {
        **_sizes(shapes[f"model.0.{end}"]),
        "classes": shapes["model.2.conv.weight"][0],
        "channels": channels,
        "strides": [2] * (len(channels) - 1),
        "kernel_size": shapes[f"model.0.{end}"][2],
    }


def _monai_basic_unet(shapes: Shapes) -> Parameters:
    down = [shapes[f"down_{level}.convs.conv_0.conv.weight"][0] for level in range(1, 5)]
    first = shapes["conv_0.conv_0.conv.weight"]
    norm = _normed(shapes, "conv_0.conv_0.adn.N")
    return {
        **_sizes(first),
        "classes": shapes["final_conv.weight"][0],
        "features": [first[0], *down, shapes["upcat_1.convs.conv_0.conv.weight"][0]],
        **({"norm": "BATCH"} if norm == {"norm": "BATCH"} else {}),
    }


def _monai_segresnet(shapes: Shapes) -> Parameters:
    def blocks(side: str) -> list[int]:
        found = Counter(int(match[1]) for name in shapes if (match := re.match(rf"{side}\.(\d+)\.\d+\.conv1\.", name)))
        return [found[level] for level in sorted(found)]

    first = shapes["convInit.conv.weight"]
    return {
        **_sizes(first),
        "classes": shapes["conv_final.2.conv.weight"][0],
        "init_filters": first[0],
        "blocks_down": blocks("down_layers"),
        "blocks_up": blocks("up_layers"),
    }


def _monai_dynunet(shapes: Shapes) -> Parameters:
    down = _numbered(shapes, r"downsamples\.(\d+)\.conv1\.conv\.weight")
    kernels = [shapes["input_block.conv1.conv.weight"], *down, shapes["bottleneck.conv1.conv.weight"]]
    steps = [list(one[2:]) for one in _numbered(shapes, r"upsamples\.(\d+)\.transp_conv\.conv\.weight")][::-1]
    heads = len(_numbered(shapes, r"deep_supervision_heads\.(\d+)\.conv\.conv\.weight"))
    return {
        **_sizes(kernels[0]),
        "classes": shapes["output_block.conv.conv.weight"][0],
        "kernel_size": [list(one[2:]) for one in kernels],
        "strides": [1, *steps],
        "upsample_kernel_size": steps,
        "filters": [one[0] for one in kernels],
        "res_block": "input_block.conv3.conv.weight" in shapes,
        **({"norm_name": "BATCH"} if "input_block.norm1.running_mean" in shapes else {}),
        **({"deep_supervision": True, "deep_supr_num": heads} if heads else {}),
    }


_NETWORKS: Mapping[str, Callable[[Shapes], Parameters]] = {
    "MonaiUNet": _monai_unet,
    "MonaiAttentionUnet": _monai_attention_unet,
    "MonaiBasicUNet": _monai_basic_unet,
    "MonaiSegResNet": _monai_segresnet,
    "MonaiDynUNet": _monai_dynunet,
}
