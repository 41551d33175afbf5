"""A follow-up as code: a command line, and a call of the web API."""

from evaluation.ui.follow.state import Result
from medseg_demo.following.repeats import REPEATS
from medseg_demo.ui.code import Code, File, program, shell, shell_file, source_of
from medseg_demo.ui.code_view import code_updates

COPY_VISITS = "python -c \"from medseg_demo.following.simulated import write_visits; write_visits('.')\""


def follow_code(result: Result, address: str) -> dict[str, object]:
    """The parts of the page that hold the code of the result."""
    return code_updates(to_code(result, address))


def to_code(result: Result, address: str) -> Code:
    """A follow-up as code; only options that differ from the defaults are written, and files by their bare names.

    Args:
        result: What is on the page.
        address: Of this page.
    """
    request, files = result.request, [source_of(study).file for study in result.given.studies]
    given = {
        "dates": list(request.dates) or None,
        "repeats": None if request.repeats == REPEATS else request.repeats,
        "deviation": request.deviation,
    }
    given = {name: value for name, value in given.items() if value is not None}
    words: list[object] = ["follow", *map(shell_file, files), "--checkpoint", request.checkpoint]
    for name, value in given.items():
        words += [f"--{name}", *(value if isinstance(value, list) else [value])]
    words += [*([] if request.registered else ["--no-registration"]), "--output", "results/follow"]
    first = [COPY_VISITS] if result.given.simulated else []
    arguments = {"files": [File(name) for name in files], "checkpoint": request.checkpoint, **given}
    if not request.registered:
        arguments["register"] = False
    return Code(
        "\n".join([*first, shell("medseg_demo", words)]),
        program(address, ("archive", "changes"), arguments, "/follow"),
    )
