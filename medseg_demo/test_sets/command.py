"""``simulate`` of the command line."""

import argparse
from pathlib import Path
from typing import Any


def add_simulate(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser("simulate", help="draw a test set whose labels are exact")
    parser.add_argument("what", choices=["brain"], help="slices in four contrasts of MRI, with lesions")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the test-set folder to make")
    parser.add_argument("--cases", type=int, metavar="N", help="two a subject; default: 180")
    parser.add_argument("--seed", type=int, metavar="S", help="of all chance; default: the bundled set's")
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace, settings: object) -> int:
    from medseg_demo.test_sets.simulated_brain import write_simulated_brain

    given = {name: getattr(options, name) for name in ("cases", "seed") if getattr(options, name) is not None}
    write_simulated_brain(options.output, **given)
    return 0
