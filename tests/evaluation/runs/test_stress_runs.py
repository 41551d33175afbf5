"""A run under stress, from its test set to its table: rows, resume, reuse, failures, and the cases made again."""

import json
import threading

import numpy as np
import pytest
from whole_runs import events, run

import evaluation.stress.cases
from evaluation.__main__ import main
from evaluation.results.origins import find_test_set, open_case
from evaluation.results.table import read_results
from evaluation.runs.predictions import find_prediction
from evaluation.runs.request import Predictions
from evaluation.stress.cases import Stress
from medseg_demo.errors import OptionError
from medseg_demo.reading.labels import read_label_map
from medseg_demo.settings import Settings

STRESS = Stress(("noise", "shift"), (1, 3))


def test_each_case_is_scored_as_it_is_and_under_each_corruption(make_test_set, brightness, tmp_path):
    folder = make_test_set(cases=3)
    plain = run(folder, [brightness], tmp_path / "plain").results.table
    outcome = run(folder, [brightness], tmp_path / "out", stress=STRESS)
    table = outcome.results.table
    assert (len(table), outcome.failures, outcome.stopped) == (15, (), False)
    assert set(table["test_set"]) == {"squares-stress"}
    assert table["corruption"].tolist()[:5] == ["none", "noise", "noise", "shift", "shift"]
    assert table["degree"].tolist()[:5] == ["0", "1", "3", "1", "3"]
    assert table["group"].tolist()[:6] == ["case_00"] * 5 + ["case_01"]
    as_it_is = table[table["corruption"] == "none"]
    assert as_it_is["dice"].tolist() == plain["dice"].tolist()
    assert not {"corruption", "degree"} & set(plain)
    shifted = table[(table["corruption"] == "shift") & (table["case_id"].str.startswith("case_00"))]
    assert (shifted["dice"] > 0.95).all()  # the reference went with the image
    (entry,) = json.loads((tmp_path / "out" / "run.json").read_text())["runs"]
    assert entry["settings"]["stress"] == {
        "test_set": "squares", "corruptions": ["noise", "shift"], "degrees": [1, 3], "version": 1,
    }  # fmt: skip
    assert "torchio" in entry["versions"]


def test_without_stress_the_table_is_the_same_to_the_byte(make_test_set, brightness, tmp_path):
    folder = make_test_set(cases=2)
    run(folder, [brightness], tmp_path / "both", stress=STRESS)
    run(folder, [brightness], tmp_path / "plain")
    run(folder, [brightness], tmp_path / "both", resume=True)
    text = (tmp_path / "plain" / "scores.csv").read_text()
    assert text.startswith("test_set,checkpoint,case_id,class_name,status,error,dice")
    assert {run.test_set for run in read_results(tmp_path / "both").runs} == {"squares", "squares-stress"}
    assert "stress" not in (tmp_path / "plain" / "run.json").read_text()


def test_a_stopped_run_goes_on_to_the_same_bytes(make_test_set, brightness, tmp_path):
    folder, stop = make_test_set(cases=3), threading.Event()
    run(folder, [brightness], tmp_path / "whole", stress=STRESS)

    def stop_after_four(progress):
        if progress.stage == "score" and progress.done >= 4:
            stop.set()

    found = run(folder, [brightness], tmp_path / "out", stress=STRESS, progress=stop_after_four, stop=stop)
    assert found.stopped
    done = len(events(tmp_path / "out", "scored"))
    assert 4 <= done < 15
    assert not run(folder, [brightness], tmp_path / "out", stress=STRESS, resume=True).stopped
    assert len(events(tmp_path / "out", "scored")) == 15
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()


def test_more_corruptions_repeat_nothing_and_a_plain_run_gives_the_cases_as_they_are(
    make_test_set, brightness, tmp_path
):
    folder = make_test_set(cases=2)
    run(folder, [brightness], tmp_path / "plain")
    run(folder, [brightness], tmp_path / "out", stress=Stress(("noise",), (1,)), reuse=tmp_path / "plain")
    assert events(tmp_path / "out", "reused") == [("reused", "case_00"), ("reused", "case_01")]
    table = run(folder, [brightness], tmp_path / "out", stress=STRESS, resume=True).results.table
    assert len(events(tmp_path / "out", "scored")) == 2 + 6
    alone = run(folder, [brightness], tmp_path / "alone", stress=STRESS).results.table
    assert table.equals(alone)


