import math
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import evaluation
from evaluation.errors import DamagedResultsError, ResultsError, ResultsInUseError
from evaluation.runs.store import STORE_NAME, CaseScores, ScoreKey, ScoreStore
from medseg_demo.errors import OptionError, OutputError

ROW = {"class_name": "lung", "dice": 0.1 + 0.2, "hd95": math.inf, "nsd": math.nan, "distance_unit": "mm"}


def key(number):
    return ScoreKey("checkpoint", f"case{number}", "settings")


def scores(number=0):
    return CaseScores("ok", "", ({**ROW, "iou": number / 7},))


def start(code, folder):
    """Run code in another process, with the project on its path."""
    environment = {**os.environ, "PYTHONPATH": str(Path(evaluation.__file__).parent.parent)}
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


WRITER = """
    import sys
    from pathlib import Path
    from evaluation.runs.store import CaseScores, ScoreKey, ScoreStore
    store = ScoreStore.open(Path(sys.argv[1]))
    for number in range(10**6):
        store.put(ScoreKey("checkpoint", f"case{number}", "settings"), CaseScores("ok", "", ({"iou": number / 7},)))
        print(number, flush=True)
"""


def test_a_case_comes_back_as_it_was_put(tmp_path):
    with ScoreStore.open(tmp_path) as store:
        store.put(key(1), scores(1))
        assert store.get(key(2)) is None
        found = store.get(key(1))
        assert (key(1) in store, key(2) in store, len(store)) == (True, False, 1)
    assert (found.status, found.rows[0]["dice"], found.rows[0]["hd95"]) == ("ok", 0.1 + 0.2, math.inf)
    assert math.isnan(found.rows[0]["nsd"])


def test_numpy_numbers_are_kept_as_numbers(tmp_path):
    with ScoreStore.open(tmp_path) as store:
        store.put(key(1), CaseScores("ok", "", ({"dice": np.float32(0.5), "lesions": np.int64(3)},)))
        assert store.get(key(1)).rows == ({"dice": 0.5, "lesions": 3},)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_another_hash_is_another_case(tmp_path, changed):
    parts = ["checkpoint", "case1", "settings"]
    parts[changed] += "'"
    with ScoreStore.open(tmp_path) as store:
        store.put(key(1), scores())
        assert store.get(ScoreKey(*parts)) is None


def test_a_failed_case_has_a_row_a_class_and_one_line_of_error():
    failed = CaseScores.failed("Cannot be read.\nExport it again.", ("nerve", "vessel"))
    assert failed == CaseScores(
        "failed", "Cannot be read. Export it again.", ({"class_name": "nerve"}, {"class_name": "vessel"})
    )


def test_nothing_is_lost_when_the_process_is_killed(tmp_path):
    with start(WRITER, tmp_path) as process:
        finished = [int(process.stdout.readline()) for _ in range(25)]
        process.send_signal(signal.SIGKILL)
        finished += [int(line) for line in process.stdout.read().split()]
    with ScoreStore.open(tmp_path, resume=True) as store:
        assert len(store) >= len(finished) >= 25
        assert all(store.get(key(number)).rows[0]["iou"] == number / 7 for number in finished)
        store.put(key("next"), scores())


def test_two_runs_into_one_folder_are_told_apart(tmp_path):
    with start(WRITER, tmp_path) as process:
        process.stdout.readline()
        try:
            with pytest.raises(ResultsInUseError, match="another run"):
                ScoreStore.open(tmp_path, resume=True)
            with pytest.raises(ResultsInUseError, match="another run"):
                ScoreStore.open_finished(tmp_path)
        finally:
            process.kill()


def test_a_folder_that_holds_a_run_needs_resume(tmp_path):
    with ScoreStore.open(tmp_path / "new", resume=True) as store:  # an empty folder starts afresh
        store.put(key(1), scores())
    with pytest.raises(OptionError, match="--resume"):
        ScoreStore.open(tmp_path / "new")
    with ScoreStore.open(tmp_path / "new", resume=True) as store:
        assert len(store) == 1


def test_a_folder_with_a_table_but_no_store_holds_a_run_too(tmp_path):
    (tmp_path / "scores.csv").write_text("test_set\n")
    with pytest.raises(OptionError, match="already holds a run"):
        ScoreStore.open(tmp_path)


@pytest.mark.parametrize("kept", [0, 1, 50, 100, 4096, 8192, -1])
def test_a_truncated_store_is_named_and_never_taken_for_empty(tmp_path, kept):
    with ScoreStore.open(tmp_path) as store:
        for number in range(60):
            store.put(key(number), scores(number))
    path = tmp_path / STORE_NAME
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedResultsError, match="damaged"):
        ScoreStore.open(tmp_path, resume=True)


def test_a_store_that_is_something_else_is_named(tmp_path):
    (tmp_path / STORE_NAME).write_bytes(b"no database" * 1000)
    with pytest.raises(DamagedResultsError, match="damaged"):
        ScoreStore.open_finished(tmp_path)


def test_a_store_of_another_version_is_named(tmp_path):
    sqlite3.connect(tmp_path / STORE_NAME).executescript("PRAGMA user_version = 7; CREATE TABLE other (x);")
    with pytest.raises(DamagedResultsError, match="version 7"):
        ScoreStore.open(tmp_path, resume=True)


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    ScoreStore.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / STORE_NAME)
    with connection:
        connection.execute("INSERT INTO scores VALUES ('checkpoint', 'case1', 'settings', '{\"status\":')")
    connection.close()
    with ScoreStore.open(tmp_path, resume=True) as store, pytest.raises(DamagedResultsError, match="record"):
        store.get(key(1))


def fill(store):
    for number in range(1, 1000):
        store.put(key(number), scores(number))


def test_a_full_disk_keeps_the_cases_before(tmp_path):
    with ScoreStore.open(tmp_path) as store:
        store.put(key(0), scores())
        store._connection.execute("PRAGMA max_page_count = 4")  # SQLite then reports a full disk
        with pytest.raises(OutputError, match="disk is full"):
            fill(store)
        kept = len(store)
    assert 1 < kept < 1000
    with ScoreStore.open(tmp_path, resume=True) as store:
        assert len(store) == kept


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--output"):
        ScoreStore.open(tmp_path / "file" / "run")


def test_reuse_of_a_folder_without_a_store_is_named(tmp_path):
    with pytest.raises(ResultsError, match=r"scores\.sqlite"):
        ScoreStore.open_finished(tmp_path)
