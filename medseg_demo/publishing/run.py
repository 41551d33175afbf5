"""Checkpoints → the Hugging Face Hub: the page with them as a Space, or one of them as a model to load by its name."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from medseg_demo.errors import OptionError
from medseg_demo.language.terminal import say
from medseg_demo.models.hub import HUB_ID
from medseg_demo.publishing.contents import Contents, model_contents, space_contents, write_contents
from medseg_demo.publishing.front_matter import About
from medseg_demo.settings import Settings

MEBIBYTE = 2**20
MOST_LISTED_MB = 900  # a repository of the Hub may hold 1 GB for free


def publish(
    names: Sequence[str],
    about: About,
    *,
    settings: Settings,
    space: str = "",
    model: str = "",
    output: Path | None = None,
    private: bool = False,
    dry_run: bool = False,
) -> None:
    """Push checkpoints to the Hub, or write what would be pushed.

    Args:
        names: Of checkpoints, as for ``load_checkpoint``.
        about: What the front matter says.
        settings: Where checkpoints lie.
        space: Where the page goes with them, as ``owner/name``; a model may be given beside it, but not pushed at once.
        model: Where one checkpoint goes alone, as ``owner/name``.
        output: A folder to write instead of pushing.
        private: Whether a repository that is made can be seen by its owner alone.
        dry_run: List what would be pushed or written, and do neither.

    Raises:
        MedsegError: A checkpoint cannot be used, an argument cannot be meant, or the Hub refuses.
    """
    _check(names, space, model, output, dry_run=dry_run)
    contents = model_contents(names[0], about, settings) if model else space_contents(names, about, settings)
    target = f"Model {model}" if model else f"Space {space}".strip()
    if dry_run:
        for path, size in contents.sizes():
            say(f"{size / MEBIBYTE:9.2f} MiB  {path}")
    say(f"{target}{f' in {output.name}' if output else ''}: {_told(contents)}")
    if dry_run:
        say("Nothing was written or pushed.")
    elif output is not None:
        write_contents(contents, output)
    else:
        _push(contents, about, space=space, model=model, private=private)


def _check(names: Sequence[str], space: str, model: str, output: Path | None, *, dry_run: bool) -> None:
    if not names:
        raise OptionError("No checkpoint was named. Name those that the page shall have, as `checkpoints` lists them.")
    if space and model:
        raise OptionError("--space and --to are two repositories. Publish to one after the other.")
    if not (space or model or output or dry_run):
        raise OptionError("Where to? Give --space owner/name, --to owner/name or --output DIR.")
    if model and len(names) > 1:
        raise OptionError(f"--to {model} is the repository of one checkpoint, but {len(names)} are named.")
    for repository in filter(None, (space, model)):
        if not HUB_ID.fullmatch(repository):
            raise OptionError(f"{repository!r} is no repository of the Hub. Give it as owner/name.")


def _told(contents: Contents) -> str:
    size_mb = contents.size / MEBIBYTE
    parts = ", ".join(f"{name} {size / MEBIBYTE:.1f}" for name, size in contents.parts())
    told = f"{len(contents.files)} files, {size_mb:.1f} MiB ({parts})."
    if size_mb > MOST_LISTED_MB:
        told += " That is more than the Hub takes for free. Name fewer checkpoints."
    return told


def _push(contents: Contents, about: About, *, space: str, model: str, private: bool) -> None:
    from medseg_demo.publishing.hub import push

    with tempfile.TemporaryDirectory(prefix="medseg-publish-") as folder:
        write_contents(contents, Path(folder))
        kind: Literal["space", "model"] = "space" if space else "model"
        address = push(Path(folder), space or model, kind=kind, about=about, private=private)
    say(f"Published: {address}")
