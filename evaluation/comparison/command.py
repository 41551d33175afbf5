"""The command ``python -m evaluation compare``: checkpoints, label maps and a reference on one image."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from evaluation.comparison.members import Comparison, Cost
    from medseg_demo.image import MedicalImage
    from medseg_demo.segmenting.pipeline import Segmentation


def add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    compare = commands.add_parser("compare", help="checkpoints, label maps and a reference on one image")
    compare.add_argument(
        "files", nargs="+", type=Path, metavar="FILE",
        help="an image, a volume, a folder or zip of one series; several with --channels alone",
    )  # fmt: skip
    compare.add_argument("--checkpoint", nargs="+", action="extend", default=[], metavar="NAME", help="up to six")
    compare.add_argument("--reference", type=Path, metavar="FILE", help="the expert's label map")
    compare.add_argument("--label-map", nargs="+", action="extend", type=Path, default=[], metavar="FILE")
    compare.add_argument("--consensus", choices=["majority", "staple"], help="add what they say together")
    several = compare.add_mutually_exclusive_group()
    several.add_argument("--volume", type=int, metavar="N", help="which volume of a 4-D file, from 1")
    several.add_argument(
        "--channels", action="store_true", help="all volumes of the file, or the files of a folder or zip, are channels"
    )
    compare.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if missing")
    compare.set_defaults(run=run_compare)


def run_compare(options: argparse.Namespace, settings: Settings) -> int:
    """Compare, write every file to the output folder, and print the tables.

    Returns:
        The exit code, 0.

    Raises:
        MedsegError: A file, a checkpoint or an option cannot be used, or they do not go together.
    """
    from evaluation.comparison.cost import find_cost
    from evaluation.comparison.files import write_comparison
    from evaluation.comparison.members import read_members, run_comparison, with_consensus
    from medseg_demo.models.catalog import load_checkpoint
    from medseg_demo.segmenting.pipeline import segment

    names = list(dict.fromkeys(options.checkpoint))
    loaded = {name: load_checkpoint(name, settings.checkpoints_dir) for name in names}
    cards = {name: checkpoint.card for name, checkpoint in loaded.items()}
    if options.output.is_file():
        raise OptionError(f"{options.output} is a file. Choose a folder as --output.")
    for path in (*options.files, options.reference, *options.label_map):
        if path and path.resolve().parent == options.output.resolve():
            raise OptionError(
                f"--output {options.output}: the input {path.name} lies there, and a result might replace it. "
                "Choose another folder."
            )

    def run(image: "MedicalImage", checkpoints: Sequence[str]) -> "Iterator[tuple[Segmentation, Cost]]":
        for name in checkpoints:
            print(f"note: segmenting with {name}", file=sys.stderr)
            yield segment(image, loaded[name], settings=settings), find_cost(loaded[name], settings)

    with tempfile.TemporaryDirectory(prefix="medseg-") as unpacked:
        image = _read_only(options, settings, Path(unpacked))
        given = read_members(image, options.label_map, reference=options.reference, taken=names)
        *_, found = run_comparison(image, cards, given, run)
        found = with_consensus(found, options.consensus)
        write_comparison(found, options.output)
    _print(found)
    return 0


def _read_only(options: argparse.Namespace, settings: Settings, unpack_to: Path) -> "MedicalImage":
    """The image that the files make.

    Raises:
        OptionError: They make several.
    """
    from medseg_demo.reading import find_studies, read_image

    first, *others = options.files
    choice = {"volume": options.volume, "channels": options.channels}
    if not others:
        return read_image(first, settings=settings, unpack_to=unpack_to, **choice)
    studies = find_studies(options.files, settings=settings, unpack_to=unpack_to, channels=options.channels)
    if len(studies) != 1:
        raise OptionError(
            f"{len(options.files)} files are {len(studies)} images, and one is compared on. Give one, or the channel "
            "files of one case with --channels."
        )
    return read_image(studies[0], settings=settings, volume=options.volume)


def _print(comparison: "Comparison") -> None:
    from evaluation.results.words import number

    for size in comparison.sizes:
        print(f"{size.name}, {size.class_name}: {number(size.size)} {size.unit}")
    for score in comparison.scores:
        print(
            f"{score.name} against the reference, {score.class_name}: Dice {number(score.dice)}, "
            f"HD95 {number(score.hd95)} {score.distance_unit}"
        )
    for pair in comparison.pairs:
        print(f"{pair.first} and {pair.second}, {pair.class_name}: Dice {number(pair.dice)}")
    found = comparison.disagreement
    print(f"They differ on {found.share:.2%} of the image, in {found.found} regions.")
