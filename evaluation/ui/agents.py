"""The web API's endpoints as tools for an agent (MCP), over standard input and output.

The agent's program starts this one, on the computer where the files lie: nothing listens on a port, nothing is
uploaded, and what a tool may read and write is what its user may. Gradio's own MCP server would give all of its callers
one session, fetch whatever address stands for a file, and pin an old pydantic.
"""

import contextlib
import inspect
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from gradio.utils import get_function_description
from pydantic import Field

from evaluation.ui.api import evaluate_test_set
from evaluation.ui.compare.api import compare_on_file
from evaluation.ui.follow.api import follow_files
from medseg_demo import names
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.models.catalog import to_records
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Turns
from medseg_demo.ui.api import segment_file
from medseg_demo.ui.faults import explain
from medseg_demo.ui.session import API, Running

if TYPE_CHECKING:
    from mcp.server.fastmcp import FastMCP

NAME = "medseg-demo"
INSTRUCTIONS = (
    "Segments medical images with trained networks, on this computer. Call `checkpoints` first: it says which networks "
    "there are, what each was trained for, and what it weighs. Then `segment` one image, `compare` several networks on "
    "one image, `follow` one patient through several studies, or `evaluate` networks on a test set. This is no medical "
    "device, and no result is a diagnosis."
)
MISSING = "The tools for agents need the package mcp. Install it with: pip install 'medseg-demo[mcp]'"

Answer = TypeVar("Answer")

# What the function behind each endpoint answers with, in its order, as the endpoint's outputs are called.
ANSWERS: dict[str, tuple[Callable[..., tuple], tuple[str, str]]] = {
    "segment": (segment_file, ("label_map", "measurements")),
    "compare": (compare_on_file, ("archive", "comparison")),
    "follow": (follow_files, ("archive", "changes")),
    "evaluate": (evaluate_test_set, ("scores", "scores_csv")),
}
FILES = ("file", "files", "reference", "label_maps")
OWN = ("engine", "workers", "running")  # what no caller sets
A_PATH = "Path on this computer. "
OUTPUT = "Folder for the files; made if missing. No file in it is overwritten."
WRITTEN = "Files are written into the folder `output`, and their paths stand in the answer."


def serve(engine: Engine) -> None:
    """Answer the agent that started this process until it ends.

    Raises:
        OptionError: The package mcp is not installed.
    """
    make_server(engine).run()
    sys.stdout = sys.stderr  # what it wrote to is closed with the agent's going, and a program flushes it at its end


def make_server(engine: Engine) -> "FastMCP":
    """The server with its tools, not yet started.

    Raises:
        OptionError: The package mcp is not installed.
    """
    try:
        from mcp.server.fastmcp import FastMCP
    except ImportError:
        raise OptionError(MISSING) from None
    server = FastMCP(NAME, INSTRUCTIONS, log_level="WARNING")
    for tool in _tools(engine):
        server.add_tool(tool)
    return server


def _tools(engine: Engine) -> list[Callable[..., Any]]:
    evaluations = Turns(small=1)

    async def checkpoints() -> list[dict[str, Any]]:
        """List the networks of this computer: name, task, classes, modality, image size, measured Dice.

        One that cannot be used says why. Choose the one whose task and modality are those of the image: a network gives
        a label map of any image, also of one that it has never seen the like of.
        """
        return await _call(lambda running: to_records(engine.entries()))

    return [checkpoints, *(_tool(name, engine, evaluations) for name in ANSWERS)]


def _tool(name: str, engine: Engine, evaluations: Turns) -> Callable[..., Any]:
    """The tool of an endpoint: the parameters and words of the function behind it, and a folder for its files."""
    function, labels = ANSWERS[name]

    async def tool(output: str, **given: Any) -> dict[str, Any]:
        def work(running: Running) -> dict[str, Any]:
            found = {key: _existing(value) if key in FILES else value for key, value in given.items()}
            with running.job(evaluations) if name == "evaluate" else contextlib.nullcontext():
                answer = function(engine, **found, running=running)
            parts = zip(labels, answer, strict=True)
            return {label: _kept(part, output) if isinstance(part, str) else part for label, part in parts}

        return await _call(work)

    told, words, returned = get_function_description(function)
    tool.__name__ = name
    tool.__doc__ = f"{told}\n\n{WRITTEN}\n\nReturns: {' '.join(returned).partition(' Raises:')[0]}"
    taken = (one for key, one in inspect.signature(function).parameters.items() if key not in OWN)
    parameters = [
        _parameter("output", str, OUTPUT),
        *(_parameter(one.name, one.annotation, words[one.name], one.default) for one in taken),
    ]
    tool.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return tool


def _parameter(name: str, kind: Any, words: str, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    described = (A_PATH if name in FILES else "") + words.replace("/checkpoints", "`checkpoints`")
    annotation = Annotated[kind, Field(description=described)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


async def _call(work: Callable[[Running], Answer]) -> Answer:
    """Do the work of one call in a thread; it ends where the agent gives it up, and its errors are words."""
    import anyio
    from mcp.server.fastmcp.exceptions import ToolError

    running = Running(API, "agent")

    def quietly() -> Answer:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is the agent's
            return work(running)

    try:
        return await anyio.to_thread.run_sync(quietly, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        running.cancel()
        raise
    except Exception as error:
        raise ToolError(explain(error)) from None


def _existing(file: Any) -> Any:
    if not file:
        return file
    if isinstance(file, list):
        return [_existing(one) for one in file]
    path = Path(file).expanduser()
    if not path.is_file():
        raise OptionError(
            f"There is no file {names.shown(path.name)!r} at that path. Give the full path of a file; of a folder of "
            "DICOM slices a zip."
        )
    return str(path)


def _kept(made: str, output: str) -> str:
    """Move what was made into the folder of the user, beside what lies there."""
    path, folder = Path(made), Path(output).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = {_base(one) for one in folder.iterdir()}
        target = folder / f"{names.free_name(_base(path), taken)}{names.suffix(path)}"
        shutil.move(path, target)
    except OSError as error:
        raise OutputError(
            f"{names.shown(folder.name)} cannot be written to ({error.strerror}). Choose another output folder."
        ) from None
    return str(target.resolve())


def _base(path: Path) -> str:
    return path.name.removesuffix(names.suffix(path))
