"""A GPU that is lent by the call, as on a Hugging Face Space with ZeroGPU: networks run for seconds, in a worker.

The package ``spaces``, which such a Space installs, forks a process that has a GPU for as long as was asked for, and
takes what it used from the visitor's daily share. A request that asks for more than is left of the share is refused;
then the CPU computes, and the result says why. Elsewhere ``spaces`` leaves functions as they are: nothing is lent.

Only names, pixels and options go to the worker. It has the networks from the moment when it was forked, or loads them.
Source: Hugging Face, "Spaces ZeroGPU", huggingface.co/docs/hub/spaces-zerogpu.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import cache, partial
from queue import Empty, SimpleQueue
from threading import Event, Thread

from medseg_demo.errors import MedsegError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.models.catalog import Catalog
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.network import Ensemble
from medseg_demo.models.origins.graph import GraphNetwork
from medseg_demo.segmenting.crop import cropped
from medseg_demo.segmenting.explain import extra_runs
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation, segment
from medseg_demo.segmenting.prepare import placement_in
from medseg_demo.segmenting.turns import POLL_S, Cancelled, Job
from medseg_demo.segmenting.windows import tiles_of, views_of
from medseg_demo.settings import Settings

logger = logging.getLogger(__name__)

LEAST_S, MOST_S = 5, 30  # that are asked for: a visitor without an account has 120 a day
START_S = 4.0  # until a worker has its GPU and a network is on it
PER_MEGAPIXEL_S = 0.1  # of the network's input; a tenth of it suffices for small networks
PER_MEGAVOXEL_S = 0.1  # of the image, for what is before and after the network

NO_SHARE = (
    "The CPU computed this, which is slower: your share of the GPU for today does not suffice{left}. Sign in to "
    "Hugging Face for a larger share{wait}."
)
NO_GPU = "The CPU computed this, which is slower: no GPU was free. Try again later."
ENDED = "The CPU computed this, which is slower: the GPU was taken away before the end."
SHARE_TITLES = ("ZeroGPU quota exceeded", "ZeroGPU pending credits exceeded", "ZeroGPU illegal duration")
ENDED_TITLE = "ZeroGPU worker error"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Step:
    """How far the worker is with one checkpoint."""

    name: str
    done: int
    total: int


class Refused(Exception):  # noqa: N818 (the CPU goes on)
    """No GPU was lent, or not for long enough; the message says why."""


def _work(
    image: MedicalImage, names: Sequence[str], options: SegmentOptions, settings: Settings
) -> Iterator[Step | Segmentation | MedsegError]:
    """What the worker does; the results come without the image, which the other side has."""
    told: SimpleQueue[Step | Segmentation | Exception | None] = SimpleQueue()
    over = Event()

    def step(name: str, done: int, total: int) -> None:
        if over.is_set():
            raise Cancelled
        told.put(Step(name, done, total))

    def compute() -> None:
        try:
            for name in names:
                found = _networks(settings).load(name)
                result = segment(image, found, options=options, settings=settings, progress=partial(step, name))
                told.put(replace(result, image=None))  # type: ignore[arg-type]
        except Exception as error:
            told.put(error)
        else:
            told.put(None)

    thread = Thread(target=compute, name="lent", daemon=True)
    thread.start()
    try:
        while (item := told.get()) is not None:
            if isinstance(item, Exception) and not isinstance(item, MedsegError):
                raise item
            yield item
            if isinstance(item, MedsegError):
                return
    finally:
        over.set()
        thread.join()


def seconds_needed(image: MedicalImage, names: Sequence[str], options: SegmentOptions, settings: Settings) -> int:
    """For how long the GPU is asked for; the arguments are those of the work."""
    cards = {entry.name: entry.card for entry in _networks(settings).entries()}
    needed = sum(_estimate_s(image, card, options) for name in names if (card := cards.get(name)))
    return max(LEAST_S, min(math.ceil(START_S + needed), MOST_S))


def _estimate_s(image: MedicalImage, card: ModelCard, options: SegmentOptions) -> float:
    part = cropped(image, options.crop)
    dims = len(card.input_size)
    size = part.slices.shape[3 - dims : 3]
    canvas = placement_in(size, card, spacing_mm=part.geometry.spacing_mm).canvas
    tiles = len(tiles_of(canvas, card)) * (1 if card.is_3d else len(part.slices))
    passes = len(views_of(card, flips=options.flips)) + extra_runs(options.explain, card)
    megapixels = tiles * math.prod(card.input_size) / 1e6
    return PER_MEGAPIXEL_S * megapixels * passes + PER_MEGAVOXEL_S * math.prod(part.slices.shape[:3]) / 1e6


try:  # such a Space wants to know, when this is imported, which functions need the GPU
    import spaces
except ImportError:
    _lent = _work
else:
    _lent = spaces.GPU(duration=seconds_needed)(_work)


@cache
def _networks(settings: Settings) -> Catalog:
    """The checkpoints for the worker. Nothing else uses this one, so that no lock of it is held when one is forked."""
    return Catalog(settings.checkpoints_dir, most_bytes=settings.cached_mb * 2**20)


def is_lent(settings: Settings) -> bool:
    """Whether networks run on a lent GPU: on a Space with ZeroGPU, unless the settings ask for something else."""
    return _lent is not _work and settings.device == "auto" and settings.backend != "openvino"


def load_networks(settings: Settings) -> None:
    """Load the checkpoints, so that each worker has them from its beginning."""
    for entry in _networks(settings).entries():
        if entry.problem is None:
            try:
                _networks(settings).load(entry.name)
            except MedsegError as error:
                logger.warning("%s", error)


def segment_each(
    image: MedicalImage,
    checkpoints: Sequence[Checkpoint],
    options: SegmentOptions,
    settings: Settings,
    *,
    job: Job,
    progress: Progress | None = None,
    otherwise: Callable[[Checkpoint], Segmentation],
) -> Iterator[Segmentation]:
    """Segment an image with several checkpoints on a lent GPU, or where none is lent, on what is always there.

    As many checkpoints as the longest loan suffices for are run in one call.

    Args:
        image: The image.
        checkpoints: Of the checkpoints folder; others, and what OpenVINO alone runs, go the other way.
        options: Of every one of them.
        settings: Of the worker.
        job: What it is a part of.
        progress: Told how far each is.
        otherwise: Segments with one checkpoint without the GPU.

    Raises:
        MedsegError: A checkpoint or the image cannot be used.
        Cancelled: The job was cancelled; a worker ends after the batch that it computes.
    """
    why = ""
    for together in _loans(image, checkpoints, options, settings):
        left = list(together)
        if not why and _may_go(together[0], settings):
            try:
                for result in _borrow(image, [one.name for one in together], options, settings, job, progress):
                    left.pop(0)
                    yield result
            except Refused as refusal:
                why = str(refusal)
        for checkpoint in left:
            result = otherwise(checkpoint)
            yield replace(result, notes=(*result.notes, why)) if why and _may_go(checkpoint, settings) else result


def _loans(
    image: MedicalImage, checkpoints: Sequence[Checkpoint], options: SegmentOptions, settings: Settings
) -> Iterator[list[Checkpoint]]:
    together: list[Checkpoint] = []
    needed = START_S
    for checkpoint in checkpoints:
        alone, own = not _may_go(checkpoint, settings), _estimate_s(image, checkpoint.card, options)
        if together and (alone or needed + own > MOST_S or not _may_go(together[0], settings)):
            yield together
            together, needed = [], START_S
        together.append(checkpoint)
        needed += own
    if together:
        yield together


def _may_go(checkpoint: Checkpoint, settings: Settings) -> bool:
    if checkpoint.private:  # the worker has those of everybody
        return False
    names = (entry.name for entry in _networks(settings).entries() if entry.problem is None)
    return not isinstance(checkpoint.network, GraphNetwork | Ensemble) and checkpoint.name in names


def _borrow(
    image: MedicalImage,
    names: Sequence[str],
    options: SegmentOptions,
    settings: Settings,
    job: Job,
    progress: Progress | None,
) -> Iterator[Segmentation]:
    """The results of one loan, as they come. A thread of its own waits for the GPU, so that Stop is at once."""
    sent = replace(image, notes=(), source_files=(), source_frames=None, header_facts=(), patient="")
    told: SimpleQueue[Step | Segmentation | Exception | None] = SimpleQueue()
    over = Event()

    def wait() -> None:
        try:
            with closing(_lent(sent, names, options, settings)) as answers:  # type: ignore[type-var]
                for answer in answers:
                    if over.is_set():
                        return
                    told.put(answer)
            told.put(None)
        except Exception as error:
            told.put(Refused(_in_words(error)))

    # The visitor, whose share it is, is known by the context.
    Thread(target=copy_context().run, args=(wait,), name="loan", daemon=True).start()
    try:
        while (answer := _next(told, job)) is not None:
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, Segmentation):
                yield replace(answer, image=image)
                continue
            job.step(answer.done, answer.total)
            if progress is not None:
                progress(answer.name, answer.done, answer.total)
    finally:
        over.set()


def _next(
    told: "SimpleQueue[Step | Segmentation | Exception | None]", job: Job
) -> Step | Segmentation | Exception | None:
    while True:
        job.check()
        try:
            return told.get(timeout=POLL_S)
        except Empty:
            continue


def _in_words(error: Exception) -> str:
    """Why no GPU was lent. ``spaces`` raises an error of Gradio's whose title says what happened."""
    title, message = getattr(error, "title", ""), str(getattr(error, "message", error))
    if title in SHARE_TITLES:
        left = re.search(r"\((\d+)s requested vs\. (-?\d+)s left\)", message)
        wait = re.search(r"Try again in ([\d:]+)", message)
        return NO_SHARE.format(
            left=f" ({left[1]} s are asked for, {max(0, int(left[2]))} s are left)" if left else "",
            wait=f", or wait {wait[1]} hours" if wait else "",
        )
    logger.warning("No GPU was lent: %s", message, exc_info=None if title else error)
    return ENDED if title == ENDED_TITLE else NO_GPU
