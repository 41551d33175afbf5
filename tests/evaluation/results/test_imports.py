import math

import pytest

from evaluation.errors import DamagedResultsError, ResultsError, UnknownLayoutError
from evaluation.results.imports import import_results
from evaluation.results.methods import as_methods, guess_methods
from evaluation.results.table import merge, read_results, write_results
from medseg_demo.test_sets.case import Case

LONG = """case,checkpoint,class,metric,value
1,a,lesion,dice,0.5
1,a,lesion,hd95,inf
1,b,lesion,dice,0.7
2,a,lesion,dice,
"""


def test_a_long_table_and_the_case_that_one_checkpoint_lacks(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(LONG)
    results = import_results(path, "long", test_set="mine")
    assert results.table[["checkpoint", "case_id", "status"]].to_numpy().tolist() == [
        ["a", "1", "ok"],
        ["a", "2", "ok"],
        ["b", "1", "ok"],
        ["b", "2", "failed"],
    ]
    assert results.table["dice"].tolist() == pytest.approx([0.5, math.nan, 0.7, math.nan], nan_ok=True)
    assert results.table["hd95"][0] == math.inf
    assert [(run.checkpoint, run.test_set, run.source) for run in results.runs] == [
        ("a", "mine", "import"),
        ("b", "mine", "import"),
    ]
    write_results(results, tmp_path / "out")
    assert read_results(tmp_path / "out").table.equals(results.table)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("0.7", "good", DamagedResultsError, r"line 4.*'good'"),
        ("1,b,lesion,dice,0.7", "1,a,lesion,dice,0.7", DamagedResultsError, r"two values of dice .*line 2 and line 4"),
        ("0.7", "0.7,9", DamagedResultsError, "line 4"),
        ("0.7", "1.7", DamagedResultsError, "line 4: 1.7 is no dice"),
        ("0.7", "117", DamagedResultsError, "line 4: 117 is no dice"),
        ("1,b,", ",b,", DamagedResultsError, "line 4 names no case"),
        ("metric", "quantity", UnknownLayoutError, "metric"),
        (LONG, "case,checkpoint,class,metric,value\n", ResultsError, "no case"),
        (LONG, "", UnknownLayoutError, "no column case"),
    ],
)
def test_faults_of_a_long_table(tmp_path, old, new, error, message):
    path = tmp_path / "scores.csv"
    path.write_text(LONG.replace(old, new))
    with pytest.raises(error, match=message):
        import_results(path, "long")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ResultsError, match=r"nothing\.json"):
        import_results(tmp_path / "nothing.json", "nnunet")


def test_classes_of_a_test_set_are_not_those_of_another_in_the_file(tmp_path):
    lines = ["case,checkpoint,class,metric,value,test_set", "1,a,lesion,dice,0.5,", "1,a,lesion,dice,0.6,theirs"]
    (tmp_path / "scores.csv").write_text("\n".join(lines))
    table = import_results(tmp_path / "scores.csv", "long", test_set="mine", classes=("tumour",)).table
    assert table[["test_set", "class_name"]].to_numpy().tolist() == [["mine", "tumour"], ["theirs", "lesion"]]


def frame_of(tmp_path, text, encoding="utf-8", **options):
    path = tmp_path / "results.csv"
    path.write_bytes(text.encode(encoding))
    return import_results(path, "long", **options).table


WIDE = "case,checkpoint,class,dice,hd95\n1,a,tumour,0.5,3.5\n1,b,tumour,0.75,inf\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (WIDE, "utf-8"),
        (WIDE, "utf-8-sig"),
        (WIDE, "utf-16"),
        (WIDE, "utf-16-le"),
        (WIDE.replace(",", ", "), "utf-8"),
        (WIDE.replace(",", "\t"), "utf-8"),
        (WIDE.replace(",", ";").replace(".", ","), "utf-8"),
        (WIDE.replace("\n", "\r\n"), "utf-8"),
        ("sep=;\n" + WIDE.replace(",", ";"), "utf-8"),
        ("Patient,Model,Structure,DSC,95% Hausdorff distance\n1,a,tumour,0.5,3.5\n1,b,tumour,0.75,∞\n", "utf-8"),
        ("HD95 (mm);Class;Dice (%);Case;Checkpoint\n3,5;tumour;50;1;a\ninf;tumour;75;1;b\n", "utf-8"),
        ("case,checkpoint,class,dice,hd95\n1,a,tumour,50 %,3.5\n1,b,tumour,75%,inf\n", "utf-8"),
        ("case,checkpoint,class,dice,hd95\n1,a,tumour,50,3.5\n1,b,tumour,75,inf\n", "utf-8"),
        ("case,checkpoint,tumour Dice (%),HD95 tumour (mm)\n1,a,50,3.5\n1,b,75,inf\n", "utf-8"),
        ("case,checkpoint,tumour_dice,HD95 tumour\n1,a,0.5,3.5\n1,b,0.75,inf\n", "utf-8"),
        (",case,checkpoint,class,dice,hd95\n0,1,a,tumour,0.5,3.5\n1,1,b,tumour,0.75,inf\n", "utf-8"),
        ("case_id,test_set,checkpoint,class_name,status,error,dice,hd95\n1,,a,tumour,ok,,0.5,3.5\n"
         "1,,b,tumour,ok,,0.75,inf\n", "utf-8"),
        ("case,checkpoint,class,metric,value\n1,a,tumour,Dice,0.5\n1,a,tumour,HD95,3.5\n1,b,tumour,dsc,0.75\n"
         "1,b,tumour,hd_95,inf\n", "utf-8"),
    ],
)  # fmt: skip
def test_tables_as_people_have_them(tmp_path, text, encoding):
    table = frame_of(tmp_path, text, encoding)
    assert table[["case_id", "checkpoint", "class_name", "dice", "hd95"]].to_numpy().tolist() == [
        ["1", "a", "tumour", 0.5, 3.5],
        ["1", "b", "tumour", 0.75, math.inf],
    ]


