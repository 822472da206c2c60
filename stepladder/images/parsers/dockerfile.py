r"""Split a Dockerfile into its instructions, as BuildKit's parser does.

Comments, parser directives (`# escape=`), continued lines with comments and empty lines among them, here-documents,
and the flags of an instruction. What the words of an instruction mean is up to `dockerfile_words` and `stages`.
References: https://docs.docker.com/reference/dockerfile/, moby/buildkit frontend/dockerfile/parser; the parsers that
were considered are in docs/decisions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stepladder.core.errors import BadInputError
from stepladder.core.similar import did_you_mean
from stepladder.images.parsers import words

INSTRUCTIONS = frozenset(
    {
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    }
)
_LONGEST = 65535
"""Bytes of a line that Docker reads."""
_SEPARATORS = set("\x1c\x1d\x1e\x1f")
"""Blanks to Python's text functions, and letters like others to Go's, which Docker's parser is written in."""
_DIRECTIVE = r"#[ \t]*([a-zA-Z][a-zA-Z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*"
_DIRECTIVES = {"syntax", "escape", "check"}
_WITH_DOCUMENTS = {"ADD", "COPY", "RUN"}
_DOCUMENT = r"\d*<<(-?)([^<]+)"


@dataclass(frozen=True)
class Instruction:
    """One instruction: the line that it begins on, its name in capitals, its flags, and the rest of it."""

    number: int
    word: str
    flags: tuple[str, ...]
    rest: str
    escape: str = "\\"
    documents: tuple[str, ...] = ()
    """The names of its here-documents."""

    @property
    def text(self) -> str:
        """The instruction in short, for people."""
        return f"{self.word} {' '.join([*self.flags, self.rest])}".strip()[:80]


def instructions(text: str, where: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile; `where` is its name for people.

    Raises `BadInputError` with the line for what no builder reads.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    if long := next((number for number, line in enumerate(lines, 1) if len(line.encode()) > _LONGEST), 0):
        raise BadInputError(
            f"{where}:{long}: a line of more than {_LONGEST} bytes",
            kind="bad-dockerfile",
            hint=f"cut `{where}:{long}` in two",
        )
    if odd := next(
        (number for number, line in enumerate(lines, 1) if _SEPARATORS & set(line) and not _comment(line)), 0
    ):
        raise BadInputError(
            f"{where}:{odd}: a control character that is a blank here and none to Docker",
            kind="bad-dockerfile",
            hint=f"write a space instead in line {odd}",
        )
    escape, at = _directives(lines, where)
    continued = re.compile(rf"(?:^|(?<=[^{re.escape(escape)}])){re.escape(escape)}[ \t]*$")
    parsed: list[Instruction] = []
    while at < len(lines):
        start, line = at, lines[at].strip()
        at += 1
        if not line or line.startswith("#"):
            continue
        joined, more = _part(lines[start], continued)
        while more and at < len(lines):
            part = lines[at]
            at += 1
            if part.strip() and not part.lstrip().startswith("#"):
                part, more = _part(part, continued)
                joined += part
        instruction = _instruction(start + 1, joined.strip(), escape, where)
        at = _after_documents(lines, at, instruction, where)
        parsed.append(instruction)
    return parsed


def _comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _directives(lines: list[str], where: str) -> tuple[str, int]:
    """Return the escape character and the line after the parser directives."""
    escape, seen = "\\", set[str]()
    for at, line in enumerate(lines):
        match = re.fullmatch(_DIRECTIVE, line.strip())
        name = match[1].lower() if match else ""
        if not match or name not in _DIRECTIVES:
            return escape, at
        if name in seen:
            raise BadInputError(
                f"{where}:{at + 1}: {name} is given twice",
                kind="bad-dockerfile",
                hint=f"keep one line `# {name}=...` of the `Dockerfile`",
            )
        seen.add(name)
        if name == "escape":
            if match[2] not in {"\\", "`"}:
                raise BadInputError(
                    f"{where}:{at + 1}: {match[2]} can't be an escape",
                    kind="bad-dockerfile",
                    hint="fix `Dockerfile`: an escape is a backslash or a backtick",
                )
            escape = match[2]
    return escape, len(lines)


def _part(line: str, continued: re.Pattern[str]) -> tuple[str, bool]:
    """Return a line without its continuation character, and whether it had one."""
    match = continued.search(line)
    return (line[: match.start()], True) if match else (line, False)


def _instruction(number: int, line: str, escape: str, where: str) -> Instruction:
    head = re.match(r"\S+", line)
    word = head[0] if head else ""
    if word.upper() not in INSTRUCTIONS:
        raise BadInputError(
            f"{where}:{number}: there is no instruction {word[:40]}",
            kind="bad-dockerfile",
            hint=did_you_mean(word.upper(), INSTRUCTIONS)
            or "see https://docs.docker.com/reference/dockerfile/ for what a `Dockerfile` holds",
        )
    flags, rest = _flags(line[len(word) :].strip(), escape)
    word = word.upper()
    documents: tuple[str, ...] = ()
    if word in _WITH_DOCUMENTS and not rest.startswith("["):
        marks = filter(None, map(re.compile(_DOCUMENT).fullmatch, words.split(rest, escape)))
        documents = tuple(match[1] + match[2].strip("\"'") for match in marks)
    return Instruction(number, word, flags, rest, escape, documents)


def _flags(rest: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Take the flags off: words that begin with `--`, up to the first other one or a bare `--`; quotes hold blanks."""
    flags: list[str] = []
    while rest.startswith("--"):
        word, quote, at = "", "", 0
        while at < len(rest) and (quote or not rest[at].isspace()):
            char = rest[at]
            if char == escape and quote != "'" and at + 1 < len(rest):
                at += 1
                word += rest[at]
            elif char in "\"'" and quote in ("", char):
                quote = "" if quote else char
            else:
                word += char
            at += 1
        if word == "--":
            return tuple(flags), rest[at:].strip()
        flags.append(word)
        rest = rest[at:].strip()
    return tuple(flags), rest


def _after_documents(lines: list[str], at: int, instruction: Instruction, where: str) -> int:
    """Return the line after an instruction's here-documents."""
    for name in instruction.documents:
        tabs, end = name.startswith("-"), name.removeprefix("-")
        for later in range(at, len(lines)):
            if (lines[later].lstrip("\t") if tabs else lines[later]) == end:
                at = later + 1
                break
        else:
            raise BadInputError(
                f"{where}:{instruction.number}: the here-document {end} has no end",
                kind="bad-dockerfile",
                hint=f"end it with a line `{end}`",
            )
    return at
