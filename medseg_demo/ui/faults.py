"""Exceptions → the words a user sees: domain errors as they are, the rest as a reference number."""

import logging
import secrets
import sys
import traceback

from medseg_demo.errors import MedsegError
from medseg_demo.ui import texts

LONGEST = 1_500  # characters of a message: what was sent may be part of it
MOST_CAUSES = 5

logger = logging.getLogger(__name__)


def explain(error: BaseException) -> str:
    """What to tell the user. An error that the project does not know is logged under a short reference."""
    if isinstance(error, MedsegError):
        return _shortened(str(error))
    reference = secrets.token_hex(3).upper()
    logger.error("Unexpected error, reference %s\n%s", reference, _trace(error))
    return texts.UNEXPECTED.format(reference=reference)


def _trace(error: BaseException) -> str:
    """Kind and place of an error and of its causes; the message, which may quote a patient, is for developers alone."""
    if sys.flags.dev_mode:
        return "".join(traceback.format_exception(error))
    told, cause = [f"{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}"], error.__cause__
    while cause is not None and len(told) < MOST_CAUSES:
        told.append(f"caused by\n{''.join(traceback.format_tb(cause.__traceback__))}{type(cause).__name__}")
        cause = cause.__cause__
    return "\n".join(told)


def _shortened(text: str) -> str:
    """The beginning and the end, which says what to do."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
