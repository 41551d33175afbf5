"""A comparison as code: a command line, a call of the web API, and a link."""

from pathlib import Path

from evaluation.ui.compare.state import Request, Result
from medseg_demo.ui.code import Code, File, Source, link, program, shell, shell_file, source_of
from medseg_demo.ui.code_view import code_updates


def compare_code(result: Result, address: str) -> dict[str, object]:
    """The parts of the page that hold the code of the result."""
    return code_updates(to_code(source_of(result.source), result.request, address))


def to_code(source: Source, request: Request, address: str) -> Code:
    """A comparison as code; uploaded label maps are named by their bare file names."""
    reference = Path(request.reference).name if request.reference else None
    label_maps = [Path(path).name for path in request.label_maps]
    words: list[object] = ["compare", shell_file(source.file)]
    words += ["--checkpoint", *request.checkpoints] if request.checkpoints else []
    words += ["--reference", shell_file(reference)] if reference else []
    words += ["--label-map", *map(shell_file, label_maps)] if label_maps else []
    words += ["--consensus", request.method] if request.method else []
    words += ["--volume", source.volume] if source.volume else []
    words += ["--channels"] if source.channels else []
    command = "\n".join([*source.first_line, shell("evaluation", [*words, "--output", "results"])])
    given: dict[str, object] = {
        "reference": File(reference) if reference else None,
        "label_maps": [File(name) for name in label_maps] or None,
        "consensus": request.method,
        "volume": source.volume,
        "channels": source.channels or None,
    }
    arguments = {
        "file": source.as_file,
        "checkpoints": list(request.checkpoints),
        **{name: value for name, value in given.items() if value is not None},
    }
    is_plain = not (reference or label_maps)
    return Code(
        command,
        program(address, ("archive", "comparison"), arguments, "/compare"),
        link(address, source, {"compare": ",".join(request.checkpoints)}) if is_plain else "",
    )
