"""The web API of the follow-up: ``/follow``, thin over the same functions as the page."""

from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr

from evaluation.ui.evaluate.messages import message
from evaluation.ui.follow.state import Request
from medseg_demo.errors import OptionError
from medseg_demo.following.repeats import REPEATS
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.api import check_answer, client_run, described_by
from medseg_demo.ui.session import API, Running, Sessions
from medseg_demo.ui.tab import RUNS_AT_ONCE

Answer = tuple[str, dict[str, object]]

MOST = 1e6  # percent; nobody means more, and no float holds a very large number


def add_follow_endpoint(engine: Engine, sessions: Sessions) -> None:
    """Add the endpoint to the open block; nothing of it shows on the page."""

    @described_by(follow_files)
    def follow(
        request: gr.Request,
        files: list[str],
        checkpoint: str,
        dates: list[str] | None = None,
        repeats: int = REPEATS,
        deviation: float | None = None,
        register: bool = True,
    ) -> Answer:
        with client_run(sessions, request, message) as running:
            return follow_files(
                engine, files, checkpoint, dates=dates, repeats=repeats, deviation=deviation, register=register,
                running=running,
            )  # fmt: skip

    inputs = [
        gr.File(label="files", file_count="multiple", visible=False),
        gr.Textbox(label="checkpoint", visible=False),
        gr.JSON(label="dates", value=None, visible=False),
        gr.Number(REPEATS, label="repeats", visible=False),
        gr.Number(label="deviation", value=None, visible=False),
        gr.Checkbox(True, label="register", visible=False),
    ]
    outputs = [gr.File(label="archive", visible=False), gr.JSON(label="changes", visible=False)]
    gr.Button(visible=False).click(
        follow, inputs, outputs, api_name="follow", concurrency_id="api", concurrency_limit=RUNS_AT_ONCE
    )


def follow_files(
    engine: Engine,
    files: list[str],
    checkpoint: str,
    *,
    dates: list[str] | None = None,
    repeats: int = REPEATS,
    deviation: float | None = None,
    register: bool = True,
    running: Running | None = None,
) -> Answer:
    """Follow one patient through several studies: what changed, how sure that is, and what became of each lesion.

    Args:
        engine: Runs the checkpoint.
        files: Two to 24 studies of one patient: an image or volume as for /segment, or a zip of one series, for each.
        checkpoint: The name of a usable checkpoint that /checkpoints lists, trained for images of this kind.
        dates: One a study in the order of files: 2024-03-01, or days such as 0 and 90; left out, those of DICOM headers
            and of file names.
        repeats: How often each visit is measured again under small changes, 0 to 20; 0 gives no uncertainty.
        deviation: Of repeated sizes in %, as you have measured it; left out, that of the repeats.
        register: Whether later visits are laid on the first one; without it all must have its grid.
        running: Ends it early.

    Returns:
        A zip with the label maps, the registered ones, tables and a page. The figures: visits (day since the first one,
        registration, measurements), changes (a row a class, measure and visit: value, change since the first visit,
        its 95 % interval, verdict), trends per year, lesions (what became of each) and notes, which say what the
        intervals cover: tell them to the user. Sizes are in mm² or ml where the spacing is known, else in px. No date
        and no file name is in them.

    Raises:
        MedsegError: A file, the checkpoint, a date or an option cannot be used, or the studies are of several patients.
        Cancelled: Its client has gone.
    """
    from evaluation.ui.follow.run import ARCHIVE, find_visits, follow_given
    from medseg_demo.following.files import to_document

    request = _request(checkpoint, dates, repeats, deviation, register)
    given = [files] if isinstance(files, str) else files
    if not isinstance(given, list | tuple) or not given or not all(isinstance(file, str) for file in given):
        raise OptionError("Give at least two files of one patient, one for each visit.")
    running = running or Running(API, "")
    with running.new_folder() as folder, TemporaryDirectory(dir=folder) as loose:
        visits = find_visits(engine, [Path(file) for file in given], checkpoint, Path(loose) / "given")
        written = Path(loose) / "files"
        found, archive = follow_given(engine, visits, request, running, written, archive=folder / ARCHIVE)
    return str(archive), to_document(found)


def _request(checkpoint: object, dates: object, repeats: object, deviation: object, register: object) -> Request:
    """What was sent, which Gradio passes on whatever it is.

    Raises:
        OptionError: A value is of another kind.
    """
    given = [dates] if isinstance(dates, str | int) and dates != "" else dates or []
    if not isinstance(given, list) or not all(isinstance(one, str | int) for one in given):
        raise OptionError(
            f"The dates are {dates!r}. Give a list with one a study, such as 2024-03-01, or leave it out."
        )
    if isinstance(repeats, bool) or not isinstance(repeats, int):
        raise OptionError(f"The repeats are {repeats!r}. Give a whole number, or leave them out.")
    is_number = isinstance(deviation, int | float) and not isinstance(deviation, bool) and abs(deviation) < MOST
    if deviation is not None and not is_number:
        raise OptionError(f"The deviation is {deviation!r}. Give a number of percent, or leave it out.")
    check_answer("register", register)
    return Request.of(checkpoint, ",".join(map(str, given)), repeats, deviation, register is not False)
