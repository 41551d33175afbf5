"""The configuration of a MONAI bundle read as data: references are followed, and nothing in it is ever evaluated.

``monai.bundle`` evaluates what begins with ``$`` as Python. Here such a text is parsed, and of it a closed set is
worked out by this module itself: references, numbers, texts, lists, arithmetic, ``a if b else c``, ``len``, and the
names of MONAI's keys and of types of numbers. Whatever else it holds is refused, by its name and its place.

Source: MONAI's documentation of the syntax, "Configuration System" (config_syntax), version 1.6.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medseg_demo.documents import parse_json, parse_yaml, read_document

DEEPEST = 64  # references that lead on to others
MOST_ITEMS = 100_000  # that are met in all, and of a list that is put together
TARGET, DISABLED = "_target_", "_disabled_"
NOT_ARGUMENTS = ("_target_", "_disabled_", "_requires_", "_desc_", "_mode_")
_SEPARATOR = r"(?:::|#)"
_ID = re.compile(rf"@({_SEPARATOR}*\w+(?:{_SEPARATOR}\w+)*)")
_NUMBER_TYPE = re.compile(r"(?:torch|np|numpy)\.(bool|u?int(?:8|16|32|64)|float(?:16|32|64)?|half|long|int|double)")
_KEYS = re.compile(r"(?:monai\.utils\.(?:enums\.)?)?CommonKeys\.(IMAGE|LABEL|PRED|LOSS)")
Place = tuple[str | int, ...]
_OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class ConfigurationError(ValueError):
    """What a configuration holds that is not read, in words, with its place."""


class Configuration:
    """One configuration, and those of the same bundle that it refers to by ``%``.

    Args:
        path: ``configs/inference.json``, or of another name, or of YAML.

    Raises:
        ConfigurationError: It cannot be read, or is no mapping.
    """

    def __init__(self, path: Path) -> None:
        self._folder, self._file = path.parent, path.name
        self._met = 0
        self._files: dict[str, dict[str, Any]] = {}
        self._content = self._read(path.name)

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def follow(self, value: object, place: Place) -> tuple[Any, Place]:
        """What a value stands for, and where that stands; the references within it are left.

        Args:
            value: A text that refers to a part, or anything else, which is left as it is.
            place: Where it stands.

        Raises:
            ConfigurationError: It refers to nothing, or holds what is not data.
        """
        for _ in range(DEEPEST):
            if not isinstance(value, str) or not value.startswith(("@", "%", "$")):
                return value, place
            name = value.removeprefix("$").strip()
            if not _ID.fullmatch(name):
                return self._resolve(value, place, ()), place
            place = self._absolute(name[1:], place)
            value = self._walk(self._content, place, place)
        raise self.fault(place, "references lead on to others without an end")

    def resolve(self, value: object, place: Place) -> Any:
        """A value of the configuration with every reference in it followed.

        Args:
            value: As it stands.
            place: Where it stands, which relative references count from.

        Raises:
            ConfigurationError: It holds what is not data.
        """
        return self._resolve(value, place, ())

    def fault(self, place: Place, what: str) -> ConfigurationError:
        """An error with its place."""
        return ConfigurationError(f"{self._file}, {'::'.join(map(str, place))}: {what}")

    def _resolve(self, value: object, place: Place, trail: tuple[str, ...]) -> Any:
        self._met += 1
        if len(trail) > DEEPEST or self._met > MOST_ITEMS:
            raise self.fault(place[:4], "references lead on to others without an end")
        if isinstance(value, dict):
            return {str(key): self._resolve(one, (*place, str(key)), trail) for key, one in value.items()}
        if isinstance(value, list):
            return [self._resolve(one, (*place, index), trail) for index, one in enumerate(value)]
        if not isinstance(value, str):
            return value
        if value.startswith("%"):
            return self._macro(value, place, trail)
        if value.startswith("$"):
            return self._expression(value[1:], place, trail)
        if _ID.fullmatch(value):
            return self._reference(value[1:], place, trail)
        return value

    def _reference(self, name: str, place: Place, trail: tuple[str, ...]) -> Any:
        at = f"{self._file}:{name}"
        if at in trail:
            raise self.fault(place, f"@{name[:80]} refers to itself")
        parts = self._absolute(name, place)
        return self._resolve(self._walk(self._content, parts, place), parts, (*trail, at))

    def _absolute(self, name: str, place: Place) -> tuple[str, ...]:
        """The parts of a name; one that begins with separators counts from where it stands."""
        lead = re.match(rf"{_SEPARATOR}*", name)
        levels = len(re.findall(_SEPARATOR, lead.group())) if lead else 0
        parts = tuple(part for part in re.split(_SEPARATOR, name) if part)
        if not levels:
            return parts
        if levels > len(place):
            raise self.fault(place, f"@{name[:80]} lies outside of the configuration")
        return (*map(str, place[:-levels]), *parts)

    def _walk(self, content: Any, parts: tuple[str, ...], place: Place) -> Any:
        for part in parts:
            if isinstance(content, dict) and part in content:
                content = content[part]
            elif isinstance(content, list) and part.isdecimal() and int(part) < len(content):
                content = content[int(part)]
            else:
                raise self.fault(place, f"it refers to {'::'.join(parts)[:80]!r}, which is not there")
        return content

    def _macro(self, value: str, place: Place, trail: tuple[str, ...]) -> Any:
        """What ``%id`` or ``%file::id`` stands for: a copy of the text there."""
        file, _, rest = re.sub(_SEPARATOR, "::", value[1:]).partition("::")
        if value in trail:
            raise self.fault(place, f"{value[:80]} refers to itself")
        if Path(file).suffix.lower() not in (".json", ".yaml", ".yml"):
            return self._reference(value[1:], place, (*trail, value))
        content = self._read(self._inside(file, place))
        part = self._walk(content, tuple(one for one in rest.split("::") if one), place)
        return self._resolve(part, place, (*trail, value))

    def _inside(self, file: str, place: Place) -> str:
        """The name of a file of the same folder of configurations."""
        path = Path(file)
        if path.is_absolute() or ".." in path.parts or path.parent.parts not in ((), ("configs",)) or ":" in file:
            raise self.fault(place, f"%{file[:80]} lies outside of the bundle's configs, and is not read")
        return path.name

    def _read(self, file: str) -> dict[str, Any]:
        if file not in self._files:
            parse = parse_json if file.lower().endswith(".json") else parse_yaml
            try:
                content = read_document(self._folder / file, parse)
            except (ValueError, OSError) as error:
                raise ConfigurationError(f"{file} cannot be read ({error})") from None
            if not isinstance(content, dict):
                raise ConfigurationError(f"{file} is no mapping of names to parts")
            self._files[file] = content
        return self._files[file]

    def _expression(self, text: str, place: Place, trail: tuple[str, ...]) -> Any:
        names: dict[str, str] = {}

        def stand_in(match: re.Match[str]) -> str:
            names[f"reference_{len(names)}"] = match.group(1)
            return f"reference_{len(names) - 1}"

        try:
            tree = ast.parse(_ID.sub(stand_in, text.strip()), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._not_data(text, place) from None
        return self._value(tree, text, place, lambda name: self._reference(names[name], place, trail), names)

    def _value(
        self,
        node: ast.AST,
        text: str,
        place: Place,
        follow: Callable[[str], Any],
        names: Mapping[str, str],
    ) -> Any:
        def of(inner: ast.AST) -> Any:
            return self._value(inner, text, place, follow, names)

        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [of(one) for one in node.elts]
        if isinstance(node, ast.Name) and node.id in names:
            return follow(node.id)
        if isinstance(node, ast.IfExp):
            return of(node.body) if of(node.test) else of(node.orelse)
        if isinstance(node, ast.Attribute):
            return self._constant(ast.unparse(node), text, place)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
            inner = of(node.operand)
            if isinstance(node.op, ast.Not):
                return not inner
            if isinstance(inner, int | float):
                return -inner
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "len" and len(node.args) == 1 and not node.keywords:
            inner = of(node.args[0])
            if isinstance(inner, list | dict):
                return len(inner)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return self._worked_out(node, of(node.left), of(node.right), text, place)
        raise self._not_data(text, place)

    def _worked_out(self, node: ast.BinOp, left: Any, right: Any, text: str, place: Place) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        lists = isinstance(left, list) and isinstance(right, list) and isinstance(node.op, ast.Add)
        if lists and len(left) + len(right) > MOST_ITEMS:
            raise self.fault(place, f"it makes a list of more than {MOST_ITEMS} items")
        if not numbers and not lists:
            raise self._not_data(text, place)
        try:
            return _OPERATORS[type(node.op)](left, right)
        except (ArithmeticError, ValueError):
            raise self.fault(place, f"${text[:80]} has no value") from None

    def _constant(self, name: str, text: str, place: Place) -> str:
        if key := _KEYS.fullmatch(name):
            return key.group(1).lower()
        if kind := _NUMBER_TYPE.fullmatch(name):
            short = {"half": "float16", "float": "float32", "double": "float64", "long": "int64", "int": "int32"}
            return short.get(kind.group(1), kind.group(1))
        raise self._not_data(text, place)

    def _not_data(self, text: str, place: Place) -> ConfigurationError:
        return self.fault(
            place,
            f"${text.strip()[:80]} is an expression of Python, and no code of a checkpoint is run. Write its value in "
            "its place",
        )
