"""Text files of people, in every encoding that their editors write."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from stepladder.commands.invoke import read_payload, show_json
from stepladder.core import text
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError

SAID = "# café\nline two\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_is_read_in_every_encoding_that_it_announces(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(SAID.replace("\n", end).encode(encoding))
    assert text.read(path) == SAID


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
def test_a_byte_order_mark_says_the_order(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(f"\ufeff{SAID}".encode(encoding))
    assert text.read(path) == SAID


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"one\ntwo caf\xe9\n", "app/file:2: byte 0xE9 is not UTF-8"),
        ("one\ntwo".encode("utf-16-le"), "app/file:1: a NUL character"),
        (b"\xff\xfea\0\n\0b\0\x00\xd8", "app/file:2: byte 0x00 is not UTF-16"),
        (b"\x7fELF\0", "app/file:1: a NUL character"),
    ],
    ids=["Latin-1", "UTF-16 without a mark", "UTF-16 cut off", "binary"],
)
def test_a_file_that_is_no_text_is_refused_with_its_line_and_what_to_do(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "app/file"
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=said) as caught:
        text.read(path)
    assert "as UTF-8" in caught.value.hint


@pytest.mark.parametrize("data", [b"FROM a\n# x\rCMD b\n", b"FROM a\r\nENV A=1\r\r\n", b"FROM a\nCOPY b \\\r c\n"])
def test_a_carriage_return_that_ends_no_line_for_docker_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(data)
    with pytest.raises(BadInputError, match="Dockerfile:2: a carriage return"):
        text.read(path, comments=True)
    path.write_bytes(b"FROM a\r\nCMD b\r\n")
    assert text.read(path, comments=True) == "FROM a\nCMD b\n"


def test_a_comment_may_hold_any_bytes_where_docker_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(b"FROM a\n  # caf\xe9\nCMD b\n")
    assert text.lines(text.read(path, comments=True)) == ["FROM a", "  # caf\ufffd", "CMD b"]
    path.write_bytes(b"FROM a\n# caf\xe9\nLABEL who=Andr\xe9\n")
    with pytest.raises(BadInputError, match="Dockerfile:3: byte 0xE9"):
        text.read(path, comments=True)


def test_a_folder_in_a_file_s_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="can't be read"):
        text.read(tmp_path)


def test_lines_end_at_line_feeds_only() -> None:
    assert text.lines("a\u2028b\x0cc\n\nd") == ["a\u2028b\x0cc", "", "d"]
    assert text.lines("") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{\n "a": }', "app/event.json:2: is not JSON: Expecting value at column 7"),
        ("[" * 200_000, "is not JSON that can be read"),
        ("", "event.json:1: is not JSON"),
    ],
    ids=["broken", "too deep", "empty"],
)
def test_a_broken_json_file_is_refused_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "app/event.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(BadInputError, match=said):
        text.read_json(path)


def test_an_event_file_may_announce_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text('{"a": "é"}', encoding=encoding)
        assert read_payload("", str(path)) == {"a": "é"}
    with pytest.raises(BadInputError, match=r"event file .*none\.json can't be read"):
        read_payload("", str(tmp_path / "none.json"))


NO_JSON = ["NaN", "-Infinity", "1e400", "[1, -1e999]", '{"a": NaN}', "[" * 100_000, "", "{,}"]


@pytest.mark.parametrize("payload", [p for p in NO_JSON if p], ids=lambda p: p[:12])
def test_a_payload_that_python_would_take_and_lambda_would_not_is_bad_input_with_a_reason(tmp_path, payload):
    (tmp_path / "event.json").write_text(payload)
    for given in ((payload, ""), ("", str(tmp_path / "event.json"))):
        with pytest.raises(BadInputError, match="not JSON") as refused:
            read_payload(*given)
        assert len(str(refused.value)) < 300


def test_numbers_that_fit_are_taken_as_they_are():
    assert read_payload('{"a": [1e308, -0.5, 123456789012345678901234567890]}', "") == {
        "a": [1e308, -0.5, 123456789012345678901234567890]
    }


def test_an_answer_that_is_no_json_is_shown_as_its_text_and_said_to_be_none():
    err, out = io.StringIO(), io.StringIO()
    show_json({"a": float("nan"), "b": "é"}, Console(err=err, out=out, live=False))
    assert json.loads(out.getvalue()) == '{"a": NaN, "b": "é"}'
    assert "not JSON" in err.getvalue()
