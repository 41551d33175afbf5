import shutil
import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import texts
from medseg_demo.ui.segment import handlers, updates
from medseg_demo.ui.segment.example import Example
from medseg_demo.ui.segment.state import Choices, Given, Run, Work
from medseg_demo.ui.studies import Study

CHOICES = Choices("bright")


def take(*arguments) -> dict[str, object]:
    """What the page shows once files were read."""
    *_, last = handlers.take_files(*arguments)
    return last


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def two_volumes(tmp_path):
    pixels = np.zeros((64, 48, 8, 2), np.uint8)
    pixels[8:16] = (1, 2)
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), tmp_path / "two.nii.gz")
    return tmp_path / "two.nii.gz"


@pytest.fixture
def sample(monkeypatch, picture):
    sample = Sample("chest", "Chest", "A chest.", "bright", "package", "module", "file", "CC0", "someone")
    monkeypatch.setattr(Sample, "path", property(lambda self: picture("chest")))
    monkeypatch.setattr("medseg_demo.ui.segment.example.list_samples", lambda: (sample,))
    return sample


def test_the_page_opens_with_a_finished_example(engine, sample, work):
    example = Example(engine).get()
    shown = handlers.open_page(engine, work, example)
    assert shown["viewer"]["title"] == "chest"
    assert "bright" in shown["measurements"]
    assert "chest" in shown["preflight"]
    assert shown["checkpoint"]["value"] == "bright"
    assert shown["downloads"]["visible"]
    assert shown["label_map"].endswith("chest.png")
    assert updates.stale_mark(work.given, work.run, CHOICES) == ""


def test_a_sample_is_shown_by_another_checkpoint_of_its_task(engine, sample, monkeypatch):
    other = replace(sample, checkpoint="gone", task=engine.find("bands").card.task)
    monkeypatch.setattr("medseg_demo.ui.segment.example.list_samples", lambda: (other,))
    shown = handlers.open_page(engine, Work(), Example(engine).get())
    assert shown["viewer"]["title"] == "chest"
    assert other.suited([engine.find("bands")]).name == "bands"


def test_the_owners_example_in_a_checkpoints_folder_comes_first(engine, sample, picture):
    shutil.copyfile(picture("own"), engine.find("bands").folder / "example.png")
    shown = handlers.open_page(engine, Work(), Example(engine).get())
    assert shown["checkpoint"]["value"] == "bands"
    assert shown["viewer"]["title"] == "example"


def test_without_a_checkpoint_of_its_task_there_is_no_example(engine, sample, monkeypatch):
    other = replace(sample, checkpoint="gone", task="something else")
    monkeypatch.setattr("medseg_demo.ui.segment.example.list_samples", lambda: (other,))
    shown = handlers.open_page(engine, Work(), Example(engine).get())
    assert texts.NO_SAMPLE_TITLE in shown["status"]
    assert "viewer" not in shown


def test_a_sample_that_cannot_be_read_does_not_keep_the_page_from_opening(engine, sample, monkeypatch, caplog):
    monkeypatch.setattr(Sample, "path", property(lambda self: 1 / 0))
    assert Example(engine).get() is None
    assert "example could not be made" in caplog.text


def test_without_any_checkpoint_the_page_says_what_to_do(settings):
    engine = Engine(settings)
    shown = handlers.open_page(engine, Work(), None)
    assert texts.NO_CHECKPOINT_TITLE in shown["status"]
    assert "checkpoints/" in shown["status"]
    assert shown["checkpoint"]["value"] is None


def test_a_sample_brings_its_checkpoint(engine, sample, work):
    shown = handlers.choose_sample(engine, work, sample, Choices("bands"))
    assert shown["checkpoint"] == "bright"
    assert work.given.image.name == "chest"
    assert shown["upload"] is None


def test_a_sample_without_its_checkpoint_keeps_the_chosen_one(engine, sample):
    shown = handlers.choose_sample(engine, Work(), replace(sample, checkpoint="gone"), Choices("bands"))
    assert shown["checkpoint"] == "bands"


def test_one_upload_is_read_and_described(engine, picture, tmp_path, work):
    shown = take(engine, work, [picture()], CHOICES, tmp_path)
    assert work.given.image.name == "scan"
    assert "64 × 64 px" in shown["preflight"]
    assert shown["status"] == ""


def test_of_several_uploads_the_first_is_shown(engine, picture, tmp_path, work):
    files = [picture("a"), picture("b")]
    shown = take(engine, work, files, CHOICES, tmp_path)
    assert [study.item for study in work.given.studies] == files
    assert shown["viewer"]["title"] == "a"
    assert "Image 1 of 2" in shown["heading"]
    assert "2 files" in shown["preflight"]


