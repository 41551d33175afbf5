"""The languages of what people read: English as the code says it, and tables from it into others.

A sentence is made in English wherever it arises: in an error of a worker, in a stored log, in a panel of the page. It
is translated where it leaves, on the page, in a report, on the command line. A table's keys are templates in which
``{1}`` or ``{name}`` stands for whatever a sentence is filled with; ``sentences.py`` finds them in the code. So neither
threads, processes nor files know of languages, and what was stored yesterday can be read in another one today.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, reduce
from html import escape, unescape
from pathlib import Path
from typing import Any

LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "medseg-language"

_LONGEST = 4000  # letters of a text that can be a sentence; longer ones are data
_DEEPEST = 6  # sentences within sentences
_PLACEHOLDER = re.compile(r"\{(\w+)[^{}]*\}")
_PLACE = re.compile(r"\{(\w+[^{}]*)\}")
_MARKS = "，。：；、（）“”！？"
_WIDE, _PLAIN = re.compile(rf"[\u4e00-\u9fff{_MARKS}]"), re.compile(r"[A-Za-z0-9]")
_WORD = re.compile(r"[A-Za-z]{2,}")
# What a placeholder stands for: any text where the template has so many letters of its own, or begins as a sentence
# does; else figures, the s of a plural, or one word.
_ANYTHING, _LITTLE = r".*?", r"(?:[\d.,:%×∞–−+\-\s/]{0,40}(?:px|mm|ml|ms|s)?|\S{0,60})"
_MANY_LETTERS = 10
_FIGURE_TEXTS = {"text", "name", "hovertemplate", "title", "texttemplate", "ticktext"}
_FIGURE_DATA = {"x", "y", "z", "customdata"}
# What joins parts of a text, as it is said with what is translated.
_JOINTS = {"\n": "\n", "; ": "；", ": ": "：", " · ": " · ", ", ": "，"}
_MOST_JOINED = 6  # parts that one entry of a table holds
_NEXT_SENTENCE = re.compile(r"[.?!]\s|; | · |\n")
_COUNTED = re.compile(r"([\d\u202f.,]+) ([a-z].*)")
_IN_BRACKETS = re.compile(r"(.+?) \(([^()]*)\)")
_FULL_STOP = re.compile(r"(?<=[.?!])\s+")
# Elements whose text is data or code, whole tags, and texts between them.
_PIECES = re.compile(
    r"(<(script|style|code|pre|textarea)\b.*?</\2\s*>|<(\w+)\b[^<>]*\btranslate=\"no\"[^<>]*>[^<]*|<[^<>]*>)|([^<]+)",
    re.DOTALL,
)
ATTRIBUTES = re.compile(r'\b(title|aria-label|placeholder|alt|data-words)="([^"]+)"')


@dataclass(frozen=True)
class _Template:
    """A sentence with places to fill.

    Attributes:
        text: In English.
        said: In the language.
        letters: Its own, in English.
        pattern: What fits it, a group for each place.
        last: The place that it ends with in both; such a one may be filled with several sentences.
    """

    text: str
    said: str
    letters: int
    pattern: re.Pattern[str]
    last: str

    def fill(self, text: str) -> dict[str, str] | None:
        """What fills its places, where the text fits."""
        found = self.pattern.fullmatch(text)
        return found.groupdict() if found else None

    def fill_once(self, text: str) -> dict[str, str] | None:
        """The same, but one of a single sentence does not take several."""
        found = self.pattern.fullmatch(text)
        if found is None or _FULL_STOP.search(self.text):
            return found.groupdict() if found else None
        spans = [found.span(name) for name in found.groupdict() if name != self.last]
        several = any(_NEXT_SENTENCE.search(text[start : end + 1]) for start, end in spans if end > start)
        return None if several else found.groupdict()


_Fits = Callable[[_Template, str], dict[str, str] | None]


def _starting(joint: str) -> _Fits:
    return lambda one, text: one.fill_once(text) if one.text.startswith(joint) else None


def _holding(joint: str) -> _Fits:
    return lambda one, text: one.fill_once(text) if joint in one.text else None


class Language:
    """Translates what leaves in one language.

    Args:
        code: Of LANGUAGES.
        table: From templates in English to templates in this language, with the same placeholders; empty for English.
    """

    def __init__(self, code: str, table: Mapping[str, str]) -> None:
        self.code = code
        self._table = {template: said for template, said in table.items() if said}
        self._by_word: dict[str, list[_Template]] = {}
        for template, said in self._table.items():
            self._add(template, said)
        self.text = lru_cache(maxsize=50_000)(self._text)

    def html(self, markup: str) -> str:
        """Markup with its texts, titles and labels translated; code, scripts and ``translate="no"`` stay."""
        return _PIECES.sub(self._piece, markup) if self._table else markup

    def figure(self, figure: str) -> str:
        """A Plotly figure as JSON, with its words translated."""
        if not self._table:
            return figure
        return json.dumps(self._in_figure(json.loads(figure)), ensure_ascii=False, separators=(",", ":"))

    def page(self, page: str) -> str:
        """A whole page of our own, whose viewers speak the language, too."""
        if not self._table:
            return page
        named = self.html(page).replace('<html lang="en">', f'<html lang="{self.tag}">', 1)
        return named.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n<script>{self.script}</script>', 1)

    @property
    def tag(self) -> str:
        """Its name for browsers."""
        return {"zh": "zh-CN"}.get(self.code, self.code)

    @cached_property
    def script(self) -> str:
        """A statement for browsers that lets the viewer and the page's scripts speak this language."""
        return self.script_with(_of_scripts(self.code))

    def script_with(self, words: Mapping[str, str]) -> str:
        """Likewise, of a table of its own."""
        return f"globalThis.medsegSay = {_speaker(words)}"

    def _text(self, text: str) -> str:
        return self._said(text, _DEEPEST) if self._table and len(text) <= _LONGEST else text

    def _said(self, text: str, depth: int) -> str:
        bare = text.strip()
        if not bare or depth == 0 or not _WORD.search(bare):
            return text
        said = self._stated(bare, depth)
        if said is None:  # a sentence that holds others, or sentences in a row: as leaves less unsaid
            found = [self._parts(bare, depth), self._known(bare, depth, fits=_Template.fill)]
            said = min(filter(None, found), key=lambda one: len(_WORD.findall(one)), default=None)
        return text if said is None else text.replace(bare, said, 1)

    def _stated(self, text: str, depth: int, *, fits: _Fits | None = None) -> str | None:
        """As it stands, or as it begins or ends elsewhere."""
        for form in (text, text[0].lower() + text[1:]):
            if said := self._known(form, depth, fits=fits):
                return said
        said = self._known(text[:-1], depth, fits=fits) if text.endswith(".") else None
        return f"{said}。" if said else None

    def _known(self, text: str, depth: int, *, fits: _Fits | None = None) -> str | None:
        """By the table, or by the template with the most letters of its own that fits."""
        if said := self._table.get(text):
            return said
        words = {"", *_WORD.findall(text)}
        candidates = [one for word in words for one in self._by_word.get(word, ())]
        for one in sorted(candidates, key=lambda one: -one.letters):
            if (values := (fits or _Template.fill_once)(one, text)) is not None:
                return self._fill(one.said, values, depth - 1)
        return None

    def _fill(self, said: str, values: Mapping[str, str], depth: int) -> str:
        pieces = _PLACE.split(said)  # every other one names what stands there; with an exclamation mark it is data
        for index in range(1, len(pieces), 2):
            name, is_data, _ = pieces[index].partition("!")
            value = values[f"_{name.partition(':')[0]}"]
            pieces[index] = value if is_data else self._said(value, depth)
        return reduce(_joined, pieces)

    def _parts(self, text: str, depth: int) -> str | None:
        """A text of several sentences, or of a name and a sentence, part by part."""
        if (found := _IN_BRACKETS.fullmatch(text)) and (what := self._known(found[1], depth - 1)):
            return f"{what}（{self._said(found[2], depth - 1)}）"
        name, _, what = text.partition(": ")
        if what and (said := self._known(what, depth - 1)):
            return f"{self._said(name, depth - 1)}：{said}"
        if "\n" not in text and len(sentences := _FULL_STOP.split(text)) > 1:
            said = self._in_turn(sentences, " ", " ", depth)
            return None if said == text else re.sub("(?<=[。！？]) ", "", said)
        for joint, wide in _JOINTS.items():
            parts = text.split(joint)
            if len(parts) > 1:
                said = self._in_turn(parts, joint, wide, depth)
                return None if said == wide.join(parts) else said
        if (found := _COUNTED.fullmatch(text)) and (what := self._said(found[2], depth - 1)) != found[2]:
            return f"{found[1]} {what}"
        if found := _IN_BRACKETS.fullmatch(text):
            said = f"{self._said(found[1], depth - 1)}（{self._said(found[2], depth - 1)}）"
            return None if said == f"{found[1]}（{found[2]}）" else said
        return None

    def _in_turn(self, parts: list[str], joint: str, wide: str, depth: int) -> str:
        """Parts of a text, of which an entry may hold several, or begin with what joins them."""
        said, start = "", 0
        while start < len(parts):
            for end in range(min(len(parts), start + _MOST_JOINED), start, -1):
                text = joint.join(parts[start:end])
                if start and (found := self._stated(joint + text, depth, fits=_starting(joint))):
                    said += found
                elif end > start + 1 and (found := self._known(text, depth, fits=_holding(joint))):
                    said += (wide if start else "") + found
                elif end == start + 1:
                    said += (wide if start else "") + self._said(text, depth - 1)
                else:
                    continue
                start = end
                break
        return said

    def _in_figure(self, part: Any, name: str = "") -> Any:
        if isinstance(part, dict):
            return {key: self._in_figure(value, key) for key, value in part.items()}
        if isinstance(part, list) and name not in _FIGURE_DATA:
            return [self._in_figure(value, name) for value in part]
        return self.html(part) if isinstance(part, str) and name in _FIGURE_TEXTS else part

    def _piece(self, piece: re.Match[str]) -> str:
        tag, text = piece[1], piece[4]
        if text is not None:
            plain = unescape(text)
            said = self.text(plain)
            return text if said == plain else escape(said, quote=False)
        opening, inside = (tag, "") if piece[2] is None else tag.split(">", 1)
        opening = ATTRIBUTES.sub(lambda one: f'{one[1]}="{escape(self.text(unescape(one[2])))}"', opening)
        return opening if piece[2] is None else f"{opening}>{inside}"

    def _add(self, template: str, said: str) -> None:
        """Index a template by the longest of its whole words, which every text that fits it holds."""
        names = _PLACEHOLDER.findall(template)
        letters = sum(map(len, _WORD.findall(_PLACEHOLDER.sub(" ", template))))
        if not names or not letters:
            return
        is_free = letters >= _MANY_LETTERS or template[0].isupper() or _FULL_STOP.search(template)
        anything = _ANYTHING if is_free else _LITTLE
        pieces, seen = [], set()
        for part in re.split(r"(\{\w+[^{}]*\})", template):
            if place := _PLACEHOLDER.fullmatch(part):
                pieces.append(f"(?P=_{place[1]})" if place[1] in seen else f"(?P<_{place[1]}>{anything})")
                seen.add(place[1])
            else:
                pieces.append(re.escape(part))
        pattern = re.compile("".join(pieces), re.DOTALL)
        whole = _WORD.findall(re.sub(r"\w*\{\w+[^{}]*\}\w*", " ", template))
        last = f"_{names[-1]}" if template.endswith("}") and said.endswith(f"{{{names[-1]}}}") else ""
        known = self._by_word.setdefault(max(whole, key=len, default=""), [])
        known.append(_Template(template, said, letters, pattern, last))


