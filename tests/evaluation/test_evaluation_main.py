import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from evaluation.__main__ import main


@pytest.fixture
def environment(monkeypatch, checkpoints, tmp_path):
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_TEST_SETS_DIR", str(tmp_path))
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    monkeypatch.setenv("MEDSEG_THREADS", "2")


def command(test_set, output, *more):
    return ["run", "--test-set", str(test_set), "--checkpoint", "small", "--output", str(output), *more]


def lines(output, event):
    log = [line.split("\t") for line in (output / "run.log").read_text().splitlines()]
    return [tuple(line[2:5]) for line in log if line[1] == event]


def rows(output):
    with (output / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_killed_run_continues_to_the_same_bytes_and_scores_nothing_twice(environment, make_test_set, tmp_path):
    # Many cases, since on a busy machine this process may notice late how far the other is.
    folder, killed, whole = make_test_set(cases=200), tmp_path / "killed", tmp_path / "whole"
    (folder / "images" / "case_20.png").write_bytes(b"damaged")
    process = subprocess.Popen(
        [sys.executable, "-m", "evaluation", *command(folder, killed, "--workers", "1")], stderr=subprocess.DEVNULL
    )
    while process.poll() is None and (not (killed / "run.log").exists() or len(lines(killed, "scored")) < 10):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = lines(killed, "scored")
    assert 10 <= len(before) < 199
    assert not (killed / "scores.csv").exists()

    assert main(command(folder, killed, "--workers", "1", "--resume")) == 1
    assert main(command(folder, whole, "--workers", "1")) == 1
    assert (killed / "scores.csv").read_bytes() == (whole / "scores.csv").read_bytes()
    scored = lines(killed, "scored")
    assert len(scored) == len(set(scored)) <= 199  # a case may be stored and the process killed before its line
    assert set(before) <= set(lines(killed, "kept"))
    finished = [{*lines(run, "scored"), *lines(run, "failed"), *lines(run, "kept")} for run in (killed, whole)]
    assert finished[0] == finished[1]
    assert len(list((killed / "predictions").rglob("case_*.png"))) == 199  # the kill may leave a draft beside them


def test_an_interrupt_keeps_what_is_done(environment, make_test_set, tmp_path):
    folder, output = make_test_set(cases=200), tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "evaluation", *command(folder, output)], stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and (not (output / "run.log").exists() or len(lines(output, "scored")) < 3):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert process.returncode == 1
    assert "continue with --resume" in errors
    assert "Traceback" not in errors
    assert 3 <= len(rows(output)) < 200
    assert json.loads((output / "run.json").read_text())["runs"][0]["partial"] is True


def test_exit_code_0_and_a_line_for_each_class(environment, make_test_set, tmp_path, capsys):
    make_test_set("by-name", cases=2)
    assert main(command("by-name", tmp_path / "out", "--metrics", "dice", "--workers", "0")) == 0
    assert capsys.readouterr().out.startswith("small · by-name · bright: Dice coefficient: mean ")
    assert [name for name in rows(tmp_path / "out")[0] if name in ("dice", "iou", "hd95")] == ["dice"]


