"""The networks beside their scores: a part of the report in which a reader tries an image of their own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.report import page
from evaluation.report.predictions import OTHER_VERSION
from evaluation.results.table import Run
from medseg_demo.errors import InvalidCheckpointError, MedsegError, OptionError
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from medseg_demo.exporting.page import PageNetwork

TITLE = "Try an image of your own"
ANCHOR = "networks"
LINK = f'<p class="note"><a href="#{ANCHOR}">{TITLE}</a> on the networks of these scores, which are here.</p>'
LEFT_OUT = "Not in this page: {reason}"


def networks_part(runs: Sequence[Run], settings: Settings) -> str:
    """The networks of these runs as a part of the page, the first one opened; those that cannot run there are named.

    Args:
        runs: The best first.
        settings: Where the checkpoints lie.

    Raises:
        OptionError: None of them can be in a page.
    """
    from medseg_demo.exporting import check_packages
    from medseg_demo.exporting.page import embedded, page_samples

    check_packages("page")
    networks: list[PageNetwork] = []
    reasons: list[str] = []
    for name in dict.fromkeys(run.checkpoint for run in runs):
        try:
            networks.append(_as_scored(name, {run.checkpoint_hash for run in runs if run.checkpoint == name}, settings))
        except MedsegError as error:
            reasons.append(str(error))
    if not networks:
        raise OptionError(f"--format page: no network of these results can be in a page. {' '.join(reasons)}")
    part = embedded(networks, page_samples(networks, (), settings), title=TITLE)
    notes = "".join(page.note(LEFT_OUT.format(reason=one)) for one in reasons)
    return f'<section id="{ANCHOR}">{part}{notes}</section>'


def _as_scored(name: str, hashes: set[str], settings: Settings) -> "PageNetwork":
    from medseg_demo.exporting.page import page_network
    from medseg_demo.models.catalog import find_checkpoint
    from medseg_demo.models.checkpoint import digest

    if not hashes & {"", digest(find_checkpoint(name, settings.checkpoints_dir)[1])}:
        raise InvalidCheckpointError(OTHER_VERSION.format(name=name))
    return page_network(name, settings.checkpoints_dir)