def test_an_image_of_which_nothing_is_left_is_a_failed_case_with_its_reason(
    make_test_set, brightness, tmp_path, monkeypatch
):
    from dataclasses import replace

    from evaluation.stress.corruptions import BY_NAME

    gone = replace(
        BY_NAME["noise"],
        change=lambda pixels, amount, random: pixels._replace(
            channels=np.full_like(pixels.channels, 7) if amount > 0.05 else pixels.channels
        ),
    )
    monkeypatch.setitem(evaluation.stress.cases.BY_NAME, "noise", gone)
    outcome = run(make_test_set(cases=2), [brightness], tmp_path / "out", stress=Stress(("noise",), (1, 3)))
    table = outcome.results.table.set_index("case_id")
    assert list(table["status"]) == ["ok", "ok", "failed"] * 2
    assert table.loc["case_01@noise-3", "error"] == (
        "Case 'case_01@noise-3': noise of degree 3 leaves nothing but one intensity of the image, so that there is "
        "nothing to segment. Name the other corruptions behind --stress, or lower degrees behind --stress-degrees."
    )
    assert len(outcome.failures) == 2


def test_a_case_under_stress_is_opened_with_its_image_and_prediction(make_test_set, brightness, tmp_path):
    make_test_set(cases=1)
    settings = Settings(test_sets_dir=tmp_path)
    run(tmp_path / "squares", [brightness], tmp_path / "out", stress=STRESS)
    (entry,) = read_results(tmp_path / "out").runs
    runs = {"brightness": (entry, tmp_path / "out")}
    case = open_case("squares-stress", "case_00@shift-3", ["brightness"], runs=runs, settings=settings)
    plain = open_case("squares-stress", "case_00", ["brightness"], runs=runs, settings=settings)
    assert (case.image.pixels != plain.image.pixels).any()
    assert (case.reference.labels != plain.reference.labels).any()
    kept = find_prediction(tmp_path / "out", "squares-stress", "brightness", "case_00@shift-3")
    assert (read_label_map(kept, class_names=("bright",)).labels == case.predictions[0].label_map.labels).all()
    again = open_case(
        "squares-stress", "case_00@noise-3", ["brightness"], runs={"brightness": (entry, None)}, settings=settings,
        segment=lambda image, name: ((image.pixels > 120).astype(np.uint8), "0" * 64),
    )  # fmt: skip
    noisy = find_prediction(tmp_path / "out", "squares-stress", "brightness", "case_00@noise-3")
    agreed = read_label_map(noisy, class_names=("bright",)).labels == again.predictions[0].label_map.labels
    assert agreed.mean() > 0.95  # the very noise of the run
    assert find_test_set("squares", settings).name == "squares"


def test_predictions_made_elsewhere_cannot_be_under_stress(make_test_set, tmp_path):
    folder = make_test_set(cases=1)
    given = Predictions(folder / "masks", "human")
    with pytest.raises(OptionError, match="need a checkpoint that segments them"):
        run(folder, [], tmp_path / "out", predictions=[given], stress=STRESS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stress-degrees", "2"], "Give --stress as well"),
        (["--stress", "rain"], "There is no corruption rain. Choose from: noise"),
        (["--stress", "--stress-degrees", "9"], "--stress-degrees 9 is not understood"),
        (["--stress", "missing-channel"], "takes a channel away, and the image has only one"),
    ],
)
def test_the_command_line_says_what_cannot_be_used(
    words, said, make_test_set, checkpoints, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    named = ["run", "--test-set", str(make_test_set(cases=1)), "--checkpoint", "small", "--workers", "0"]
    assert main([*named, "--output", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err


def test_the_command_line_takes_what_fits_the_images(make_test_set, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    named = ["run", "--test-set", str(make_test_set(cases=1)), "--checkpoint", "small", "--workers", "0"]
    assert main([*named, "--output", str(tmp_path / "out"), "--stress", "--stress-degrees", "5"]) == 0
    found = read_results(tmp_path / "out").table["corruption"].tolist()
    assert found == ["none", "noise", "blur", "contrast", "low-resolution", "jpeg", "turn", "shift"]
