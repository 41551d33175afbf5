"""(g) A video of 256² from its file to the annotated video and the table: frames a second, end to end."""

import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy import ndimage

from benchmarks.forward import bare_network
from benchmarks.ratio import Ratio
from medseg_demo.live.run import Watched, watch
from medseg_demo.live.watch import Watcher
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.models.compute import choose_compute
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings

CHECKPOINT, FLOAT = "nuclei-unet-tiny-int8", "nuclei-unet-tiny"
SIDE, FRAMES, RATE = 256, 150, 30
LEAST = 15.0  # frames a second


def write_cine(path: Path) -> Path:
    """A chamber that beats under speckle, as H.264."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.height = stream.width = SIDE
        stream.pix_fmt = "yuv420p"
        for index in range(FRAMES):
            inside = np.hypot(y - SIDE / 2, x - SIDE / 2) < 50 + 15 * np.sin(index / 5)
            speckle = ndimage.gaussian_filter(random.rayleigh(0.8, (SIDE, SIDE)), 1)
            picture = np.clip(np.where(inside, 50, 120) * speckle, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    return path


def measure(*, rounds: int) -> Ratio:
    settings = Settings.from_environment()
    engine = Engine(settings)
    network = bare_network(load_checkpoint(FLOAT, settings.checkpoints_dir), choose_compute(settings), 1)
    with tempfile.TemporaryDirectory() as folder:
        path = write_cine(Path(folder) / "cine.mp4")
        sides = [(_ours(engine, path, Path(folder)), _bare(path, Path(folder), network)) for _ in range(rounds + 1)]
    ours, bare = (FRAMES / float(np.median(column)) for column in zip(*sides[1:], strict=True))
    return Ratio(
        f"(g) video of {SIDE}², end to end, int8; the ratio is to {LEAST:g} frames/s",
        f"{ours:.1f} frames/s",
        f"{bare:.1f} frames/s of PyAV and the float network, one after the other",
        ours / LEAST,
        "at least",
        1.0,
    )


def _ours(engine: Engine, path: Path, folder: Path) -> float:
    watcher = Watcher(engine, CHECKPOINT, smooth=3)
    start = time.perf_counter()
    with engine.job() as job:
        for _ in watch(path, watcher, Watched(folder / "out", "cine"), settings=engine.settings, job=job):
            pass
    return time.perf_counter() - start


def _bare(path: Path, folder: Path, network) -> float:
    start = time.perf_counter()
    with av.open(str(path)) as given, av.open(str(folder / "bare.webm"), "w") as container:
        options = {"deadline": "realtime", "cpu-used": "8", "crf": "24", "b": "0"}
        stream = container.add_stream("libvpx-vp9", rate=RATE, options=options)
        stream.height = stream.width = SIDE
        stream.pix_fmt = "yuv420p"
        for index, frame in enumerate(given.decode(video=0)):
            pixels = frame.to_ndarray(format="rgb24")
            network(1)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return time.perf_counter() - start
