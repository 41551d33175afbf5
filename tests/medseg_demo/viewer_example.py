"""What the browser tests of the viewer look at: a radiograph with everything that an image of one class can have."""

import numpy as np

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, to_uint8, viewer_value

SIDE = 64
Y, X = np.mgrid[:SIDE, :SIDE]
DISTANCE = np.hypot(Y - 32, X - 30)
PROBABILITY = np.clip(1 - DISTANCE / 40, 0, 1).astype(np.float16)
MASK = LabelMap((PROBABILITY > 0.5).astype(np.uint8), ("lungs",))
REFERENCE = LabelMap((np.hypot(Y - 34, X - 34) < 18).astype(np.uint8), ("lungs",))
RADIOGRAPH = MedicalImage(
    np.random.default_rng(7).integers(0, 65536, (SIDE, SIDE)).astype(np.uint16),
    "YX",
    Geometry((0.5, 0.5)),
    "scan",
    "PNG",
    16,
    (1000.0, 40000.0),
)


def lungs_value() -> dict[str, object]:
    """The radiograph with label map, probabilities, the network's input and a reference."""
    seen = to_uint8(RADIOGRAPH.pixels[::2, ::2], (0, 65535))[np.newaxis]
    prediction = predicted(MASK, PROBABILITY[np.newaxis], 0.5, "components under 20 px removed")
    return viewer_value(RADIOGRAPH, prediction, reference=REFERENCE, model_input=seen.__getitem__)


def predicted(label_map: LabelMap, *more: object) -> list[NamedPrediction]:
    """A single prediction, whose name no page shows; more of it in the order of NamedPrediction."""
    return [NamedPrediction("Prediction", label_map, *more)]
