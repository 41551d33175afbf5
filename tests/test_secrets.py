"""No way in hands out a file of the server: headers that name one, in every spelling, through every door.

A volume of random zeros and ones lies in a folder of its own: valid pixels, and valid labels. Every header says that
its data are there. Each way in must refuse it, and nothing that it writes, prints or answers may hold the pattern.
"""

import base64
import contextlib
import csv
import json
import os
import socket
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from secret_files import PLACES, SECRET, SHAPE, holds_secret, traps

import app
from evaluation.__main__ import main as evaluation_command
from medseg_demo import collect_images, count_volumes, read_image, read_label_map
from medseg_demo.__main__ import main as segment_command
from medseg_demo.errors import MedsegError
from medseg_demo.models.architectures import build_network
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings

CHECKPOINT = "solid"
SAMPLE = 7  # of the headers every seventh comes through the doors that lead to the same reader


@pytest.fixture(scope="module")
def secret(tmp_path_factory) -> Path:
    """The secret's absolute path: whole, and in four parts."""
    folder = tmp_path_factory.mktemp("server") / "elsewhere"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET.tobytes())
    for part, values in enumerate(SECRET):
        (folder / f"secret.{part}").write_bytes(values.tobytes())
    return folder / "secret"


@pytest.fixture(scope="module")
def given(secret) -> list[Path]:
    """The headers as files, beside a link to the secret and a folder with a copy."""
    folder = secret.parent.parent / "given"
    (folder / "sub").mkdir(parents=True)
    for part in ("", *(f".{part}" for part in range(4))):
        (folder / f"linked{part}").symlink_to(Path(f"{secret}{part}"))
        (folder / "sub" / f"secret{part}").write_bytes(Path(f"{secret}{part}").read_bytes())
    for trap in traps(secret):
        (folder / trap.name).write_bytes(trap.content)
    return sorted(folder.glob("trap_*"))


@pytest.fixture(scope="module")
def zips(given) -> list[Path]:
    """Each header inside a zip, with a link to the secret beside it."""
    folder = given[0].parent.parent / "zips"
    folder.mkdir()
    made = []
    for path in given:
        made.append(folder / f"{path.name}.zip")
        with zipfile.ZipFile(made[-1], "w") as archive:
            archive.write(path, path.name)
            link = zipfile.ZipInfo("linked")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, str(given[0].parent.parent / "elsewhere" / "secret"))
    return made


@pytest.fixture(scope="module")
def image_file(given) -> Path:
    """An honest image of the secret's shape."""
    path = given[0].parent.parent / "image.npy"
    np.save(path, np.random.default_rng(1).integers(0, 255, SHAPE, dtype=np.uint8))
    return path


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    torch.manual_seed(0)
    network = build_network("MonaiUNet", {"channels": (4, 8), "strides": (2,), "in_channels": 1, "classes": 1})
    card = ModelCard(
        task="things", class_names=("thing",), in_channels=1, input_size=(4, 16, 16), inference="tile", threshold=0.5
    )
    folder = tmp_path_factory.mktemp("checkpoints")
    save_checkpoint(folder / CHECKPOINT, network.eval(), card)
    return Settings(checkpoints_dir=folder, results_dir=tmp_path_factory.mktemp("results"), device="cpu")


@pytest.fixture(autouse=True)
def environment(settings, monkeypatch):
    for name in ("checkpoints_dir", "results_dir", "device"):
        monkeypatch.setenv(f"MEDSEG_{name.upper()}", str(getattr(settings, name)))


