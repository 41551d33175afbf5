"""Exceptions → the words a user sees: domain errors as they are, the rest as a reference number."""

import logging
import secrets

from medseg_demo.errors import MedsegError
from medseg_demo.ui import texts

logger = logging.getLogger(__name__)


def explain(error: BaseException) -> str:
    """What to tell the user. An error that the project does not know is logged whole under a short reference."""
    if isinstance(error, MedsegError):
        return str(error)
    reference = secrets.token_hex(3).upper()
    logger.error("Unexpected error, reference %s", reference, exc_info=error)
    return texts.UNEXPECTED.format(reference=reference)
