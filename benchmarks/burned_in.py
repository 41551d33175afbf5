"""How often text in the pixels is found, and how often it is seen where there is none.

    python benchmarks/burned_in.py [FOLDER OF IMAGES ...] [--most N] [--fonts FILE.ttf ...]

The bundled samples and the simulated test set count always. Texts are written by Pillow into copies of the images, in
the corners, white, or black on what is bright, as devices do.
"""

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medseg_demo.errors import ReadError
from medseg_demo.reading import read_image
from medseg_demo.samples import list_samples
from medseg_demo.writing.burned_in import _planes, text_lines

SIZES = (10, 12, 14, 18, 24, 30)
TEXTS = ("MUSTER, ERIKA", "Mueller Anna 03.02.1961", "ID 4711-0815", "Univ.-Klinik Bonn", "1961-02-03 F", "DOE^JOHN")
PER_FOLDER = 12  # images that are written into


def read_planes(files: list[Path]) -> Iterator[tuple[Path, np.ndarray]]:
    for path in files:
        try:
            planes = list(_planes(read_image(path)))
        except ReadError:
            continue
        yield path, planes[len(planes) // 2]


def write(plane: np.ndarray, size: int, fonts: list[str], draw: random.Random) -> np.ndarray | None:
    chosen = draw.choice([None, *fonts])
    font = ImageFont.load_default(size) if chosen is None else ImageFont.truetype(chosen, size)
    text, picture = draw.choice(TEXTS), Image.new("L", plane.shape[::-1])
    pen = ImageDraw.Draw(picture)
    *_, width, height = map(int, pen.textbbox((0, 0), text, font=font))
    rows, columns = plane.shape
    if width > columns - 6 or height > rows - 6:
        return None
    x, y = draw.choice((3, columns - width - 3)), draw.choice((3, rows - height - 3))
    pen.text((x, y), text, font=font, fill=255)
    ink = np.asarray(picture) / 255
    shade = 0.0 if plane[y : y + height, x : x + width].mean() > 0.6 else 1.0
    return plane * (1 - ink) + shade * ink


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--most", type=int, default=60)
    parser.add_argument("--fonts", nargs="*", default=[])
    options, draw = parser.parse_args(), random.Random(0)
    groups = {"samples": [sample.path for sample in list_samples()]}
    groups["simulated"] = sorted(Path("test_sets").rglob("images/*.png"))
    for folder in options.folders:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        groups[folder.parent.name] = random.Random(0).sample(files, min(options.most, len(files)))
    written: list[np.ndarray] = []
    for name, files in groups.items():
        start, alarms, count = time.process_time(), [], 0
        for path, plane in read_planes(files):
            count += 1
            alarms += [path.name] if text_lines(plane) else []
            if count <= PER_FOLDER:
                written.append(plane)
        took = 1000 * (time.process_time() - start) / max(1, count)
        print(f"{name}: {len(alarms)} false alarms in {count} images {alarms[:5]}; {took:.0f} ms each", flush=True)
    for size in SIZES:
        tried = [plane for plane in (write(plane, size, options.fonts, draw) for plane in written) if plane is not None]
        found = sum(bool(text_lines(plane)) for plane in tried)
        print(f"{size} px: {found} of {len(tried)} found ({found / max(1, len(tried)):.1%})", flush=True)


if __name__ == "__main__":
    main()
