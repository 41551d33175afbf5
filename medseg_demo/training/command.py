"""``train`` and ``plan`` of the command line."""

import argparse
from pathlib import Path
from typing import Any

from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings


def add_train(commands: Any) -> None:
    """Add both to a parser's commands."""
    parser = commands.add_parser("train", help="train a checkpoint from a test-set folder")
    parser.add_argument(
        "--test-set", required=True, nargs="+", type=Path, metavar="DIR",
        help="with images/, masks/, cases.csv; several for a network that is told by clicks (kind: prompted)",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="a training.yaml")
    parser.add_argument("--output", type=Path, metavar="DIR", help="the checkpoint folder to make")
    parser.add_argument("--continue", dest="lengthened", metavar="NAME", help="a finished checkpoint to train further")
    parser.add_argument("--epochs", type=int, metavar="N", help="with --continue: how many are added")
    parser.add_argument("--seeds", type=_seeds, default=(), metavar="1,2,3", help="a training each: DIR-seed1, …")
    parser.set_defaults(run=_train)

    parser = commands.add_parser("plan", help="propose a training's configuration from what a test set looks like")
    parser.add_argument("--test-set", required=True, type=Path, metavar="DIR", help="with images/ and masks/")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the YAML file to make; without it, it is printed")
    parser.set_defaults(run=_plan)


def _seeds(text: str) -> tuple[int, ...]:
    seeds = tuple(int(one) for one in text.split(","))
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError
    return seeds


def _train(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.training import lengthen, train

    if options.lengthened:
        if options.config or options.output or options.seeds or (options.epochs or 0) < 1:
            raise OptionError("--continue takes a checkpoint, and --epochs of 1 or more with it. Give nothing else.")
        if len(options.test_set) > 1:
            raise OptionError("--continue takes one test set. Give the one that the checkpoint learned from.")
        lengthen(options.test_set[0], options.lengthened, options.epochs, settings=settings)
        return 0
    if not options.config or not options.output or options.epochs:
        raise OptionError("train needs --config and --output, or --continue with --epochs. Give one of these pairs.")
    train(options.test_set, options.config, options.output, settings=settings, seeds=options.seeds)
    return 0


def _plan(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.training.plan import plan, write_plan

    text = plan(options.test_set, settings=settings)
    if options.output:
        write_plan(text, options.output)
    else:
        print(text, end="")
    return 0
