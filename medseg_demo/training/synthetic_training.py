"""``kind: generator``: a SPADE generator against a patch discriminator learns which images belong to which labels.

Losses: least squares against the discriminator, which sees labels and image; the mean difference of its features
between the real image and the one made of its labels and code; the mean difference of both images; and the divergence
of codes from the normal distribution, from which they are drawn later. A moving average of the weights is what is kept,
as in every training of this project. Nothing is taken up after an interruption: the last epoch's weights are whole.

Source: Park et al. 2019, doi:10.1109/CVPR.2019.00244; Mao et al. 2017, doi:10.1109/ICCV.2017.304 (least squares).
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from monai.losses import PatchAdversarialLoss
from monai.networks.nets import PatchDiscriminator
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from medseg_demo.errors import TrainingError
from medseg_demo.models.card import ModelCard
from medseg_demo.training.augmentation import IMAGE, LABEL
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.data import CASE, Batch, LoadedCase
from medseg_demo.training.synthetic import GeneratorCard, ImageGenerator, one_hot, save_generator

LOG_FILE = "log.csv"
LOSSES = ("discriminator", "adversarial", "features", "difference", "divergence")


def train_generator(
    config: TrainingConfig,
    card: ModelCard,
    batches: DataLoader,
    cases: Sequence[LoadedCase],
    device: torch.device,
    output: Path,
) -> None:
    """Train, and write the folder after every epoch.

    Args:
        config: Its ``generator`` and the keys that any training has.
        card: What a network takes that will learn from the images.
        batches: Real images with their labels; varied in the plane, and as little as one likes in their intensities.
        cases: By whose places in it items say of which case they are.
        device: Where it is computed.
        output: The folder.

    Raises:
        TrainingError: A loss is NaN or infinite; the last epoch's weights are kept.
    """
    torch.manual_seed(config.seed)
    own = GeneratorCard(
        kind="generator",
        class_names=card.class_names,
        in_channels=card.in_channels,
        input_size=card.input_size,
        normalisation=card.normalisation,
        window=card.window,
        generator=config.generator,
        training=card.training,
    )
    rivals = Rivals(config, own, device)
    schedule = torch.optim.lr_scheduler.LinearLR(rivals.optimizers[0], 1.0, 0.1, total_iters=config.epochs)
    history: list[dict[str, float]] = []
    for epoch in range(1, config.epochs + 1):
        batches.sampler.set_epoch(epoch - 1)  # type: ignore[union-attr, attr-defined]
        sums, steps = dict.fromkeys(LOSSES, 0.0), 0
        for batch in tqdm(batches, desc=f"Epoch {epoch}/{config.epochs}", mininterval=2):
            found = rivals.step(batch)
            if not all(torch.isfinite(torch.tensor(list(found.values())))):
                raise _diverged(epoch, batch, cases, output, kept=bool(history))
            sums, steps = {name: sums[name] + found[name] for name in LOSSES}, steps + 1
        schedule.step()
        history.append({"epoch": epoch, **{name: round(total / steps, 6) for name, total in sums.items()}})
        facts = {**card.training, "epochs": epoch, "images": epoch * steps * config.batch_size}
        save_generator(output, rivals.kept, own.model_copy(update={"training": facts}))
        _write_log(history, output / LOG_FILE)


class Rivals:
    """The generator, its moving average and the discriminator, with their optimisers.

    Args:
        config: Of the training.
        card: Of the generator.
        device: Where they lie.
    """

    def __init__(self, config: TrainingConfig, card: GeneratorCard, device: torch.device) -> None:
        self.own, self.clip, self.device = config.generator, config.gradient_clip, device
        self.generator = ImageGenerator(card).to(device)
        self.average = AveragedModel(
            self.generator, multi_avg_fn=get_ema_multi_avg_fn(config.average), use_buffers=True
        )
        self.discriminator = PatchDiscriminator(
            spatial_dims=2,
            channels=self.own.discriminator,
            in_channels=card.in_channels + self.generator.labels,
            norm="INSTANCE",
        ).to(device)
        self.adversarial = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(0.5, 0.9))
            for network in (self.generator, self.discriminator)
        ]

    def step(self, batch: Batch) -> dict[str, float]:
        """One step of each; what LOSSES names."""
        real, labels = batch[IMAGE].to(self.device), batch[LABEL].to(self.device)
        masks = one_hot(labels, self.generator.labels)
        mean, log_variance = self.generator.encode(real)
        codes = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        made = self.generator.decode(labels, codes)

        *_, of_real = self.discriminator(torch.cat([real, masks], dim=1))
        *_, of_made = self.discriminator(torch.cat([made.detach(), masks], dim=1))
        against = self._adversarial(of_real, real=True, judging=True) + self._adversarial(
            of_made, real=False, judging=True
        )
        self._descend(1, self.discriminator, against)

        with torch.no_grad():
            *features, _ = self.discriminator(torch.cat([real, masks], dim=1))
        *others, of_made = self.discriminator(torch.cat([made, masks], dim=1))
        parts = {
            "adversarial": self._adversarial(of_made, real=True, judging=False),
            "features": sum(map(functional.l1_loss, others, features), torch.zeros((), device=self.device)),
            "difference": functional.l1_loss(made, real),
            "divergence": 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(),
        }
        weights = (1.0, self.own.features, self.own.difference, self.own.divergence)
        self._descend(0, self.generator, sum(w * part for w, part in zip(weights, parts.values(), strict=True)))
        self.average.update_parameters(self.generator)
        return {
            "discriminator": float(against.detach()),
            **{name: float(part.detach()) for name, part in parts.items()},
        }

    @property
    def kept(self) -> ImageGenerator:
        """The moving average of the generator."""
        assert isinstance(self.average.module, ImageGenerator)
        return self.average.module

    def _adversarial(self, judged: torch.Tensor, *, real: bool, judging: bool) -> torch.Tensor:
        found = self.adversarial(judged, target_is_real=real, for_discriminator=judging)
        assert isinstance(found, torch.Tensor)  # as it is reduced to the mean
        return found

    def _descend(self, place: int, network: nn.Module, loss: torch.Tensor | float) -> None:
        assert isinstance(loss, torch.Tensor)
        self.optimizers[place].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), self.clip)
        self.optimizers[place].step()


def _diverged(epoch: int, batch: Batch, cases: Sequence[LoadedCase], output: Path, *, kept: bool) -> TrainingError:
    names = sorted({cases[int(place)].case.case_id for place in batch[CASE]})
    rest = f"the weights of epoch {epoch - 1} are kept in {output.name}" if kept else "nothing was kept"
    return TrainingError(
        f"Epoch {epoch}: a loss of the generator is NaN or infinite, at the cases {', '.join(names)}; {rest}. Lower "
        "learning_rate, or look at these images."
    )


def _write_log(history: Sequence[dict[str, float]], path: Path) -> None:
    draft = path.with_name(f".{path.name}")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, history[0].keys())
        writer.writeheader()
        writer.writerows(history)
    draft.replace(path)
