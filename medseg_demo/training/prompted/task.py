"""The training steps of a prompted network, which clicks where it errs, and its validation by simulated clicks."""

from collections.abc import Sequence

import numpy as np
import torch

from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.prompting.answer import THRESHOLD
from medseg_demo.prompting.frame import Frame
from medseg_demo.prompting.measure import dice_by_click
from medseg_demo.prompting.objects import Target
from medseg_demo.prompting.prompts import PRESENT, Prompts, planes
from medseg_demo.prompting.simulation import next_click
from medseg_demo.segmenting.windows import Compute, channels_last, predict
from medseg_demo.training.augmentation import IMAGE, LABEL
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.data import Batch
from medseg_demo.training.loop import SegmentationTask
from medseg_demo.training.prompted.samples import TOLD
from medseg_demo.training.records import ClassScores

CLICKS = (1, 3, 5)  # after which validation measures; the best epoch has the greatest mean of them
FURTHER = (0.45, 0.35, 0.2)  # how often 0, 1 or 2 clicks are added where the network errs


class PromptedTask(SegmentationTask):
    """Training of a prompted network; arguments as of SegmentationTask, the validation cases being objects."""

    def __init__(
        self, checkpoint: Checkpoint, config: TrainingConfig, objects: Sequence[Target], compute: Compute, steps: int
    ) -> None:
        super().__init__(checkpoint, config, (), compute, steps)
        self.objects = tuple(objects)
        self.after: dict[str, dict[int, float]] = {}

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """The loss of a batch, after clicks where the network errs; it learns from the last answer alone."""
        rng = np.random.default_rng([self.config.seed, self.current_epoch, index])
        told = batch[TOLD]
        for _ in range(int(rng.choice(len(FURTHER), p=FURTHER))):
            self.network.eval()
            with torch.no_grad():
                found = self.network(self._inputs(batch[IMAGE], told)).float().sigmoid()
            self.network.train()
            told = _corrected(told, batch[LABEL], found)
        loss = self.loss(self.network(self._inputs(batch[IMAGE], told)), batch[LABEL])
        self.losses.append(loss.detach())
        return loss

    @staticmethod
    def _inputs(images: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return torch.cat([images, told], dim=1).to(memory_format=channels_last(2))

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        super().on_validation_epoch_start()
        self.after = {}

    def validation_step(self, index: int, batch_index: int) -> None:
        """Click at one object."""
        one = self.objects[int(index)]

        def look(seen: np.ndarray) -> np.ndarray:
            return predict(self.averaged, torch.from_numpy(seen)[None], self.compute)[0, 0].numpy()

        size = self.averaged.card.input_size[0]
        found = dice_by_click(look, one.plane.image, one.mask, size, clicks=max(CLICKS))
        name = one.case.case_id
        self.after[name] = {clicks: found[clicks - 1] for clicks in CLICKS}
        mean = float(np.mean(list(self.after[name].values())))
        self.case_scores[name] = (ClassScores(mean, mean, mean, mean / (2 - mean)),)

    def on_validation_epoch_end(self) -> None:
        """Keep the mean for the progress line."""
        self.last_dice = self.val_score

    @property
    def figures(self) -> dict[str, float | None]:
        """Dice after so many clicks, over all objects and in each test set."""
        figures: dict[str, float | None] = {}
        for clicks in CLICKS:
            figures[f"dice_{clicks}"] = round(float(np.mean([one[clicks] for one in self.after.values()])), 6)
        for name in dict.fromkeys(one.plane.name.partition("/")[0] for one in self.objects):
            of_set = [one[CLICKS[-1]] for key, one in self.after.items() if key.startswith(f"{name}/")]
            figures[f"dice_{CLICKS[-1]}_{name}"] = round(float(np.mean(of_set)), 6) if of_set else None
        return figures


def _corrected(told: torch.Tensor, labels: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """What is told after one more click each, into the middle of what is wrong; the last answer is the mask."""
    told = told.clone()
    told[:, PRESENT] = found[:, 0]
    for place, (label, probability) in enumerate(zip(labels[:, 0].numpy(), found[:, 0].numpy(), strict=True)):
        click = next_click(label > THRESHOLD, probability > THRESHOLD)
        if click is not None:
            size = len(label)
            drawn = torch.from_numpy(planes(Prompts((click,)), Frame(0, 0, size, size)))
            told[place, :PRESENT] = torch.maximum(told[place, :PRESENT], drawn[:PRESENT])
    return told
