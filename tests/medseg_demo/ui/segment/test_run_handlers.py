import json
import shutil
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_demo.ui import texts
from medseg_demo.ui.segment import given_view, handlers, run_handlers
from medseg_demo.ui.segment.state import Choices, Work
from medseg_demo.writing import label_map

CHOICES = Choices("bright")


@pytest.fixture
def run(engine, visitor):
    """Takes files, runs them, and returns every update in order."""

    def run_files(files: list[Path], *, choices: Choices = CHOICES, say=None):
        list(handlers.take_files(engine, visitor.work(Work), files, choices, visitor.session.folder))
        return list(steps(engine, visitor, choices, say))

    return run_files


def steps(engine, visitor, choices=CHOICES, say=None):
    return visitor.run(partial(run_handlers.run, engine), choices, tab="segment", say=say)


def open_result(engine, visitor, index: int) -> dict[str, object]:
    (shown,) = visitor.run(partial(run_handlers.open_result, engine), index)
    return shown


def test_one_file(run, picture):
    last = run([picture()])[-1]
    assert last["status"] == ""
    assert last["viewer"]["title"] == "scan"
    assert "50.0\u202f%" in last["measurements"]
    assert not last["gallery"]["visible"]
    labels = np.asarray(Image.open(last["label_map"]))
    assert labels[:, :31].all()
    assert not labels[:, 33:].any()


def test_the_downloads_hold_what_they_say(run, picture):
    last = run([picture()])[-1]
    assert Image.open(last["overlay"]).size == (64, 64)
    (image,) = json.loads(Path(last["measurements_json"]).read_text())["images"]
    assert (image["name"], image["checkpoint"]) == ("scan", "bright")
    assert Path(last["measurements_csv"]).read_text().startswith("name,checkpoint,class_name")
    assert zipfile.ZipFile(last["everything"]).namelist() == [
        "scan_measurements.json",
        "scan_measurements.csv",
        "label_maps/scan.png",
        "overlays/scan_overlay.png",
    ]


def test_a_heat_map_is_shown_and_downloaded_with_the_rest(run, picture):
    last = run([picture()], choices=Choices("bright", explain="flips"))[-1]
    (prediction,) = last["viewer"]["predictions"]
    assert prediction["heat"]["name"].startswith("Variation")
    assert Image.open(last["heat_map"]["value"]).size == (64, 64)
    assert "heat_maps/scan_heat.png" in zipfile.ZipFile(last["everything"]).namelist()
    without = run([picture()])[-1]
    assert (without["heat_map"]["visible"], without["viewer"]["predictions"][0]["heat"]) == (False, None)


def test_a_doubted_result_says_so_above_the_picture(run, picture, monkeypatch):
    monkeypatch.setattr("medseg_demo.segmenting.pipeline.doubts", lambda _: ("Only half of it is sure.",))
    status = run([picture()])[-1]["status"]
    assert texts.DOUBT_TITLE in status
    assert "Only half of it is sure." in status
    several = run([picture("one"), picture("two")])[-1]["status"]
    assert texts.DOUBTED_TITLE.format(doubted=2, total=2) in several
    assert "two: Only half of it is sure." in several


def test_nothing_found_says_how_far_it_was(run, picture):
    last = run([picture(brightness=100)])[-1]
    assert texts.NOTHING_TITLE in last["status"]
    assert "No pixel lies above 0.50. Highest probability: bright: 0.0" in last["status"]


