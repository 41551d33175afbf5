"""``publish`` of the command line."""

import argparse
from pathlib import Path
from typing import Any

from medseg_demo.settings import Settings

DESCRIPTION = """Push the page with checkpoints to the Hugging Face Hub as a Space, or one checkpoint as a model.

`publish NAME... --space owner/name` makes a Space that every visitor can use; `--checkpoint NAME` names them as well.
`publish NAME --to owner/name` makes a model that `--checkpoint owner/name` and load_checkpoint() take from anywhere.
`--output DIR` writes the folder in place of pushing it, `--dry-run` lists its files and does neither.
The token that may write is taken from HF_TOKEN, or from `hf auth login`."""


def add_publish(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "publish",
        help="the page with checkpoints as a Hugging Face Space, or a checkpoint as a model of the Hub",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a name that `checkpoints` lists")
    parser.add_argument(
        "--checkpoint", nargs="+", action="extend", default=[], metavar="NAME", help="the same, after an option"
    )
    parser.add_argument("--space", default="", metavar="OWNER/NAME", help="the Space to make or to replace")
    parser.add_argument("--to", default="", metavar="OWNER/NAME", help="the model repository of one checkpoint")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the folder there; nothing is pushed")
    parser.add_argument("--dry-run", action="store_true", help="list the files; nothing is written or pushed")
    parser.add_argument("--title", default="", help="of the Space; default: from the checkpoints' tasks")
    parser.add_argument(
        "--license", default="", metavar="ID", help="as the Hub calls it; of a Space by default apache-2.0"
    )
    parser.add_argument(
        "--dataset", default="", metavar="OWNER/NAME", help="of the Hub, on which a model's scores were measured"
    )
    parser.add_argument(
        "--hardware", default="zero-a10g", help="of a new Space, such as cpu-basic or t4-small; default: %(default)s"
    )
    parser.add_argument("--sign-in", action="store_true", help="visitors of the Space sign in to Hugging Face")
    parser.add_argument("--private", action="store_true", help="a new repository is seen by its owner alone")
    parser.set_defaults(run=_publish)


def _publish(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.publishing.front_matter import About
    from medseg_demo.publishing.run import publish

    about = About(
        options.title, options.license, options.hardware, options.sign_in, options.space or options.to, options.dataset
    )
    publish(
        [*options.names, *options.checkpoint],
        about,
        settings=settings,
        space=options.space,
        model=options.to,
        output=options.output,
        private=options.private,
        dry_run=options.dry_run,
    )
    return 0
