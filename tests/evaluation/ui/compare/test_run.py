"""The Compare tab from the Compare button on, as plain functions."""

import json
import zipfile
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.ui.compare import run as compare_run
from evaluation.ui.compare import texts
from evaluation.ui.compare.handlers import take_files
from evaluation.ui.compare.results import stale_mark
from evaluation.ui.compare.state import Request, Work
from medseg_demo.errors import DeviceMemoryError
from medseg_demo.ui.texts import OTHER_IMAGE_TITLE

ADDRESS = "http://127.0.0.1:7860/"
BOTH = Request(("half", "strict"))


def mark_of(work: Work) -> str:
    """Of the page where the controls are as they were."""
    return stale_mark(work.given, work.result, BOTH)


@pytest.fixture
def ready(known_engine, visitor, picture) -> Work:
    """Work with the picture read."""
    work = visitor.work(Work)
    take_files(known_engine, work, [picture()], visitor.session.folder)
    return work


def test_each_result_appears_and_the_last_is_whole(run, ready):
    first, timing, last = run()
    assert [one["name"] for one in first["viewer"]["predictions"]] == ["half"]
    assert [one["name"] for one in timing["viewer"]["predictions"]] == ["half", "strict"]
    assert not first["downloads"]["visible"]
    assert not first["method"]["interactive"]
    assert [one["name"] for one in last["viewer"]["predictions"]] == ["half", "strict"]
    assert last["status"] == ""
    (region,) = last["viewer"]["regions"]
    y0, x0, _, y1, x1 = region["box"][1:]
    assert (y0, x0, y1, x1) == pytest.approx((16, 40, 32, 56), abs=1)
    assert region["class_name"] == "bright"
    assert region["size"].endswith(" px")
    assert "0.94" in last["tables"]  # 2 × 2048 / (2 × 2048 + 256)


def test_the_table_says_what_each_checkpoint_costs(run, ready):
    last = run()[-1]
    assert "<th>Memory</th>" in last["tables"].replace(' scope="col"', "")
    memory = [member.cost.memory_mb for member in ready.result.comparison.members]
    assert all(f"{one:.1f} MB" in last["tables"] for one in memory)
    assert min(memory) > 64 * 64 * 4 / 1e6  # the picture alone, in single precision


def test_downloads_hold_what_they_say(run, ready):
    last = run()[-1]
    labels = np.asarray(Image.open(last["label_map_1"]["value"]))
    assert last["label_map_1"]["label"] == "strict"
    assert labels[:, :30].all()
    assert not labels[20:28, 44:52].any()
    assert not last["label_map_2"]["visible"]
    assert not last["consensus_file"]["visible"]
    assert Path(last["members_csv"]).read_text().startswith("image,name,kind,class_name,size")
    assert json.loads(Path(last["document"]).read_text())["image"] == "scan"
    assert "scan_half.png" in zipfile.ZipFile(last["everything"]).namelist()


def test_one_checkpoint_and_a_reference(run, ready, mask):
    last = run(Request(("half",), references=(mask(),)))[-1]
    assert "HD95" in last["tables"]
    assert "against the reference." in last["tables"]
    assert not last["method"]["interactive"]
    assert [one["name"] for one in last["viewer"]["predictions"]] == ["half", "reference"]
    assert last["viewer"]["slices"][0]["reference"] is not None


@pytest.fixture
def detached(tmp_path):
    """A label map as .mhd and .raw, as the page uploads them: each in a folder of its own."""
    labels = np.zeros((64, 64), np.uint8)
    labels[:, :32] = 1
    header = "ObjectType = Image\nNDims = 2\nDimSize = 64 64\nElementType = MET_UCHAR\nElementDataFile = map.raw\n"
    paths = [tmp_path / "0a1b" / "map.mhd", tmp_path / "2c3d" / "map.raw"]
    for path, content in zip(paths, (header.encode(), labels.tobytes()), strict=True):
        path.parent.mkdir()
        path.write_bytes(content)
    return [str(path) for path in paths]


def test_a_header_finds_its_data_wherever_both_were_added(run, ready, mask, detached):
    header, data = detached
    for label_maps, reference in (((header, data), mask()), ((data, header), mask()), ((data,), header)):
        last = run(Request(("half",), references=(reference,), label_maps=label_maps))[-1]
        assert last["status"] == ""
        assert "map" in [one["name"] for one in last["viewer"]["predictions"]]
    alone = run(Request(("half",), references=(header,)))[-1]
    assert "map.raw is not beside it" in alone["status"]
    assert "2c3d" not in alone["status"]


def test_what_was_noted_of_a_label_map_is_said(run, ready, tmp_path):
    Image.fromarray(np.repeat(np.uint8([0, 255]), 32)[None].repeat(64, 0)).save(tmp_path / "far.png")
    last = run(Request(("half",), label_maps=(str(tmp_path / "far.png"),)))[-1]
    assert "far: It holds 0 and 255, which were read as 0 and 1." in last["tables"]


