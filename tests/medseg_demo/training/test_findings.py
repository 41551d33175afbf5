import csv
import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import log_loss

from medseg_demo.errors import TestSetError, TrainingError
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.models.finding import Finding, FindingColumn
from medseg_demo.reading import read_image
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.training import train
from medseg_demo.training.config import read_config
from medseg_demo.training.findings import balance, check_both, choose_threshold, finding_loss, measure, stated

SETTINGS = Settings(device="cpu", precision="float32")
SIDE = {"side": {"column": "half", "present": ["right"], "absent": ["left"]}}
FINDINGS = (Finding(name="side", column="half", present=("right",), absent=("left",)),)


def cases(tmp_path, *cells: str, column: str = "half") -> list[Case]:
    return [Case(f"c{place}", (), tmp_path, metadata={column: cell}) for place, cell in enumerate(cells)]


def balance_halves(folder) -> None:
    """Both halves in both splits, and a gap among those that are learned from."""
    with (folder / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    for place, row in enumerate(rows):
        row["half"] = "" if place == 0 else ("left", "right")[place % 2]
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_cells_say_present_absent_or_nothing(tmp_path):
    known = stated(cases(tmp_path, "right", "LEFT ", ""), FINDINGS)[:, 0].tolist()
    assert known[:2] == [1, 0]
    assert math.isnan(known[2])


def test_unclear_cells_and_missing_columns_are_named_together(tmp_path):
    other = Finding(name="other")
    with pytest.raises(TestSetError) as caught:
        stated(cases(tmp_path, "right", "middle"), (*FINDINGS, other))
    assert "'c1'" in str(caught.value)
    assert "'middle'" in str(caught.value)
    assert "no column 'other'" in str(caught.value)


def test_numbers_and_truths_of_yaml_are_cells():
    column = FindingColumn(present=[1, True], absent=[0, False])
    assert (column.is_present("TRUE"), column.is_present("0")) == (True, False)


def test_a_word_cannot_mean_both():
    with pytest.raises(ValueError, match="both present and absent"):
        FindingColumn(present=("Yes",), absent=("yes",))


def test_a_split_with_one_kind_alone_is_refused():
    with pytest.raises(TestSetError, match="'val' has 2 case"):
        check_both(torch.tensor([[1.0], [1.0], [math.nan]]), FINDINGS, "val")


def test_the_loss_leaves_gaps_out_and_weighs_both_kinds_alike():
    known = torch.tensor([[1.0], [0.0], [0.0], [0.0], [math.nan]])
    logits = torch.tensor([[0.3], [-1.0], [0.5], [2.0], [9.0]], requires_grad=True)
    loss = finding_loss(logits, known, balance(known))
    probabilities = logits[:4, 0].sigmoid().detach().numpy()
    expected = log_loss([1, 0, 0, 0], probabilities, sample_weight=[3, 1, 1, 1], normalize=False) / 4
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    loss.backward()
    assert logits.grad[4, 0] == 0


def test_a_batch_of_gaps_costs_nothing():
    assert float(finding_loss(torch.ones(2, 1), torch.full((2, 1), math.nan), torch.ones(1))) == 0


@pytest.mark.parametrize(
    ("probabilities", "present", "threshold"),
    [
        ([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1], 0.4),
        ([0.1, 0.3, 0.4, 0.9], [0, 1, 0, 1], 0.65),  # as good as .2, and the wider gap
        ([0.5, 0.5], [0, 1], 0.5),
        ([0.1, 0.9], [1, 0], 0.5),  # the wrong way round: no threshold helps
    ],
)
def test_the_threshold_separates_best(probabilities, present, threshold):
    assert choose_threshold(np.array(probabilities), np.array(present, bool)) == pytest.approx(threshold)


def test_figures_of_a_finding():
    figures = measure(np.array([[0.2], [0.6], [0.4], [0.8], [0.1]]), torch.tensor([[0.0], [0], [1], [1], [math.nan]]),
                      FINDINGS)  # fmt: skip
    assert figures == {"side": {"auc": 0.75, "sensitivity": 0.5, "specificity": 0.5, "present": 2, "absent": 2}}


def test_a_finished_network_learns_a_finding_and_keeps_its_label_maps(discs, write_yaml, tmp_path):
    balance_halves(discs)
    train(discs, write_yaml(epochs=1, warmup_epochs=0.0), tmp_path / "plain", settings=SETTINGS)
    config = write_yaml(findings=SIDE, train_only="findings", pretrained=str(tmp_path / "plain"), learning_rate=0.5)
    train(discs, config, tmp_path / "found", settings=SETTINGS)
    plain, found = (load_folder(tmp_path / name) for name in ("plain", "found"))
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "found"))
    assert {name for name in after if name not in before} == {
        "classification_head.3.weight",
        "classification_head.3.bias",
    }
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    image = read_image(discs / "images" / "d9.png")
    result = segment(image, found, settings=SETTINGS)
    np.testing.assert_array_equal(result.probabilities, segment(image, plain, settings=SETTINGS).probabilities)
    assert 0 < result.findings["side"] < 1
    card = json.loads((tmp_path / "found" / "medseg.json").read_text())
    assert card["findings"][0]["column"] == "half"
    assert card["scores"]["val"]["findings"]["side"]["present"] == 1
    assert "auc_side" in (tmp_path / "found" / "log.csv").read_text()
    assert "| side |" in (tmp_path / "found" / "README.md").read_text()


def test_both_are_learned_together(discs, write_yaml, tmp_path):
    balance_halves(discs)
    train(discs, write_yaml(findings=SIDE, epochs=1, warmup_epochs=0.0), tmp_path / "both", settings=SETTINGS)
    card = load_folder(tmp_path / "both").card
    assert card.findings[0].name == "side"
    assert "dice_mean" in card.scores["val"]


def test_one_half_alone_ends_before_anything_is_written(discs, write_yaml, tmp_path):
    text = (discs / "cases.csv").read_text().replace("left", "right")
    (discs / "cases.csv").write_text(text)
    with pytest.raises(TestSetError, match="both are needed"):
        train(discs, write_yaml(findings=SIDE), tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"findings": SIDE, "inference": "tile"}, "whole image"),
        ({"train_only": "findings"}, "train_only"),
        ({"findings": SIDE, "train_only": "findings"}, "pretrained"),
        ({"network": {"aux_params": {"classes": 1}}}, "aux_params"),
        ({"findings": {"a|b": {}}}, "findings"),
    ],
)
def test_contradictions_are_refused(write_yaml, changes, message):
    with pytest.raises(TrainingError, match=message):
        read_config(write_yaml(**changes))
