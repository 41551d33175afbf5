"""A visitor's page over two results folders: one as a reference run, one with kept predictions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
from evaluation.results.table import Results, Run, write_results
from evaluation.runs.predictions import keep_prediction
from evaluation.ui.evaluate import places, run_folders
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.ui.segment.example import Example
from medseg_demo.writing.nifti import write_nifti

VISITOR = "0123456789abcdef" * 2
METRICS = ("dice", "reference_volume", "predicted_volume")


@pytest.fixture
def settings(tmp_path: Path, checkpoints: Path, make_test_set) -> Settings:
    make_test_set("sets/squares")
    return Settings(
        checkpoints_dir=checkpoints, test_sets_dir=tmp_path / "sets", results_dir=tmp_path / "results", device="cpu",
        precision="float32",
    )  # fmt: skip


@pytest.fixture
def engine(settings: Settings) -> Engine:
    return Engine(settings)


@pytest.fixture
def reference_runs(tmp_path: Path, monkeypatch, table_of) -> Path:
    """Scores of two checkpoints on a test set whose images are not on this computer."""
    folder = tmp_path / "reference_runs"
    monkeypatch.setattr(run_folders, "REFERENCE_RUNS", folder)
    table = table_of(
        {"one": [0.9, 0.2, 0.7, "failed", 0.8, 0.85], "two": [0.6, 0.65, 0.5, 0.4, 0.3, 0.2]}, test_set="lungs",
        site=list("ABABAB"),
    )  # fmt: skip
    write_results(Results(table, (Run("one", "lungs"), Run("two", "lungs")), ("site",), METRICS), folder / "lungs")
    return folder


@pytest.fixture
def squares_run(settings: Settings, table_of) -> Path:
    """An earlier run of the command line on a test set that is here, with its predictions."""
    folder = settings.results_dir / "squares-run"
    table = table_of({"net": [0.9, 0.2, 0.7, 0.8]}, test_set="squares")
    table["case_id"] = [f"case_{number:02}" for number in range(4)]
    for case_id in table["case_id"]:
        labels = np.zeros((64, 64), np.uint8)
        labels[:32] = 1
        keep_prediction(LabelMap(labels, ("class_1",)), folder, "squares", "net", case_id)
    write_results(Results(table, (Run("net", "squares"),), (), METRICS), folder)
    return folder


@pytest.fixture
def volumes_run(settings: Settings, table_of) -> Path:
    """An earlier run of two checkpoints on two volumes of 10 slices, whose predictions are kept."""
    folder, root = settings.results_dir / "volumes-run", settings.test_sets_dir / "volumes"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for number in range(2):
        labels = np.zeros((10, 40, 48), np.uint8)
        labels[2:7, 10:30, 10 : 30 + number] = 1
        geometry = Geometry((2.0, 1.0, 1.0), np.diag([1.0, 1.0, 2.0, 1.0]))
        name = f"volume_{number}"
        write_nifti(labels * np.uint8(200) + np.uint8(number), geometry, root / "images" / f"{name}.nii.gz")
        write_nifti(labels, geometry, root / "masks" / f"{name}.nii.gz")
        for checkpoint, shift in (("near", 1), ("far", 6)):
            moved = LabelMap(np.roll(labels, shift, axis=2), ("class_1",), geometry)
            keep_prediction(moved, folder, "volumes", checkpoint, name)
    table = table_of({"near": [0.95, 0.94], "far": [0.7, 0.69]}, test_set="volumes")
    table["case_id"] = table["case_id"].map({"case_000": "volume_0", "case_001": "volume_1"})
    runs = tuple(Run(name, "volumes") for name in ("near", "far"))
    write_results(Results(table, runs, (), METRICS), folder)
    return folder


@pytest.fixture
def first_paint(engine: Engine, reference_runs: Path, squares_run: Path) -> dict[str, object]:
    """What the first paint of the tab is told."""
    return places.open_tab(engine, VISITOR, "light")


@pytest.fixture
def picture(tmp_path: Path):
    """Writes a grey 64 × 64 PNG: white on the left half, and 60 % of white in a 16 × 16 square on the right."""

    def write(name: str = "scan.png") -> Path:
        pixels = np.zeros((64, 64), np.uint8)
        pixels[:, :32], pixels[16:32, 40:56] = 255, 153
        Image.fromarray(pixels).save(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def url(engine, reference_runs, tmp_path, monkeypatch):
    """The address of the app over the engine's folders, in this process."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    blocks = app.build_app(engine.settings, example=Example(engine))
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, **app.launch_options(engine.settings))
    yield address
    blocks.close()
