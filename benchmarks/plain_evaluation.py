"""The loop that people write themselves: smp's model in float32, case by case, scored by MONAI's functions.

``python -m benchmarks.plain_evaluation TEST_SET CHECKPOINT SCORES.csv [SPLIT]``. The image reaches the network as the
model card says, by the functions of this project, so that both sides score the same thing.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from monai.inferers import sliding_window_inference
from PIL import Image

from benchmarks.metrics import NAMES, monai_scores
from medseg_demo.models.card import ModelCard, read_card
from medseg_demo.reading import read_image
from medseg_demo.segmenting.prepare import place, to_tensor
from medseg_demo.test_sets.test_set import Case, read_test_set


def predict(network: torch.nn.Module, card: ModelCard, case: Case) -> torch.Tensor:
    """The mask of a checkpoint of one class, boolean (1, 1, Y, X)."""
    placed, placement = place(to_tensor(read_image(case.image_path), card), card)
    with torch.inference_mode():
        if card.inference == "tile":
            logits = sliding_window_inference(placed, card.input_size, 4, network, overlap=0.25, mode="gaussian")
        else:
            logits = network(placed)
        return placement.restore(logits.sigmoid()) > card.threshold


def main(test_set: str, checkpoint: str, output: str, split: str | None = None) -> None:
    network, card = smp.from_pretrained(checkpoint, encoder_weights=None).eval(), read_card(Path(checkpoint))
    with Path(output).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["case_id", *NAMES])
        writer.writeheader()
        for case in read_test_set(test_set, split=split).cases:
            reference = torch.from_numpy(np.array(Image.open(case.mask_path)) > 0)[None, None]
            scores = monai_scores(reference.float(), predict(network, card, case).float())
            writer.writerow({"case_id": case.case_id, **scores})


if __name__ == "__main__":
    main(*sys.argv[1:])
