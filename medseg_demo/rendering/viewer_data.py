"""What the viewer shows of one result: the value of a single prediction. Its keys are described in linked_data.py."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering.linked_data import MAX_SIDE, NamedPrediction, linked_value
from medseg_demo.rendering.planes import Plane
from medseg_demo.rendering.slice_data import ModelInput


def viewer_value(
    image: MedicalImage,
    label_map: LabelMap | None = None,
    probabilities: np.ndarray | None = None,
    model_input: ModelInput | None = None,
    reference: LabelMap | None = None,
    *,
    plane: Plane = "axial",
    slice_index: int | None = None,
    slice_indices: Sequence[int] | Literal["all"] | None = None,
    channels: Sequence[int] = (0,),
    threshold: float | None = None,
    postprocessing: str = "",
    title: str | None = None,
    key: str | None = None,
    max_side: int = MAX_SIDE,
) -> dict[str, object]:
    """Everything the viewer needs to show an image and what belongs to it.

    Args:
        image: The image or volume.
        label_map: The prediction, of the image's size.
        probabilities: Of the foreground classes in 0..1, (K, Y, X) or (K, Z, Y, X).
        model_input: Of an axial slice's index, what the network saw of it: uint8 (H, W) or (H, W, C).
        reference: The expert's label map, of the image's size.
        plane: Which plane opens, or which plane's slices are asked for.
        slice_index: The slice to open; the axial one with most of the prediction where none is given.
        slice_indices: The slices of ``plane`` to send; see ``linked_value``.
        channels: The channels to send; see ``linked_value``.
        threshold: What made the label map from the probabilities of one class; None where classes competed.
        postprocessing: In words, what was done to the label map afterwards, such as "components under 20 px removed".
        title: Shown on the stage; the image's name where none is given.
        key: That of the earlier value, to add slices to it.
        max_side: Slices with a longer side are reduced by a whole factor.

    Raises:
        ValueError: Something has another size than the image, or the slice is not one of the volume's.
    """
    return linked_value(
        image,
        [NamedPrediction("Prediction", label_map, probabilities, threshold, postprocessing)],
        reference=reference,
        layout="single",
        plane=plane,
        slice_index=slice_index,
        slice_indices=slice_indices,
        channels=channels,
        model_input=model_input,
        title=title,
        key=key,
        max_side=max_side,
    )
