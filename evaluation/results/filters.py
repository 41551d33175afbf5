"""Which rows of a table a person asks for: plain words, and conditions such as ``dice < 0.8; group = A``."""

import operator
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from evaluation.results.tags import COLUMN as TAGS
from evaluation.results.terms import label
from medseg_demo.errors import OptionError

CONDITION = re.compile(r"^(?P<column>[^<>=!≤≥≠]+?)\s*(?P<sign><=|>=|!=|==|[<>=≤≥≠])\s*(?P<value>[^<>=!≤≥≠]*)$")
SIGNS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<": operator.lt,
    "<=": operator.le,
    "≤": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "≥": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "≠": operator.ne,
}
NAMES = {"case": "case_id", "class": "class_name", "method": "checkpoint", "model": "checkpoint", "tag": TAGS}


def matching_rows(table: pd.DataFrame, text: str, searched: Sequence[str]) -> np.ndarray:
    """The places of the rows that fit everything that is asked for, in their order.

    Args:
        table: Rows of scores.
        text: Parts separated by ``;`` or the word *and*. A part with a sign compares a column with a number or, for
            columns of words, with a word; a missing value fits no comparison but ``!=``. Any other part must stand
            somewhere in the searched columns. Case does not count.
        searched: The columns in which words are looked for.

    Raises:
        OptionError: A part names no column, or compares it with nothing that is comparable.
    """
    keep = np.ones(len(table), dtype=bool)
    for part in re.split(r";|\s+and\s+", text, flags=re.IGNORECASE):
        if found := CONDITION.match(part.strip()):
            keep &= _fits(table, **found.groupdict())
        elif part.strip():
            keep &= _holds(table, part.strip().lower(), searched)
    return np.flatnonzero(keep)


def _fits(table: pd.DataFrame, column: str, sign: str, value: str) -> np.ndarray:
    values = table[_column(table, column)]
    if not pd.api.types.is_numeric_dtype(values):
        return _by_word(values, sign, value.strip())
    try:
        number = float(value.strip().replace("∞", "inf").replace("−", "-"))
    except ValueError:
        raise OptionError(f"Filter: {column} is compared with {value.strip()!r}, which is no number.") from None
    return SIGNS[sign](values.to_numpy(dtype=float), number)


def _by_word(values: pd.Series, sign: str, word: str) -> np.ndarray:
    if sign not in ("=", "==", "!=", "≠"):
        raise OptionError(f"Filter: {values.name} holds words, which can be equal (=) or not (!=). Change {sign!r}.")
    codes, words = pd.factorize(values.fillna("").astype(str))  # few words stand in many rows
    held = [str(one).lower().split(", ") if values.name == TAGS else [str(one).lower()] for one in words]
    equal = np.array([word.lower() in one for one in held], dtype=bool)[codes]
    return equal if sign in ("=", "==") else ~equal


def _holds(table: pd.DataFrame, wanted: str, searched: Sequence[str]) -> np.ndarray:
    keep = np.zeros(len(table), dtype=bool)
    for name in searched:
        codes, values = pd.factorize(table[name])
        hits = np.array([wanted in str(value).lower() for value in values], dtype=bool)
        keep |= (hits[codes] & (codes >= 0)) if len(hits) else False
    return keep


def _column(table: pd.DataFrame, name: str) -> str:
    wanted = name.strip().lower()
    called = {alias: column for alias, column in NAMES.items() if column in table}
    called |= {label(str(column)).lower(): str(column) for column in table}
    called |= {str(column).lower(): str(column) for column in table}
    if wanted not in called:
        raise OptionError(f"Filter: there is no column {name.strip()!r}. There are: {', '.join(map(str, table))}.")
    return called[wanted]
