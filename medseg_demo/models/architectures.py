"""Architecture name → builder: the networks that a checkpoint's ``config.json`` can name."""

from collections.abc import Callable, Mapping

import segmentation_models_pytorch as smp
from torch import nn

Builder = Callable[..., nn.Module]

ARCHITECTURES: Mapping[str, Builder] = {
    network.__name__: network for network in smp.MODEL_ARCHITECTURES_MAPPING.values()
}


def build_network(architecture: str, parameters: Mapping[str, object]) -> nn.Module:
    """A network with random weights; nothing is downloaded.

    Args:
        architecture: A key of ARCHITECTURES, such as "Unet".
        parameters: Its keyword arguments: encoder_name, in_channels, classes, …

    Raises:
        ValueError: The architecture refuses a parameter; the message is its own.
    """
    try:
        return ARCHITECTURES[architecture](**{**parameters, "encoder_weights": None})
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"{architecture} cannot be built from its parameters: {error}") from error
