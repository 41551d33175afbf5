"""The self-contained report."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from evaluation.report.report import ReportOptions, write_report
from evaluation.results.origins import NOT_MADE
from evaluation.results.table import Results, Run, write_results
from evaluation.runs.predictions import keep_prediction
from medseg_demo.errors import OptionError
from medseg_demo.image import LabelMap
from medseg_demo.settings import Settings
from medseg_demo.writing.burned_in import FOUND

LOADS = re.compile(r"""<(?:link|img|script|iframe|source)\b[^>]*?(?:src|href)\s*=\s*["']?(?!data:)[^\s"'>]+""")


@pytest.fixture(scope="module")
def report(tmp_path_factory, table_of) -> Path:
    """Two checkpoints on four squares, of which one case failed; the predictions of one are kept."""
    root = tmp_path_factory.mktemp("report")
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    for number in range(4):
        name = f"case_{number:03}"
        for folder, pixels in (("images", mask // 2), ("masks", mask)):
            (root / "sets" / "squares" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / "sets" / "squares" / folder / f"{name}.png")
        keep_prediction(LabelMap((mask > 0).astype(np.uint8), ("a",)), root / "run", "squares", "one", name)
    table = table_of({"one": [0.9, 0.8, "failed", 0.7], "two": [0.5, 0.6, 0.7, 0.4]}, test_set="squares")
    runs = (Run("one", "squares", partial=True), Run("two", "squares", settings={"nsd_tolerance": {"a": 2.0, "": 1.0}}))
    write_results(Results(table, runs, (), ("dice", "reference_volume", "predicted_volume")), root / "run")
    settings = Settings(test_sets_dir=root / "sets")
    return write_report([root / "run"], root / "report.html", options=ReportOptions(worst=3), settings=settings)


def test_nothing_is_loaded_from_elsewhere(report):
    text = report.read_text(encoding="utf-8")
    assert LOADS.findall(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)) == []
    assert text.count("plotly.js v") <= 1


def test_conventions_failures_and_partial_runs_are_printed(report):
    text = report.read_text(encoding="utf-8")
    for words in (
        "stopped before the last case",
        "<td>a 2 mm, other classes 1 mm</td>",
        "2 tp / (2 tp + fp + fn)",
        "3 cases, 4 cases: too few for an interval",
        "(too few for an interval); one is better in",
        "Cases whose masks are both empty are left out",
        "Both empty: NaN",
        "failed cases are counted beside",
        "Not a medical device",
        "1 failed case of one counted as the worst value",
    ):
        assert words.lower() in text.lower(), words


def test_the_worst_cases_have_viewers(report):
    text = report.read_text(encoding="utf-8")
    assert text.count('<details class="case"') == 3
    assert 'id="case-squares-one-case-002"' in text


def test_pictures_say_whether_they_show_a_prediction(report):
    text = report.read_text(encoding="utf-8")
    outcomes, bare = text.count("outcomes against the reference"), text.count("the image without a prediction")
    assert (outcomes, bare) == (1, 2)  # of the three worst, two are of the checkpoint whose predictions were not kept
    assert text.count(NOT_MADE) == 2
    assert "True positive" in text


def test_a_test_set_that_is_not_there_is_refused(report):
    with pytest.raises(OptionError, match="hold no test set other"):
        write_report([report.parent / "run"], report.parent / "none.html", options=ReportOptions(test_sets=("other",)))


def test_the_simulated_set_is_marked(tmp_path, table_of):
    table = table_of({"net": [0.9, 0.8]}, test_set="simulated nuclei")
    write_results(Results(table, (Run("net", "simulated nuclei"),), (), ("dice",)), tmp_path)
    text = write_report([tmp_path], tmp_path / "r.html", options=ReportOptions(worst=0)).read_text(encoding="utf-8")
    assert "simulated nuclei (simulated)" in text
    assert "simulated, not photographed" in text


@pytest.mark.browser
def test_it_opens_from_disk_without_a_network_and_a_click_finds_the_case(report, page):
    from playwright.sync_api import expect

    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    page.goto(report.as_uri())
    page.wait_for_selector("#plot-1 .main-svg")
    page.evaluate(
        """() => document.getElementById("plot-1").emit("plotly_click",
        { points: [{ customdata: ["squares", "one", "case_002", "class_1"] }] })"""
    )
    expect(page.locator("#case-squares-one-case-002[open] canvas").first).to_be_visible()
    expect(page.locator("#picked")).to_contain_text("case_002")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def of_methods(tmp_path_factory, table_of) -> str:
    """A method of two folds, of which only the second one's predictions are kept, against one of two seeds."""
    root = tmp_path_factory.mktemp("methods")
    values = np.linspace(0.6, 0.9, 12)
    table = table_of({name: values + shift for name, shift in
                      (("A_fold_0", 0.05), ("A_fold_1", 0.05), ("B_seed0", 0.0), ("B_seed1", 0.01))},
                     test_set="here", site=["N", "S"] * 6)  # fmt: skip
    odd = table["case_id"].str[-1].astype(int) % 2
    fold = table["checkpoint"].map({"A_fold_0": 0, "A_fold_1": 1})
    table = table[fold.isna() | (fold == odd)].reset_index(drop=True)
    runs = tuple(Run(name, "here") for name in dict.fromkeys(table["checkpoint"]))
    write_results(Results(table, runs, ("site",), ("dice",)), root / "run")
    options = ReportOptions(worst=1, column="site")
    return write_report([root / "run"], root / "report.html", options=options).read_text(encoding="utf-8")


def test_a_report_compares_methods_and_says_what_they_are_made_of(of_methods):
    assert "A: 2 folds, pooled." in of_methods
    assert "B: 2 seeds, averaged per case; means of the seeds 0.750, 0.760." in of_methods
    assert "A is better than B in Dice coefficient" in of_methods
    assert "between N (lowest) and S (highest)" in of_methods
    assert '<th scope="row">A_fold_0</th><td>run</td><td>6</td>' in of_methods  # the runs stay named
    assert "; shown: B_seed0" in of_methods


def test_a_column_that_is_not_there_is_refused(tmp_path, table_of):
    write_results(Results(table_of({"a": [0.5]}), (Run("a", "set"),), (), ("dice",)), tmp_path / "run")
    with pytest.raises(OptionError, match="no column age"):
        write_report([tmp_path / "run"], tmp_path / "r.html", options=ReportOptions(column="age"))


def test_text_in_the_pixels_of_a_worst_case_is_said(tmp_path, table_of):
    picture = Image.new("L", (160, 80), 60)
    ImageDraw.Draw(picture).text((4, 4), "MUSTER, ERIKA", font=ImageFont.load_default(14), fill=255)
    for folder, shown in (("images", picture), ("masks", picture.point(lambda value: 255 * (value > 128)))):
        (tmp_path / "sets" / "squares" / folder).mkdir(parents=True)
        shown.save(tmp_path / "sets" / "squares" / folder / "case_000.png")
    write_results(
        Results(table_of({"one": [0.9]}, test_set="squares"), (Run("one", "squares"),), (), ("dice",)), tmp_path / "run"
    )
    said: list[str] = []
    settings = Settings(test_sets_dir=tmp_path / "sets")
    page = write_report([tmp_path / "run"], tmp_path / "r.html", settings=settings, say=said.append)
    assert said == [f"Case 'case_000': {FOUND}"]
    assert FOUND in page.read_text(encoding="utf-8")


def test_stress_has_its_table_and_its_plot_and_others_have_neither(report, tmp_path, table_of):
    assert "under stress" not in report.read_text(encoding="utf-8")
    shown = [("none", "0"), ("noise", "1"), ("noise", "2")] * 6
    table = table_of(
        {"one": [0.9, 0.88, 0.8] * 6}, test_set="set-stress", groups=[str(place // 3) for place in range(18)],
        corruption=[name for name, _ in shown], degree=[degree for _, degree in shown],
    )  # fmt: skip
    ids = [
        f"{place // 3}" + (f"@{name}-{degree}" if name != "none" else "") for place, (name, degree) in enumerate(shown)
    ]
    metadata = ("corruption", "degree", "group")
    write_results(
        Results(table.assign(case_id=ids), (Run("one", "set-stress"),), metadata, ("dice",)), tmp_path / "run"
    )
    text = write_report([tmp_path / "run"], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h3>Dice coefficient under stress</h3>" in text
    assert "2: 0.100 (0.100 – 0.100)" in text
    assert "Under stress: score against degree" in text