def test_equal_names_of_a_zip_get_its_folders_and_none_of_the_server(engine, run, visitor, picture, tmp_path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name in ("PA 1/CT/IM1", "PA 2/CT/IM1", "PA 2/CT/K\u00f6"):
            archive.write(picture(), f"{name}.png")
    last = run([tmp_path / "export.zip"])[-1]
    assert [name for _, name in last["gallery"]["value"]] == ["PA_1_CT_IM1", "PA_2_CT_IM1", "K\u00f6"]
    images = json.loads(Path(last["measurements_json"]).read_text())["images"]
    assert [image["name"] for image in images] == ["PA_1_CT_IM1", "PA_2_CT_IM1", "K\u00f6"]
    assert last["viewer"]["title"] == "PA_1_CT_IM1"
    opened = open_result(engine, visitor, 1)
    assert opened["viewer"]["title"] == "PA_2_CT_IM1"
    assert "PA_2_CT_IM1" in opened["heading"]


def test_errors_of_equal_names_say_which_file(run, picture, tmp_path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(picture(), "S1/IM1.png")
        archive.writestr("S2/IM1.png", picture().read_bytes()[:60])
    last = run([tmp_path / "export.zip"])[-1]
    assert "<p>S2_IM1: " in last["status"]
    assert "Measurements of 1 image<" in last["measurements"]


def test_equal_names_of_uploads_are_numbered(run, picture, tmp_path):
    uploads = [tmp_path / "gradio" / digest / "IM1.png" for digest in ("0a1b", "2c3d")]
    for path in uploads:  # Gradio's own folders, called by hashes
        path.parent.mkdir(parents=True)
        shutil.copy(picture(), path)
    last = run(uploads)[-1]
    assert [name for _, name in last["gallery"]["value"]] == ["IM1", "IM1-2"]


def test_a_result_that_cannot_be_written_is_told_and_the_other_is_done(run, picture, monkeypatch):
    failures, right = [ValueError("of the patient")], label_map._write_png

    def fail_once(labels, path, colours):
        path.write_bytes(b"half")
        if failures:
            raise failures.pop()
        right(labels, path, colours)

    monkeypatch.setattr(label_map, "_write_png", fail_once)
    last = run([picture("a"), picture("b")])[-1]
    assert "a.png cannot be written (ValueError)" in last["status"]
    assert "patient" not in last["status"]
    names = zipfile.ZipFile(last["everything"]).namelist()
    assert [name for name in names if "/" in name] == ["label_maps/b.png", "overlays/b_overlay.png"]


def test_several_files_with_a_bad_one(run, picture, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    told = []
    *steps, last = run([picture("a"), bad, picture("b")], say=lambda share, desc: told.append(desc))
    assert "1 of 3 files could not be segmented" in last["status"]
    assert last["status"].count("bad.png") == 1
    assert [name for _, name in last["gallery"]["value"]] == ["a", "b"]
    assert last["viewer"]["title"] == "a"
    assert [step["measurements"].count("<tr>") for step in steps] == [4, 4, 6]  # two tables with headings
    assert "viewer" in steps[0]
    assert "viewer" not in steps[2]
    assert told[0] == "Segmenting 1 of 3: a"
    names = zipfile.ZipFile(last["everything"]).namelist()
    assert [name for name in names if name.startswith("label_maps/")] == ["label_maps/a.png", "label_maps/b.png"]


def test_files_of_one_name_do_not_replace_each_other(run, picture, tmp_path):
    (tmp_path / "other").mkdir()
    twin = picture("scan").rename(tmp_path / "other" / "scan.png")
    last = run([picture("scan"), twin])[-1]
    assert [name for _, name in last["gallery"]["value"]] == ["scan", "scan-2"]


def test_stop_keeps_what_is_done(run, visitor, picture):
    def stop_at_the_second(share: float, desc: str) -> None:
        if "2 of 3" in desc:
            visitor.session.stop("segment")
            visitor.session.stop("segment")  # a second press changes nothing

    last = run([picture("a"), picture("b"), picture("c")], say=stop_at_the_second)[-1]
    assert texts.STOPPED_TITLE in last["status"]
    assert "1 of 3 files are done" in last["status"]
    assert visitor.work(Work).run.partial
    assert last["viewer"]["title"] == "a"
    assert run([picture()])[-1]["status"] == ""


def test_stop_before_the_first_result_changes_nothing(run, visitor, picture):
    last = run([picture()], say=lambda share, desc: visitor.session.stop("segment"))[-1]
    assert texts.STOPPED_NONE in last["status"]
    assert "viewer" not in last


def test_stop_of_another_tab_does_not_end_it(run, visitor, picture):
    assert run([picture()], say=lambda share, desc: visitor.session.stop("evaluate"))[-1]["status"] == ""


def test_a_run_whose_visitor_left_ends_and_leaves_no_files(run, visitor, picture):
    def leave_at_the_second(share: float, desc: str) -> None:
        if "2 of 2" in desc:
            visitor.session.end()

    said = run([picture("a"), picture("b")], say=leave_at_the_second)
    assert len(said) == 2
    assert not any("status" in updates for updates in said)
    assert list(visitor.session.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (Choices("nothing"), "Choose one of: bands, bright."),
        (Choices("broken"), "no config.json"),
        (Choices(None), "Choose one of: bands, bright."),
        (Choices("bright", threshold=2), "The threshold is 2."),
    ],
)
def test_an_error_is_shown_and_the_previous_result_stays(engine, visitor, run, picture, choices, words):
    run([picture("before")])
    *_, last = steps(engine, visitor, choices)
    assert 'role="alert"' in last["status"]
    assert words in last["status"]
    assert texts.ERROR_KEPT.format(name="before") in last["status"]
    assert "viewer" not in last


def test_without_a_file_it_asks_for_one(run):
    assert texts.NO_FILE in run([])[-1]["status"]


def test_an_unexpected_error_is_a_reference(run, picture, engine, monkeypatch):
    monkeypatch.setattr(engine, "segment", lambda *arguments, **options: 1 / 0)
    status = run([picture()])[-1]["status"]
    assert "reference" in status
    assert "ZeroDivisionError" not in status


def test_a_new_run_replaces_the_files_of_the_old(run, picture):
    old = run([picture()])[-1]
    new = run([picture()])[-1]
    assert not Path(old["label_map"]).exists()
    assert Path(new["label_map"]).exists()


def test_a_result_of_the_gallery_opens(engine, run, visitor, picture):
    run([picture("a"), picture("b")])
    opened = open_result(engine, visitor, 1)
    assert opened["viewer"]["title"] == "b"
    assert opened["label_map"].endswith("b.png")
    assert visitor.work(Work).run.position == 1
    for step, title in ((1, "a"), (-1, "b")):
        (opened,) = visitor.run(partial(run_handlers.open_neighbour, engine), step)
        assert opened["viewer"]["title"] == title


def test_a_result_whose_file_is_gone_is_explained(engine, run, visitor, picture, tmp_path):
    run([picture("a"), picture("b")])
    (tmp_path / "b.png").unlink()
    assert 'role="alert"' in open_result(engine, visitor, 1)["status"]


def test_an_expired_session_says_so(engine, visitor):
    assert texts.EXPIRED_TITLE in open_result(engine, visitor, 0)["status"]


def test_one_result_has_no_neighbour(engine, run, visitor, picture):
    run([picture()])
    assert list(visitor.run(partial(run_handlers.open_neighbour, engine), 1)) == []


def test_a_volume_sends_the_slices_that_are_asked_for(run, visitor, tmp_path):
    volume = np.zeros((5, 64, 64), np.uint8)
    volume[3, :, :32] = 255
    np.save(tmp_path / "volume.npy", volume)
    last = run([tmp_path / "volume.npy"])[-1]
    assert ("axial", 3) in [(part["plane"], part["index"]) for part in last["viewer"]["slices"]]
    assert {part["plane"] for part in last["viewer"]["slices"]} == {"axial", "coronal", "sagittal"}
    assert last["label_map"].endswith("volume.nii.gz")
    value = given_view.slices(visitor.work(Work), "axial", [4, 2, 99, -1], last["viewer"]["key"], None)
    assert [part["index"] for part in value["slices"]] == [4, 2]
    value = given_view.slices(visitor.work(Work), "coronal", [63, 64], last["viewer"]["key"], None)
    assert [(part["plane"], part["index"]) for part in value["slices"]] == [("coronal", 63)]
    assert value["key"] == last["viewer"]["key"]


@pytest.fixture
def upload(engine, visitor):
    def take(*files: Path) -> None:
        list(handlers.take_files(engine, visitor.work(Work), files, CHOICES, visitor.session.folder))

    return take


@pytest.mark.parametrize("names", [["scan"], ["scan", "twin"]])
def test_a_file_added_while_a_run_goes_on_is_the_next_to_be_segmented(engine, visitor, upload, picture, names):
    upload(*map(picture, names))
    run = steps(engine, visitor)
    next(run)
    upload(picture("other", brightness=200))
    *_, last = run
    assert "This result is of" in last["stale"]
    assert last["viewer"]["title"] == "scan"
    assert Path(last["label_map"]).stem == "scan"
    images = json.loads(Path(last["measurements_json"]).read_text())["images"]
    assert [image["name"] for image in images] == names
    assert [outcome.name for outcome in visitor.work(Work).run.outcomes] == names
    *_, last = steps(engine, visitor)
    assert last["viewer"]["title"] == "other"
    assert last["stale"] == ""


def test_stop_ends_a_run_that_a_file_was_added_to(engine, visitor, upload, picture):
    upload(picture("a"), picture("b"), picture("c"))
    run = steps(engine, visitor)
    next(run)
    upload(picture("other"))
    visitor.session.stop("segment")
    *_, last = run
    assert "1 of 3 files are done" in last["status"]
    *_, last = steps(engine, visitor)
    assert last["viewer"]["title"] == "other"


def test_a_run_keeps_its_checkpoint_where_another_takes_its_place(run, engine, picture, bands, monkeypatch):
    kept, asked = engine.loaded, []

    def loaded(checkpoint):
        if not isinstance(checkpoint, str):
            return checkpoint
        asked.append(checkpoint)
        return kept(checkpoint) if len(asked) == 1 else bands

    monkeypatch.setattr(engine, "loaded", loaded)
    last = run([picture("first"), picture("second")])[-1]
    assert asked == ["bright"]
    assert "white" not in last["measurements"]


def test_under_new_names_no_download_tells_the_file(engine, run, visitor, picture):
    paths = [picture(), picture("other")]
    last = run(paths, choices=replace(CHOICES, deidentify=True))[-1]
    with zipfile.ZipFile(last["everything"]) as archive:
        assert [name for name in archive.namelist() if name.startswith("label")] == [
            "label_maps/case_0001.png",
            "label_maps/case_0002.png",
        ]
        for name in archive.namelist():
            assert not any(path.stem.encode() in name.encode() + archive.read(name) for path in paths)
    again = open_result(engine, visitor, 1)
    assert again["viewer"]["title"] == "case_0002"
    assert "other" not in str(again["heading"])
