"""Predictions that a run did not keep, made again for a report by the very checkpoints that were scored."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from evaluation.results.origins import Segment
from evaluation.results.table import Run
from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.image import MedicalImage
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from medseg_demo.segmenting.engine import Engine

NOT_HERE = "The prediction was not kept with these results, and checkpoint {name!r} is not here to make it again."
OTHER_VERSION = (
    "The prediction was not kept with these results, and checkpoint {name!r} is here in another version than the one "
    "that was scored."
)


def segment_as_scored(runs: Iterable[Run], settings: Settings) -> Segment:
    """What segments an image with a checkpoint of the checkpoints folder, if it is the one that was scored.

    Nothing is loaded before the first image, and no name leads out of the folder.

    Args:
        runs: The runs of the report; their hashes say which versions were scored. A run without a hash takes any.
        settings: The checkpoints folder, the device and the limits.

    Returns:
        A function that raises ``UnknownCheckpointError`` where the checkpoint is not here or cannot be used, and
        ``InvalidCheckpointError`` where it is another version.
    """
    scored: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        scored[run.checkpoint].add(run.checkpoint_hash)

    @cache
    def engine() -> "Engine":
        from medseg_demo.segmenting.engine import Engine

        return Engine(settings)

    def segment(image: MedicalImage, name: str) -> tuple[np.ndarray, str]:
        if engine().find(name) is None:
            raise UnknownCheckpointError(NOT_HERE.format(name=name))
        checkpoint = engine().loaded(name)
        if not scored[name] & {"", checkpoint.digest}:
            raise InvalidCheckpointError(OTHER_VERSION.format(name=name))
        return engine().segment(image, checkpoint).label_map.labels, checkpoint.digest

    return segment
