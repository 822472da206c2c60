"""Read the text files that people write: UTF-8, or what a byte order mark says.

PowerShell writes UTF-16 with a mark, some editors put one before UTF-8. Anything else is an error that names the line.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from pathlib import Path
from typing import Any

from stepladder.core.errors import BadInputError

# UTF-32's mark begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SHOWN = 40
_CREDENTIALS = r"(https?://)[^/\s]*@"


def read(path: Path, *, where: str = "", comments: bool = False) -> str:
    r"""Return a file's text without its byte order mark, each line ended by `\n`.

    `where` is the file's name for people, from the project's root; by default its folder and name. With `comments` a
    line that begins with `#` may hold any bytes, as Docker takes it; U+FFFD stands for what is no text. A carriage
    return ends a line there only before a line feed; any other is an error.
    Raises `FileNotFoundError`, and `BadInputError` with the line for a file that isn't text.
    """
    where = where or f"{path.parent.name}/{path.name}"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadInputError(f"{where} can't be read: {error.strerror}", kind="unreadable-file") from None
    return decode(data, where, comments=comments)


def without_credentials(text: str) -> str:
    """Return a text whose web addresses have no user and no password, which belong in no file and no message."""
    return re.sub(_CREDENTIALS, r"\1", text)


def decode(data: bytes, where: str, *, comments: bool = False) -> str:
    """Return the text that the bytes of a file hold; `read` says more."""
    mark, encoding = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", "utf-8"))
    data = data[len(mark) :]
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if not comments or encoding != "utf-8":
            before = data[: error.start].decode(encoding, "replace")
            raise _no_text(where, before, f"byte 0x{data[error.start]:02X} is not {encoding[:6].upper()}") from None
        text = _with_comments(data, where)
    if "\0" in text:
        before = text.partition("\0")[0]
        raise _no_text(where, before, "a NUL character: it is a binary file, or UTF-16 without a byte order mark")
    text = text.replace("\r\n", "\n")
    if comments and "\r" in text:
        number = text.partition("\r")[0].count("\n") + 1
        raise BadInputError(
            f"{where}:{number}: a carriage return without a line feed, which Docker doesn't take for the end of a line",
            kind="unreadable-file",
            hint="end the lines with line feeds: "
            f"`tr '\\r' '\\n' < '{where}' > '{where}.new' && mv '{where}.new' '{where}'`",
        )
    return text.replace("\r", "\n")


def check_name(path: str, what: str = "the name of a file") -> None:
    """Raise `BadInputError` for a path that isn't UTF-8: neither a manifest nor a hash nor Terraform can hold it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise BadInputError(
            f"{what} is not UTF-8: {shown}",
            kind="unreadable-file",
            hint="rename it; `ls -b` shows such names, and a `*` in a command fits them",
        ) from None


def lines(text: str) -> list[str]:
    """Split at line feeds only: `str.splitlines` splits at U+2028, form feeds and more, which no file format does."""
    return text.removesuffix("\n").split("\n") if text else []


def read_json(path: Path, *, where: str = "") -> Any:
    """Return what a JSON file holds. Raises as `read` does, and `BadInputError` with the line when it isn't JSON."""
    where = where or f"{path.parent.name}/{path.name}"
    try:
        return parse_json(read(path, where=where))
    except json.JSONDecodeError as error:
        raise BadInputError(
            f"{where}:{error.lineno}: is not JSON: {error.msg} at column {error.colno}",
            kind="unreadable-file",
            hint=f"fix `{where}`",
        ) from None
    except (RecursionError, ValueError) as error:  # nested too deep; a number of too many digits
        raise BadInputError(
            f"{where}: is not JSON that can be read: {error}", kind="unreadable-file", hint=f"fix `{where}`"
        ) from None


def parse_json(text: str) -> Any:
    """Return what a JSON text says. Raises `ValueError`, also for NaN, Infinity and 1e400, which Python takes."""
    return json.loads(text, parse_constant=_no_constant, parse_float=_finite)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text if len(text) < _SHOWN else text[:_SHOWN] + '…'} is too large a number")
    return number


def _with_comments(data: bytes, where: str) -> str:
    """Decode line by line, comments in any way."""
    lines: list[str] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        errors = "replace" if line.lstrip().startswith(b"#") else "strict"
        try:
            lines.append(line.decode("utf-8", errors))
        except UnicodeDecodeError as error:
            raise _no_text(where, "\n" * (number - 1), f"byte 0x{line[error.start]:02X} is not UTF-8") from None
    return "\n".join(lines)


def _no_text(where: str, before: str, what: str) -> BadInputError:
    number = before.count("\n") + 1
    return BadInputError(
        f"{where}:{number}: {what}",
        kind="unreadable-file",
        hint=f"save {where} as UTF-8; from Latin-1: "
        f"`iconv -f ISO-8859-1 -t UTF-8 '{where}' > '{where}.new' && mv '{where}.new' '{where}'`",
    )
