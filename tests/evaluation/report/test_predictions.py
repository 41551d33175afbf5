"""Predictions made again for a report: by the version that was scored, or not at all."""

import numpy as np
import pytest

from evaluation.report.predictions import segment_as_scored
from evaluation.results.table import Run
from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.checkpoint import digest
from medseg_demo.settings import Settings


@pytest.fixture
def image() -> MedicalImage:
    pixels = np.full((64, 64), 128, np.uint8)
    return MedicalImage(pixels, "YX", Geometry(), "grey", "PNG", 8, (0.0, 255.0))


def test_only_the_version_that_was_scored_is_taken(checkpoints, image):
    settings = Settings(checkpoints_dir=checkpoints, device="cpu", precision="float32")
    scored = digest(checkpoints / "small")
    labels, made_by = segment_as_scored([Run("small", "set", checkpoint_hash=scored)], settings)(image, "small")
    assert (labels.shape, made_by) == ((64, 64), scored)
    with pytest.raises(InvalidCheckpointError, match="another version"):
        segment_as_scored([Run("small", "set", checkpoint_hash="other")], settings)(image, "small")
    assert segment_as_scored([Run("small", "set")], settings)(image, "small")[1] == scored  # no hash is known


@pytest.mark.parametrize("name", ["none", "../checkpoints/small", "owner/name"])
def test_no_name_leads_out_of_the_checkpoints_folder(checkpoints, image, name):
    settings = Settings(checkpoints_dir=checkpoints)
    with pytest.raises(UnknownCheckpointError, match="is not here to make it again"):
        segment_as_scored([Run(name, "set")], settings)(image, name)
