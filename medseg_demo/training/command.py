"""``train`` and ``plan`` of the command line."""

import argparse
from pathlib import Path
from typing import Any

from medseg_demo.settings import Settings


def add_train(commands: Any) -> None:
    """Add both to a parser's commands."""
    parser = commands.add_parser("train", help="train a checkpoint from a test-set folder")
    parser.add_argument("--test-set", required=True, type=Path, metavar="DIR", help="with images/, masks/, cases.csv")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="a training.yaml")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the checkpoint folder to make")
    parser.set_defaults(run=_train)

    parser = commands.add_parser("plan", help="propose a training's configuration from what a test set looks like")
    parser.add_argument("--test-set", required=True, type=Path, metavar="DIR", help="with images/ and masks/")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the YAML file to make; without it, it is printed")
    parser.set_defaults(run=_plan)


def _train(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.training import train

    train(options.test_set, options.config, options.output, settings=settings)
    return 0


def _plan(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.training.plan import plan, write_plan

    text = plan(options.test_set, settings=settings)
    if options.output:
        write_plan(text, options.output)
    else:
        print(text, end="")
    return 0
