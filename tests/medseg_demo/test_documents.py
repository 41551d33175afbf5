import os
from pathlib import Path

import pytest

from medseg_demo.documents import DEEPEST, MIB, parse_json, parse_yaml, read_document

DEEP = 100_000


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize(
    "document", [b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"- " * DEEP]
)
def test_nesting_is_bounded(parse, document):
    with pytest.raises(ValueError, match=r"nested more than 64 deep|line 1|Expecting"):
        parse(document)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_the_deepest_that_is_read(parse):
    assert parse(b"[" * DEEPEST + b"]" * DEEPEST)
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        parse(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))


def test_names_in_yaml_do_not_multiply():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ValueError, match="repeats its own parts"):
        parse_yaml("\n".join(lines).encode())
    assert parse_yaml(b"a: &a {x: 1}\nb: {<<: *a, y: 2}") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


@pytest.mark.parametrize("document", [b"a: 1\nb: 2\na: 1", b"b: {a: 1,\nc: 2,\na: 3}", b"- b\n- a: 1\n  'a': 2"])
def test_a_key_that_stands_twice_is_named_with_its_line(document):
    with pytest.raises(ValueError, match=r"^line 3 has the key a again$"):
        parse_yaml(document)


def test_a_list_in_yaml_that_holds_itself_is_refused():
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        parse_yaml(b"&a [*a]")


def test_a_byte_order_mark_may_stand_before_it():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == parse_yaml(b"\xef\xbb\xbfa: 1") == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{", b"[" + b"9" * 5000 + b"]"])
def test_what_is_no_json_is_a_value_error(content):
    with pytest.raises(ValueError, match=r"."):
        parse_json(content)


def test_length_is_bounded(tmp_path: Path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(2 * MIB)
    with pytest.raises(ValueError, match="more than 1 MiB"):
        read_document(tmp_path / "a.json", most_mib=1)


def test_a_pipe_is_not_waited_for_and_no_path_is_told(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", "."):
        with pytest.raises(OSError, match=r".") as raised:
            read_document(tmp_path / name)
        assert str(tmp_path) not in str(raised.value)
    with pytest.raises(FileNotFoundError):
        read_document(tmp_path / "missing")
