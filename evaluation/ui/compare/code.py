"""A comparison as code: a command line, a call of the web API, and a link."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.ui.compare.state import Request, Result
from medseg_demo.ui.code import Code, File, Source, link, program, shell, shell_file, source_of
from medseg_demo.ui.code_view import code_updates

if TYPE_CHECKING:
    from evaluation.comparison.run import Asked


def compare_code(result: Result, address: str) -> dict[str, object]:
    """The parts of the page that hold the code of the result."""
    sources = [source_of(study) for study in result.studies]
    one = result.shown
    at = next((place for place, study in enumerate(result.studies) if one is not None and study is one.study), 0)
    return code_updates(to_code(sources, result.request, address, at=at, asked=one.asked if one else None))


def to_code(
    sources: Sequence[Source], request: Request, address: str, *, at: int = 0, asked: "Asked | None" = None
) -> Code:
    """A comparison as code; uploaded label maps are named by their bare file names.

    Args:
        sources: The images. The command line takes all, a call of the web API one.
        request: What the controls say.
        address: Of this page.
        at: Which one the call is for.
        asked: What is compared on that one, of several.
    """
    source, several = sources[at], len(sources) > 1
    references = [Path(path).name for path in request.references]
    label_maps = [Path(path).name for path in request.label_maps]
    classes = [one for line in request.classes.splitlines() for one in map(str.strip, line.split(";")) if one]
    words: list[object] = ["compare", *(shell_file(one.file) for one in sources)]
    words += ["--checkpoint", *request.checkpoints] if request.checkpoints else []
    words += ["--reference", *map(shell_file, references)] if references else []
    words += ["--label-map", *map(shell_file, label_maps)] if label_maps else []
    words += ["--classes", *classes] if classes else []
    words += ["--consensus", request.method] if request.method else []
    words += ["--volume", source.volume] if source.volume and not several else []
    words += ["--channels"] if source.channels else []
    first = dict.fromkeys(line for one in sources for line in one.first_line)
    command = "\n".join([*first, shell("evaluation", [*words, "--output", "results"])])
    if asked is not None:
        references = [asked.reference.name] if asked.reference else []
        label_maps = [path.name for path in asked.label_maps.values()]
    given: dict[str, object] = {
        "reference": File(references[0]) if references else None,
        "label_maps": [File(name) for name in label_maps] or None,
        "consensus": request.method,
        "classes": request.classes or None,
        "volume": source.volume,
        "channels": source.channels or None,
    }
    arguments = {
        "file": source.as_file,
        "checkpoints": list(request.checkpoints),
        **{name: value for name, value in given.items() if value is not None},
    }
    is_plain = not (request.references or request.label_maps or classes or several)
    return Code(
        command,
        program(address, ("archive", "comparison"), arguments, "/compare"),
        link(address, source, {"compare": ",".join(request.checkpoints)}) if is_plain else "",
    )
