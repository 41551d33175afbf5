import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from whole_runs import SETTINGS, events, run

import evaluation.runs.cases
import evaluation.runs.local
import evaluation.runs.table
from evaluation.errors import ResultsInUseError
from evaluation.results.table import read_results
from evaluation.runs.predictions import find_prediction
from evaluation.runs.request import Predictions
from evaluation.runs.store import ScoreStore
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.reading.labels import read_label_map


def stripe_dice(number):
    """Of a 32² square at 16..48 and the same with a stripe of the given width along the left side."""
    return 2 * 32 * 32 / (32 * 32 + 32 * 32 + 64 * number)


def test_rows_come_in_the_order_of_the_cases_with_their_scores(make_test_set, brightness, tmp_path):
    outcome = run(make_test_set(cases=9), [brightness], tmp_path / "out", workers=2)
    table = outcome.results.table
    assert list(table["case_id"]) == [f"case_{number:02}" for number in range(9)]
    assert table["dice"].tolist() == pytest.approx([stripe_dice(number) for number in range(9)])
    assert set(table["status"]) == {"ok"}
    assert (outcome.failures, outcome.stopped) == ((), False)
    assert read_results(tmp_path / "out").table.equals(table)


def test_the_description_has_hashes_and_settings_but_no_path(make_test_set, brightness, tmp_path):
    run(make_test_set(cases=1), [brightness], tmp_path / "out", tolerance=2.5)
    text = (tmp_path / "out" / "run.json").read_text()
    (entry,) = json.loads(text)["runs"]
    assert entry["checkpoint_hash"] == "0" * 64
    assert len(entry["test_set_hash"]) == 64
    assert entry["settings"]["nsd_tolerance"] == 2.5
    assert entry["settings"]["precision"] == "float32"
    assert "torch" in entry["versions"]
    assert (entry["partial"], entry["cases"], entry["failed_cases"]) == (False, 1, 0)
    assert str(tmp_path) not in text


def test_weights_and_the_warmed_up_time_of_the_network_are_written(make_test_set, brightness, tmp_path, monkeypatch):
    folder, output = make_test_set(cases=4), tmp_path / "out"
    monkeypatch.setattr(evaluation.runs.table, "median", lambda seconds: len(seconds) * all(one > 0 for one in seconds))
    (entry,) = run(folder, [brightness], output).results.runs
    assert (entry.parameters, entry.seconds) == (0, 3)  # of all cases but the first
    (kept,) = run(folder, [brightness], output, resume=True).results.runs  # nothing runs, and the times are known
    assert kept.seconds == 3
    description = json.loads((output / "run.json").read_text())
    for name in ("parameters", "seconds"):  # as version 0.1 wrote it
        del description["runs"][0][name]
    (output / "run.json").write_text(json.dumps(description))
    assert read_results(output).runs[0].seconds is None


def test_predictions_are_kept_in_the_cases_own_size(make_test_set, brightness, tmp_path):
    run(make_test_set(cases=2), [brightness], tmp_path / "out")
    kept = find_prediction(tmp_path / "out", "squares", "brightness", "case_01")
    labels = read_label_map(kept, class_names=("bright",)).labels
    assert labels.shape == (64, 64)
    assert labels.sum() == 32 * 32 + 64


def test_a_score_does_not_depend_on_the_other_cases(make_test_set, checkpoints, tmp_path):
    from medseg_demo.models.catalog import load_checkpoint

    folder, network = make_test_set(cases=5), load_checkpoint("small", checkpoints)
    together = run(folder, [network], tmp_path / "together").results.table
    (folder / "cases.csv").write_text("case_id\ncase_03\n")
    alone = run(folder, [network], tmp_path / "alone").results.table
    assert alone.equals(together[together["case_id"] == "case_03"].reset_index(drop=True))


