"""(b) From ``python app.py`` to the first page, in the clone and as a Space for processors."""

import statistics
import tempfile
from pathlib import Path

from benchmarks.programs import seconds_to_import, server
from benchmarks.ratio import Ratio
from medseg_demo.publishing.contents import space_contents, write_contents
from medseg_demo.publishing.front_matter import About
from medseg_demo.settings import Settings

LIBRARIES = "torch, segmentation_models_pytorch, gradio"
CHECKPOINTS = ("lungs-unet-lite0", "lungs-unet-tiny", "nuclei-unet-tiny", "hippocampus-unet3d")


def measure(*, rounds: int) -> Ratio:
    seconds = [(_serve(), seconds_to_import(LIBRARIES)) for _ in range(rounds + 1)][1:]  # the first fills disk caches
    ours, bare = (statistics.median(column) for column in zip(*seconds, strict=True))
    return Ratio("(b) start to first HTTP 200", f"{ours:.2f} s", f"{bare:.2f} s imports", ours / bare, "at most", 1.15)


def measure_space(*, rounds: int) -> Ratio:
    """The folder that ``publish`` writes, with the variables of a Space and an empty home each time."""
    with tempfile.TemporaryDirectory() as folder:
        write_contents(space_contents(CHECKPOINTS, About(), Settings()), Path(folder))
        seconds = [(_serve_space(Path(folder)), seconds_to_import(LIBRARIES)) for _ in range(rounds + 1)][1:]
    ours, bare = (statistics.median(column) for column in zip(*seconds, strict=True))
    return Ratio(
        "(b) a CPU Space to first HTTP 200", f"{ours:.2f} s", f"{bare:.2f} s imports", ours / bare, "at most", 1.3
    )


def _serve_space(folder: Path) -> float:
    with tempfile.TemporaryDirectory() as home:
        variables = {"SYSTEM": "spaces", "SPACE_ID": "owner/name", "HOME": home, "MEDSEG_CACHE_DIR": f"{home}/cache"}
        with server(["app.py"], folder=folder, **variables) as app:
            return app.seconds


def _serve() -> float:
    with server(["app.py"]) as app:
        return app.seconds
