"""A whole brain through a 3-D network, whose visitor goes away: the MNI152 template, and the bundled hippocampus."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_demo.reading import read_image
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled, Job
from medseg_demo.settings import Settings
from medseg_demo.ui.session import Session

VOLUME, PICTURE = "hippocampus-unet3d", "lungs-unet-tiny"
PATIENCE_S = 240


@pytest.fixture
def mni152() -> Path:
    """The template as nilearn brings it, 197 × 233 × 189 voxels of 1 mm."""
    import nilearn

    return Path(nilearn.__file__).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


@pytest.fixture
def picture(tmp_path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 128), np.uint8)).save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


class Batches:
    """Whose each batch is, in their order; ``second`` is set at the second one."""

    def __init__(self) -> None:
        self.owners: list[str] = []
        self.second = threading.Event()

    def around(self, turn):
        """In place of Job.turn."""

        @contextmanager
        def noted(job: Job) -> Iterator[None]:
            with turn(job):
                self.owners.append(job.owner)
                if len(self.owners) == 2:
                    self.second.set()
                yield

        return noted


@pytest.fixture
def batches(monkeypatch) -> Batches:
    batches = Batches()
    monkeypatch.setattr(Job, "turn", batches.around(Job.turn))
    return batches


@pytest.mark.slow
def test_no_batch_of_a_closed_page_s_brain_comes_after_the_next_visitor_s_first(batches, mni152, picture):
    settings = Settings(device="cpu")
    engine = Engine(settings)
    brain, scan = (read_image(path, settings=settings) for path in (mni152, picture))
    leaver, next_one = Session("leaver"), Session("next")
    ended = threading.Event()

    def segment_the_brain() -> None:
        try:
            with leaver.running("segment") as running:
                running.segment(engine, brain, VOLUME)
        except Cancelled:
            ended.set()

    work = threading.Thread(target=segment_the_brain)
    work.start()
    assert batches.second.wait(PATIENCE_S)
    leaver.end()  # what a closed page does
    with next_one.running("segment") as running:
        result = running.segment(engine, scan, PICTURE)
    work.join(PATIENCE_S)
    assert ended.is_set()
    assert result.label_map.labels.shape == (96, 128)
    first = batches.owners.index("next")
    assert set(batches.owners[:first]) == {"leaver"}
    assert set(batches.owners[first:]) == {"next"}
