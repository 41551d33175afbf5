from evaluation.results.table import read_results, write_results
from evaluation.runs.prediction_folder import FolderPredictor, label_maps_in
from evaluation.runs.preflight import examine
from evaluation.runs.request import RunOptions
from evaluation.runs.store import CaseScores
from evaluation.runs.table import Part, put_together
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.test_set import read_test_set

SCORES = CaseScores("ok", "", ({"class_name": "square", "dice": 0.5, "distance_unit": "px", "size_unit": "px"},))


def observer(folder, name="observer"):
    return FolderPredictor(label_maps_in(folder / "masks"), name, Labels.numbered(["square"]))


def make_part(folder, name="observer", **options):
    return Part(examine(read_test_set(folder)), observer(folder, name), RunOptions(**options))


def test_the_settings_hash_is_of_what_moves_a_score(make_test_set):
    folder = make_test_set(cases=1)
    usual = make_part(folder).settings_hash
    assert make_part(folder, workers=3, resume=True).settings_hash == usual
    assert make_part(folder, tolerance=2.0).settings_hash != usual
    assert make_part(folder, metrics=("dice",)).settings_hash != usual


def test_the_key_is_of_prediction_case_and_settings(make_test_set):
    folder = make_test_set(cases=2)
    part = make_part(folder)
    keys = [part.key(case) for case in part.examined.cases]
    assert keys[0].checkpoint_hash == keys[1].checkpoint_hash  # the same bytes
    assert keys[0].case_hash != keys[1].case_hash
    examined = part.examined.cases[1]
    (folder / "masks" / "case_01.png").unlink()
    assert Part(part.examined, observer(folder), part.options).key(examined) is None


def test_cases_without_scores_make_a_run_partial(make_test_set, tmp_path):
    part = make_part(make_test_set(cases=3))
    table = put_together([part], lambda part, case: SCORES if "1" in case.case.case_id else None, tmp_path)
    assert table.results.table["case_id"].tolist() == ["case_01"]
    assert table.results.runs[0].partial
    assert (table.stopped, table.notes) == (True, ())


def test_other_runs_of_the_folder_stay_and_own_ones_are_replaced(make_test_set, tmp_path):
    folder = make_test_set(cases=2)
    first, second = make_part(folder), make_part(folder, name="second")
    write_results(put_together([first], lambda part, case: SCORES, tmp_path).results, tmp_path)
    for _ in range(2):
        write_results(put_together([second], lambda part, case: SCORES, tmp_path).results, tmp_path)
    results = read_results(tmp_path)
    assert results.table["checkpoint"].tolist() == ["observer"] * 2 + ["second"] * 2
    assert [run.source for run in results.runs] == ["score", "score"]


def test_a_damaged_table_is_made_anew(make_test_set, tmp_path):
    part = make_part(make_test_set(cases=1))
    (tmp_path / "run.json").write_text("{")
    (tmp_path / "scores.csv").write_text("")
    assert len(put_together([part], lambda part, case: SCORES, tmp_path).results.table) == 1


def scored(*numbers, value=0.5):
    """Scores of the cases of these numbers, and of no other."""
    rows = ({**SCORES.rows[0], "dice": value},)
    ids = {f"case_{number:02}" for number in numbers}
    return lambda part, case: CaseScores("ok", "", rows) if case.case.case_id in ids else None


def test_a_stop_takes_no_row_from_an_earlier_run(make_test_set, tmp_path):
    folder = make_test_set(cases=3)
    write_results(put_together([make_part(folder)], scored(0, 1, 2), tmp_path).results, tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("scores.csv", "run.json")]
    stopped = put_together([make_part(folder, tolerance=2.0)], scored(0, 1, value=0.9), tmp_path)
    write_results(stopped.results, tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("scores.csv", "run.json")] == before
    assert stopped.stopped
    assert "still holds the earlier scores of observer on squares" in stopped.notes[0]
    whole = put_together([make_part(folder, tolerance=2.0)], scored(0, 1, 2, value=0.9), tmp_path)
    assert whole.results.table["dice"].tolist() == [0.9] * 3
    assert [run.settings["nsd_tolerance"] for run in whole.results.runs] == [2.0]
    assert (whole.stopped, whole.notes) == (False, ())


def test_a_stop_that_has_all_earlier_cases_shows_the_new_ones(make_test_set, tmp_path):
    part = make_part(make_test_set(cases=4))
    write_results(put_together([part], scored(0, 2), tmp_path).results, tmp_path)
    table = put_together([part], scored(0, 1, 2), tmp_path)
    assert table.results.table["case_id"].tolist() == ["case_00", "case_01", "case_02"]
    assert (table.results.runs[0].partial, table.notes) == (True, ())


def test_one_part_keeps_its_earlier_rows_while_another_has_new_ones(make_test_set, tmp_path):
    folder = make_test_set(cases=2)
    parts = [make_part(folder, name) for name in ("first", "second")]
    write_results(put_together(parts, scored(0, 1), tmp_path).results, tmp_path)
    new = scored(0, 1, value=0.9)
    table = put_together(parts, lambda part, case: new(part, case) if part is parts[1] else None, tmp_path)
    rows = table.results.table
    assert rows.groupby("checkpoint")["dice"].unique().map(list).to_dict() == {"first": [0.5], "second": [0.9]}
    assert table.stopped
    assert not any(run.partial for run in table.results.runs)
