"""A series, labels on it, and both as a DICOM SEG."""

import numpy as np
import pytest
from dicom_segs import NAMES, image_of, write
from dicom_series import SeriesWriter, affine_of, blob

from medseg_demo.image import LabelMap


@pytest.fixture
def image(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob())
    return image_of((tmp_path / "ct").iterdir(), affine_of())


@pytest.fixture
def label_map(image):
    labels = np.zeros(image.shape, np.uint8)
    labels[2:5, 3:6, 2:7] = 1
    labels[5, 7:, :3] = 2
    return LabelMap(labels, NAMES, image.geometry)


@pytest.fixture
def written(tmp_path, image, label_map):
    return write(tmp_path, label_map, image)
