import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from medseg_demo.ui import texts
from medseg_demo.ui.segment import given_view, handlers, run_handlers
from medseg_demo.ui.segment.state import Choices, Work

CHOICES = Choices("bright")


@pytest.fixture
def work(visitor) -> Work:
    return visitor.work(Work)


@pytest.fixture
def take(engine, work, visitor):
    """Gives files, and returns what the page shows then."""

    def files(*paths: Path) -> dict[str, object]:
        *_, last = handlers.take_files(engine, work, list(paths), CHOICES, visitor.session.folder)
        return last

    return files


@pytest.fixture
def segment(engine, visitor):
    def run(choices: Choices = CHOICES) -> dict[str, object]:
        *_, last = visitor.run(partial(run_handlers.run, engine), choices, tab="segment")
        return last

    return run


@pytest.fixture
def mask(tmp_path):
    """Writes a label map of 64 × 64 whose left half has a value, and returns its path."""

    def write(value: int = 1, side: int = 64) -> Path:
        labels = np.zeros((side, side), np.uint8)
        labels[:, : side // 2] = value
        path = tmp_path / "drawn.png"
        Image.fromarray(labels).save(path)
        return path

    return write


@pytest.fixture
def ramp(tmp_path) -> Path:
    """A picture of every brightness from left to right."""
    path = tmp_path / "ramp.png"
    Image.fromarray(np.tile(np.arange(0, 256, 4, np.uint8), (64, 1))).save(path)
    return path


def test_an_upload_is_shown_before_any_network_runs(take, work, picture):
    shown = take(picture())
    assert shown["viewer"]["title"] == "scan"
    assert shown["viewer"]["classes"] == []
    assert shown["viewer"]["can_crop"]
    assert shown["downloads"]["visible"] is False
    assert shown["over"] == {"value": None, "visible": True, "__type__": "update"}
    assert work.run is None


def test_slices_of_an_upload_come_on_demand(take, work, tmp_path):
    volume = np.random.default_rng(0).integers(0, 256, (5, 64, 32), np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    key = take(tmp_path / "volume.npy")["viewer"]["key"]
    value = given_view.slices(work, "axial", [4, 2, 99], key, None)
    assert [part["index"] for part in value["slices"]] == [4, 2]
    assert value["key"] == key


def test_slices_are_of_what_the_viewer_shows(take, work, segment, picture, tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (5, 64, 32), np.uint8))
    given = take(tmp_path / "a.npy")["viewer"]["key"]
    result = segment()["viewer"]["key"]
    sent = [given_view.slices(work, "axial", [1], key, None) for key in (given, result)]
    assert [bool(value["classes"]) for value in sent] == [False, True]


def test_the_keys_turn_over_several_images(engine, take, visitor, work, picture, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("x")
    shown = take(picture("a"), picture("b"), bad)
    assert shown["over"]["visible"] is False
    turn = partial(visitor.run, partial(run_handlers.open_neighbour, engine))
    (shown,) = turn(1)
    assert shown["viewer"]["title"] == "b"
    assert texts.TURN_OVER.format(number=2, count=3) in shown["heading"]
    (shown,) = turn(1)
    assert shown["viewer"] is None
    assert "bad.png" in shown["status"]
    (shown,) = turn(1)
    assert shown["viewer"]["title"] == "a"
    (shown,) = turn(-1)
    assert "Image 3 of 3" in shown["heading"]


def test_the_image_that_is_shown_is_not_what_all_are_segmented_from(engine, take, visitor, segment, picture):
    take(picture("a"), picture("b", brightness=0))
    list(visitor.run(partial(run_handlers.open_neighbour, engine), 1))
    segment()
    outcomes = visitor.work(Work).run.outcomes
    assert [outcome.measurements[0].pixels > 0 for outcome in outcomes] == [True, False]


def test_a_label_map_lies_over_an_image_without_a_checkpoint(engine, take, work, picture, mask):
    take(picture())
    shown = handlers.lay_over(engine, work, str(mask(2)))
    assert [one["name"] for one in shown["viewer"]["classes"]] == ["class_1", "class_2"]
    assert shown["viewer"]["predictions"][0]["name"] == "drawn.png"
    assert "Laid over: drawn.png" in shown["over_table"]
    assert "50.0\u202f%" in shown["over_table"]
    shown = handlers.lay_over(engine, work, None)
    assert shown["viewer"]["classes"] == []
    assert shown["over_table"] == ""


def test_a_label_map_of_another_image_is_refused(engine, take, work, picture, mask):
    take(picture())
    refused = handlers.lay_over(engine, work, str(mask(side=32)))
    assert set(refused) == {"over_note"}
    assert "drawn.png" in refused["over_note"]
    assert str(mask().parent) not in refused["over_note"]
    assert work.given.over is None


def test_without_an_image_there_is_nothing_to_lay_it_over(engine, work, mask):
    assert texts.NO_IMAGE_BELOW in handlers.lay_over(engine, work, str(mask()))["over_note"]


def test_what_lies_over_the_image_is_the_reference_of_its_result(engine, take, work, segment, picture, mask):
    take(picture())
    handlers.lay_over(engine, work, str(mask(255)))
    shown = segment()["viewer"]
    assert [one["name"] for one in shown["classes"]] == ["bright"]  # the file names none, so the checkpoint's counts
    assert all(part["reference"] for part in shown["slices"])
    taken = handlers.lay_over(engine, work, None)
    assert not any(part["reference"] for part in taken["viewer"]["slices"])
    assert "stale" not in taken
    take(picture("other"))
    assert work.given.over is None


def test_another_threshold_makes_result_and_files_anew_without_the_network(
    take, work, segment, ramp, visitor, monkeypatch
):
    take(ramp)
    first = segment()
    before = int(np.asarray(Image.open(first["label_map"])).sum())
    monkeypatch.setattr("medseg_demo.segmenting.pipeline.predict", None)
    shown = run_handlers.decide(work, visitor.session.folder, 0.9, [0, 5, 6])
    labels = np.asarray(Image.open(shown["label_map"]))
    assert 0 < labels.sum() < before
    (image,) = json.loads(Path(shown["measurements_json"]).read_text())["images"]
    assert (image["threshold"], image["classes"][0]["pixels"]) == (0.9, labels.sum())
    assert zipfile.ZipFile(shown["everything"]).read("label_maps/ramp.png") == Path(shown["label_map"]).read_bytes()
    assert (shown["threshold"], shown["viewer"]["point"]) == (0.9, [0, 5, 6])
    assert shown["viewer"]["predictions"][0]["threshold"] == 0.9
    assert work.run.choices.threshold == 0.9
    assert first["viewer"]["predictions"][0]["threshold"] == 0.5
    assert run_handlers.decide(work, visitor.session.folder, 0.9) == {}
    assert run_handlers.decide(work, visitor.session.folder, None) == {}  # the number was taken away


def test_an_impossible_threshold_changes_nothing(take, work, segment, picture, visitor):
    take(picture())
    segment()
    shown = run_handlers.decide(work, visitor.session.folder, float("nan"))
    assert set(shown) == {"status"}
    assert work.run.shown.threshold == 0.5


def test_of_several_images_the_others_keep_their_threshold(take, work, segment, picture, visitor):
    take(picture("a"), picture("b"))
    segment()
    shown = run_handlers.decide(work, visitor.session.folder, 0.8)
    assert shown["threshold"] == 0.8
    assert "stale" not in shown  # the mark stays, since the others are
    assert [outcome.options.threshold for outcome in work.run.outcomes] == [0.8, 0.5]
    assert work.run.choices.threshold == 0.5


def test_a_crop_box_goes_from_the_viewer_to_the_page_and_the_network(engine, take, work, segment, picture):
    take(picture())
    drawn = handlers.set_crop(engine, work, [0, 10, 0, 1, 40, 30], CHOICES)
    assert drawn["crop"] == "0, 10, 0, 1, 40, 30"
    shown = segment(Choices("bright", crop=drawn["crop"]))
    labels = np.asarray(Image.open(shown["label_map"]))
    assert labels[10:40, :30].all()
    assert labels.sum() == 30 * 30
    assert shown["viewer"]["crop"] == [0, 10, 0, 1, 40, 30]
    assert handlers.set_crop(engine, work, None, CHOICES)["crop"] == ""
    assert given_view.result_value(work, work.run.shown)["crop"] is None  # as on the page
    followed = handlers.show_crop(engine, work, Choices("bright", crop="0 0 0 1 9 9"))["viewer"]
    assert (followed["crop"], followed["key"], followed["slices"]) == ([0, 0, 0, 1, 9, 9], "", [])
    handlers.set_crop(engine, work, None, CHOICES)
    assert handlers.set_crop(engine, work, ["x"], CHOICES)["crop"] == ""


def test_a_crop_box_that_is_typed_is_shown_or_refused(engine, take, work, picture):
    take(picture())
    shown = handlers.show_crop(engine, work, Choices("bright", crop="0 0 0 1 9 9"))
    assert shown["viewer"]["crop"] == [0, 0, 0, 1, 9, 9]
    assert handlers.show_crop(engine, work, Choices("bright", crop="0 0 0 1 9 9")) == {}
    for crop, words in (("0,0,0,1,9,99", "inside of the image"), ("1,2", "has 2 numbers")):
        told = handlers.show_crop(engine, work, Choices("bright", crop=crop))
        assert set(told) == {"status"}
        assert words in told["status"]


def test_facts_of_a_dicom_header_are_shown_and_not_written(take, segment, work):
    shown = take(Path(get_testdata_file("CT_small.dcm", download=False)))
    assert "RHAPSODE" in shown["preflight"]
    assert "HU" in shown["preflight"]
    done = segment()
    for name in ("measurements_json", "measurements_csv"):
        text = Path(done[name]).read_text()
        assert "HU" in text
        assert "RHAPSODE" not in text


def test_what_a_zip_holds_beside_images_is_mentioned(take, picture, tmp_path):
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.write(picture(), "scan.png")
        archive.writestr("notes.txt", "seen on Monday")
    assert "1 file left out, being no image: notes.txt." in take(tmp_path / "scans.zip")["preflight"]
    assert "left out" not in take(picture())["preflight"]