def test_a_distance_that_is_not_applicable_has_no_unit(run, ready, mask):
    last = run(Request((), references=(mask("none.png", 0),), label_maps=(mask("nothing.png", 0),)))[-1]
    assert "<td>n/a</td><td>n/a</td>" in last["tables"]
    assert "n/a px" not in last["tables"]


def test_label_maps_alone_need_no_network(run, ready, mask):
    last = run(Request((), label_maps=(mask("a.png"), mask("b.png", 20)), method="majority"))[-1]
    assert [one["name"] for one in last["viewer"]["predictions"]] == ["a", "b", "majority"]
    assert last["consensus_file"]["visible"]
    assert "--label-map a.png b.png" in last["code_command"]
    assert last["code_link"] == ""


def test_the_consensus_is_added_changed_and_taken_away(known_engine, run, ready, tmp_path):
    done = run()[-1]
    folder = tmp_path / "session"
    both = compare_run.choose_consensus(ready, "majority", folder, ADDRESS)
    assert [one["name"] for one in both["viewer"]["predictions"]] == ["half", "strict", "majority"]
    assert texts.MAJORITY_NOTE[:20] in both["tables"]
    assert both["label_map_0"]["value"] == done["label_map_0"]["value"]
    assert "--consensus majority" in both["code_command"]
    consensus = np.asarray(Image.open(both["consensus_file"]["value"]))
    assert not consensus[20:28, 44:52].any()  # a tie is background
    compare_run.choose_consensus(ready, "staple", folder, ADDRESS)
    assert ready.result.comparison.consensus.name == "STAPLE"
    none = compare_run.choose_consensus(ready, None, folder, ADDRESS)
    assert len(none["viewer"]["predictions"]) == 2
    assert compare_run.choose_consensus(ready, None, folder, ADDRESS) == {}
    assert texts.EXPIRED_TITLE in compare_run.choose_consensus(Work(), "staple", folder, ADDRESS)["status"]


def test_another_upload_leaves_the_result_what_it_is(known_engine, run, ready, picture, tmp_path):
    run()
    other, folder = ready, tmp_path / "session"
    take_files(known_engine, other, [picture("other.png")], folder)
    code = compare_run.choose_consensus(other, "majority", folder, ADDRESS)
    assert "evaluation compare scan.png " in code["code_command"]
    assert "scan.png" in code["code_python"]
    assert "other" not in code["code_command"] + code["code_python"]
    assert OTHER_IMAGE_TITLE.format(name="scan") in mark_of(other)
    take_files(known_engine, other, [], folder)
    assert mark_of(other) == ""
    take_files(known_engine, other, [picture("other.png")], folder)
    again = run()[-1]
    assert "evaluation compare other.png " in again["code_command"]
    assert mark_of(other) == ""


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(("half",)), "There is only one label map"),
        (Request(("half", "other")), "half finds bright, but other finds dark"),
        (Request(("half", "nothing")), "Choose one of"),
        (Request(("half", "broken")), "no config.json"),
    ],
)
def test_an_error_is_shown_and_the_previous_result_stays(run, ready, request_, words):
    run()
    last = run(request_)[-1]
    assert words in last["status"]
    assert texts.KEPT.format(name="scan") in last["status"]


def test_after_an_error_the_previous_result_is_there_again(run, ready, known_engine, monkeypatch):
    run()
    before = ready.result
    segment = known_engine.segment

    def fail_at_the_second(image, checkpoint, **options):
        if checkpoint.name == "half":
            raise DeviceMemoryError("The memory does not suffice.")
        return segment(image, checkpoint, **options)

    monkeypatch.setattr(known_engine, "segment", fail_at_the_second)
    first, last = run(Request(("strict", "half")))
    assert [one["name"] for one in first["viewer"]["predictions"]] == ["strict"]
    assert [one["name"] for one in last["viewer"]["predictions"]] == ["half", "strict"]
    assert ready.result is before
    assert Path(last["everything"]).exists()
    assert "The memory does not suffice" in last["status"]


def test_a_label_map_of_another_shape_is_refused(run, ready, tmp_path):
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "small.png")
    status = run(Request(("half",), references=(str(tmp_path / "small.png"),)))[-1]["status"]
    assert "small.png: it has shape (10, 10) but image has (64, 64)" in status
    assert str(tmp_path) not in status


def test_an_unreadable_label_map_is_explained(run, ready, tmp_path):
    (tmp_path / "bad.png").write_text("x")
    assert "bad.png" in run(Request(("half",), label_maps=(str(tmp_path / "bad.png"),)))[-1]["status"]


def test_without_an_image_it_asks_for_one(run):
    assert texts.NO_IMAGE in run()[-1]["status"]


def test_an_unexpected_error_is_a_reference(run, ready, known_engine, monkeypatch):
    monkeypatch.setattr(known_engine, "segment", lambda *arguments, **options: 1 / 0)
    status = run()[-1]["status"]
    assert "reference" in status
    assert "ZeroDivisionError" not in status


