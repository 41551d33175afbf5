"""Writes the table by which the encoder of a bare state dict is recognised: names and sizes of its tensors, in short.

    python -m benchmarks.encoders

Run it when segmentation-models-pytorch or timm name an encoder's tensors otherwise; takes minutes, and no weights.
"""

import json
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.encoders import encoders, get_encoder
from torch import nn

from medseg_demo.models.origins.proposals import ENCODERS, short, without_memory

# Of timm's thousand, what people train with; smp calls them tu-….
TIMM = (
    "test_resnet", "resnet10t", "resnet14t", "resnet18", "resnet26", "resnet34", "resnet50", "resnet101",
    "resnet152", "resnet18d", "resnet26d", "resnet34d", "resnet50d", "resnet101d", "resnext50_32x4d", "seresnet50",
    "seresnext50_32x4d", "resnest14d", "resnest26d", "resnest50d", "resnest101e", "res2net50_26w_4s",
    "wide_resnet50_2", "densenet121", "densenet169", "densenet201", "vgg11", "vgg11_bn", "vgg16", "vgg16_bn",
    "vgg19_bn", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
    "efficientnet_b5", "efficientnet_lite0", "tf_efficientnet_b0", "tf_efficientnet_b1", "tf_efficientnet_b2",
    "tf_efficientnet_b3", "tf_efficientnet_b4", "tf_efficientnet_b5", "tf_efficientnet_b6", "tf_efficientnet_b7",
    "tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2", "tf_efficientnet_lite3",
    "tf_efficientnet_lite4", "efficientnetv2_rw_t", "efficientnetv2_rw_s", "tf_efficientnetv2_b0",
    "tf_efficientnetv2_b1", "tf_efficientnetv2_b2", "tf_efficientnetv2_b3", "tf_efficientnetv2_s",
    "tf_efficientnetv2_m", "tf_efficientnetv2_l", "mobilenetv2_050", "mobilenetv2_100", "mobilenetv2_140",
    "mobilenetv3_small_050", "mobilenetv3_small_100", "mobilenetv3_large_100", "mobilenetv4_conv_small",
    "mobilenetv4_conv_medium", "mnasnet_100", "regnetx_002", "regnetx_004", "regnetx_008", "regnetx_016",
    "regnetx_032", "regnety_002", "regnety_004", "regnety_008", "regnety_016", "regnety_032", "convnext_atto",
    "convnext_femto", "convnext_pico", "convnext_nano", "convnext_tiny", "convnext_small", "convnext_base",
    "convnextv2_atto", "convnextv2_femto", "convnextv2_pico", "convnextv2_nano", "convnextv2_tiny",
    "convnextv2_base", "maxvit_tiny_tf_224", "maxvit_tiny_tf_512", "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256", "pvt_v2_b0", "pvt_v2_b1", "pvt_v2_b2", "pvt_v2_b3", "hrnet_w18_small", "hrnet_w18",
    "hrnet_w32", "mambaout_tiny", "repvgg_a0", "ghostnet_100", "edgenext_small", "fastvit_t8",
    "vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224",
)  # fmt: skip


def _ways(name: str) -> list[Callable[[], nn.Module]]:
    """An encoder as the networks use it: with the depths that they ask for, or of DPT."""
    if name.startswith("tu-vit_"):
        return [lambda: smp.DPT(name, encoder_weights=None).encoder]
    return [partial(get_encoder, name, in_channels=3, depth=depth, weights=None) for depth in (5, 4, 3)]


def main() -> None:
    """Write the table."""
    warnings.simplefilter("ignore")
    found = defaultdict(list)
    for name in (*encoders, *(f"tu-{name}" for name in TIMM)):
        for make in _ways(name):
            try:
                network = without_memory(make)
            except Exception:
                continue  # that depth, or this encoder, is not to be had
            names = found[short({key: tuple(value.shape) for key, value in network.state_dict().items()})]
            if name not in names:
                names.append(name)
    ENCODERS.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