def test_metadata_split_and_groups_become_columns(make_test_set, brightness, tmp_path):
    folder = make_test_set(cases=3)
    (folder / "cases.csv").write_text(
        "case_id,split,group,stain\ncase_02,test,p1,blue\ncase_00,test,p1,red\ncase_01,val,,red\n"
    )
    table = run(folder, [brightness], tmp_path / "out", split="test").results.table
    assert table[["case_id", "split", "group", "stain"]].to_numpy().tolist() == [
        ["case_02", "test", "p1", "blue"],
        ["case_00", "test", "p1", "red"],
    ]


def test_faulty_cases_are_failed_rows_and_the_others_go_on(make_test_set, brightness, tmp_path):
    folder = make_test_set(cases=6)
    (folder / "images" / "case_02.png").write_bytes((folder / "images" / "case_02.png").read_bytes()[:90])
    Image.fromarray(np.zeros((64, 60), np.uint8)).save(folder / "masks" / "case_04.png")
    outcome = run(folder, [brightness], tmp_path / "out")
    table = outcome.results.table
    assert table["status"].tolist() == ["ok", "ok", "failed", "ok", "failed", "ok"]
    assert table["dice"].isna().tolist() == [False, False, True, False, True, False]
    assert "Case 'case_02', image: case_02.png" in table["error"][2]
    assert "shape (64, 60)" in table["error"][4]
    assert sorted(outcome.failures) == sorted(table["error"][[2, 4]])
    assert set(table["class_name"]) == {"bright"}


def test_a_resumed_run_repeats_nothing_but_what_failed(make_test_set, brightness, tmp_path):
    folder, output = make_test_set(cases=5), tmp_path / "out"
    (folder / "images" / "case_02.png").write_bytes(b"damaged")
    run(folder, [brightness], output)
    before = (output / "scores.csv").read_bytes()
    outcome = run(folder, [brightness], output, resume=True)
    assert (output / "scores.csv").read_bytes() == before
    assert len(events(output, "scored")) == 4
    assert events(output, "failed") == [("failed", "case_02")] * 2
    assert len(events(output, "kept")) == 4
    assert len(outcome.failures) == 1


def test_results_that_failed_elsewhere_are_not_taken_over(make_test_set, brightness, tmp_path):
    folder, old, new = make_test_set(cases=2), tmp_path / "old", tmp_path / "new"
    (folder / "images" / "case_01.png").write_bytes(b"damaged")
    run(folder, [brightness], old)
    run(folder, [brightness], new, reuse=old)
    assert events(new, "reused", "failed") == [("reused", "case_00"), ("failed", "case_01")]


def test_a_stop_before_a_failure_is_tried_again_loses_no_row(make_test_set, brightness, tmp_path):
    folder, output, stop = make_test_set(cases=2), tmp_path / "out", threading.Event()
    (folder / "images" / "case_01.png").write_bytes(b"damaged")
    run(folder, [brightness], output)
    before = (output / "scores.csv").read_bytes()

    def stop_early(progress):
        if progress.stage == "score":
            stop.set()

    run(folder, [brightness], output, progress=stop_early, stop=stop, resume=True)
    assert (output / "scores.csv").read_bytes() == before


def test_a_stopped_run_is_partial_and_continues(make_test_set, brightness, tmp_path):
    folder, output, stop = make_test_set(cases=30), tmp_path / "out", threading.Event()

    def stop_after_five(progress):
        if progress.stage == "score" and progress.done == 5:
            stop.set()

    outcome = run(folder, [brightness], output, progress=stop_after_five, stop=stop)
    assert outcome.stopped
    assert outcome.results.runs[0].partial
    assert 5 <= len(outcome.results.table) < 30
    assert not run(folder, [brightness], output, resume=True).stopped
    run(folder, [brightness], tmp_path / "whole")
    assert (output / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()
    scored = events(output, "scored")
    assert len(scored) == len(set(scored)) == 30


def test_what_is_stopped_half_way_can_be_compared(make_test_set, brightness, tmp_path):
    folder, stop = make_test_set(cases=30), threading.Event()
    others = [Predictions(folder / "masks", name) for name in ("one", "two")]
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1}}')

    def stop_after_nine(progress):
        if progress.stage == "score" and progress.done == 9:
            stop.set()

    options = {"predictions": others, "progress": stop_after_nine, "stop": stop}
    table = run(folder, [brightness], tmp_path / "out", **options).results.table
    by_method = [set(rows["case_id"]) for _, rows in table.groupby("checkpoint")]
    assert len(set.intersection(*by_method)) >= 2


