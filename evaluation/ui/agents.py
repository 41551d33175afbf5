"""The web API's endpoints as tools for an agent (MCP), over standard input and output.

The agent's program starts this one, on the computer where the files lie: nothing listens on a port, nothing is
uploaded, and what a tool may read and write is what its user may. Gradio's own MCP server would give all of its callers
one session, fetch whatever address stands for a file, and pin an old pydantic.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field

from evaluation.ui.api import evaluate_test_set
from evaluation.ui.compare.api import compare_on_file
from medseg_demo import names
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.models.catalog import to_records
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Turns
from medseg_demo.ui.api import segment_file, segment_options
from medseg_demo.ui.faults import explain
from medseg_demo.ui.session import API, Running

if TYPE_CHECKING:
    from mcp.server.fastmcp import FastMCP

NAME = "medseg-demo"
INSTRUCTIONS = (
    "Segments medical images with trained networks, on this computer. Call `checkpoints` first: it says which networks "
    "there are, what each was trained for, and what it weighs. Then `segment` one image, `compare` several networks on "
    "one image, or `evaluate` networks on a test set. This is no medical device, and no result is a diagnosis."
)
MISSING = "The tools for agents need the package mcp. Install it with: pip install 'medseg-demo[mcp]'"

Answer = TypeVar("Answer")

# What a tool takes, in the words that an agent reads.
ImageFile = Annotated[
    str,
    Field(
        description="Path of an image or volume: PNG, JPEG, TIFF, DICOM, NIfTI, NRRD, MHA, NPY, or a zip of a series."
    ),
]
Output = Annotated[str, Field(description="Folder for the files; made if missing. No file in it is overwritten.")]
Checkpoint = Annotated[str, Field(description="The name of a usable checkpoint, as `checkpoints` lists it.")]
Checkpoints = Annotated[list[str], Field(description="Names of usable checkpoints, as `checkpoints` lists them.")]
Threshold = Annotated[
    float | None,
    Field(description="Probability in (0, 1) from which a pixel counts. Leave it out for the checkpoint's own."),
]
Flips = Annotated[bool, Field(description="Average over mirrored images: a little better, several times slower.")]
Denoise = Annotated[Literal["none", "mean", "gaussian", "median"], Field(description="A filter before the network.")]
Smallest = Annotated[int, Field(ge=0, description="Remove connected parts of fewer pixels or voxels than this.")]
Holes = Annotated[bool, Field(description="Close holes within a class.")]
Crop = Annotated[
    list[int] | None,
    Field(description="Segment this box alone: [z0, y0, x0, z1, y1, x1] in voxels; the ends are not part of it."),
]
Volume = Annotated[int | None, Field(description="Which volume of a 4-D file, from 1. Needed where there are several.")]
Channels = Annotated[bool, Field(description="All volumes of a file, or files of a zip, are channels of one image.")]
Deidentify = Annotated[bool, Field(description="Results under a new name, without the names of files and patients.")]


def serve(engine: Engine) -> None:
    """Answer the agent that started this process until it ends.

    Raises:
        OptionError: The package mcp is not installed.
    """
    make_server(engine).run()


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

    async def segment(
        file: ImageFile,
        checkpoint: Checkpoint,
        output: Output,
        threshold: Threshold = None,
        flips: Flips = False,
        denoise: Denoise = "none",
        smallest_component: Smallest = 0,
        fill_holes: Holes = False,
        volume: Volume = None,
        channels: Channels = False,
        crop: Crop = None,
        deidentify: Deidentify = False,
    ) -> dict[str, Any]:
        """Segment one image or volume with one checkpoint.

        Writes the label map (PNG whose pixel values are the classes, NIfTI of a volume; 0 is background) in the image's
        own size and geometry. Answers with its path and with the measurements of each class: pixels, area in mm² or
        volume in ml where the spacing is known, parts, confidence, intensities. `notes` say what speaks against
        trusting the result: tell them to the user.
        """

        def work(running: Running) -> dict[str, Any]:
            options = segment_options(threshold, flips, denoise, smallest_component, fill_holes, crop)
            label_map, measurements = segment_file(
                engine, _existing(file), checkpoint, options, volume=volume, channels=channels,
                deidentify=deidentify, running=running,
            )  # fmt: skip
            return {"label_map": _kept(label_map, output), "measurements": measurements}

        return await _call(work)

    async def compare(
        file: ImageFile,
        checkpoints: Checkpoints,
        output: Output,
        reference: Annotated[str | None, Field(description="Path of an expert's label map of the same image.")] = None,
        label_maps: Annotated[
            list[str] | None, Field(description="Paths of label maps of the same image that were made elsewhere.")
        ] = None,
        consensus: Annotated[
            Literal["majority", "staple"] | None, Field(description="Add a consensus of all as one more label map.")
        ] = None,
        volume: Volume = None,
        channels: Channels = False,
        classes: Annotated[
            str | None, Field(description="Classes that are called otherwise, one a line: `class_1 = lung`.")
        ] = None,
    ) -> dict[str, Any]:
        """Compare networks, and label maps made elsewhere, on one image.

        Writes a zip of every label map and table. Answers with its path and the figures: Dice and surface distances
        against the reference where there is one, and between each pair. Distances are in mm where the spacing is known,
        else in px; "inf" where one found nothing.
        """

        def work(running: Running) -> dict[str, Any]:
            archive, figures = compare_on_file(
                engine, _existing(file), checkpoints, reference=reference and _existing(reference),
                label_maps=[_existing(path) for path in label_maps or []], consensus=consensus, volume=volume,
                channels=channels, classes=classes, running=running,
            )  # fmt: skip
            return {"archive": _kept(archive, output), "comparison": figures}

        return await _call(work)

    async def evaluate(
        checkpoints: Checkpoints,
        output: Output,
        test_set: Annotated[str, Field(description="The name of a test set of this computer.")] = "",
        file: Annotated[
            str | None, Field(description="Path of a zip of a test-set folder (images/, masks/), instead of a name.")
        ] = None,
        split: Annotated[str, Field(description="Only its cases of this split; empty takes every case.")] = "",
    ) -> dict[str, Any]:
        """Score networks on a test set, case by case and class by class.

        Writes scores.csv and answers with its path, the same rows, and the cases that failed with the reason. May take
        minutes. An empty score (NaN) means that a class is rightly absent; "inf" that it was missed.
        """

        def work(running: Running) -> dict[str, Any]:
            with running.job(evaluations):
                scores, table = evaluate_test_set(
                    engine, checkpoints, test_set=test_set, file=file and _existing(file), split=split, running=running
                )
            return {"scores_csv": _kept(table, output), **scores}

        return await _call(work)

    return [checkpoints, segment, compare, evaluate]


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


def _existing(file: str) -> str:
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
        ending = names.suffix(path)
        taken = {names.stem(one) for one in folder.iterdir()}
        target = folder / f"{names.free_name(names.stem(path), taken)}{ending}"
        shutil.move(path, target)
    except OSError as error:
        raise OutputError(
            f"{names.shown(folder.name)} cannot be written to ({error.strerror}). Choose another output folder."
        ) from None
    return str(target.resolve())
