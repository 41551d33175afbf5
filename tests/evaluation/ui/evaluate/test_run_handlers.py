"""Evaluating, stopping, resuming and importing, as the page does it."""

import json
import zipfile
from dataclasses import replace

import pytest

from evaluation.stress.cases import Stress
from evaluation.ui.evaluate import places, result_handlers, run_handlers, run_job, texts
from evaluation.ui.evaluate.board import Asked, Choices
from evaluation.ui.evaluate.code import run_lines, shown_of
from medseg_demo.segmenting.turns import Turns
from medseg_demo.ui.session import Running

CHOICES = Choices(test_sets=("squares",), checkpoints=("small",))


def steps(engine, board, choices, running=None, turns=None):
    running = running or Running("evaluate", "abc")
    return run_handlers.evaluate(engine, turns or Turns(), running, board, choices, Asked(), workers=0)


def evaluate(engine, board, choices):
    """The last update of each part, and all statuses."""
    last, said = {}, []
    for updates in steps(engine, board, choices):
        last |= updates
        said.append(updates.get("status", ""))
    return last, said


def test_an_evaluation_says_how_far_it_is_and_opens_its_results(engine, first_paint):
    found, said = evaluate(engine, first_paint["board"], CHOICES)
    assert any("of 4" in words for words in said)
    assert "4 cases are scored" in found["status"]
    assert found["test_set"]["value"] == "squares"
    assert found["runs"]["value"][0] == "mine/evaluation"
    assert found["board"].choices == CHOICES


def test_under_stress_it_opens_on_the_curves(engine, first_paint, monkeypatch):
    monkeypatch.setattr(run_job, "Stress", lambda: Stress(("noise", "jpeg"), (2, 5)))
    found, _ = evaluate(engine, first_paint["board"], replace(CHOICES, stress=True))
    assert "20 cases are scored" in found["status"]
    assert found["test_set"]["value"] == "squares-stress"
    assert found["plot"]["value"] == "stress"
    assert found["plot"]["choices"][0] == ("Under stress: score against degree", "stress")
    assert '"name":"small"' in found["figure"].replace(" ", "")
    assert "0.05 lost from degree" in found["no_figure"]
    (shown,) = [line for line in run_lines(shown_of(found["board"].opened, "squares-stress")) if " run " in line]
    assert shown.endswith("--stress noise jpeg --stress-degrees 2 5 --output results/squares-stress")
    plain = result_handlers.choose_runs(engine, found["board"], ["earlier/squares-run"], Asked(plot="stress"))
    assert plain["plot"]["value"] == "strip"  # those hold nothing that was made worse
    assert "stress" not in dict(plain["plot"]["choices"]).values()


def test_the_same_choices_again_go_on_in_the_same_run(engine, first_paint, settings):
    found, _ = evaluate(engine, first_paint["board"], CHOICES)
    evaluate(engine, found["board"], CHOICES)
    (log,) = settings.results_dir.glob("visitors/*/evaluation*/run.log")
    assert (log.read_text().count("\tscored\t"), log.read_text().count("\tkept\t")) == (4, 4)


def test_other_choices_are_another_run_which_repeats_nothing(engine, first_paint, settings):
    found, _ = evaluate(engine, first_paint["board"], CHOICES)
    again, _ = evaluate(engine, found["board"], replace(CHOICES, split="", name="other"))
    assert again["runs"]["value"] == ["mine/evaluation-2", "mine/evaluation"]
    assert len(again["board"].opened.results.runs) == 1  # the same scores stand once
    log = next(settings.results_dir.glob("visitors/*/evaluation-2/run.log")).read_text()
    assert (log.count("\tscored\t"), log.count("\treused\t")) == (0, 4)


def test_where_classes_have_other_names_a_mapping_is_offered_and_works(engine, first_paint, settings):
    (settings.test_sets_dir / "squares" / "dataset.json").write_text('{"labels": {"background": 0, "a": 1, "b": 2}}')
    found, _ = evaluate(engine, first_paint["board"], CHOICES)
    assert "Which class is which" in found["status"]
    assert found["classes"].endswith("= a")
    (settings.test_sets_dir / "squares" / "dataset.json").write_text('{"labels": {"background": 0, "lamp": 1}}')
    said, _ = evaluate(engine, first_paint["board"], replace(CHOICES, classes="class_1"))
    assert "says nothing about a class" in said["status"]


def test_stop_keeps_what_is_done_and_marks_it_partial(engine, first_paint, monkeypatch):
    board, running = first_paint["board"], Running("evaluate", "abc")
    monkeypatch.setattr("evaluation.ui.evaluate.run_job.POLL_S", 0.001)
    for updates in steps(engine, board, CHOICES, running):
        if "Scored" in updates.get("status", ""):
            running.cancel()
    assert "Stopped" in updates["status"] or "cases are scored" in updates["status"]