def test_a_run_stopped_before_its_first_case_is_an_empty_table(make_test_set, brightness, tmp_path):
    stop = threading.Event()
    stop.set()
    outcome = run(make_test_set(cases=3), [brightness], tmp_path / "out", stop=stop)
    assert outcome.stopped
    assert len(outcome.results.table) == 0
    assert read_results(tmp_path / "out").runs[0].partial


@pytest.mark.parametrize("changes", [{}, {"tolerance": 2.0}, {"metrics": ("dice",)}, {"split": "test"}])
@pytest.mark.parametrize("looked_at", [1, 3])
def test_a_stop_while_cases_are_looked_at_changes_no_result(make_test_set, brightness, tmp_path, changes, looked_at):
    folder, output, stop = make_test_set(cases=3), tmp_path / "out", threading.Event()
    (folder / "cases.csv").write_text("case_id,split\ncase_00,val\ncase_01,test\ncase_02,test\n")
    run(folder, [brightness], output)
    before = [(output / name).read_bytes() for name in ("scores.csv", "run.json")]

    def stop_early(progress):
        if progress.stage == "examine" and progress.done >= min(looked_at, progress.total):
            stop.set()

    outcome = run(folder, [brightness], output, progress=stop_early, stop=stop, resume=True, **changes)
    if (changes, looked_at) == ({}, 3):  # every case was looked at, and all of them are in the store
        assert not outcome.stopped
        assert (output / "scores.csv").read_bytes() == before[0]
    elif changes == {"split": "test"} and looked_at == 3:  # a smaller run that is whole
        assert not outcome.stopped
    else:
        assert outcome.stopped
        assert [(output / name).read_bytes() for name in ("scores.csv", "run.json")] == before
        assert any("still holds the earlier scores" in note for note in outcome.notes)


def test_progress_counts_up_and_estimates(make_test_set, brightness, tmp_path):
    seen = []
    run(make_test_set(cases=4), [brightness], tmp_path / "out", progress=seen.append)
    scoring = [progress for progress in seen if progress.stage == "score"]
    assert [progress.done for progress in scoring] == [0, 1, 2, 3, 4]
    assert {progress.total for progress in scoring} == {4}
    assert scoring[0].seconds_left is None
    assert scoring[-1].seconds_left == 0
    assert scoring[-1].subject.startswith("squares · brightness · case_")


def test_changed_settings_weights_or_files_are_scored_again(make_test_set, brightness, tmp_path):
    folder, output = make_test_set(cases=2), tmp_path / "out"
    run(folder, [brightness], output)
    run(folder, [brightness], output, resume=True, tolerance=2.0)
    run(folder, [replace(brightness, digest="2" * 64)], output, resume=True, tolerance=2.0)
    Image.fromarray(np.eye(64, dtype=np.uint8)).save(folder / "images" / "case_00.png")
    run(folder, [brightness], output, resume=True)
    assert len(events(output, "scored")) == 2 + 2 + 2 + 1


def test_another_checkpoint_joins_the_runs_that_are_there(make_test_set, brightness, tmp_path):
    folder, output = make_test_set(cases=2), tmp_path / "out"
    run(folder, [brightness], output)
    results = run(folder, [replace(brightness, name="second", digest="2" * 64)], output, resume=True).results
    assert results.table["checkpoint"].tolist() == ["brightness", "brightness", "second", "second"]
    assert [entry.checkpoint for entry in read_results(output).runs] == ["brightness", "second"]


def test_results_of_another_folder_are_taken_over(make_test_set, brightness, tmp_path):
    folder, old, new = make_test_set(cases=3), tmp_path / "old", tmp_path / "new"
    run(folder, [brightness], old)
    Image.fromarray(np.eye(64, dtype=np.uint8)).save(folder / "images" / "case_01.png")
    run(folder, [brightness], new, reuse=old)
    assert events(new, "scored") == [("scored", "case_01")]
    assert len(events(new, "reused")) == 2
    assert len(list((new / "predictions").rglob("*.png"))) == 3
    with pytest.raises(OptionError, match="--resume"):
        run(folder, [brightness], new, reuse=new, resume=True)


