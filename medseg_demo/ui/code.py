"""Copy as code: what is on the page as a command line, a call of the web API, and a link."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import gradio as gr

from medseg_demo.reading.studies import Channels, Series, Study
from medseg_demo.samples import list_samples
from medseg_demo.segmenting.options import SegmentOptions

DEFAULT_ADDRESS = "http://127.0.0.1:7860/"
ADDRESS = re.compile(r"https?://[\w.\-\[\]:]+(?:/[\w.\-/~%]*)?")

# What decides a label map alone, and no heat map.
OF_A_RESULT = ("threshold", "flips", "smallest_component", "fill_holes", "deidentify")

COPY_SAMPLE = "python -c \"import shutil, medseg_demo.samples as s; shutil.copy(s.sample_path({name!r}), '.')\""


@dataclass(frozen=True)
class Code:
    """What reproduces a view.

    Attributes:
        command: Lines for a shell, in the project's folder.
        python: A program for ``gradio_client``.
        link: An address that opens the view; empty where it is of an upload, which no address may hold.
    """

    command: str
    python: str
    link: str = ""


@dataclass(frozen=True)
class Source:
    """The image of a view, as code may name it.

    Attributes:
        file: Its bare name.
        sample: The sample's name; None for an upload.
        volume: Which volume of a 4-D file, from 1; None of any other.
        channels: Whether all volumes, or all files, are channels of one image.
    """

    file: str
    sample: str | None = None
    volume: int | None = None
    channels: bool = False

    @property
    def as_file(self) -> "File":
        """As an argument of a call."""
        return File(self.file, self.sample)

    @property
    def first_line(self) -> tuple[str, ...]:
        """What a shell must do before the file is there: copy a sample out of its package."""
        return (COPY_SAMPLE.format(name=self.sample),) if self.sample else ()


def source_of(study: Study) -> Source:
    """An image as code may name it: of several files the name, under which a zip of them is expected."""
    if isinstance(study.item, Series | Channels):
        return Source(f"{study.item.name}.zip", channels=isinstance(study.item, Channels))
    sample = next((sample.name for sample in list_samples() if sample.path == study.item), None)
    if study.volume == "channels":
        return Source(study.item.name, sample, channels=True)
    return Source(study.item.name, sample, study.volume)


def segment_code(
    source: Source, checkpoint: str, options: SegmentOptions, address: str, *, deidentify: bool = False
) -> Code:
    """A segmentation as code; only options that differ from the defaults are written, and the threshold."""
    flags: dict[str, object] = {
        "threshold": options.threshold,
        "flips": options.flips or None,
        "explain": options.explain or None,
        "denoise": options.denoise,
        "smallest_component": options.smallest_component or None,
        "fill_holes": options.fill_holes or None,
        "crop": None if options.crop is None else list(options.crop),
        "channel_order": ",".join(options.channels) if options.channels else None,
        "volume": source.volume,
        "channels": source.channels or None,
        "deidentify": deidentify or None,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    words: list[object] = ["segment", shell_file(source.file), "--checkpoint", checkpoint]
    for name, value in given.items():
        said = ",".join(map(str, value)) if isinstance(value, list) else value
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [said])]
    command = "\n".join([*source.first_line, shell("medseg_demo", [*words, "--output", "results"])])
    arguments = {"file": source.as_file, "checkpoint": checkpoint, **given}
    results, endpoint = ("label_map", "measurements"), "/segment"
    if options.explain:
        results, endpoint = ("heat_map", "measurements"), "/explain"
        arguments = {name: value for name, value in arguments.items() if name not in OF_A_RESULT}
    python = program(address, results, arguments, endpoint)
    return Code(command, python, link(address, source, {"checkpoint": checkpoint}))


def shell_file(name: str) -> str:
    """A file's name as an argument, which must not look like an option."""
    return f"./{name}" if name.startswith("-") else name


def shell(module: str, words: Iterable[object]) -> str:
    """A call of a module's command line."""
    return " ".join(["python", "-m", module, *(shlex.quote(str(word)) for word in words)])


@dataclass(frozen=True)
class File:
    """A file among the arguments of a call: by its name, or a sample by the sample's."""

    name: str
    sample: str | None = None


def program(address: str, results: Sequence[str], arguments: Mapping[str, object], endpoint: str) -> str:
    """A program that calls an endpoint and prints what it answers.

    Args:
        address: Of the page.
        results: What the endpoint's outputs are called.
        arguments: By name; text, numbers, lists and Files.
        endpoint: Such as "/segment".
    """
    values = list(arguments.values())
    samples = any(isinstance(value, File) and value.sample for value in values)
    files = any(isinstance(one, File) for value in values for one in (value if isinstance(value, list) else [value]))
    lines = [
        f"from gradio_client import Client{', handle_file' if files else ''}",
        *(["", "from medseg_demo.samples import sample_path"] if samples else []),
        "",
        f"client = Client({_literal(address)})",
        f"{', '.join(results)} = client.predict(",
        *(f"    {name}={_literal(value)}," for name, value in arguments.items()),
        f"    api_name={_literal(endpoint)},",
        ")",
        f"print({', '.join(results)})",
    ]
    return "\n".join(lines)


def _literal(value: object) -> str:
    """A value as Python writes it, with double quotes."""
    if isinstance(value, File):
        return (
            f"handle_file(sample_path({_literal(value.sample)}))"
            if value.sample
            else f"handle_file({_literal(value.name)})"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def link(address: str, source: Source, parameters: Mapping[str, str]) -> str:
    """The address that opens a view of a sample; empty for any other image."""
    if not source.sample:
        return ""
    return f"{address}?{urlencode({'sample': source.sample, **parameters}, safe=',')}"


def page_address(request: gr.Request | None) -> str:
    """Where the visitor's browser says this page lies, without the query; the usual address where it does not."""
    headers = getattr(request, "headers", None) or {}
    for name in ("referer", "origin"):
        found = str(headers.get(name) or "").split("?")[0].split("#")[0]
        if ADDRESS.fullmatch(found):
            return found if found.endswith("/") else f"{found}/"
    return DEFAULT_ADDRESS