def test_letters_of_windows(tmp_path):
    table = frame_of(tmp_path, "case,model,class,dice,Klinik\n1,a,Körper,0.5,Zürich\n", "cp1252")
    assert table[["class_name", "Klinik"]].to_numpy().tolist() == [["Körper", "Zürich"]]


def test_groups_and_metadata_of_the_table_are_kept(tmp_path):
    table = frame_of(tmp_path, "case,model,dice,patient,site\nscans/s1.nii.gz,a,0.5,p1,x\ns2,a,0.6,p1,y\n")
    assert table[["case_id", "class_name", "group", "site"]].to_numpy().tolist() == [
        ["s1", "class_1", "p1", "x"],
        ["s2", "class_1", "p1", "y"],
    ]


def test_groups_and_metadata_of_the_test_set_are_kept_whatever_the_file_calls_the_cases(tmp_path):
    cases = [Case(f"00{number}", (), tmp_path, "test", "p1", {"site": "x"}) for number in (1, 2)]
    table = frame_of(tmp_path, "case,model,dice\n2,a,0.5\n1,a,0.6\n", test_set="set", cases=cases)
    assert table[["case_id", "split", "group", "site"]].to_numpy().tolist() == [
        ["002", "test", "p1", "x"],
        ["001", "test", "p1", "x"],
    ]


def test_seeds_are_runs_of_one_method(tmp_path):
    table = frame_of(tmp_path, "case,model,seed,fold,dice\n1,a,0,0,0.5\n1,a,1,0,0.6\n")
    assert table[["checkpoint", "method", "fold", "dice"]].to_numpy().tolist() == [
        ["a seed_0", "a", "0", 0.5],
        ["a seed_1", "a", "0", 0.6],
    ]


def test_folds_of_one_table_have_their_own_cases_alone(tmp_path):
    rows = "".join(
        f"c{case},{name}_fold_{case % 2},liver,dice,{value}\n"
        for name, values in {"a": (0.5, 0.6, 0.7, 0.8), "b": (0.4, 0.5, 0.6, 0.7)}.items()
        for case, value in enumerate(values)
    )
    path = tmp_path / "table.csv"
    path.write_text(f"case,checkpoint,class,metric,value\n{rows}c9,b_fold_0,liver,dice,0.1\n")
    results = import_results(path, "long")
    pooled, _ = as_methods(results, guess_methods(results))

    assert results.table["checkpoint"].value_counts().to_dict() == {
        "a_fold_0": 3,
        "a_fold_1": 3,
        "b_fold_0": 3,
        "b_fold_1": 2,
    }
    values = pooled.table[pooled.table["case_id"] != "c9"].groupby("checkpoint", observed=True)["dice"]
    assert values.mean().to_dict() == pytest.approx({"a": 0.65, "b": 0.55})
    lost = pooled.table[pooled.table["status"] == "failed"]  # no fold of a has it
    assert list(lost[["checkpoint", "case_id"]].itertuples(index=False, name=None)) == [("a", "c9")]


def test_a_seed_that_lacks_a_case_takes_no_worst_value_for_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        "case,checkpoint,class,metric,value\nc1,a_seed_0,liver,dice,0.8\nc2,a_seed_0,liver,dice,0.7\n"
        "c1,a_seed_1,liver,dice,0.6\n"
    )
    results = import_results(path, "long")
    averaged, (method,) = as_methods(results, guess_methods(results))

    assert list(averaged.table["dice"]) == pytest.approx([0.7, 0.7])
    assert any("lacks 1 case (c2)" in note for note in method.notes)


