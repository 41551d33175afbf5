"""The command line in the language of the terminal."""

import argparse
from typing import TextIO

from medseg_demo.language import of_terminal


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print what is for people, line by line; output for programs goes by ``print``."""
    spoken = of_terminal()
    print("\n".join(map(spoken.text, text.split("\n"))), file=file, flush=True)


def spoken_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same parser, and its commands', with its help in the language of the terminal."""
    spoken = of_terminal()
    parser.description = spoken.text(parser.description) if parser.description else parser.description
    for action in parser._actions:
        if action.help:
            action.help = spoken.text(action.help)
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                choice.help = spoken.text(choice.help or "")
            for command in action.choices.values():
                spoken_parser(command)
    return parser