def test_a_queued_evaluation_says_its_place_and_leaves_at_stop(engine, first_paint, monkeypatch):
    monkeypatch.setattr("evaluation.ui.evaluate.run_job.POLL_S", 0.001)
    turns, running = Turns(small=1), Running("evaluate", "abc")
    with turns.job("someone"):
        going = steps(engine, first_paint["board"], CHOICES, running, turns)
        assert "1 before you" in next(going)["status"]
        running.cancel()
        *_, last = going
    assert texts.STOPPED_QUEUED in last["status"]


def test_no_visitor_sees_what_another_evaluated(engine, first_paint):
    evaluate(engine, first_paint["board"], CHOICES)
    other = places.open_tab(engine, "f" * 32, "light")
    assert all(not value.startswith("mine/") for _, value in other["runs"]["choices"])
    stolen = result_handlers.choose_runs(engine, other["board"], ["mine/evaluation"], Asked())
    assert stolen["board"].opened is None


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (Choices(), "Choose a test set first"),
        (Choices(test_sets=("squares",)), "Choose at least one checkpoint"),
        (Choices(test_sets=("a", "b"), upload=("x.png",)), "choose exactly one"),
        (Choices(test_sets=("squares",), upload=("x.png",), stress=True), "Switch stress off"),
        (replace(CHOICES, tolerance=-1), "tolerance"),
        (replace(CHOICES, checkpoints=("../small",)), "does not exist"),
        (replace(CHOICES, test_sets=("none",)), "not on this computer"),
        (replace(CHOICES, split="odd"), "no split"),
    ],
)
def test_unusable_choices_are_explained_and_the_page_stays(engine, first_paint, choices, words):
    found, _ = evaluate(engine, first_paint["board"], choices)
    assert words in found["status"]
    assert "leaderboard" not in found


def test_a_visitor_without_a_name_cannot_evaluate(engine, first_paint):
    found, _ = evaluate(engine, replace(first_paint["board"], visitor="../x"), CHOICES)
    assert "Reload" in found["status"]


def test_uploaded_label_maps_are_scored_and_missing_ones_count_as_failed(engine, first_paint, settings, tmp_path):
    archive = tmp_path / "second.zip"
    masks = settings.test_sets_dir / "squares" / "masks"
    with zipfile.ZipFile(archive, "w") as file:
        for number in (0, 1, 2):
            file.write(masks / f"case_{number:02}.png", f"labels/case_{number:02}.png")
    found, _ = evaluate(
        engine, first_paint["board"], Choices(test_sets=("squares",), upload=(str(archive),), name="human")
    )
    assert "1 of 4 cases could not be scored" in found["status"]
    standing = found["board"].answer.standings[0]
    assert (standing.checkpoint, standing.summary.mean, standing.summary.failed) == ("human", 1.0, 1)


def test_results_made_elsewhere_are_imported(engine, first_paint, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("case,checkpoint,class,metric,value\nc1,theirs,lung,dice,0.5\nc2,theirs,lung,dice,0.7\n")
    found, _ = evaluate(engine, first_paint["board"], Choices(upload=(str(path),)))
    assert "2 rows of theirs" in found["status"]
    assert found["runs"]["value"][0] == "mine/scores"
    assert found["board"].answer.standings[0].summary.mean == pytest.approx(0.6)


def test_a_results_file_of_an_unknown_version_is_refused(engine, first_paint, tmp_path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"something": 1}))
    found, _ = evaluate(engine, first_paint["board"], Choices(upload=(str(path),)))
    assert "ms-error" in found["status"]
    assert str(tmp_path) not in found["status"]


def test_changed_choices_mark_the_results_as_stale(first_paint):
    board = replace(first_paint["board"], choices=CHOICES)
    assert run_handlers.stale_mark(board, CHOICES) == ""
    assert "Choices changed" in run_handlers.stale_mark(board, Choices())
    assert run_handlers.stale_mark(first_paint["board"], Choices()) == ""


def test_a_nnunet_summary_stands_beside_a_checkpoint(engine, first_paint, settings, tmp_path):
    (settings.test_sets_dir / "squares" / "dataset.json").write_text('{"labels": {"background": 0, "bright": 1}}')
    ran, _ = evaluate(engine, first_paint["board"], CHOICES)
    counts = {"TP": 8, "FP": 2, "FN": 2, "TN": 88, "n_pred": 10, "n_ref": 10}
    cases = [{"metrics": {"1": counts}, "prediction_file": f"case_{number:02}.png"} for number in range(4)]
    (tmp_path / "summary.json").write_text(json.dumps({"metric_per_case": cases}))
    upload = Choices(test_sets=("squares",), upload=(str(tmp_path / "summary.json"),), name="nnU-Net")
    found, _ = evaluate(engine, ran["board"], upload)
    assert "was taken for" in found["status"]
    assert found["board"].answer.comparison("nnU-Net", "small").pairs == 4
    assert found["board"].answer.ranking is not None
    assert found["drawer"]["visible"] is False