def test_stop_keeps_what_is_done(run, ready, visitor):
    def stop_after_the_first(share, desc):
        if share == 0.5:
            visitor.session.stop("compare")

    last = run(say=stop_after_the_first)[-1]
    assert texts.STOPPED_TITLE in last["status"]
    assert "1 of 2 label maps" in last["status"]
    assert ready.result.comparison.partial
    assert last["downloads"]["visible"]
    again = run()[-1]
    assert again["status"] == ""


def test_stop_before_the_first_result_changes_nothing(run, ready, visitor):
    last = run(say=lambda share, desc: visitor.session.stop("compare"))[-1]
    assert texts.STOPPED_NONE in last["status"]


def test_a_new_run_replaces_the_files_of_the_old(run, ready):
    old = run()[-1]
    new = run()[-1]
    assert not Path(old["everything"]).exists()
    assert Path(new["everything"]).exists()


def test_a_volume_sends_the_slices_that_are_asked_for(known_engine, steps, visitor, tmp_path):
    volume = np.zeros((5, 64, 64), np.uint8)
    volume[3, :, :32] = 255
    volume[4, 5, 5] = 1
    np.save(tmp_path / "volume.npy", volume)
    work = visitor.work(Work)
    take_files(known_engine, work, [tmp_path / "volume.npy"], tmp_path / "session")
    run = steps()
    first = next(run)
    value = compare_run.send_slices(work, "axial", [1], first["viewer"]["key"])
    assert [one["name"] for one in value["predictions"]] == ["half"]
    assert [part["index"] for part in value["slices"]] == [1]
    *_, last = run
    key = last["viewer"]["key"]
    value = compare_run.send_slices(work, "coronal", [4, 2, 99, -1], key)
    assert [(part["plane"], part["index"]) for part in value["slices"]] == [("coronal", 4), ("coronal", 2)]
    assert value["key"] == key
    assert all(len(part["predictions"]) == 2 for part in value["slices"])


def test_a_consensus_that_is_made_while_a_run_ends_does_not_undo_its_result(
    known_engine, run, ready, picture, tmp_path, monkeypatch
):
    work, folder = ready, tmp_path / "session"
    run()
    take_files(known_engine, work, [picture("other.png")], folder)
    consensus = compare_run.with_consensus

    def end_a_run_first(found, method):
        monkeypatch.setattr(compare_run, "with_consensus", consensus)
        run()
        return consensus(found, method)

    monkeypatch.setattr(compare_run, "with_consensus", end_a_run_first)
    assert compare_run.choose_consensus(work, "majority", folder, ADDRESS) == {}
    assert work.result.comparison.image.name == "other"


def test_a_file_added_while_a_run_goes_on_is_the_next_to_be_compared(known_engine, run, steps, ready, visitor, picture):
    going = steps()
    next(going)
    take_files(known_engine, ready, [picture("other.png")], visitor.session.folder)
    *_, last = going
    assert OTHER_IMAGE_TITLE.format(name="scan") in last["stale"]
    assert "evaluation compare scan.png " in last["code_command"]
    assert last["viewer"]["title"] == "scan"
    assert json.loads(Path(last["document"]).read_text())["image"] == "scan"
    again = run()[-1]
    assert again["viewer"]["title"] == "other"
    assert "evaluation compare other.png " in again["code_command"]
    assert again["stale"] == ""


def test_classes_are_said_to_be_the_same(run, ready, mask, tmp_path):
    labels = np.asarray(Image.open(mask())) * 3
    Image.fromarray(labels).save(tmp_path / "three.png")
    request = Request(("half",), label_maps=(str(tmp_path / "three.png"),))
    assert "“three: class_3 = bright”" in run(request)[-1]["status"]
    last = run(replace(request, classes="three: class_3 = bright"))[-1]
    assert "three: class_3 is compared as bright." in last["tables"]
    assert "--classes 'three: class_3 = bright'" in unescape(last["code_command"])


def test_seven_label_maps_and_a_reference_are_too_many_by_one(run, ready, mask):
    maps = tuple(mask(f"{name}.png") for name in "abcdef")
    last = run(Request((), references=(mask(),), label_maps=maps))[-1]
    assert len(last["viewer"]["predictions"]) == 7
    assert last["label_map_6"]["label"] == "reference"
    assert "7 label maps beside the reference" in run(Request(("half",), label_maps=maps))[-1]["status"]


def test_label_maps_of_one_name_are_told_apart(run, ready, mask, tmp_path):
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "half.png"
    twin.write_bytes(Path(mask("half.png")).read_bytes())
    last = run(Request(("half",), label_maps=(str(tmp_path / "half.png"), str(twin))))[-1]
    assert [one["name"] for one in last["viewer"]["predictions"]] == ["half", "half-2", "half-3"]
