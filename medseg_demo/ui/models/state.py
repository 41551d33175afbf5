"""What the Models tab remembers of one visitor: the checkpoint that is being added, the image, and the last try."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from medseg_demo.image import MedicalImage
from medseg_demo.models.added import Added
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.origins import Described, Origin
from medseg_demo.models.origins.proposals import Proposal
from medseg_demo.segmenting.pipeline import Segmentation


@dataclass(frozen=True, eq=False)
class Draft:
    """A checkpoint that was given and is not saved.

    Attributes:
        place: What is deleted with it.
        folder: Its folder, in ``place``.
        name: What it might be called.
        added: Where it came from.
        origin: What it is of.
        described: What its files say, or what is assumed.
        checkpoint: Loaded; every weight has its place.
        proposals: Of weights alone, the networks that they may be of, the likeliest first.
    """

    place: Path
    folder: Path
    name: str
    added: Added
    origin: Origin
    described: Described
    checkpoint: Checkpoint
    proposals: tuple[Proposal, ...] = ()


@dataclass(eq=False)
class Adding:
    """One visitor's work on a checkpoint.

    Attributes:
        draft: What is being added; None before and after.
        image: What it is tried on.
        shown: The last result.
        tried: What the form said then.
        is_new: Whether the draft was recognised and not tried yet.
    """

    draft: Draft | None = None
    image: MedicalImage | None = None
    shown: Segmentation | None = None
    tried: object = None
    is_new: bool = False

    def replace(self, draft: Draft | None) -> None:
        """Take another checkpoint; the files of the one before go."""
        if self.draft is not None:
            shutil.rmtree(self.draft.place, ignore_errors=True)
        self.draft, self.shown, self.tried, self.is_new = draft, None, None, draft is not None
