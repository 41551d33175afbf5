"""Architecture name → builder: the networks that a checkpoint's ``config.json`` can name."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn

from medseg_demo.models.narrow import WIDTHS, narrow

Builder = Callable[..., nn.Module]

# Those of segmentation-models-pytorch, whose import takes a second that a network converted before does not need.
SMP_NETWORKS = (
    "DPT", "DeepLabV3", "DeepLabV3Plus", "FPN", "Linknet", "MAnet", "PAN", "PSPNet", "Segformer", "UPerNet", "Unet",
    "UnetPlusPlus",
)  # fmt: skip
MONAI_NETWORKS = {
    "MonaiAttentionUnet": "AttentionUnet",
    "MonaiBasicUNet": "BasicUNet",
    "MonaiDynUNet": "DynUNet",
    "MonaiSegResNet": "SegResNet",
    "MonaiUNet": "UNet",
}
RECURRENT = "RecurrentUnet"


def _build_smp(architecture: str, /, **parameters: object) -> nn.Module:
    import segmentation_models_pytorch as smp

    network = getattr(smp, architecture)(**parameters)
    if parameters.get("aux_params"):  # a second output, for which FindingNetwork asks
        network.register_forward_hook(_first_output)
    return network


def _build_monai(architecture: str, /, *, in_channels: int = 1, classes: int = 1, **parameters: object) -> nn.Module:
    from monai.networks import nets  # takes seconds, which nothing but a MONAI network needs to wait for

    builder = getattr(nets, MONAI_NETWORKS[architecture])
    network = builder(**{"spatial_dims": 3, **parameters, "in_channels": in_channels, "out_channels": classes})
    return set_description(network, architecture, {**parameters, "in_channels": in_channels, "classes": classes})


def _build_recurrent(*, activation: object = None, **parameters: object) -> nn.Module:
    from medseg_demo.models.recurrent import RecurrentUnet  # of smp, too

    network = RecurrentUnet(**parameters)  # type: ignore[arg-type]
    return set_description(network, RECURRENT, {**parameters, "encoder_weights": None})


def set_description(network: nn.Module, architecture: str, parameters: Mapping[str, object]) -> nn.Module:
    """Let a network say what it was built from; ``build_network`` builds it from that again."""
    network.described_as = {"_model_class": architecture, **parameters}  # type: ignore[assignment]
    return network


ARCHITECTURES: Mapping[str, Builder] = {
    **{name: partial(_build_smp, name) for name in SMP_NETWORKS},
    **{name: partial(_build_monai, name) for name in MONAI_NETWORKS},
    RECURRENT: _build_recurrent,
}


def build_network(architecture: str, parameters: Mapping[str, object]) -> nn.Module:
    """A network with random weights; nothing is downloaded.

    Args:
        architecture: A key of ARCHITECTURES, such as "Unet" or "MonaiUNet".
        parameters: Its keyword arguments: encoder_name, in_channels, classes, …; for a MONAI network those of
            MONAI's class, with ``classes`` in place of ``out_channels`` and ``spatial_dims`` 3 unless given; and
            ``widths`` of a pruned one.

    Raises:
        ValueError: The architecture refuses a parameter, or MONAI is not installed; the message is its own.
    """
    try:
        given = {key: value for key, value in parameters.items() if key != WIDTHS}
        if architecture not in MONAI_NETWORKS:
            # The activation is applied by inference, which must not meet one that was applied before.
            given |= {"encoder_weights": None, "activation": None}
            if isinstance(auxiliary := parameters.get("aux_params"), Mapping):
                given["aux_params"] = {**auxiliary, "activation": None}
        network = ARCHITECTURES[architecture](**given)
        if widths := parameters.get(WIDTHS):
            narrow(network, widths)  # type: ignore[arg-type]
            set_description(network, architecture, {**given, WIDTHS: widths})
        return network
    except ImportError as error:
        raise ValueError(f"{architecture} needs the package monai ({error}); run: pip install monai") from error
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise ValueError(f"{architecture} cannot be built from its parameters: {error}") from error


def auxiliary_outputs(parameters: Mapping[str, object]) -> int:
    """How many values the auxiliary output of a network has; 0 where it has none."""
    auxiliary = parameters.get("aux_params")
    found = auxiliary.get("classes") if isinstance(auxiliary, Mapping) else None
    return found if isinstance(found, int) else 0


def _first_output(network: nn.Module, inputs: object, outputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return outputs[0]


def spatial_dims(architecture: str, parameters: Mapping[str, object]) -> int:
    """2 for a network of images, 3 for one of volumes."""
    is_3d = architecture in MONAI_NETWORKS and parameters.get("spatial_dims", 3) == 3
    return 3 if is_3d or architecture == RECURRENT else 2


def description_of(network: nn.Module) -> dict[str, object] | None:
    """What ``config.json`` says of a network that was built here; None for one of smp, which says it itself."""
    return getattr(network, "described_as", None)