def test_exit_code_1_names_each_failed_case(environment, make_test_set, tmp_path, capsys):
    folder = make_test_set(cases=3)
    Image.fromarray(np.zeros((9, 64), np.uint8)).save(folder / "masks" / "case_01.png")
    assert main(command(folder, tmp_path / "out", "--workers", "0")) == 1
    captured = capsys.readouterr()
    assert "error: Case 'case_01': reference has shape (9, 64) but image has (64, 64)" in captured.err
    assert [row["status"] for row in rows(tmp_path / "out")] == ["ok", "failed", "ok"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--checkpoint", "none"], "error: Checkpoint 'none' does not exist. Choose one of: small."),
        (["--test-set", "none"], "error: Test set 'none': there is no such folder."),
        (["--split", "test"], "has no split 'test'"),
        (["--metrics", "dise"], "error: Unknown metric: dise"),
        (["--workers", "-1"], "error: --workers is -1"),
        (["--reuse", "none"], "error: none: holds no scores.sqlite"),
        (["--address", "127.0.0.1:1"], "error: --address is of a Ray cluster. Give --engine ray as well."),
        (["--engine", "ray", "--address", "127.0.0.1:1"], "error: No cluster answers at 127.0.0.1:1"),
        (["--test-set", "nosuch://bucket/set"], "error: nosuch://bucket/set: "),
    ],
)
def test_exit_code_2_for_unusable_arguments(environment, make_test_set, tmp_path, capsys, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    assert main(command(make_test_set(cases=1), tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "scores.csv").exists()


def test_every_fault_of_a_folder_is_a_line_and_nothing_is_scored(environment, make_test_set, tmp_path, capsys):
    folder = make_test_set(cases=3)
    (folder / "masks" / "case_00.png").unlink()
    (folder / "images" / "case_02.png").unlink()
    assert main(command(folder, tmp_path / "out")) == 2
    assert [line[:7] for line in capsys.readouterr().err.splitlines()] == ["error: "] * 2
    assert not (tmp_path / "out").exists()


def test_an_output_that_holds_a_run_needs_resume(environment, make_test_set, tmp_path, capsys):
    folder, output = make_test_set(cases=1), tmp_path / "out"
    assert main(command(folder, output, "--workers", "0", "--resume")) == 0
    assert main(command(folder, output, "--workers", "0")) == 2
    assert "already holds a run. Continue it with --resume" in capsys.readouterr().err


def test_a_truncated_store_is_said(environment, make_test_set, tmp_path, capsys):
    folder, output = make_test_set(cases=1), tmp_path / "out"
    main(command(folder, output, "--workers", "0"))
    store = output / "scores.sqlite"
    store.write_bytes(store.read_bytes()[:1000])
    assert main(command(folder, output, "--resume")) == 2
    assert "the results store is damaged (it is truncated)" in capsys.readouterr().err


def test_predictions_are_scored_without_torch(make_test_set, tmp_path):
    folder = make_test_set(cases=2)
    arguments = [
        "score",
        "--test-set",
        str(folder),
        "--predictions",
        str(folder / "masks"),
        "--output",
        str(tmp_path / "out"),
    ]
    code = f"import sys; from evaluation.__main__ import main; print(main({arguments!r}), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
    assert {(row["checkpoint"], row["dice"]) for row in rows(tmp_path / "out")} == {("masks", "1.0")}


def test_a_long_csv_is_imported_once(tmp_path, capsys):
    (tmp_path / "long.csv").write_text("case,checkpoint,class,metric,value\na,net,lung,dice,0.9\nb,net,lung,dice,0.7\n")
    arguments = ["import", str(tmp_path / "long.csv"), "--format", "long", "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "net · imported · lung: Dice coefficient: mean 0.800" in capsys.readouterr().out
    assert main(arguments) == 2
    (tmp_path / "summary.json").write_text('{"version": 9}')
    assert main(["import", str(tmp_path / "summary.json"), "--format", "nnunet", "--output", str(tmp_path / "o")]) == 2
    assert "no summary.json of a version that is known" in capsys.readouterr().err


def test_a_case_that_one_checkpoint_of_an_import_lacks_is_named(tmp_path, capsys):
    (tmp_path / "wide.csv").write_text("case,checkpoint,dice\na,net,0.9\na,other,0.8\nb,net,0.7\n")
    assert main(["import", str(tmp_path / "wide.csv"), "--format", "wide", "--output", str(tmp_path / "out")]) == 1
    assert "other, case 'b': The imported file holds no value for this case." in capsys.readouterr().err


def test_what_is_imported_can_stand_beside_a_checkpoint(make_test_set, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDSEG_TEST_SETS_DIR", str(tmp_path / "sets"))
    dataset = make_test_set("sets/squares") / "dataset.json"
    dataset.write_text('{"name": "my squares", "labels": {"background": 0, "square": 1}}')
    (tmp_path / "mean_dice_raw.csv").write_text("filename,class0,mean\ncase_00.png,0.5,0.5\n")
    arguments = ["import", str(tmp_path / "mean_dice_raw.csv"), "--format", "monai", "--name", "net"]
    assert main([*arguments, "--test-set", "squares", "--output", str(tmp_path / "by-folder")]) == 0
    printed = capsys.readouterr()
    assert "net · my squares · square: Dice coefficient: mean 0.500" in printed.out
    assert "note: Class 'class0' of the file was taken for 'square'." in printed.err
    named = ["--test-set", "lungs", "--class", "class0=lung"]
    assert main([*arguments, *named, "--output", str(tmp_path / "by-name")]) == 0
    assert [(row["test_set"], row["class_name"]) for row in rows(tmp_path / "by-name")] == [("lungs", "lung")]
    for wrong, words in (
        (["--class", "lung"], "--classes lung is not understood"),
        (["--class", "class1=lung"], "The file has no class class1. It has: class0."),
        (["--test-set", "nowhere/lungs"], "there is no such folder"),
    ):
        assert main([*arguments, *wrong, "--output", str(tmp_path / "wrong")]) == 2
        assert words in capsys.readouterr().err


def test_a_report_makes_predictions_again_with_the_checkpoint_that_was_scored(
    environment, make_test_set, checkpoints, tmp_path
):
    output, page = tmp_path / "out", tmp_path / "report.html"
    assert main(command(make_test_set(cases=2), output, "--workers", "0")) == 0
    shutil.rmtree(output / "predictions")
    assert main(["report", str(output), "--output", str(page)]) == 0
    text = page.read_text()
    assert text.count("outcomes against the reference") == 2
    assert "was not kept" not in text
    card = checkpoints / "small" / "medseg.json"
    card.write_text(card.read_text().replace("bright things", "light things"))
    assert main(["report", str(output), "--output", str(page)]) == 0
    assert page.read_text().count("in another version than the one that was scored") == 2
    assert "outcomes against the reference" not in page.read_text()
    shutil.rmtree(checkpoints / "small")
    assert main(["report", str(output), "--output", str(page)]) == 0
    assert page.read_text().count("'small' is not here to make it again".replace("'", "&#x27;")) == 2


def test_a_report_is_written_from_a_run(make_test_set, tmp_path, capsys):
    folder = make_test_set(cases=2)
    arguments = ["score", "--test-set", str(folder), "--predictions", str(folder / "masks"), "--workers", "0"]
    main([*arguments, "--output", str(tmp_path / "out")])
    assert main(["report", str(tmp_path / "out"), "--output", str(tmp_path / "report.html")]) == 0
    assert (tmp_path / "report.html").read_text().startswith("<!")
    assert main(["report", str(tmp_path / "none"), "--output", str(tmp_path / "r.html")]) == 2
    assert "has no run.json" in capsys.readouterr().err


def test_a_report_takes_every_option(make_test_set, tmp_path, capsys):
    folder = make_test_set("one", cases=2)
    for name in ("first", "second"):
        arguments = ["score", "--test-set", str(folder), "--predictions", str(folder / "masks"), "--workers", "0"]
        main([*arguments, "--name", name, "--output", str(tmp_path / name)])
    page = tmp_path / "report.html"
    report = ["report", str(tmp_path / "first"), str(tmp_path / "second"), "--output", str(page)]
    chosen = [
        "--test-set",
        "one",
        "--checkpoint",
        "second",
        "--metric",
        "iou",
        "--title",
        "Two observers",
        "--worst",
        "1",
    ]
    assert main([*report, *chosen, "--empty", "one", "--failed", "worst", "--order", "case"]) == 0
    text = page.read_text()
    assert "<h1>Two observers</h1>" in text
    assert "cases whose masks are both empty count 1; failed cases count the worst value" in text
    assert text.count('class="case"') == 1
    assert '<th scope="row">first</th>' not in text
    capsys.readouterr()
    for wrong, words in (
        (["--metric", "dise"], "hold no metric dise"),
        (["--checkpoint", "third"], "hold no checkpoint third"),
        (["--test-set", "two"], "hold no test set two"),
        (["--worst", "-1"], "--worst is -1"),
    ):
        assert main([*report, *wrong]) == 2
        assert words in capsys.readouterr().err


def test_help_needs_no_torch_and_wrong_usage_no_traceback():
    code = (
        "import sys; from evaluation.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.endswith("False\n")
    wrong = subprocess.run([sys.executable, "-m", "evaluation", "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_folders_and_cases_whose_names_are_no_utf_8(environment, make_test_set, tmp_path, monkeypatch, capsys):
    folder = make_test_set(cases=3).rename(tmp_path / "K\udcf6ln")
    for part in ("images", "masks"):
        (folder / part / "case_00.png").rename(folder / part / "M\udcfcller.png")
        (folder / part / "case_01.png").rename(folder / part / f"{'x' * 247}.png")
    (folder / "images" / "M\udcfcller.png").write_bytes(b"damaged")
    output = tmp_path / "\udcdcber"
    assert main(command(folder, output, "--workers", "0")) == 1
    printed = capsys.readouterr()
    assert "error: " in printed.err
    assert "M?ller" in printed.err
    assert printed.out.startswith("small · K?ln · ")
    assert {row["case_id"] for row in rows(output)} == {"M?ller", "x" * 247, "case_02"}
    assert len(list((output / "predictions" / "K_ln").rglob("*.png"))) == 2
    assert json.loads((output / "run.json").read_bytes().decode())["runs"][0]["test_set"] == "K?ln"
    assert main(command(folder, output, "--workers", "0", "--resume")) == 1
    predictions = str(output / "predictions" / "K_ln" / "small")
    scored = ["score", "--test-set", str(folder), "--predictions", predictions, "--output", str(tmp_path / "again")]
    assert main([*scored, "--workers", "0"]) == 1  # the damaged case alone


def test_classes_that_are_called_otherwise_are_said_on_the_command_line(environment, make_test_set, tmp_path, capsys):
    folder = make_test_set(cases=2, value=1)
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1, "nothing": 2}}')
    assert main(command(folder, tmp_path / "out", "--workers", "0")) == 2
    assert "--classes 'bright = square'" in capsys.readouterr().err
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1}}')
    stated = ["--classes", "small: bright = square", "--workers", "0"]
    assert main(command(folder, tmp_path / "out", *stated)) == 0
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["runs"][0]["settings"]
    assert (settings["classes"], settings["stated_classes"]) == (["square"], {"bright": "square"})
    assert main(command(folder, tmp_path / "o", "--classes", "dark=square")) == 2
    assert "No label map has the class 'dark'" in capsys.readouterr().err

    theirs = ["score", "--test-set", str(folder), "--predictions", str(folder / "masks"), "--workers", "0"]
    assert main([*theirs, "--classes", "class_1 = square", "--output", str(tmp_path / "scored")]) == 0
    assert {(row["class_name"], row["dice"]) for row in rows(tmp_path / "scored")} == {("square", "1.0")}
    assert '"class_1": "square"' in (tmp_path / "scored" / "run.json").read_text()
    (folder / "dataset.json").unlink()
    assert main([*theirs, "--classes", "1=square", "--output", str(tmp_path / "again")]) == 2
    assert "names no classes" in capsys.readouterr().err
