import numpy as np
import pytest
import torch
from PIL import Image

from medseg_demo.errors import InputMismatchError, ReadError
from medseg_demo.reading import read_image
from medseg_demo.segmenting import engine
from medseg_demo.segmenting import many as batch
from medseg_demo.segmenting.many import segment_files
from medseg_demo.segmenting.pipeline import Segmentation


@pytest.fixture
def files(tmp_path):
    paths = []
    for index in range(5):
        pixels = np.zeros((64, 64), np.uint8)
        pixels[: 10 * (index + 1)] = 255
        paths.append(tmp_path / f"image_{index}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.mark.parametrize("group", [1, 2, 8])
def test_results_come_in_the_order_of_the_files(files, brightness, settings, group, monkeypatch):
    monkeypatch.setattr(batch, "GROUP", group)
    results = list(segment_files(files, brightness, settings=settings))
    assert [path for path, _ in results] == files
    assert [int(result.label_map.labels.sum()) for _, result in results] == [640 * n for n in (1, 2, 3, 4, 5)]


def test_a_damaged_file_does_not_stop_the_others(files, brightness, settings):
    files[1].write_bytes(files[1].read_bytes()[:60])
    results = [result for _, result in segment_files(files, brightness, settings=settings)]
    assert isinstance(results[1], ReadError)
    assert [isinstance(result, Segmentation) for result in results] == [True, False, True, True, True]


def test_a_missing_file_is_an_error_of_its_own(files, brightness, settings, tmp_path):
    results = [result for _, result in segment_files([tmp_path / "none.png", *files], brightness, settings=settings)]
    assert isinstance(results[0], ReadError)
    assert len(results) == 6


def test_an_image_that_the_network_refuses_does_not_stop_the_others(files, brightness, settings, monkeypatch):
    whole = engine.segment_batch

    def refuse(images, *rest, **options):
        if any(image.name == "image_2" for image in images):
            raise InputMismatchError("image_2: too much")
        return whole(images, *rest, **options)

    monkeypatch.setattr(engine, "segment_batch", refuse)
    results = [result for _, result in segment_files(files, brightness, settings=settings)]
    assert [isinstance(result, Segmentation) for result in results] == [True, True, False, True, True]


def test_large_files_are_read_one_at_a_time(files, brightness, settings, monkeypatch):
    monkeypatch.setattr(batch, "GROUP_BYTES", 1)
    assert [len(group) for group in batch._groups(files)] == [1] * 5
    assert len(list(segment_files(files, brightness, settings=settings))) == 5


def test_files_are_read_only_as_they_are_needed(files, brightness, settings, monkeypatch):
    read = []
    monkeypatch.setattr(batch, "GROUP", 1)
    monkeypatch.setattr(batch, "read_image", lambda path, **_: read.append(path) or read_image(path))
    results = segment_files(files, brightness, settings=settings)
    next(results)
    results.close()
    assert len(read) <= 4


def test_nothing_goes_on_once_nobody_wants_it(files, brightness, settings, monkeypatch):
    monkeypatch.setattr(batch, "GROUP", 1)
    begun = []

    def held(images, *rest, turn, **options):
        begun.append(images[0].name)
        while images[0].name != "image_0":
            with turn():
                pass
        return ["done"]

    monkeypatch.setattr(engine, "segment_batch", held)
    results = segment_files(files, brightness, settings=settings)
    next(results)
    results.close()  # ends, since the others are cancelled
    assert len(begun) < len(files)


def test_the_callers_threads_are_left_alone(files, brightness, settings):
    before = torch.get_num_threads()
    list(segment_files(files, brightness, settings=settings))
    assert torch.get_num_threads() == before
