"""The command ``python -m evaluation compare``: checkpoints, label maps and references on one image, or on several."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.language.terminal import say
from medseg_demo.numbers import percent
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from evaluation.comparison.files import ComparisonFiles
    from evaluation.comparison.run import Asked
    from evaluation.comparison.several import Figures
    from medseg_demo.image import MedicalImage
    from medseg_demo.reading.studies import Study


def add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    compare = commands.add_parser("compare", help="checkpoints, label maps and references on one image, or on several")
    compare.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="images, volumes, folders and zips"
    )  # fmt: skip
    compare.add_argument("--checkpoint", nargs="+", action="extend", default=[], metavar="NAME", help="up to six")
    compare.add_argument(
        "--reference", nargs="+", action="extend", type=Path, default=[], metavar="FILE",
        help="the expert's label map; of several images one each, called as the image",
    )  # fmt: skip
    compare.add_argument(
        "--label-map", nargs="+", action="extend", type=Path, default=[], metavar="FILE",
        help="made elsewhere; of several images called as the image, with or without a word",
    )  # fmt: skip
    compare.add_argument(
        "--classes", nargs="+", action="extend", default=[], metavar="'OWN = COMPARED'",
        help="classes that are called differently, such as 'class_1 = lung' or 'expert: class_1 = lung'",
    )  # fmt: skip
    compare.add_argument("--consensus", choices=["majority", "staple"], help="add what they say together")
    several = compare.add_mutually_exclusive_group()
    several.add_argument("--volume", type=int, metavar="N", help="which volume of a 4-D file, from 1")
    several.add_argument(
        "--channels", action="store_true", help="all volumes of a file, or the files of one case, are channels"
    )
    compare.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if missing")
    compare.set_defaults(run=run_compare)


def run_compare(options: argparse.Namespace, settings: Settings) -> int:
    """Compare, write every file to the output folder, and print the tables.

    Returns:
        The exit code: 0, or 1 where some of several images could not be compared.

    Raises:
        MedsegError: A checkpoint or an option cannot be used, or the only image cannot be compared on.
    """
    from evaluation.comparison.classes import parse_stated
    from evaluation.comparison.files import write_tables
    from evaluation.comparison.run import assign, file_names
    from medseg_demo.models.catalog import load_checkpoint
    from medseg_demo.reading.studies import result_stems

    _check_output(options)
    names = dict.fromkeys(options.checkpoint)
    loaded = [load_checkpoint(name, settings.checkpoints_dir, cache_dir=settings.cache_dir) for name in names]
    stated = parse_stated("\n".join(options.classes))
    with tempfile.TemporaryDirectory(prefix="medseg-") as unpacked:
        found = _find(options, settings, Path(unpacked))
        stems = result_stems(found)
        asked = assign(stems, loaded, label_maps=options.label_map, references=options.reference, stated=stated)
        run = _Run(options, settings, Path(unpacked))
        failed = 0
        for item, name, one in zip(found, file_names(stems), asked, strict=True):
            try:
                run.compare(item, name if len(found) > 1 else "", one)
            except MedsegError as error:
                if len(found) == 1:
                    raise
                failed += 1
                say(f"error: {name}: {error}", file=sys.stderr)
        if len(run.figures) > 1:
            write_tables(run.figures, run.written, options.output)
            _print_means(run.figures)
    return 1 if failed else 0


def _check_output(options: argparse.Namespace) -> None:
    if options.output.is_file():
        raise OptionError(f"{options.output} is a file. Choose a folder as --output.")
    for path in (*options.files, *options.reference, *options.label_map):
        if path.resolve().parent == options.output.resolve():
            raise OptionError(
                f"--output {options.output}: the input {path.name} lies there, and a result might replace it. "
                "Choose another folder."
            )


def _find(options: argparse.Namespace, settings: Settings, unpack_to: Path) -> "list[Path | Study]":
    """What is compared on: the only file itself, else every image that the files hold."""
    from medseg_demo.reading import find_studies
    from medseg_demo.reading.studies import is_zip

    first, *others = options.files
    if not others and not first.is_dir() and not is_zip(first, settings):
        return [first]
    found = find_studies(options.files, settings=settings, unpack_to=unpack_to, channels=options.channels)
    if not others and len({study.item for study in found}) == 1:
        return [first]
    return [study for study in found if options.volume is None or study.volume in (None, options.volume)]


class _Run:
    """Compares on one image after the other."""

    def __init__(self, options: argparse.Namespace, settings: Settings, unpack_to: Path) -> None:
        from medseg_demo.segmenting.engine import Engine

        self.options, self.settings, self.unpack_to = options, settings, unpack_to
        self.engine = Engine(settings)
        self.figures: list[Figures] = []
        self.written: list[ComparisonFiles] = []

    def compare(self, item: "Path | Study", name: str, asked: "Asked") -> None:
        """Compare on one image, write its files and print its figures.

        Raises:
            MedsegError: It cannot be read or compared on.
        """
        from evaluation.comparison.files import write_comparison
        from evaluation.comparison.members import with_consensus
        from evaluation.comparison.run import compare_image
        from evaluation.comparison.several import Figures

        image = self._read(item, name)
        say(f"note: comparing on {image.name}", file=sys.stderr)
        with self.engine.job(is_large=image.is_volume) as job:
            *_, found = compare_image(self.engine, image, asked, job, warm=bool(self.figures))
        found = with_consensus(found, self.options.consensus)
        self.written.append(write_comparison(found, self.options.output))
        self.figures.append(Figures.of(found))
        if name:
            say(f"{name}:")
        _print(self.figures[-1])
        for member in found.members:
            for warning in (*member.notes, *member.warnings):
                say(f"note: {member.name}: {warning}", file=sys.stderr)

    def _read(self, item: "Path | Study", name: str) -> "MedicalImage":
        from medseg_demo.reading import read_image

        if not isinstance(item, Path):
            image = read_image(item, settings=self.settings)
            return replace(image, name=name) if name else image
        choice = {"volume": self.options.volume, "channels": self.options.channels}
        return read_image(item, settings=self.settings, unpack_to=self.unpack_to, **choice)


def _print(figures: "Figures") -> None:
    from evaluation.results.words import number

    for size in figures.sizes:
        say(f"{size.name}, {size.class_name}: {number(size.size)} {size.unit}")
    for score in figures.scores:
        say(
            f"{score.name} against the reference, {score.class_name}: Dice {number(score.dice)}, "
            f"HD95 {number(score.hd95)} {score.distance_unit}"
        )
    for pair in figures.pairs:
        say(f"{pair.first} and {pair.second}, {pair.class_name}: Dice {number(pair.dice)}")
    say(f"They differ on {percent(figures.share, 2)} of the image, in {figures.regions} regions.")


def _print_means(figures: "list[Figures]") -> None:
    from evaluation.comparison.several import summarise
    from evaluation.results.words import number

    say(f"Means over {len(figures)} images:")
    for mean in summarise(figures):
        say(
            f"{mean.name}, {mean.class_name}: Dice against the reference {number(mean.dice)} (n = {mean.scored}), "
            f"agreement with the others {number(mean.agreement)} (n = {mean.agreed}), "
            f"size {number(mean.size)} {mean.unit}"
        )
