"""What smoothing over frames is worth, on simulated nuclei that drift, each frame with noise of its own.

    python -m benchmarks.smoothing [--checkpoint NAME] [--frames N] [--scenes N]

A window of 256² moves over a simulated field by whole pixels, so that the masks stay exact, and is photographed anew in
every frame (Poisson noise of 20 photons). For each speed and each N: the mean Dice with the mask of the very frame, the
flicker (pixels whose label changes from one frame to the next although their mask does not, in % of the mask), and the
standard deviation of the area's error in % of the area. Then how alike frames are within a scene and at a cut.
"""

import argparse

import numpy as np

from evaluation.metrics import dice
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.live.film import drift
from medseg_demo.live.watch import Watcher
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.smoothing import block_means
from medseg_demo.settings import Settings

SPEEDS = (0, 1, 2, 4)  # px a frame
SPANS = (1, 3, 5, 9)  # frames
PHOTONS = 20.0

Moment = tuple[MedicalImage, np.ndarray]


def moments(seed: int, speed: int, frames: int) -> list[Moment]:
    return [
        (MedicalImage(pixels, "YX", Geometry(), "scene", "PNG", 8, (0.0, 255.0)), mask)
        for pixels, mask in drift(seed, speed, frames, PHOTONS)
    ]


def measure(engine: Engine, checkpoint: str, span: int, given: list[Moment]) -> tuple[float, float, float]:
    """Mean Dice, flicker in %, and the standard deviation of the area's error in %."""
    watcher, scores, flicker, errors, before = Watcher(engine, checkpoint, smooth=span), [], [], [], None
    with engine.job() as job:
        for index, (image, mask) in enumerate(given):
            labels = watcher.see(index, index / 25, image, job).found.label_map.labels > 0
            scores.append(dice(mask, labels))
            errors.append((labels.sum() - mask.sum()) / mask.sum())
            if before is not None:
                flicker.append(((labels != before[0]) & (mask == before[1])).sum() / mask.sum())
            before = labels, mask
    return float(np.mean(scores)), 100 * float(np.mean(flicker)), 100 * float(np.std(errors))


def likeness(seeds: int, frames: int) -> None:
    """The least correlation of consecutive frames, and the greatest of frames of two scenes."""
    blocks = {
        (seed, speed): [block_means(image) for image, _ in moments(seed, speed, frames)]
        for seed in range(seeds)
        for speed in SPEEDS
    }
    for speed in SPEEDS:
        pairs = [pair for seed in range(seeds) for pair in zip(blocks[seed, speed], blocks[seed, speed][1:])]  # noqa: B905
        values = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
        print(f"within a scene, {speed} px a frame: at least {min(values):.3f}", flush=True)
    others = [(one, two) for one in range(seeds) for two in range(one)]
    values = [np.corrcoef(blocks[one, 0][0].ravel(), blocks[two, 0][0].ravel())[0, 1] for one, two in others]
    print(f"at a cut: at most {max(values):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="nuclei-unet-tiny-int8")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--scenes", type=int, default=3)
    options = parser.parse_args()
    engine = Engine(Settings.from_environment())
    print("px a frame, N: Dice, flicker %, sd of the area's error %")
    for speed in SPEEDS:
        given = [moments(seed, speed, options.frames) for seed in range(options.scenes)]
        for span in SPANS:
            found = np.mean([measure(engine, options.checkpoint, span, part) for part in given], axis=0)
            print(f"{speed}, {span}: {found[0]:.4f}, {found[1]:.2f}, {found[2]:.2f}", flush=True)
    likeness(options.scenes, options.frames)


if __name__ == "__main__":
    main()