def _joined(text: str, piece: str) -> str:
    """Two pieces of a sentence: no space between wide letters, one between a wide and a Latin letter or a figure."""
    first, second = text.rstrip(" ")[-1:], piece.lstrip(" ")[:1]
    if not first or not second:
        return text + piece
    spaces = " " if text.endswith(" ") or piece.startswith(" ") else ""
    if _WIDE.match(first) and _WIDE.match(second):
        spaces = ""
    elif any(_WIDE.match(one) and _PLAIN.match(other) for one, other in ((first, second), (second, first))):
        spaces = "" if first in _MARKS or second in _MARKS else " "
    return text.rstrip(" ") + spaces + piece.lstrip(" ")


def script_of_all() -> str:
    """A statement for browsers that lets a page's scripts speak every language: that of the root's ``lang`` attribute.

    It begins with the one that the browser wishes for. ``medsegLanguages`` holds their names for a menu.
    """
    every = ", ".join(
        f"{json.dumps(language(code).tag)}: {{ name: {json.dumps(name)}, say: {_speaker(_of_scripts(code))} }}"
        for code, name in LANGUAGES.items()
    )
    return f"""globalThis.medsegLanguages = {{ {every} }};
document.documentElement.lang = navigator.languages.map((wish) => Object.keys(medsegLanguages).find(
  (tag) => tag.slice(0, 2) === wish.slice(0, 2).toLowerCase())).find(Boolean) || "en";
globalThis.medsegSay = (text) => medsegLanguages[document.documentElement.lang].say(text);"""


