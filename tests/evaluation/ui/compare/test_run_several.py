"""Several images in the Compare tab, as plain functions."""

import zipfile
from functools import partial
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from evaluation.ui.compare import run as compare_run
from evaluation.ui.compare import texts
from evaluation.ui.compare.handlers import take_files
from evaluation.ui.compare.results import stale_mark
from evaluation.ui.compare.state import Request, Work
from medseg_demo.image import LabelMap, MedicalImage

BOTH = Request(("half", "strict"))


@pytest.fixture
def three(known_engine, visitor, picture) -> Work:
    """Work with three pictures, of which the second cannot be read any more."""
    work = visitor.work(Work)
    paths = [picture(f"{name}.png") for name in ("a", "b", "c")]
    take_files(known_engine, work, paths, visitor.session.folder)
    paths[1].write_text("x")
    return work


def test_several_images_are_compared_one_after_the_other(run, three, mask):
    request = Request(("half", "strict"), references=(mask("c_expert.png"), mask("a.png")), method="majority")
    *steps, last = run(request)
    assert "b: b.png" in last["status"]
    assert [name for name, _ in last["image"]["choices"]] == ["a", "c"]
    assert last["viewer"]["title"] == "a"
    assert [one["name"] for one in last["viewer"]["predictions"]] == ["half", "strict", "reference", "majority"]
    assert texts.MEANS.format(count=2) in last["means"]
    assert "(n = 2)" in last["means"]
    names = set(zipfile.ZipFile(last["everything"]).namelist())
    assert {"all_means.csv", "all_comparisons.json", "a_half.png", "c_majority.png", "c_comparison.json"} <= names
    assert last["means_csv"]["visible"]
    assert ["viewer" in step for step in steps] == [True, True, True, False]  # of the first image, and once more whole
    passes = {name: cost.passes for name, cost in three.result.figures[1].costs.items()}
    assert passes == {"half": 1, "strict": 1}


def test_only_the_pictures_of_one_image_are_kept(run, three):
    run()
    held = [value for one in three.result.outcomes for value in vars(one.figures or one).values()]
    assert not any(isinstance(value, np.ndarray | LabelMap | MedicalImage) for value in held)


def test_images_are_flipped_through(known_engine, run, three, visitor, mask):
    run(Request(("half", "strict"), references=(mask("c.png", 10),)))
    before = three.result.figures[1].costs["half"]
    (last,) = visitor.run(partial(compare_run.open_neighbour, known_engine), 1, tab="compare")
    assert (last["viewer"]["title"], last["image"]["value"]) == ("c", "1")
    assert "reference" in [one["name"] for one in last["viewer"]["predictions"]]
    assert last["label_map_0"]["value"].endswith("c_half.png")
    assert three.result.comparison.members[0].cost == before
    assert "a.png b.png c.png" in last["code_command"]
    assert 'file=handle_file("c.png")' in unescape(last["code_python"])
    (back,) = visitor.run(partial(compare_run.open_image, known_engine), 0, tab="compare")
    assert back["viewer"]["title"] == "a"
    for odd in (-1, 0, 2):
        assert list(visitor.run(partial(compare_run.open_image, known_engine), odd, tab="compare")) == []


def test_an_image_that_is_gone_is_explained_and_the_shown_one_stays(known_engine, run, three, visitor, picture):
    run()
    picture("c.png").write_text("x")
    (last,) = visitor.run(partial(compare_run.open_neighbour, known_engine), 1, tab="compare")
    assert "c.png" in last["status"]
    assert (last["viewer"]["title"], last["image"]["value"]) == ("a", "0")


def test_the_consensus_of_several_images_is_made_by_a_run(run, three):
    run()
    assert compare_run.choose_consensus(three, "majority", Path("unused"), "http://127.0.0.1:7860/") == {}
    changed = stale_mark(three.given, three.result, Request(("half", "strict"), method="majority"))
    assert texts.STALE_TITLE in changed
    assert stale_mark(three.given, three.result, BOTH) == ""


def test_stop_keeps_the_images_that_are_done(run, three, visitor):
    def stop_at_the_third(share, desc):
        if desc and desc.startswith("3 of 3"):
            visitor.session.stop("compare")

    last = run(say=stop_at_the_third)[-1]
    assert texts.STOPPED_IMAGES.format(done=2, total=3) in last["status"]
    assert [one.name for one in three.result.succeeded] == ["a"]
    assert last["downloads"]["visible"]


def test_files_of_no_image_are_refused_before_anything_runs(run, three, mask):
    (last,) = run(Request(("half", "strict"), references=(mask("d.png"),)))
    assert "d.png belongs to none of the images (a, b, c)" in last["status"]


def test_images_that_would_be_one_file_are_told_apart(known_engine, visitor, run, picture):
    work = visitor.work(Work)
    take_files(known_engine, work, [picture("a b.png"), picture("a_b.png")], visitor.session.folder)
    last = run()[-1]
    assert {"a_b_half.png", "a_b-2_half.png"} <= set(zipfile.ZipFile(last["everything"]).namelist())
