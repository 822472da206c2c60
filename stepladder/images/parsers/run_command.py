r"""What a `RUN` line does, as far as it can be done without running it: `pip install`, `mkdir -p`, `rm`, `chmod`.

The line is taken apart as `sh -c` would do it. Whatever a shell would have to decide (pipes, globs, `$(...)`) and every
other command is refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


def _words(text: str) -> list[str]:
    return text.split()


_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PIP = r"(?:/var/lang/bin/|/usr/local/bin/|/usr/bin/)?pip(?:3(?:\.\d+)?)?"
_PYTHON = r"(?:/var/lang/bin/|/usr/local/bin/|/usr/bin/)?python(?:3(?:\.\d+)?)?"

PIP_VARIABLES = frozenset(
    _words(
        "PIP_CACHE_DIR PIP_CERT PIP_DEFAULT_TIMEOUT PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_CACHE_DIR "
        "PIP_NO_COLOR PIP_NO_COMPILE PIP_NO_INPUT PIP_NO_WARN_SCRIPT_LOCATION PIP_PROGRESS_BAR PIP_QUIET "
        "PIP_RETRIES PIP_ROOT_USER_ACTION PIP_TIMEOUT PIP_VERBOSE "
    )
)
"""Variables that change nothing of what pip installs."""

_PLAIN = frozenset(
    _words(
        "--break-system-packages --compile --disable-pip-version-check --force-reinstall --ignore-installed "
        "--isolated --no-cache-dir --no-color --no-compile --no-input --no-python-version-warning "
        "--no-warn-conflicts --no-warn-script-location --pre --prefer-binary --quiet --require-hashes --upgrade "
        "--verbose --no-build-isolation --use-pep517 --no-clean --check-build-dependencies "
    )
)
_VALUED = frozenset(
    _words(
        "--cache-dir --cert --default-timeout --exists-action --log --progress-bar --retries "
        "--root-user-action --timeout --upgrade-strategy "
    )
)
_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-t": "--target",
    "-U": "--upgrade",
    "-q": "--quiet",
    "-v": "--verbose",
    "-I": "--ignore-installed",
    "-c": "--constraint",
    "-e": "--editable",
}
_WITH_WORD = {*_VALUED, "--index-url", "--extra-index-url", "--find-links", "--requirement", "--target"}
_WITH_WORD |= {"--trusted-host", "--only-binary", "--no-binary", "--constraint", "--editable", "--platform"}
_WITH_WORD |= {"--prefix", "--root", "--src", "--python-version", "--implementation", "--abi", "--use-feature"}


_HUSHED = r"(?:[12]?>>?[ \t]*/dev/null|2>&1)(?=[ \t;]|&&|$)"
"""What sends the output elsewhere."""


class NeedsEngineError(Exception):
    """What can't be done, or can't be known, without running it; the message says what and why."""


@dataclass(frozen=True)
class Indexes:
    """Where pip finds wheels."""

    index: str = ""
    extra: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    no_index: bool = False
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class PipInstall:
    """A `pip install` of requirement files; the paths are as they were written."""

    requirements: tuple[str, ...]
    target: str | None
    no_deps: bool
    indexes: Indexes
    constraints: tuple[str, ...] = ()


@dataclass
class _Options:
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    target: str | None = None
    no_deps: bool = False
    index: str = ""
    extra: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    no_index: bool = False
    trusted: list[str] = field(default_factory=list)


def commands(line: str, variables: Mapping[str, str]) -> list[list[str]]:
    """Split what `sh -c` gets into simple commands that follow each other by `&&` or `;`. Raises `NeedsEngineError`.

    Both are the same here: a command that is taken succeeds, or nothing is built.
    """
    parsed: list[list[str]] = [[]]
    for word in _Shell(line, variables).words():
        if word is None:
            parsed.append([])
        else:
            parsed[-1].append(word)
    if any(not command for command in parsed):
        raise NeedsEngineError("it is no complete command")
    return [_without_variables(command) for command in parsed]


def _without_variables(command: list[str]) -> list[str]:
    """Leave out the variables before a command that change nothing of what pip installs."""
    at = 0
    while at < len(command) - 1 and command[at].partition("=")[0] in PIP_VARIABLES and "=" in command[at]:
        at += 1
    return command[at:]


def pip_arguments(words: list[str]) -> list[str] | None:
    """Return what follows `pip install`, however pip is called; None for another command."""
    if re.fullmatch(_PYTHON, words[0]) and words[1:3] == ["-m", "pip"]:
        rest = words[3:]
    elif re.fullmatch(_PIP, words[0]):
        rest = words[1:]
    else:
        return None
    while rest and rest[0].startswith("-") and rest[0] in _PLAIN | set(_SHORT):
        rest = rest[1:]
    return rest[1:] if rest[:1] == ["install"] else None


def pip_install(arguments: list[str]) -> PipInstall:
    """Read the arguments of `pip install`. Raises `NeedsEngineError` with what can't be honoured."""
    options, packages, rest = _Options(), [], list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            packages.append(word)
            continue
        name, value = _option(word, rest)
        _take(name, value, options)
    if packages:
        raise NeedsEngineError(f"pip is to install {', '.join(packages[:3])} besides a requirements file")
    if not options.requirements:
        raise NeedsEngineError("pip install has no -r with a requirements file")
    where = Indexes(options.index, tuple(options.extra), tuple(options.links), options.no_index, tuple(options.trusted))
    constraints = tuple(options.constraints)
    return PipInstall(tuple(options.requirements), options.target, options.no_deps, where, constraints)


