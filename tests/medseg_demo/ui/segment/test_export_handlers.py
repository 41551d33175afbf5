from functools import partial
from pathlib import Path

import numpy as np
import pytest

from medseg_demo.ui import texts
from medseg_demo.ui.segment import export_handlers, handlers, run_handlers
from medseg_demo.ui.segment.state import Choices, Work


@pytest.fixture
def work(engine, visitor, tmp_path) -> Work:
    """With the result of a volume."""
    volume = np.zeros((5, 64, 64), np.uint8)
    volume[1:4, 10:30, 10:30] = 255
    np.save(tmp_path / "volume.npy", volume)
    choices, work = Choices("bright"), visitor.work(Work)
    list(handlers.take_files(engine, work, [tmp_path / "volume.npy"], choices, visitor.session.folder))
    *_, last = visitor.run(partial(run_handlers.run, engine), choices)
    assert last["surface_panel"]["visible"]
    assert ("NRRD", "nrrd") in last["format"]["choices"]
    return work


def test_the_shown_result_is_written(work, tmp_path):
    found = export_handlers.write(work, "nrrd", tmp_path / "visitor")
    assert Path(found["export"]["value"]).name == "volume.nrrd"
    assert found["export"]["visible"]
    assert found["export_note"] == ""


def test_a_format_that_is_not_there_is_explained(work, tmp_path):
    found = export_handlers.write(work, "dicom-seg", tmp_path)
    assert not found["export"]["visible"]
    assert "Choose one of: NIfTI" in found["export_note"]


def test_the_surface_is_made_when_asked_for(work):
    found = export_handlers.show_surface(work)
    assert [mesh["name"] for mesh in found["surface"]["meshes"]] == ["bright"]
    assert found["surface_note"] == ""


def test_without_a_result_it_says_so(tmp_path):
    assert texts.NO_RESULT in export_handlers.write(Work(), "nrrd", tmp_path)["export_note"]
    assert texts.NO_RESULT in export_handlers.show_surface(Work())["surface_note"]
