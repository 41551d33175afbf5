"""(b) From ``python app.py`` to the first page."""

import statistics

from benchmarks.programs import seconds_to_import, server
from benchmarks.ratio import Ratio

LIBRARIES = "torch, segmentation_models_pytorch, gradio"


def measure(*, rounds: int) -> Ratio:
    seconds = [(_serve(), seconds_to_import(LIBRARIES)) for _ in range(rounds + 1)][1:]  # the first fills disk caches
    ours, bare = (statistics.median(column) for column in zip(*seconds, strict=True))
    return Ratio("(b) start to first HTTP 200", f"{ours:.2f} s", f"{bare:.2f} s imports", ours / bare, "at most", 1.15)


def _serve() -> float:
    with server(["app.py"]) as app:
        return app.seconds
