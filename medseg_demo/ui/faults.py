"""Exceptions → the words a user sees: domain errors as they are, the rest as a reference number."""

import logging
import secrets

from medseg_demo.errors import MedsegError
from medseg_demo.ui import texts

LONGEST = 1_500  # characters of a message: what was sent may be part of it

logger = logging.getLogger(__name__)


def explain(error: BaseException) -> str:
    """What to tell the user. An error that the project does not know is logged whole under a short reference."""
    if isinstance(error, MedsegError):
        return _shortened(str(error))
    reference = secrets.token_hex(3).upper()
    logger.error("Unexpected error, reference %s", reference, exc_info=error)
    return texts.UNEXPECTED.format(reference=reference)


def _shortened(text: str) -> str:
    """The beginning and the end, which says what to do."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
