"""JSON and YAML of users → plain values, under one rule: how long, how deep and how repetitive they may be.

Parsers recurse, so that a few kilobytes of brackets would end what reads them, such as the listing of all checkpoints;
and a YAML file of ten lines can name itself billions of times.
"""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20
MOST_MIB = 16
DEEPEST = 64  # lists and mappings in each other; what people write has less than ten
LEAST_VALUES = 100_000  # that a document may hold, however short it is
TOO_DEEP = f"it is nested more than {DEEPEST} deep"


def parse_json(content: bytes | str) -> Any:
    """JSON as plain values; a byte order mark may stand before it.

    Raises:
        ValueError: It is no JSON in UTF-8, or too deep or too large; the message says which.
    """
    return _bounded(json.loads, content.decode("utf-8-sig") if isinstance(content, bytes) else content)


def parse_yaml(content: bytes) -> Any:
    """YAML as plain values; nothing in it is executed, and no key may stand twice in a mapping.

    Raises:
        ValueError: As of ``parse_json``.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> Any:
            node, seen = super().compose_mapping_node(anchor), set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise ValueError(f"line {key.start_mark.line + 1} has the key {key.value} again")
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
            return node

    text, depth = content.decode("utf-8-sig"), 0
    for bracket in re.findall(r"[\[\]{}]", text):  # first, as the scanner takes time by the square of the depth
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            raise ValueError(TOO_DEEP)
    try:
        return _bounded(lambda given: yaml.load(given, Loader), text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def read_document(path: Path, parse: Callable[[bytes], Any] = parse_json, *, most_mib: int = MOST_MIB) -> Any:
    """The plain values of a file.

    Args:
        path: Of a regular file; a pipe would be waited for.
        parse: ``parse_json`` or ``parse_yaml``.
        most_mib: How long it may be.

    Raises:
        ValueError: As of ``parse``, or it is too long.
        OSError: It cannot be read; the message holds no path.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(0, "it is no regular file")
        with path.open("rb") as file:
            content = file.read(most_mib * MIB + 1)
    except OSError as error:
        raise OSError(error.errno, error.strerror) from None
    if len(content) > most_mib * MIB:
        raise ValueError(f"it has more than {most_mib} MiB")
    return parse(content)


def _bounded(parse: Callable[[str], Any], text: str) -> Any:
    try:
        document = parse(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    pending, seen = [(document, 0)], 0
    while pending:
        value, depth = pending.pop()
        if not isinstance(value, dict | list):
            continue
        if depth == DEEPEST:
            raise ValueError(TOO_DEEP)
        seen += len(value)
        if seen > max(len(text), LEAST_VALUES):  # what YAML names again counts again: whoever walks through meets it
            raise ValueError("it repeats its own parts too often")
        pending += [(one, depth + 1) for one in (value if isinstance(value, list) else value.values())]
    return document