def test_the_list_of_what_was_uploaded_comes_with_every_step(engine, two_volumes, tmp_path):
    work = Work()
    steps = list(handlers.take_files(engine, work, [two_volumes], CHOICES, tmp_path))
    assert [step["study"]["value"] for step in steps] == ["0", "0"]
    first = work.given.image
    assert list(handlers.choose_study(engine, work, "0", CHOICES)) == [{}]  # only left, as it was
    assert work.given.image is first
    *_, shown = handlers.choose_study(engine, work, "1", CHOICES)
    assert "Intensities</dt><dd>0 to 2<" in shown["preflight"]


def test_a_choice_from_a_list_that_is_gone_changes_nothing(engine, picture, tmp_path, work):
    take(engine, work, [picture("a"), picture("b")], CHOICES, tmp_path)
    assert list(handlers.choose_study(engine, work, "1", CHOICES)) == [{}]
    assert len(work.given.studies) == 2


def test_a_zip_is_unpacked_into_the_visitors_folder(engine, picture, tmp_path, work):
    archive = tmp_path / "scans.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(picture("a"), "inside/a.png")
        file.write(picture("b"), "inside/b.png")
    folder = tmp_path / "visitor"
    take(engine, work, [archive], CHOICES, folder)
    assert [study.name for study in work.given.studies] == ["a.png", "b.png"]
    assert all(study.item.is_relative_to(folder) for study in work.given.studies)


def test_a_bad_upload_is_explained_and_the_result_is_kept(engine, picture, tmp_path):
    run, given = Run(CHOICES), Given(studies=(Study(picture()),))
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    work = Work(given=given, run=run)
    shown = take(engine, work, [bad], CHOICES, tmp_path)
    assert 'role="alert"' in shown["preflight"]
    assert "notes.png" in shown["preflight"]
    assert work.given.studies == ()
    assert work.run is run


def test_taking_the_upload_away_empties_the_card(engine, picture, tmp_path):
    work = Work(given=Given(studies=(Study(picture()),)))
    shown = take(engine, work, [], CHOICES, tmp_path)
    assert shown["preflight"] == ""
    assert work.given.studies == ()


def test_another_checkpoint_brings_card_and_threshold(engine):
    one = handlers.choose_checkpoint(engine, Work(), Choices("bright"))
    assert one["threshold"] == {"interactive": True, "info": texts.THRESHOLD_HINT, "value": 0.5, "__type__": "update"}
    assert "bright things" in one["card"]
    assert one["weaknesses"] == "## Weaknesses\n\nShadows."
    several = handlers.choose_checkpoint(engine, Work(), Choices("bands"))
    assert several["threshold"]["interactive"] is False
    assert several["threshold"]["info"] == texts.THRESHOLD_OFF


def test_changed_settings_make_a_result_stale():
    assert updates.stale_mark(Given(), Run(CHOICES), CHOICES) == ""
    assert texts.STALE_TITLE in updates.stale_mark(Given(), Run(CHOICES), replace(CHOICES, fill_holes=True))
    assert updates.stale_mark(Given(), None, CHOICES) == ""


def test_another_upload_makes_a_result_stale(picture):
    a, b = Study(picture("a")), Study(picture("b"))
    assert "This result is of a<" in updates.stale_mark(Given(studies=(b,)), Run(CHOICES, (a,)), CHOICES)
    assert "This result is of 2 images<" in updates.stale_mark(Given(studies=(b,)), Run(CHOICES, (a, b)), CHOICES)
    assert updates.stale_mark(Given(studies=(a,)), Run(CHOICES, (a,)), CHOICES) == ""


def test_a_file_that_was_added_before_the_page_was_complete_stays(engine, sample, picture, tmp_path, work):
    take(engine, work, [picture()], CHOICES, tmp_path)
    shown = handlers.open_page(engine, work, Example(engine).get())
    assert "64 × 64 px" in shown["preflight"]
    assert shown["checkpoint"]["value"] == "bright"
    assert "viewer" not in shown
    assert work.given.image.name == "scan"


def test_a_sample_that_was_pressed_before_the_page_was_complete_keeps_its_checkpoint(engine, sample, work):
    handlers.choose_sample(engine, work, replace(sample, checkpoint="bands"), Choices(None))
    shown = handlers.open_page(engine, work, Example(engine).get())
    assert set(shown) == {"checkpoint"}
    assert "value" not in shown["checkpoint"]
    assert "bands" in dict(map(reversed, shown["checkpoint"]["choices"]))


def test_a_result_that_is_there_before_the_page_is_complete_stays(engine, sample):
    work = Work(run=Run(CHOICES))
    assert set(handlers.open_page(engine, work, Example(engine).get())) == {"checkpoint"}
