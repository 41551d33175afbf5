"""The sentences in the code, as templates: what a table of a language has to translate.

``python -m medseg_demo.language.sentences`` lists what each table lacks, and what is said no more.
"""

import ast
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from medseg_demo.language import ATTRIBUTES, LANGUAGES, table

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("app.py", "medseg_demo", "evaluation")
# Modules of wording, whose single words are shown too.
WORDINGS = {"texts.py", "words.py", "terms.py"}
# What is never shown: patterns, log records, SQL, names of attributes and modules.
_UNSEEN = {
    "compile", "getLogger", "debug", "info", "warning", "exception", "execute", "executescript", "getattr",
    "import_module", "startswith", "endswith", "require", "get_tensor",
}  # fmt: skip
_TAGS = (
    "a|b|body|br|button|caption|code|dd|details|div|dl|dt|em|figure|g|h[1-6]|head|header|html|i|img|input|kbd|label|li|"
    "main|mark|meta|nav|ol|option|p|path|pre|script|section|select|small|span|strong|style|sub|summary|sup|svg|table|"
    "tbody|td|text|th|thead|title|tr|ul|use"
)
_MARKUP = re.compile(rf"</?(?:{_TAGS})\b[^<>]*>|<!--.*?-->|&[a-z]+;")
_WORD = re.compile(r"[A-Za-z]{2,}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# A word alone that heads a column or stands on a button; where networks are read, it is the name of a class.
_LABEL = re.compile(r"[A-Z][a-z]{2,}")
# A word beside a figure, or beside what fills the template; units are the same everywhere.
_COUNTED = re.compile(r"\} \(?(?!(?:px|mm²?|cm|ml|ms)\b)[a-z]{2,}|\b[A-Za-z][a-z]+[.:]? \(?[{\d]")
_PLACEHOLDER = re.compile(r"\{\w*[^{}]*\}")
_SCRIPT_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')


def sentences(suffix: str) -> dict[str, str]:
    """Every template in the code of one kind, .js or .py (with .html), and where it stands first."""
    found: dict[str, str] = {}
    readers = {".js": {".js": _of_script}, ".py": {".py": _of_module, ".html": _of_html}}[suffix]
    for path in sorted(one for place in PLACES for kind in readers for one in _files(ROOT / place, kind)):
        source = path.read_text(encoding="utf-8")
        for line, text in readers[path.suffix](source):
            for part in [*_MARKUP.split(text), *(found[2] for found in ATTRIBUTES.finditer(text))]:
                template = " ".join(part.split())
                wording = path.name in WORDINGS or path.suffix == ".html" or f'spoken("{template}")' in source
                if _is_sentence(template, is_wording=wording, is_page="origins" not in path.parts):
                    found.setdefault(template, f"{path.relative_to(ROOT).as_posix()}:{line}")
    return found


def shown_by(suffix: str) -> set[str]:
    """What a table of this kind may hold beside its own sentences: scripts show words of modules, such as planes."""
    return set(sentences(".py")) if suffix == ".js" else set()


def _of_html(source: str) -> Iterator[tuple[int, str]]:
    yield from enumerate(source.splitlines(), 1)


def _files(place: Path, suffix: str) -> Iterator[Path]:
    if place.is_file():
        if place.suffix == suffix:
            yield place
        return
    for path in place.rglob(f"*{suffix}"):
        if not {"vendor", "language"} & set(path.parts):
            yield path


def _is_sentence(template: str, *, is_wording: bool, is_page: bool) -> bool:
    if "${" in template or _CHINESE.search(template):  # a piece of a script's template within another
        return False
    words = _WORD.findall(_PLACEHOLDER.sub(" ", template))
    if is_wording:
        return bool(words)
    if _LABEL.fullmatch(template):
        return is_page
    return (len(words) > 1 or _COUNTED.search(template) is not None) and " " in _PLACEHOLDER.sub("x", template)


def _of_module(source: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    unseen = {id(node) for root in ast.walk(tree) for node in _unseen(root)}
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, _template(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _unseen(node: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, pieces of f-strings, and arguments of what shows nothing."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "__all__" for one in node.targets):
        yield from ast.walk(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield from (value for value in node.values if isinstance(value, ast.Constant))
        for value in node.values:
            if isinstance(value, ast.FormattedValue) and value.format_spec is not None:
                yield from ast.walk(value.format_spec)
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in _UNSEEN or getattr(getattr(node.func, "value", None), "id", "") == "logger":
            for argument in node.args:
                yield from ast.walk(argument)


def _template(node: ast.JoinedStr) -> str:
    parts, number = [], 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        else:
            number += 1
            parts.append(f"{{{number}}}")
    return "".join(parts)


def _of_script(source: str) -> Iterator[tuple[int, str]]:
    for line, text in enumerate(source.splitlines(), 1):
        if text.lstrip().startswith("//"):
            continue
        for plain, filled in _SCRIPT_TEXT.findall(text):
            yield line, plain or _numbered(filled)


def _numbered(text: str) -> str:
    """A template of a script, with ``{1}`` for its first expression."""
    numbers = itertools.count(1)
    return re.sub(r"\$\{[^{}]*\}", lambda _: f"{{{next(numbers)}}}", text)


def main() -> int:
    """Print what lacks; the exit code is 1 where something does."""
    lacking = 0
    for code in LANGUAGES:
        for suffix in (".py", ".js"):
            wanted, known = sentences(suffix), table(code, suffix) if code != "en" else sentences(suffix)
            missing = {template: place for template, place in wanted.items() if template not in known}
            lacking += len(missing)
            listed = {"missing": missing, "said no more": sorted(set(known) - set(wanted) - shown_by(suffix))}
            print(json.dumps({f"{code}, {suffix}": listed}, indent=1, ensure_ascii=False))
    return int(bool(lacking))


if __name__ == "__main__":
    sys.exit(main())
