"""An app with nothing but the viewer of a generated volume of 256³; slices are sent on demand, as in the real one."""

import argparse

import gradio as gr
import numpy as np

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, viewer_value
from medseg_demo.ui.viewer import Viewer

SIDE = 256


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    image, label_map, probabilities = _generated()
    shown = [NamedPrediction("ball", label_map, probabilities, 0.5)]

    def send(event: gr.EventData) -> dict[str, object]:
        return viewer_value(image, shown, plane=event.plane, slice_indices=event.slices, key=event.key)

    with gr.Blocks(analytics_enabled=False) as demo:
        viewer = Viewer(viewer_value(image, shown))
        viewer.change_slice(send, None, viewer, queue=False, show_progress="hidden")
    demo.launch(server_port=port, quiet=True, run_history=False, enable_monitoring=False)


def _generated() -> tuple[MedicalImage, LabelMap, np.ndarray]:
    """A ball with the noise of a scan, which compresses badly, and soft probabilities."""
    z, y, x = np.ogrid[:SIDE, :SIDE, :SIDE]
    radius = np.sqrt((z - 128.0) ** 2 + (y - 128.0) ** 2 + (x - 128.0) ** 2).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 30, radius.shape).astype(np.float32)
    pixels = (1000 * np.exp(-((radius / 60) ** 2)) - 500 + noise).astype(np.int16)
    probabilities = (1 / (1 + np.exp((radius - 70) / 6))).astype(np.float16)[np.newaxis]
    geometry = Geometry((1.0, 1.0, 1.0), np.eye(4))
    image = MedicalImage(pixels, "ZYX", geometry, "ball", "NIfTI", 16, (-500.0, 500.0), "CT")
    return image, LabelMap((probabilities[0] > 0.5).astype(np.uint8), ("ball",)), probabilities


if __name__ == "__main__":
    main()
