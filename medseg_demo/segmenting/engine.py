"""What all visitors share: the settings, the loaded checkpoints and the turns at the networks. Nothing of any user.

The only way to a network: page, web API and command lines run checkpoints through it. It knows nothing of interfaces.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch

from medseg_demo.errors import InputMismatchError, InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.image import MedicalImage
from medseg_demo.models.backends import prepare
from medseg_demo.models.catalog import Catalog, CatalogEntry
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import Compute, choose_compute, processors
from medseg_demo.models.network import Network
from medseg_demo.segmenting import lent
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation, segment_batch
from medseg_demo.segmenting.turns import Job, Turns, Waiting
from medseg_demo.segmenting.windows import Look, predict
from medseg_demo.settings import Settings

Progress = Callable[[int, int], None]

MOST_AT_ONCE = 8  # batches that a command line computes at once, so that memory stays bounded


class Engine:
    """Runs checkpoints of one folder for many visitors. Safe to use from several threads.

    Args:
        settings: Paths, device and limits.
        slots: Batches that are computed at once: one for a page, whose batches take all processors; more where each
            call has a share of them.

    Attributes:
        settings: As given; where a GPU is lent by the call, for the CPU, which is all that this process has.
        slots: As given.
        runs_elsewhere: Whether networks run in another process: on a Space that lends its GPU by the call.
    """

    def __init__(self, settings: Settings, *, slots: int = 1) -> None:
        self.slots, self.runs_elsewhere = slots, lent.is_lent(settings)
        self.settings = replace(settings, device="cpu") if self.runs_elsewhere else settings
        self._lent_settings = replace(settings, backend="torch")
        if self.runs_elsewhere:
            lent.load_networks(self._lent_settings)
        self._catalog = Catalog(
            settings.checkpoints_dir, cache_dir=settings.cache_dir, most_bytes=settings.cached_mb * 2**20
        )
        self._turns = Turns(slots=slots, large=max(2, slots))
        self._calls = itertools.count(1)
        self._own: Path | None = None

    @classmethod
    def for_many(cls, settings: Settings, images: int) -> Self:
        """An engine for a command line, which knows how many images there are.

        On a CPU as many are computed at once as there are threads, each by its share of them: threads that work on one
        small network together spend much of their time waiting for each other. On a GPU one batch is put together
        while another is computed.
        """
        if choose_compute(settings).device.type != "cpu":
            return cls(settings, slots=2)
        threads = settings.threads or processors()
        slots = max(1, min(threads, MOST_AT_ONCE, images))
        return cls(replace(settings, threads=threads // slots), slots=slots)

    def job(
        self, owner: str = "", *, is_large: bool = False, waiting: Waiting | None = None
    ) -> AbstractContextManager[Job]:
        """A job that has been let in; see ``Turns.job``.

        Args:
            owner: Whose it is, such as a session of the page; empty for somebody of his own.
            is_large: Whether it holds a volume in memory; few such jobs are let in at once.
            waiting: Told again and again how many jobs are before this one, and for how long.

        Raises:
            Cancelled: It was cancelled while it waited.
        """
        return self._turns.job(owner or f"call {next(self._calls)}", is_large=is_large, waiting=waiting)

    def cancel(self, owner: str) -> int:
        """End all jobs of an owner within a batch each, waiting ones at once; how many there were."""
        return self._turns.cancel(owner)

    @cached_property
    def here(self) -> Self:
        """This engine without the lent GPU: for what no visitor asks for, and for what takes longer than it is lent."""
        own = copy.copy(self) if self.runs_elsewhere else self
        own.runs_elsewhere = False
        return own

    def beside(self, own: Path) -> Self:
        """This engine as one visitor has it, who added checkpoints of his own; turns and memory are those of all.

        Args:
            own: The folder of the visitor's checkpoints, which nobody else sees or names; it need not be there.
        """
        if not own.is_dir():
            return self
        theirs = copy.copy(self)
        theirs._own = own
        theirs.__dict__.pop("here", None)
        return theirs

    @cached_property
    def compute_name(self) -> str:
        """The device and precision that networks run with, for people."""
        return choose_compute(self.settings).name

    def entries(self) -> list[CatalogEntry]:
        """Every checkpoint folder, usable or not, as it is now."""
        return self._catalog.entries(self._own)

    def sound(self) -> list[CatalogEntry]:
        """The checkpoints that nothing speaks against, grouped by task; those that are told by clicks come last."""
        sound = [entry for entry in self.entries() if entry.card is not None]
        return sorted(sound, key=lambda entry: (bool(entry.card.prompts), entry.card.task, entry.name))  # type: ignore[union-attr]

    def usable(self) -> list[CatalogEntry]:
        """Those of them that segment an image on their own."""
        return [entry for entry in self.sound() if entry.card is not None and not entry.card.prompts]

    def prompted(self) -> list[CatalogEntry]:
        """Those of them that wait to be told by clicks, a box or scribbles which object is meant."""
        return [entry for entry in self.sound() if entry.card is not None and entry.card.prompts]

    def find(self, name: str | None) -> CatalogEntry | None:
        """The sound checkpoint of that name, if there is one."""
        return next((entry for entry in self.sound() if entry.name == name), None)

    def entry(self, name: str) -> CatalogEntry:
        """The usable checkpoint of that name. A path or a Hub repository is refused: the page must not reach them.

        Raises:
            UnknownCheckpointError: The checkpoints folder has none of that name.
            InvalidCheckpointError: It cannot be used.
        """
        entries = {entry.name: entry for entry in self.entries()}
        if not isinstance(name, str) or not name or name not in entries:
            usable = [entry.name for entry in self.usable()]
            raise UnknownCheckpointError(_unknown(name, usable))
        if entries[name].problem:
            raise InvalidCheckpointError(entries[name].problem)
        return entries[name]

    def segment(
        self,
        image: MedicalImage,
        checkpoint: str | Checkpoint,
        *,
        options: SegmentOptions | None = None,
        progress: Progress | None = None,
        job: Job | None = None,
    ) -> Segmentation:
        """Segment one image.

        Args:
            image: From ``read_image``.
            checkpoint: Name of a checkpoint folder, or one that was loaded.
            options: The defaults are the card's.
            progress: Called with (done, total); what it raises ends the work.
            job: What it is a part of, from ``job``; None makes one for it alone.

        Raises:
            MedsegError: The checkpoint, an option or the image cannot be used.
            Cancelled: The job was cancelled.
        """
        tell = None if progress is None else partial(_without_name, progress)
        (result,) = self.segment_each(image, [checkpoint], options=options, progress=tell, job=job)
        return result

    def segment_batch(
        self,
        images: Sequence[MedicalImage],
        checkpoint: str | Checkpoint,
        *,
        options: SegmentOptions | None = None,
        progress: Progress | None = None,
        job: Job | None = None,
    ) -> list[Segmentation]:
        """Segment several images, together where that is faster; otherwise as ``segment``. No GPU is lent for it."""
        options = options or SegmentOptions()
        large = any(image.is_volume for image in images)
        with nullcontext(job) if job else self.job(is_large=large) as own:
            own.check()
            loaded = self.loaded(checkpoint)
            return segment_batch(
                images,
                loaded,
                options=options,
                settings=self.settings,
                progress=partial(_step, own, progress),
                turn=own.turn,
            )

    def segment_each(
        self,
        image: MedicalImage,
        checkpoints: Sequence[str | Checkpoint],
        *,
        options: SegmentOptions | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        job: Job | None = None,
    ) -> Iterator[Segmentation]:
        """Segment one image with several checkpoints; each result comes as soon as it is there.

        A Space that lends its GPU by the call lends it once for all of them.

        Args:
            image: From ``read_image``.
            checkpoints: Names of checkpoint folders, or loaded ones.
            options: Of every one of them.
            progress: Called with (checkpoint, done, total); what it raises ends the work.
            job: As for ``segment``.

        Raises:
            MedsegError: A checkpoint, an option or the image cannot be used.
            Cancelled: The job was cancelled.
        """
        own_options = options or SegmentOptions()
        with nullcontext(job) if job else self.job(is_large=image.is_volume) as own:
            own.check()
            otherwise = partial(self._segment_here, image, own_options, progress, own)
            if not self.runs_elsewhere:
                yield from map(otherwise, checkpoints)
                return
            loaded = [self.loaded(checkpoint) for checkpoint in checkpoints]
            yield from lent.segment_each(
                image, loaded, own_options, self._lent_settings, job=own, progress=progress, otherwise=otherwise
            )

    def _segment_here(
        self,
        image: MedicalImage,
        options: SegmentOptions,
        progress: Callable[[str, int, int], None] | None,
        job: Job,
        checkpoint: str | Checkpoint,
    ) -> Segmentation:
        name = checkpoint if isinstance(checkpoint, str) else checkpoint.name
        tell = None if progress is None else partial(progress, name)
        return self.segment_batch([image], checkpoint, options=options, progress=tell, job=job)[0]

    def looking(self, checkpoint: str | Checkpoint, job: Job) -> Look:
        """What runs a prompted network, for ``prompting.answer``; no GPU is lent for it.

        Args:
            checkpoint: Name of a checkpoint folder, or one that was loaded.
            job: What each look is a part of, from ``job``.

        Raises:
            MedsegError: It cannot be used.
            InputMismatchError: It takes no prompts.
        """
        loaded, compute = self.loaded(checkpoint), choose_compute(self.settings)
        if not loaded.card.prompts:
            names = ", ".join(entry.name for entry in self.prompted())
            raise InputMismatchError(
                f"Checkpoint {loaded.name!r} segments on its own and takes no clicks. Choose one that does: "
                f"{names or 'there is none in the checkpoints folder'}."
            )

        def look(seen: np.ndarray) -> np.ndarray:
            job.check()
            return predict(loaded, torch.from_numpy(seen)[None], compute, turn=job.turn)[0, 0].numpy()

        return look

    def compute_of(self, checkpoint: str | Checkpoint) -> Compute:
        """Where and by what a checkpoint's network runs, which is made ready for it; of an ensemble its first one.

        Raises:
            MedsegError: It cannot be used.
        """
        return self._networks(checkpoint)[0].compute

    @property
    def note(self) -> str:
        """What is to be said of where networks run, such as that OpenVINO is missing; empty where there is nothing."""
        return choose_compute(self.settings).note

    def note_of(self, checkpoint: str) -> str:
        """Why a checkpoint's network is not run by what others are run by; empty where it is, or is not known here.

        Raises:
            MedsegError: It cannot be used.
        """
        return "" if self.runs_elsewhere else next((one.note for one in self._networks(checkpoint) if one.note), "")

    def _networks(self, checkpoint: str | Checkpoint) -> list[Network]:
        """A checkpoint's network, or those of an ensemble's members, made ready."""
        loaded, compute = self.loaded(checkpoint), choose_compute(self.settings)
        return [prepare(one, compute) for one in loaded.members or (loaded,)]

    def loaded(self, checkpoint: str | Checkpoint) -> Checkpoint:
        """A checkpoint of the folder, loaded at most once while it is kept; a loaded one is what it is.

        Raises:
            MedsegError: It cannot be used.
        """
        return checkpoint if isinstance(checkpoint, Checkpoint) else self._load(self.entry(checkpoint).name)

    def _load(self, name: str) -> Checkpoint:
        return self._catalog.load(name, self._own) if self._own else self._catalog.load(name)


def _step(job: Job, progress: Progress | None, done: int, total: int) -> None:
    job.step(done, total)
    if progress:
        progress(done, total)


def _without_name(progress: Progress, _: str, done: int, total: int) -> None:
    progress(done, total)


def _unknown(name: str, usable: Sequence[str]) -> str:
    """No checkpoint has that name, or no name was given: which ones there are."""
    missing = f"Checkpoint {name!r} does not exist" if name else "No checkpoint was chosen"
    if not usable:
        return f"{missing}, and there is no usable one. Put one into the checkpoints folder."
    return f"{missing}. Choose one of: {', '.join(usable)}."