def test_the_search_finds_the_pattern(tmp_path):
    nibabel.Nifti1Image(SECRET.T, np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    np.save(tmp_path / "b.npy", SECRET * 255)
    Image.fromarray(SECRET[2] * 255).save(tmp_path / "c.png")
    (tmp_path / "d.json").write_text(json.dumps(SECRET[1].tolist()))
    with zipfile.ZipFile(tmp_path / "e.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.nii.gz", "x/a.nii.gz")
    for path in tmp_path.iterdir():
        assert holds_secret(path) or holds_secret(path.read_text(errors="ignore")), path.name
    assert holds_secret(SECRET.astype(np.float32) * 7 + 3)
    assert holds_secret(base64.b64encode(zlib.compress(SECRET.tobytes())).decode())
    assert not holds_secret(np.random.default_rng(3).integers(0, 2, SHAPE, dtype=np.uint8))


def refuses(way: Callable[[Path], object], paths: list[Path]) -> list[str]:
    """The names of the files that a way in took, or whose refusal says too much."""
    wrong = []
    for path in paths:
        try:
            answer = way(path)
        except MedsegError as error:
            if holds_secret(str(error)) or "elsewhere" in str(error):
                wrong.append(f"{path.name}: {error}")
        else:
            wrong.append(f"{path.name}: {type(answer).__name__}")
    return wrong


def test_every_spelling_is_there(given):
    assert len(given) == len(PLACES) * 30


def test_read_image(given, zips, tmp_path):
    assert refuses(read_image, given) == []
    assert refuses(read_image, zips) == []
    assert refuses(lambda path: read_image(path, volume=1, unpack_to=tmp_path / "unpacked"), [*given, *zips]) == []
    assert not holds_secret(tmp_path)


def test_read_label_map(given, zips, image_file):
    image = read_image(image_file)
    assert refuses(read_label_map, [*given, *zips]) == []
    assert refuses(lambda path: read_label_map(path, class_names=("thing",), image=image), given) == []


def test_listings(given, zips, tmp_path):
    assert {count_volumes(path) for path in [*given, *zips]} == {1}
    for paths in (given[:20], zips[:20], [given[0].parent / "sub", given[0].parent]):
        items = collect_images(paths, unpack_to=tmp_path)
        assert refuses(read_image, [item for item in items if isinstance(item, Path) and item.name[:4] == "trap"]) == []
    assert not holds_secret(tmp_path)


def test_the_command_segment(given, zips, tmp_path, capsys):
    files = [*map(str, given), *map(str, zips)]
    assert segment_command(["segment", *files, "--checkpoint", CHECKPOINT, "--output", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.suffix in (".gz", ".png", ".nrrd", ".dcm")]
    assert not holds_secret(tmp_path)
    assert not holds_secret(shown.out + shown.err)
    assert "elsewhere" not in shown.out + shown.err


def test_the_command_compare(given, image_file, tmp_path, capsys):
    for number, path in enumerate(given[::SAMPLE]):
        output = ["--output", str(tmp_path / f"out_{number}")]
        label_map = ["compare", str(image_file), "--label-map", str(path), *output]
        reference = ["compare", str(image_file), "--checkpoint", CHECKPOINT, "--reference", str(path), *output]
        image = ["compare", str(path), "--checkpoint", CHECKPOINT, *output]
        for arguments in (label_map, reference, image):
            assert evaluation_command(arguments) == 2, path.name
    shown = capsys.readouterr()
    assert not holds_secret(tmp_path)
    assert not holds_secret(shown.out + shown.err)


def write_test_set(folder: Path, given: list[Path], image_file: Path, *, trap: str) -> Path:
    """A case for each header, which is its image, its mask or its prediction; the rest is honest."""
    for path in given:
        case = path.stem
        for part in ("images", "masks", "predictions"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            target = folder / part / f"{case}{path.suffix if part == trap else '.npy'}"
            if part == trap:
                target.write_bytes(path.read_bytes())
            elif part == "images":
                target.write_bytes(image_file.read_bytes())
            else:
                np.save(target, (np.load(image_file) > 100).astype(np.uint8))
    (folder / trap / "linked").symlink_to(given[0].parent / "linked")
    return folder


@pytest.mark.parametrize("trap", ["masks", "predictions"])
def test_the_command_score(given, image_file, tmp_path, capsys, trap):
    folder = write_test_set(tmp_path / "set", given, image_file, trap=trap)
    (folder / trap / "linked").unlink()
    arguments = ["score", "--test-set", str(folder), "--predictions", str(folder / "predictions"), "--workers", "0"]
    assert evaluation_command([*arguments, "--output", str(tmp_path / "out")]) in (1, 2)
    assert_nothing_scored(tmp_path / "out", capsys)


@pytest.mark.parametrize("trap", ["images", "masks"])
def test_the_command_run(given, image_file, tmp_path, capsys, trap):
    folder = write_test_set(tmp_path / "set", given[::SAMPLE], image_file, trap=trap)
    (folder / trap / "linked").unlink()
    arguments = ["run", "--test-set", str(folder), "--checkpoint", CHECKPOINT, "--workers", "0"]
    assert evaluation_command([*arguments, "--output", str(tmp_path / "out")]) in (1, 2)
    assert_nothing_scored(tmp_path / "out", capsys)


def assert_nothing_scored(output: Path, capsys) -> None:
    shown = capsys.readouterr()
    assert not holds_secret(shown.out + shown.err)
    if output.exists():
        assert not holds_secret(output)
        for table in output.rglob("scores.csv"):
            with table.open(newline="", encoding="utf-8") as file:
                assert [row["case_id"] for row in csv.DictReader(file) if row["status"] == "ok"] == []


def test_the_handlers_of_the_page(given, zips, image_file, settings, tmp_path, visitor):
    from evaluation.ui.compare import handlers as compare_handlers
    from evaluation.ui.compare import run as compare_run
    from evaluation.ui.compare.state import Request
    from evaluation.ui.compare.state import Work as ComparedWork
    from medseg_demo.ui.segment import handlers
    from medseg_demo.ui.segment.state import Choices, Work

    engine = Engine(settings)
    for path in [*given[::SAMPLE], *zips[::SAMPLE]]:
        work = Work()
        shown = list(handlers.take_files(engine, work, [path], Choices(CHECKPOINT), tmp_path / "visitor"))
        assert work.given.image is None, path.name
        assert not holds_secret(repr(shown)), path.name
        compared = ComparedWork()
        compare_handlers.take_files(engine, compared, [path], tmp_path / "visitor")
        assert compared.given.image is None, path.name
    list(handlers.take_files(engine, visitor.work(Work), [image_file], Choices(CHECKPOINT), tmp_path / "visitor"))
    for path in given[::SAMPLE]:
        assert set(handlers.lay_over(engine, visitor.work(Work), str(path))) == {"over_note"}, path.name
        assert visitor.work(Work).given.over is None
    compare_handlers.take_files(engine, visitor.work(ComparedWork), [image_file], tmp_path / "visitor")
    for field in ("references", "label_maps"):
        for path in given[::SAMPLE]:
            asked = Request((CHECKPOINT,), **{field: (str(path),)})
            (shown,) = visitor.run(partial(compare_run.run, engine), asked, tab="compare")
            assert 'role="alert"' in shown["status"], path.name
            assert not holds_secret(repr(shown)), path.name
    assert not holds_secret(tmp_path)


@pytest.fixture(scope="module")
def client(settings, tmp_path_factory):
    """The running app, through the client that its users have."""
    from gradio_client import Client

    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("uploads"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = app.build_app(settings)
    options = {"server_name": "127.0.0.1", "server_port": port, "prevent_thread_lock": True}
    _, url, _ = page.launch(**options, **app.launch_options(settings))
    yield Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))
    page.close()
    os.environ.pop("GRADIO_TEMP_DIR") if before is None else os.environ.update(GRADIO_TEMP_DIR=before)


def refused_by_app(call: Callable[[Path], object], paths: list[Path]) -> list[str]:
    from gradio_client.exceptions import AppError

    wrong = []
    for path in paths:
        try:
            answer = call(path)
        except AppError as error:
            if holds_secret(str(error)) or "elsewhere" in str(error):
                wrong.append(f"{path.name}: {error}")
        else:
            wrong.append(f"{path.name}: {type(answer).__name__}")
    return wrong


def test_the_endpoint_segment(client, given, zips):
    from gradio_client import handle_file

    paths = [*given[::11], *zips[::30]]
    assert refused_by_app(lambda path: client.predict(handle_file(path), CHECKPOINT, api_name="/segment"), paths) == []


@pytest.mark.parametrize("role", ["file", "reference", "label_maps"])
def test_the_endpoint_compare(client, given, image_file, role):
    from gradio_client import handle_file

    def call(path: Path) -> object:
        trap = [handle_file(path)] if role == "label_maps" else handle_file(path)
        files = {"file": handle_file(image_file)} | {role: trap}
        return client.predict(**files, checkpoints=[CHECKPOINT], api_name="/compare")

    assert refused_by_app(call, given[::13]) == []


@pytest.mark.parametrize("trap", ["images", "masks"])
def test_the_endpoint_evaluate(client, given, image_file, tmp_path, trap):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    folder = write_test_set(tmp_path / "set", given[::SAMPLE], image_file, trap=trap)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.parent.name != "predictions":
                archive.write(path, path.relative_to(folder))
    with contextlib.suppress(AppError):
        table, scores = client.predict([CHECKPOINT], file=handle_file(tmp_path / "set.zip"), api_name="/evaluate")
        assert [row["case_id"] for row in table["rows"] if row["status"] == "ok"] == []
        assert not holds_secret(json.dumps(table))
        assert not holds_secret(Path(scores))
