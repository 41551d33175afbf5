"""(a) One image through ``/segment`` of a running app."""

import tempfile
import time
from pathlib import Path

from gradio_client import Client, handle_file

from benchmarks.forward import CHECKPOINT, bare_forward
from benchmarks.images import write_chest_images
from benchmarks.programs import server
from benchmarks.ratio import Ratio, median_ms


def measure(*, rounds: int) -> Ratio:
    forward = bare_forward(batch_size=1)
    with tempfile.TemporaryDirectory() as folder:
        image = write_chest_images(Path(folder), 1)[0]
        with server(["app.py"]) as app, server(["benchmarks/empty_app.py"]) as empty:
            clients = Client(app.url, verbose=False, download_files=folder), Client(empty.url, verbose=False)
            seconds = [(_segment(clients[0], image), _empty(clients[1], image), forward()) for _ in range(rounds + 3)]
    ours, round_trip, network = (median_ms(column) for column in zip(*seconds[3:], strict=True))
    return Ratio(
        "(a) 512² PNG through /segment",
        f"{ours:.0f} ms",
        f"{network:.0f} ms network + {round_trip:.0f} ms empty request",
        ours / (network + round_trip),
        "at most",
        1.3,
    )


def _segment(client: Client, image: Path) -> float:
    start = time.perf_counter()
    client.predict(file=handle_file(image), checkpoint=CHECKPOINT, api_name="/segment")
    return time.perf_counter() - start


def _empty(client: Client, image: Path) -> float:
    start = time.perf_counter()
    client.predict(handle_file(image), api_name="/empty")
    return time.perf_counter() - start
