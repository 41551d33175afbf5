"""A series, labels on it, and both as a DICOM SEG."""

import pytest
from dicom_segs import labels_on, series_in, write


@pytest.fixture
def image(tmp_path):
    return series_in(tmp_path)


@pytest.fixture
def label_map(image):
    return labels_on(image)


@pytest.fixture
def written(tmp_path, image, label_map):
    return write(tmp_path, label_map, image)
