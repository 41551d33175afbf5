import csv
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evaluation.metrics import score_case
from medseg_demo.errors import TrainingError
from medseg_demo.training import records
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.records import (
    SCORES,
    ClassScores,
    build_logger,
    case_scores,
    check_logger,
    columns,
    in_words,
    log_to,
    mean_dice,
    peak_memory_mb,
    write_log,
)


def test_scores_of_hand_drawn_labels():
    reference = np.array([[[1, 1, 2, 0]]])
    prediction = np.array([[[1, 0, 2, 2]]])
    assert case_scores(reference, prediction, classes=2) == (
        ClassScores(dice=2 / 3, precision=1, recall=1 / 2, iou=1 / 2),
        ClassScores(dice=2 / 3, precision=1 / 2, recall=1, iou=1 / 2),
    )


def test_scores_follow_the_evaluation_also_where_a_class_is_absent():
    rng = np.random.default_rng(0)
    reference, prediction = rng.integers(0, 4, (2, 1, 6, 6))
    reference[reference == 2], prediction[prediction == 3] = 0, 0  # 2 is invented, 3 is missed, 4 is in neither
    scored = score_case(reference, prediction, labels={value: str(value) for value in range(1, 5)}, metrics=SCORES)
    for ours, theirs in zip(case_scores(reference, prediction, classes=4), scored, strict=True):
        theirs = [theirs[name] for name in SCORES]
        assert [getattr(ours, name) for name in SCORES] == pytest.approx(theirs, nan_ok=True)


def test_mean_is_over_cases_first_then_over_classes():
    # The rows of METRICS.md's example: class means .7 and .4.
    scores = {"a": (0.9, 0.6), "b": (0.3, math.nan), "c": (0.9, 0.2)}
    assert mean_dice(scores) == pytest.approx(0.55)
    assert mean_dice({"a": (math.nan,)}) == 0


def test_columns_are_means_over_the_cases_in_which_a_score_is_defined():
    nothing = ClassScores(math.nan, math.nan, math.nan, math.nan)
    scores = {"a": (ClassScores(0.5, 1, 0.25, 0.4), nothing), "b": (ClassScores(0.7, math.nan, 0.75, 0.6), nothing)}
    found = columns(scores, ("disc", "ring"))
    assert list(found)[:5] == ["dice_disc", "precision_disc", "recall_disc", "iou_disc", "dice_ring"]
    assert [found[f"{score}_disc"] for score in SCORES] == pytest.approx([0.6, 1, 0.5, 0.5])
    assert {found[f"{score}_ring"] for score in SCORES} == {None}


def test_a_log_whose_lines_came_from_two_versions(tmp_path):
    # A training that was interrupted before there were columns by class goes on.
    write_log([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4, "dice_disc": None}], tmp_path / "log.csv")
    with (tmp_path / "log.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"epoch": "1", "loss": "0.5", "dice_disc": ""},
            {"epoch": "2", "loss": "0.4", "dice_disc": ""},
        ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 00 min"), (3900, "1 h 05 min")]
)
def test_time_in_words(seconds, words):
    assert in_words(seconds) == words


def test_memory_has_a_peak():
    before = peak_memory_mb(torch.device("cpu"))
    held = np.ones(40_000_000)
    assert peak_memory_mb(torch.device("cpu")) >= before
    assert peak_memory_mb(torch.device("cpu")) > held.nbytes / 1e6


def progress(step, total, losses):
    module = SimpleNamespace(losses=losses, last_dice=None, total_steps=total, device=torch.device("cpu"))
    return SimpleNamespace(global_step=step), module


def test_progress_line_tells_the_time_left_of_the_whole_training(monkeypatch):
    line = records.ProgressLine()
    assert line.get_metrics(*progress(0, 100, [])).keys() == {"memory"}
    now = 1000.0
    monkeypatch.setattr(records.time, "monotonic", lambda: now)
    line.started, line.steps_before = now, 40  # taken up after 40 steps
    now += 60
    shown = line.get_metrics(*progress(50, 100, [torch.tensor(1.5)]))
    assert (shown["loss"], shown["left"]) == (1.5, "5 min")


def test_a_logger_whose_package_is_missing(monkeypatch, tmp_path):
    for found in (None, SimpleNamespace(origin=None)):  # not there; a folder of that name
        monkeypatch.setattr(records.importlib.util, "find_spec", lambda name, found=found: found)
        with pytest.raises(TrainingError, match=r"wandb needs the package wandb, .* pip install wandb"):
            check_logger("wandb")
    check_logger("csv")


class Listener:
    """A logger that remembers."""

    def __init__(self, *arguments, **options):
        self.options, self.heard = options, []

    def log_hyperparams(self, values):
        self.heard.append(values)

    def log_metrics(self, values, step):
        self.heard.append((values, step))


@pytest.mark.parametrize(
    ("name", "logger"), [("tensorboard", "TensorBoardLogger"), ("mlflow", "MLFlowLogger"), ("wandb", "WandbLogger")]
)
@pytest.mark.parametrize("key", [None, "secret"])
def test_loggers_write_into_the_folder_and_reach_a_service_only_of_who_is_logged_in(
    monkeypatch, tmp_path, name, logger, key
):
    monkeypatch.setattr(records, logger, Listener)
    monkeypatch.setitem(__import__("sys").modules, "wandb", SimpleNamespace(api=SimpleNamespace(api_key=key)))
    built = build_logger(TrainingConfig(logger=name, seed=7), tmp_path)
    assert built.heard[0]["seed"] == 7
    if name == "wandb":
        assert (built.options["offline"], built.options["log_model"]) == (key is None, False)
        assert built.options["settings"]["console"] == "off", "what is printed may name cases"
    log_to([built], {"epoch": 3, "loss": 0.5, "precision_disc": None})
    assert built.heard[1] == ({"epoch": 3, "loss": 0.5}, 3)


def test_a_logger_that_does_not_start(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise ConnectionError("no route\nmore")

    monkeypatch.setattr(records, "MLFlowLogger", fail)
    with pytest.raises(TrainingError, match=r"mlflow does not start \(no route\)\."):
        build_logger(TrainingConfig(logger="mlflow"), tmp_path)
    assert build_logger(TrainingConfig(), tmp_path) is None


def test_a_logger_that_fails_later_costs_no_training(capsys):
    failing = SimpleNamespace(log_metrics=lambda *_: 1 / 0)
    log_to([failing], {"epoch": 4})
    assert "did not take epoch 4" in capsys.readouterr().err
