"""Tags: a person's own words on cases, as a column of what the results say."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from evaluation.results.answers import Answer

COLUMN = "tags"
Tags = Mapping[tuple[str, str], tuple[str, ...]]  # (test set, case) → words; none where somebody took them away


def words_in(text: Iterable[str]) -> tuple[str, ...]:
    """Tags as somebody writes them: separated by commas, each once, in their order."""
    words = (" ".join(word.split()) for one in text for word in one.split(","))
    return tuple(dict.fromkeys(filter(None, words)))


def tags_of(found: Answer) -> Tags:
    """The tags of the answer's cases."""
    if COLUMN not in found.table:
        return {}
    cases = found.table.drop_duplicates("case_id")
    pairs = zip(cases["case_id"], cases[COLUMN], strict=True)
    return {(found.question.test_set, str(case)): words_in([text]) for case, text in pairs if text}


def with_tags(found: Answer, tags: Tags) -> Answer:
    """The answer with the tags of its cases; those that nobody tagged keep what their test set's column says."""
    given = {case: ", ".join(words) for (test_set, case), words in tags.items() if test_set == found.question.test_set}
    if not given:
        return found
    cases = found.table["case_id"].astype(object)
    before = found.table.get(COLUMN, "")
    table = found.table.assign(**{COLUMN: cases.map(given).where(cases.isin(given), before)})
    return replace(found, table=table, metadata=(COLUMN, *(name for name in found.metadata if name != COLUMN)))
