import shutil

import numpy as np
from dicom_series import SeriesWriter

from evaluation.runs.request import RunOptions
from evaluation.runs.runner import score
from medseg_demo.image import LabelMap
from medseg_demo.reading import read_image
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import data_hash, read_test_set
from medseg_demo.writing.label_map import write_label_map


def test_the_folder_or_zip_of_a_dicom_series_is_an_image(tmp_path):
    folder, pixels = tmp_path / "set", np.arange(4 * 12 * 10, dtype=np.int16).reshape(4, 12, 10)
    (folder / "images" / "a").mkdir(parents=True)
    (folder / "masks").mkdir()
    SeriesWriter(folder / "images" / "a").volume(pixels)
    shutil.make_archive(str(folder / "images" / "b"), "zip", folder / "images" / "a")
    image = read_image(folder / "images" / "a")
    labels = (image.pixels > 200).astype(np.uint8)
    for name in ("a", "b"):
        write_label_map(LabelMap(labels, ("class_1",), image.geometry), None, folder / "masks" / name)
    test_set = read_test_set(folder)
    assert [case.case_id for case in test_set.cases] == ["a", "b"]
    assert len(test_set.cases[0].files) == 5  # all of the slices are in the hash
    assert len(data_hash(test_set)) == 64
    options = RunOptions(workers=0, metrics=("dice",))
    outcome = score(test_set, folder / "masks", tmp_path / "out", options=options, settings=Settings(device="cpu"))
    assert outcome.failures == ()
    assert outcome.results.table["dice"].tolist() == [1, 1]