def _speaker(words: Mapping[str, str]) -> str:
    """An expression of JavaScript: what translates by a table."""
    say = (Path(__file__).parent / "say.js").read_text(encoding="utf-8")
    return f"({say})({json.dumps(words, ensure_ascii=False)})".replace("</", "<\\/")


def _of_scripts(code: str) -> dict[str, str]:
    return {} if code == "en" else table(code, ".js")


@cache
def language(code: str) -> Language:
    """The language called so; English for one that is not there."""
    if code == "en" or code not in LANGUAGES:
        return Language("en", {})
    every = [*table(code, ".js").items(), *table(code, ".py").items()]  # what one does not show the other may
    return Language(code, {template: said for template, said in every if said})


def table(code: str, suffix: str) -> dict[str, str]:
    """The table of what modules (.py) or the browser's scripts (.js) say.

    An empty text says that a template is not for people, or stays as it is.
    """
    name = {".py": f"{code}.json", ".js": f"{code}.scripts.json"}[suffix]
    return json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


def preferred(accepted: str, chosen: str = "") -> Language:
    """The language of a visitor.

    Args:
        accepted: The Accept-Language header, such as ``zh-CN,zh;q=0.9,en;q=0.8``; the order is taken as the wish.
        chosen: What the visitor chose in the menu, if anything.
    """
    wishes = [chosen, *(part.split(";")[0].strip() for part in accepted[:500].split(","))]
    codes = [wish.lower().partition("-")[0] for wish in wishes]
    return language(next((code for code in codes if code in LANGUAGES), "en"))


def of_terminal() -> Language:
    """The language of the command line: what LC_ALL, LC_MESSAGES or LANG names, in this order."""
    named = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "en")
    return language(named.partition("_")[0].partition(".")[0].lower())
