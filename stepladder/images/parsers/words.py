r"""The words of an instruction: quotes, escapes and variables, as Docker's own shell lexer reads them.

Not a shell's rules: inside double quotes the escape character holds for `"`, `$` and itself only, an unset variable is
empty, and a quote without an end is an error (moby/buildkit frontend/dockerfile/shell).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping

_SPECIAL = "@*#?-$!0"
_DEEPEST = 100
"""Variables inside the defaults of variables; Docker has no limit, and nobody writes as many."""
_BLANK = r"\s+"


class WordError(ValueError):
    """An instruction whose words can't be read; the message says why."""


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return `text` with its quotes taken off and its variables replaced. Raises `WordError`."""
    lexer = _Lexer(text, variables, escape)
    return lexer.until("")


def blank_separated(text: str) -> list[str]:
    """Split at blanks and nothing else, as `COPY`, `ADD`, `FROM` and `EXPOSE` do."""
    return text.split()


def json_list(text: str) -> list[str] | None:
    """Return the strings of a JSON list, or None for what isn't one: the shell form."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return value


def pairs(text: str, escape: str, name: str) -> list[tuple[str, str]]:
    """Split `A=1 B="x y"`, or the old form `A the rest`, into names and values, quotes kept. Raises `WordError`."""
    words = split(text, escape)
    if words and "=" not in words[0]:
        parts = re.split(_BLANK, text.strip(), maxsplit=1)
        if len(parts) == 1:
            raise WordError(f"{name} needs a name and a value")
        return [(parts[0], parts[1])]
    parsed = []
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise WordError(f"{word} has no =: write name=value")
        if not key:
            raise WordError(f"{word} has no name before the =")
        parsed.append((key, value))
    if not parsed:
        raise WordError(f"{name} needs a name and a value")
    return parsed


def split(text: str, escape: str) -> list[str]:
    """Split at blanks that are neither quoted nor escaped; quotes and escapes are kept."""
    words, word, quote, at = [], "", "", 0
    while at < len(text):
        char = text[at]
        if not quote and char.isspace():
            if word:
                words.append(word)
            word = ""
        elif char == escape and quote != "'" and at + 1 < len(text):
            word += text[at : at + 2]
            at += 1
        else:
            if char in "\"'" and quote in ("", char):
                quote = "" if quote else char
            word += char
        at += 1
    return [*words, word] if word else words


def _name_at(text: str, at: int) -> str:
    """Return the name of a variable: letters of any script, decimal digits and `_`, or digits alone, or a sign."""
    first = text[at : at + 1]
    if first.isdecimal():
        return "".join(itertools.takewhile(str.isdecimal, text[at:]))
    if first and first in _SPECIAL:
        return first
    return "".join(itertools.takewhile(lambda char: char.isalpha() or char.isdecimal() or char == "_", text[at:]))


class _Lexer:
    def __init__(self, text: str, variables: Mapping[str, str], escape: str) -> None:
        self._text, self._variables, self._escape, self._at = text, variables, escape, 0
        self._depth = 0

    def until(self, stop: str) -> str:
        """Read up to the character `stop`, or to the end when it is empty."""
        text = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == stop:
                self._at += 1
                return text
            self._at += 1
            if char == "'":
                text += self._single()
            elif char == '"':
                text += self._double()
            elif char == "$":
                text += self._dollar()
            elif char == self._escape:
                text += self._text[self._at : self._at + 1]
                self._at += 1
            else:
                text += char
        if stop:
            raise WordError(f"{self._text[:60]}: a {stop} is missing")
        return text

    def _single(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise WordError(f"{self._text[:60]}: a single quote has no end")
        text, self._at = self._text[self._at : end], end + 1
        return text

    def _double(self) -> str:
        text = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char == '"':
                return text
            if char == "$":
                text += self._dollar()
            elif char == self._escape and self._text[self._at : self._at + 1] in ('"', "$", self._escape):
                text += self._text[self._at]
                self._at += 1
            else:
                text += char
        raise WordError(f"{self._text[:60]}: a double quote has no end")

    def _dollar(self) -> str:
        if self._text[self._at : self._at + 1] != "{":
            name = _name_at(self._text, self._at)
            self._at += len(name)
            return self._value(name) if name else "$"
        self._at += 1
        name = _name_at(self._text, self._at)
        if not name:
            raise WordError(f"{self._text[:60]}: ${{ is followed by no name")
        self._at += len(name)
        sign = self._text[self._at : self._at + 1]
        if sign == "}":
            self._at += 1
            return self._value(name)
        set_is_enough = sign != ":"
        if sign == ":":
            self._at += 1
            sign = self._text[self._at : self._at + 1]
        if sign not in {"-", "+", "?"} or not sign:
            raise WordError(f"{self._text[:60]}: {sign or 'its end'} can't follow ${{{name}")
        self._at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise WordError(f"{self._text[:60]}: more than {_DEEPEST} variables inside each other")
        word, value = self.until("}"), self._value(name)
        self._depth -= 1
        is_set = name in self._variables if set_is_enough else bool(value)
        if sign == "?" and not is_set:
            raise WordError(f"{name}: {word or 'it has no value'}")
        if sign == "+":
            return word if is_set else ""
        return value if is_set else word

    def _value(self, name: str) -> str:
        return self._variables.get(name, "")
