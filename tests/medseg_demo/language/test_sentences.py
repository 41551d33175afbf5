from pathlib import Path

import pytest

from medseg_demo.language import LANGUAGES, sentences, table


@pytest.mark.parametrize("suffix", [".py", ".js"])
@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_sentence_has_a_translation_and_none_is_said_no_more(code: str, suffix: str) -> None:
    said, known = sentences.sentences(suffix), table(code, suffix)

    assert {template: place for template, place in said.items() if template not in known} == {}
    assert set(known) - set(said) - sentences.shown_by(suffix) == set()


def test_sentences_are_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        '"""A docstring is none."""\n'
        "logger.warning('nor is a log')\n"
        "def f(a, b):\n    raise ValueError(f'{a} has {b:.2f} mm <b>of it</b>.')\n"
        "WORDS = 'Several words here'\nclass_name = 'ms-box ms-wide'\nKEY = 'key'\n",
        encoding="utf-8",
    )
    (tmp_path / "two.js").write_text('// "no comment"\nsay("Turn it", `${n} slices of ${name}`);\n', encoding="utf-8")

    assert [text for _, text in sorted(sentences._of_module((tmp_path / "one.py").read_text(encoding="utf-8")))] == [
        "{1} has {2} mm <b>of it</b>.",
        "Several words here",
        "ms-box ms-wide",
        "key",
    ]
    assert [text for _, text in sentences._of_script((tmp_path / "two.js").read_text(encoding="utf-8"))] == [
        "Turn it",
        "{1} slices of {2}",
    ]
