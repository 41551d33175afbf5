"""The network of a training: its keys are those of its builder, it is built, and it is tried before anything runs."""

import difflib
import inspect
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from medseg_demo.errors import TrainingError
from medseg_demo.models.architectures import ARCHITECTURES, MONAI_NETWORKS, RECURRENT, SMP_NETWORKS, build_network
from medseg_demo.models.card import ModelCard
from medseg_demo.models.narrow import WIDTHS
from medseg_demo.models.soundness import TIMM, is_known_encoder, parameter_fault
from medseg_demo.segmenting.windows import channels_last

if TYPE_CHECKING:
    from medseg_demo.training.config import TrainingConfig

# What is decided elsewhere, so that it would be overridden here without a word.
ELSEWHERE = {
    "encoder_weights": "write pretrained: hub in place of it, beside network",
    "in_channels": "write it beside network",
    "classes": "the test set's dataset.json names them",
    "out_channels": "the test set's dataset.json names the classes",
    "activation": "training and inference apply it themselves",
}
# Of smp's builders, which hand on to timm whatever they do not know.
OF_TIMM = ("img_size", "dynamic_img_size", "drop_rate", "drop_path_rate")


def nearest(name: str, valid: Collection[str], *, listed: int = 0) -> str:
    """A sentence that answers an unknown name with the nearest of the valid ones.

    Args:
        name: What was written.
        valid: What could have been.
        listed: All of them are listed where they are no more than this.
    """
    found = difflib.get_close_matches(name, valid, n=3, cutoff=0.5)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"valid are {', '.join(sorted(valid))}" if len(valid) <= listed else "nothing is called so"


def check_architecture(name: str) -> None:
    """Refuse an architecture that is in no table.

    Raises:
        ValueError: With the nearest names.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"{name!r} is unknown; {nearest(name, ARCHITECTURES, listed=len(ARCHITECTURES))}")


def check_parameters(architecture: str, parameters: Mapping[str, object]) -> None:
    """Hold ``network:`` against the signature of its builder.

    Raises:
        ValueError: A key is unknown or decided elsewhere, or nobody has the encoder; all faults are named.
    """
    known = _parameters_of(architecture)
    faults = [f"{key} has no place here: {ELSEWHERE[key]}" for key in parameters if key in ELSEWHERE]
    faults += [
        f"{architecture} has no {key}; {nearest(key, known, listed=20)}"
        for key in parameters
        if key not in known and key not in ELSEWHERE
    ]
    encoder = parameters.get("encoder_name")
    if encoder is not None and not is_known_encoder(encoder):
        faults.append(f"there is no encoder {encoder!r}; {nearest(str(encoder), _encoders())}")
    elif fault := parameter_fault(parameters):
        faults.append(fault)
    if faults:
        raise ValueError("; ".join(faults))


def _parameters_of(architecture: str) -> set[str]:
    import segmentation_models_pytorch as smp

    builder: object = ARCHITECTURES[architecture]
    if architecture in MONAI_NETWORKS:
        from monai.networks import nets

        builder = getattr(nets, MONAI_NETWORKS[architecture])
    elif architecture in SMP_NETWORKS:
        builder = getattr(smp, architecture)
    elif architecture == RECURRENT:
        from medseg_demo.models.recurrent import RecurrentUnet

        builder = RecurrentUnet
    names = {
        name
        for name, one in inspect.signature(builder).parameters.items()  # type: ignore[arg-type]
        if one.kind is not one.VAR_KEYWORD
    }
    return ({WIDTHS} | names | set(OF_TIMM) if architecture in SMP_NETWORKS else {WIDTHS} | names) - ELSEWHERE.keys()


def _encoders() -> list[str]:
    import timm
    from segmentation_models_pytorch.encoders import encoders

    return [*encoders, *(f"{TIMM}{name}" for name in timm.list_models())]


def arguments_of(config: "TrainingConfig", card: ModelCard) -> dict[str, object]:
    """What the network is built from, channels included."""
    arguments = {**config.network, "in_channels": card.input_channels, "classes": card.output_channels}
    if card.findings:  # one output each, from the mean of the encoder's last features
        own = config.network.get("aux_params")
        chosen = own if isinstance(own, Mapping) else {}
        arguments["aux_params"] = {"pooling": "avg", "dropout": 0.2, **chosen, "classes": len(card.findings)}
    return arguments


def build(config: "TrainingConfig", card: ModelCard) -> nn.Module:
    """The network with random weights, or smp's own for its encoder where ``pretrained`` is "hub".

    Raises:
        TrainingError: It cannot be built from its parameters, or its weights cannot be fetched.
    """
    torch.manual_seed(config.seed)
    parameters = arguments_of(config, card)
    try:
        if config.pretrained == "hub":
            return ARCHITECTURES[config.architecture](**{"encoder_weights": "imagenet", **parameters})
        return build_network(config.architecture, parameters)
    except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
        raise TrainingError(
            f"The network cannot be built ({_reason(error)}). Correct architecture, network or pretrained."
        ) from None


def parameter_groups(network: nn.Module, config: "TrainingConfig") -> list[dict[str, object]]:
    """What the optimiser learns at which rate: matrices with decay before vectors without, the encoder's last."""
    encoder = set(network.encoder.parameters()) if config.encoder_rate != 1 else set()  # type: ignore[operator, union-attr]
    groups: list[dict[str, object]] = []
    for rate, inside in ((1.0, False), (config.encoder_rate, True)):
        own = [one for one in network.parameters() if (one in encoder) is inside]
        for decay, matrices in ((config.weight_decay, True), (0.0, False)):
            some = [one for one in own if (one.ndim > 1) is matrices]
            if some:
                groups.append({"params": some, "weight_decay": decay, "lr": config.learning_rate * rate})
    return groups


def try_out(network: nn.Module, card: ModelCard, *, batch: int) -> None:
    """Let a network take a batch and learn from it, and leave it as it was.

    Args:
        network: In training mode.
        card: Says the batch's channels and size, and how many channels must come back.
        batch: Images of the smallest batch; more than two are not tried.

    Raises:
        TrainingError: It does not take the size, or gives back another.
    """
    number, size = min(batch, 2), card.input_size
    noise = torch.rand((number, card.input_channels, *size), generator=torch.Generator().manual_seed(0))
    kept = {name: tensor.clone() for name, tensor in network.named_buffers()}
    fault = ""
    try:
        result = network.train()(noise.to(memory_format=channels_last(len(size))))
        if result.shape == (number, card.output_channels, *size):
            result.float().mean().backward()
        else:
            fault = f"it gives back {list(result.shape[1:])} in place of {[card.output_channels, *size]}"
    except (RuntimeError, ValueError, AssertionError, TypeError, AttributeError, IndexError) as error:
        fault = _reason(error)
    network.zero_grad(set_to_none=True)
    for name, tensor in network.named_buffers():
        tensor.copy_(kept[name])
    if fault:
        raise TrainingError(
            f"The network does not take a batch of {number} with {card.input_channels} channel(s) of input_size "
            f"{list(size)} ({fault}). {_advice(card)}"
        )


def _advice(card: ModelCard) -> str:
    if card.is_3d:
        return "Choose multiples of all its strides together, such as 16 for four halvings, or change network."
    return "Choose the input_size that its encoder was made for, a batch_size over 1, or another encoder."


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].strip("'\"")[:300] if str(error) else type(error).__name__
