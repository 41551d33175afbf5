"""What a prompted checkpoint makes of an image before anybody says anything: an empty label map to click into."""

import numpy as np

from medseg_demo.correcting.segmentation import EMPTY, CorrectedSegmentation
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.models.backends import prepare
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import choose_compute
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.settings import Settings


def blank_segmentation(image: MedicalImage, checkpoint: Checkpoint, settings: Settings) -> CorrectedSegmentation:
    """The empty label map, in the image's own size.

    Args:
        image: From ``read_image``.
        checkpoint: A prompted one, which is made ready.
        settings: Device and precision.

    """
    labels = np.zeros(image.shape, np.uint8)
    return CorrectedSegmentation(
        image=image,
        label_map=LabelMap(labels, checkpoint.card.class_names, image.geometry, colours=checkpoint.card.class_colours),
        probabilities=np.zeros((0, *labels.shape), np.float16),
        checkpoint=checkpoint.name,
        digest=checkpoint.digest,
        card=checkpoint.card,
        options=SegmentOptions(),
        threshold=None,
        seconds={},
        compute=prepare(checkpoint, choose_compute(settings)).name,
        has_card=checkpoint.has_card,
        notes=(EMPTY,),
    )