def _option(word: str, rest: list[str]) -> tuple[str, str]:
    """Return an option's long name and its value, which may stand in the next word."""
    if word.startswith("--"):
        name, sign, value = word.partition("=")
    elif match := re.fullmatch(r"-[qvUI]+([qvUI]|[^-qvUI].*)", word):
        return _option(f"-{match[1]}", rest)  # -qq, -Ur: the first letters change nothing
    else:
        name, value = _SHORT.get(word[:2], word[:2]), word[2:].removeprefix("=")
        sign = value
    if name in _WITH_WORD and not sign:
        if not rest:
            raise NeedsEngineError(f"pip's {name} has no value")
        value = rest.pop(0)
    return name, value


def _take(name: str, value: str, options: _Options) -> None:
    lists = {
        "--requirement": options.requirements,
        "--constraint": options.constraints,
        "--extra-index-url": options.extra,
        "--find-links": options.links,
        "--trusted-host": options.trusted,
    }
    if name in lists:
        lists[name].append(value)
    elif name == "--target":
        options.target = value
    elif name == "--no-deps":
        options.no_deps = True
    elif name == "--no-index":
        options.no_index = True
    elif name == "--index-url":
        options.index = value
    elif name not in _PLAIN | _VALUED and (name, value) != ("--only-binary", ":all:"):
        raise NeedsEngineError(f"pip's {name} {value}".rstrip() + " is not known to the layers builder")


class _Shell:
    """Split a line as a POSIX shell does; `None` stands for `&&` or `;`."""

    def __init__(self, line: str, variables: Mapping[str, str]) -> None:
        self._line, self._variables, self._at = line, variables, 0

    def words(self) -> list[str | None]:
        parts: list[str | None] = []
        while self._at < len(self._line):
            char = self._line[self._at]
            if char in " \t":
                self._at += 1
            elif self._line.startswith("&&", self._at):
                parts.append(None)
                self._at += 2
            elif char == ";":
                if not parts or self._line.startswith(";;", self._at):
                    raise NeedsEngineError("the shell decides what ; means here")
                parts += [None] if self._line[self._at + 1 :].strip() else []
                self._at += 1
            elif char == "#":
                break
            elif hushed := re.compile(_HUSHED).match(self._line, self._at):
                self._at = hushed.end()
            else:
                parts += self._word()
        return parts

    def _word(self) -> list[str]:
        """Return the words that one written word makes: a variable outside quotes is split at blanks."""
        word, quoted = "", False
        while self._at < len(self._line):
            char = self._line[self._at]
            if char in " \t;" or self._line.startswith("&&", self._at):
                break
            self._at += 1
            if char == "'":
                word, quoted = word + self._until("'"), True
            elif char == '"':
                word, quoted = word + self._double(), True
            elif char == "\\":
                word, quoted = word + self._line[self._at : self._at + 1], True
                self._at += 1
            elif char == "$":
                value = self._dollar()
                if re.search(r"[\s*?\[]", value):
                    raise NeedsEngineError("a variable outside quotes holds blanks or a glob")
                word += value
            elif char in "|&;<>()`\n" or (char in "*?[{") or (char == "~" and not word):
                raise NeedsEngineError(f"the shell decides what {char.strip() or 'a new line'} means")
            else:
                word += char
        return [word] if word or quoted else []

    def _until(self, end: str) -> str:
        at = self._line.find(end, self._at)
        if at < 0:
            raise NeedsEngineError("a quote has no end")
        text, self._at = self._line[self._at : at], at + 1
        return text

    def _double(self) -> str:
        text = ""
        while self._at < len(self._line):
            char = self._line[self._at]
            self._at += 1
            if char == '"':
                return text
            if char == "$":
                text += self._dollar()
            elif char == "`":
                raise NeedsEngineError("the shell decides what ` means")
            elif char == "\\" and self._line[self._at : self._at + 1] in ("$", "`", '"', "\\"):
                text += self._line[self._at]
                self._at += 1
            else:
                text += char
        raise NeedsEngineError("a quote has no end")

    def _dollar(self) -> str:
        braced = self._line.startswith("{", self._at)
        match = re.compile(_NAME).match(self._line, self._at + braced)
        end = match.end() if match else 0
        if not match or (braced and not self._line.startswith("}", end)):
            raise NeedsEngineError("the shell decides what $ means here")
        if match[0] not in self._variables:
            raise NeedsEngineError(f"{match[0]} is set by neither the base, ENV nor ARG")
        self._at = end + braced
        return self._variables[match[0]]