def test_an_output_that_holds_a_run_is_refused(make_test_set, brightness, tmp_path):
    folder, output = make_test_set(cases=1), tmp_path / "out"
    run(folder, [brightness], output)
    with pytest.raises(OptionError, match="already holds a run"):
        run(folder, [brightness], output)


def test_two_runs_into_one_output_are_refused(make_test_set, brightness, tmp_path):
    with ScoreStore.open(tmp_path / "out"), pytest.raises(ResultsInUseError, match="another run is writing here"):
        run(make_test_set(cases=1), [brightness], tmp_path / "out", resume=True)


def test_a_full_disk_ends_the_run_and_loses_nothing(make_test_set, brightness, tmp_path, monkeypatch):
    folder, output = make_test_set(cases=12), tmp_path / "out"
    write, calls = evaluation.runs.local.keep_prediction, []

    def fill_up(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise OutputError("case.png cannot be written (No space left on device).")
        return write(*arguments)

    monkeypatch.setattr(evaluation.runs.local, "keep_prediction", fill_up)
    with pytest.raises(OutputError, match="No space left"):
        run(folder, [brightness], output)
    stored = events(output, "scored")
    monkeypatch.undo()
    table = run(folder, [brightness], output, resume=True).results.table
    assert len(table) == 12
    assert set(table["status"]) == {"ok"}
    assert len(events(output, "kept")) == len(stored)


def test_what_may_pass_is_tried_again_by_the_next_resume(make_test_set, brightness, tmp_path, monkeypatch):
    folder, output = make_test_set(cases=3), tmp_path / "out"
    write = evaluation.runs.local.keep_prediction

    def explode(label_map, output, test_set, checkpoint, case_id):
        if case_id == "case_01":
            raise RuntimeError("once")
        return write(label_map, output, test_set, checkpoint, case_id)

    monkeypatch.setattr(evaluation.runs.local, "keep_prediction", explode)
    table = run(folder, [brightness], output).results.table
    assert table["status"].tolist() == ["ok", "failed", "ok"]
    assert "unexpected RuntimeError" in table["error"][1]
    assert "once" in (output / "run.log").read_text()
    monkeypatch.undo()
    table = run(folder, [brightness], output, resume=True).results.table
    assert table["status"].tolist() == ["ok", "ok", "ok"]


@pytest.mark.parametrize("labelled", [True, False])
def test_each_file_of_a_case_is_decoded_and_hashed_once(make_test_set, brightness, tmp_path, monkeypatch, labelled):
    folder, counts = make_test_set(cases=4), Counter()
    if labelled:
        (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1}}')

    def count(name, path_of=lambda case: case.case_id):
        original = getattr(evaluation.runs.cases, name)

        def counted(case, *given, **named):
            counts[name, path_of(case)] += 1
            return original(case, *given, **named)

        monkeypatch.setattr(evaluation.runs.cases, name, counted)

    count("read_case_image")
    count("read_case_reference")
    count("file_digest", str)
    others = [replace(brightness, name=name, digest=name) for name in ("second", "third")]
    given = [Predictions(folder / "masks", "observer")] if labelled else []
    outcome = run(folder, [brightness, *others], tmp_path / "out", predictions=given, workers=0)
    assert outcome.failures == ()
    assert set(counts.values()) == {1}
    assert len(counts) == 4 + 4 + 8


def test_threads_that_begin_later_have_torchs_usual_number(make_test_set, brightness, tmp_path):
    import torch

    def in_a_new_thread():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        run(make_test_set(cases=1), [brightness], tmp_path / "out", settings=replace(SETTINGS, threads=0))
        assert (torch.get_num_threads(), in_a_new_thread()) == (3, 3)
    finally:
        torch.set_num_threads(usual)
