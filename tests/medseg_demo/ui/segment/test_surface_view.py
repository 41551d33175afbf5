import base64

import gradio as gr
import numpy as np
import pytest

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.ui import texts
from medseg_demo.ui.segment.surface_view import SurfaceView, surface_value


def test_each_class_that_is_there_is_a_mesh_in_its_colour():
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[2:5, 2:6, 2:8], labels[6:9, 6:9, 6:9] = 1, 3
    value = surface_value(LabelMap(labels, ("a", "b", "c"), Geometry((2.0, 1.0, 1.0))))
    assert [mesh["name"] for mesh in value["meshes"]] == ["a", "c"]
    assert value["meshes"][0]["colour"] != value["meshes"][1]["colour"]
    corners = np.frombuffer(base64.b64decode(value["meshes"][0]["vertices"]), "<f4").reshape(-1, 3)
    faces = np.frombuffer(base64.b64decode(value["meshes"][0]["faces"]), "<i4")
    assert np.ptp(corners, axis=0) == pytest.approx([6, 4, 3 * 2], abs=0.5)
    assert faces.max() == len(corners) - 1
    assert value["axes"] == list(texts.SURFACE_AXES)


def test_without_a_voxel_it_says_so():
    value = surface_value(LabelMap(np.zeros((3, 4, 5), np.uint8), ("a",)))
    assert (value["meshes"], value["note"]) == ([], texts.SURFACE_EMPTY)
    assert value["axes"] == list(texts.SURFACE_AXES_VOXELS)


def test_a_picture_has_no_surface():
    with pytest.raises(OptionError, match="needs a volume"):
        surface_value(LabelMap(np.ones((3, 4), np.uint8), ("a",)))


def test_the_component_fetches_nothing_from_elsewhere():
    with gr.Blocks():
        assert "http" not in SurfaceView(elem_id="surface").js_on_load