def test_a_case_that_failed_elsewhere_fails_here(tmp_path):
    text = "case_id,checkpoint,class_name,status,error,dice\n1,a,x,ok,,0.5\n2,a,x,failed,It was cut off.,\n"
    table = frame_of(tmp_path, text)
    assert table[["status", "error"]].to_numpy().tolist() == [["ok", ""], ["failed", "It was cut off."]]


def test_shares_and_per_cent_are_told_apart_for_each_checkpoint(tmp_path):
    results = import_results(write_csv(tmp_path, "case,model,dice\n1,a,0.9\n1,b,91\n2,a,1.0\n2,b,0.5\n3,b,80"), "wide")
    found = results.table.groupby("checkpoint")["dice"].apply(lambda values: values.dropna().tolist()).to_dict()
    assert found == {"a": [0.9, 1.0], "b": [0.91, 0.005, 0.8]}
    assert "per cent" in results.runs[0].settings["notes"][0]


def test_one_value_of_per_cent_among_shares_is_a_slip(tmp_path):
    path = write_csv(tmp_path, "case,dice\n1,0.9\n2,0.8\n3,87\n")
    with pytest.raises(DamagedResultsError, match=r"line 4: 87 is no dice"):
        import_results(path, "wide")


def write_csv(folder, text):
    path = folder / "results.csv"
    path.write_text(text)
    return path


def test_cases_that_only_one_side_has_are_said(tmp_path):
    cases = [Case(name, (), tmp_path) for name in ("a", "b")]
    path = write_csv(tmp_path, "case,dice\na_0000.nii.gz,0.9\nz,0.8\n")
    results = import_results(path, "wide", test_set="set", cases=cases)
    assert results.table["case_id"].tolist() == ["a", "z"]
    assert [note.partition(".")[0] for note in results.runs[0].settings["notes"]] == [
        "1 case(s) of the file are none of test set 'set', and stand beside no other run's scores: z",
        "1 case(s) of test set 'set' are not in the file: b",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "case,class,dice\n1,a,0.5\n1,b,0.7\n1,mean,0.6\nAverage,a,0.5\nmean (std),b,0.7\n",
        "case,class,metric,value\n1,a,dice,0.5\n1,b,dice,0.7\n1,Foreground mean,dice,0.6\nstd,a,dice,0\n",
        "case,dice_a,dice_b,mean_dice,dice_std\n1,0.5,0.7,0.6,0.1\nmedian,0.5,0.7,0.6,0.1\n",
        "case,dice_a,dice_b,dice\n1,0.5,0.7,0.6\n",
    ],
)
def test_what_sums_up_others_is_neither_case_nor_class(tmp_path, text):
    table = frame_of(tmp_path, text)
    assert table[["case_id", "class_name", "dice"]].to_numpy().tolist() == [["1", "a", 0.5], ["1", "b", 0.7]]


def test_a_mean_that_stands_alone_is_the_class(tmp_path):
    assert frame_of(tmp_path, "case,mean_dice,dice_std\n1,0.5,0.1\n")["dice"].tolist() == [0.5]
    assert frame_of(tmp_path, "case,class,dice\n1,mean,0.5\n")["class_name"].tolist() == ["mean"]


def test_columns_of_unknown_names_are_scores_where_they_vary_within_a_case(tmp_path):
    text = (
        "case,model,class,dice,ASD,age,reader\n1,a,x,0.5,2,60,r\n1,a,y,0.6,3,60,r\n1,b,x,0.7,4,60,s\n1,b,y,0.8,5,60,s\n"
    )
    results = import_results(write_csv(tmp_path, text), "wide")
    assert (results.metrics, results.metadata) == (("dice", "ASD"), ("age", "reader"))
    assert results.table["ASD"].tolist() == [2, 3, 4, 5]
    assert results.table["reader"].tolist() == ["r", "r", "s", "s"]


def test_a_method_of_imported_runs_is_none_of_the_runs_beside_them(tmp_path):
    seeds = import_results(write_csv(tmp_path, "case,model,seed,dice\n1,a,0,0.5\n1,a,1,0.6\n"), "wide")
    other = import_results(write_csv(tmp_path, "case,model,dice\n1,b,0.5\n"), "wide")
    assert guess_methods(merge([seeds, other])) == {"a": ("a seed_0", "a seed_1")}


def test_a_checkpoint_has_no_rows_of_a_class_that_the_file_has_only_for_others(tmp_path):
    path = write_csv(tmp_path, "case,model,class,dice\n1,a,x,0.5\n1,a,y,0\n1,b,x,0.6\n2,a,x,0.7\n")
    table = import_results(path, "wide").table
    assert table[["checkpoint", "case_id", "class_name", "status"]].to_numpy().tolist() == [
        ["a", "1", "x", "ok"], ["a", "1", "y", "ok"], ["a", "2", "x", "ok"], ["a", "2", "y", "ok"],
        ["b", "1", "x", "ok"], ["b", "2", "x", "failed"],
    ]  # fmt: skip
