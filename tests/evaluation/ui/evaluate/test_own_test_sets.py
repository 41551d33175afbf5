"""Test sets that a visitor brings."""

import shutil
import zipfile
from pathlib import Path

import pytest

from evaluation.ui.evaluate import places, result_handlers, run_handlers
from evaluation.ui.evaluate.board import Asked, Choices
from evaluation.ui.evaluate.own_test_sets import add_test_set
from medseg_demo.errors import MedsegError
from medseg_demo.segmenting.turns import Turns
from medseg_demo.ui.session import Running


@pytest.fixture
def zipped(settings, tmp_path):
    """A zip of the test set, inside so many folders."""

    def make(name: str = "mine.zip", inside: str = "squares") -> Path:
        folder = settings.test_sets_dir / "squares"
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, Path(inside) / path.relative_to(folder))
        return tmp_path / name

    return make


@pytest.mark.parametrize(("inside", "name"), [("", "mine"), ("theirs", "theirs"), ("a/b/theirs", "theirs")])
def test_the_folder_inside_a_zip_is_found_and_nothing_else_stays(zipped, settings, tmp_path, inside, name):
    found = add_test_set(zipped(inside=inside), tmp_path / "own", settings, ())
    assert (found.name, len(found.cases)) == (name, 4)
    assert [path.name for path in (tmp_path / "own").iterdir()] == [name]


def test_a_name_that_is_taken_gets_a_number(zipped, settings, tmp_path):
    assert add_test_set(zipped(), tmp_path / "own", settings, ("squares",)).name == "squares-2"


@pytest.mark.parametrize(("member", "words"), [("readme.txt", "no"), ("../images/a.png", "outside"), ("a.png", "no")])
def test_what_is_no_test_set_leaves_nothing(settings, tmp_path, member, words):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(member, b"x")
    with pytest.raises(MedsegError, match=words):
        add_test_set(tmp_path / "bad.zip", tmp_path / "own", settings, ())
    assert not (tmp_path / "own").exists() or list((tmp_path / "own").iterdir()) == []


def test_a_test_set_that_was_brought_is_chosen_scored_and_its_pictures_are_shown(engine, first_paint, zipped, tmp_path):
    board, root = first_paint["board"], tmp_path / "session"
    found = result_handlers.add_test_set(engine, board, str(zipped()), root, [])
    assert found["test_sets"]["value"] == ["squares-2"]
    assert "squares-2: 4 cases" in found["status"]
    choices = Choices(test_sets=("squares-2",), checkpoints=("small",))
    *_, last = run_handlers.evaluate(
        engine, Turns(), Running("evaluate", "abc"), found["board"], choices, Asked(), workers=0
    )
    assert last["test_set"]["value"] == "squares-2"
    assert "data:image" in result_handlers.add_pictures(engine, last["board"])["gallery"]
    shutil.rmtree(root)
    assert "data:image" not in result_handlers.add_pictures(engine, last["board"])["gallery"]


def test_another_visitor_does_not_find_it(engine, first_paint, zipped, tmp_path):
    result_handlers.add_test_set(engine, first_paint["board"], str(zipped()), tmp_path / "session", [])
    other = places.open_tab(engine, "f" * 32, "light")
    assert "squares-2" not in str(other["test_sets"]["choices"])


def test_a_zip_without_a_test_set_is_told(engine, first_paint, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    found = result_handlers.add_test_set(engine, first_paint["board"], str(tmp_path / "a.zip"), tmp_path / "own", [])
    assert set(found) == {"status"}
