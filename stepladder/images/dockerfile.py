"""Read the project's Dockerfile for what the layers builder can honour, and refuse the rest.

Both builders must make the same image of one Dockerfile, so its last stage decides here too: `FROM`, `CMD` (the
handler), `COPY` from the context, `ENV`, `LABEL`, `WORKDIR`. Earlier stages and `COPY --from` are Docker's way to the
dependencies, which the layers builder takes from `requirements.txt` itself. Anything else in the last stage can't be
done without running it, and is an error rather than a silent difference.
Reference: https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stepladder.errors import BadInputError

TASK_ROOT = "/var/task"
_KNOWN = {"LAMBDA_TASK_ROOT": TASK_ROOT, "LAMBDA_RUNTIME_DIR": "/var/runtime"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_HANDLER = re.compile(r"[\w-]+(?:[./][\w-]+)*\.\w+")
_INSTALL = re.compile(r"(?:python[\d.]* -m )?(?:uv )?pip[\d.]* install .*requirements\.txt")
_IGNORED = {"ARG", "ONBUILD", "MAINTAINER"}


@dataclass
class Recipe:
    """What the last stage says."""

    base: str = ""
    handler: str = ""
    workdir: str = TASK_ROOT
    copies: list[tuple[str, str]] = field(default_factory=list)  # source in the context, absolute destination
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outline:
    """What decides about any Dockerfile, whoever builds it: its bases, all stages, and its handler."""

    bases: tuple[str, ...]
    handler: str


def outline(path: Path, arguments: Mapping[str, str]) -> Outline:
    """Read `FROM`, `ARG` and the last stage's `CMD`; the rest is the engine's business.

    Raises `BadInputError` when there is no `CMD` with one handler: a `CMD` that the base has is not the function's.
    """
    reader = _Reader(path, dict(arguments))
    for number, line in _instructions(_text(path)):
        reader.glance(number, line)
    return reader.outline()


def read(path: Path, arguments: Mapping[str, str]) -> Recipe:
    """Read a Dockerfile; `arguments` are the build arguments that override its `ARG` defaults.

    Raises `BadInputError` naming the line that can't be honoured, or saying that there is no usable `CMD`.
    """
    reader = _Reader(path, dict(arguments))
    for number, line in _instructions(_text(path)):
        reader.take(number, line)
    return reader.finish()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInputError(
            f"there is no {path.parent.name}/{path.name}", hint='it names the handler: CMD ["app.handler.handler"]'
        ) from None


def _instructions(text: str) -> list[tuple[int, str]]:
    """Join continued lines and drop comments, also those between continued lines."""
    found: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#") or (not line and not pending):
            continue
        start = start or number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        found.append((start, (pending + line).strip()))
        pending, start = "", 0
    if pending.strip():
        found.append((start, pending.strip()))
    return found


class _Reader:
    def __init__(self, path: Path, overrides: dict[str, str]) -> None:
        self._where = f"{path.parent.name}/{path.name}"
        self._overrides = overrides
        self._global: dict[str, str] = {}
        self._stages: dict[str, Recipe] = {}
        self._variables: dict[str, str] = {}
        self._recipe: Recipe | None = None
        self._refused: list[str] = []
        self._bases: list[str] = []

    def glance(self, number: int, line: str) -> None:
        """Take what decides about any Dockerfile. The handler stays as it is written: another stage's may be no one."""
        word, _, rest = line.partition(" ")
        if word.upper() in {"ARG", "FROM"} or self._recipe is None:
            self.take(number, line)
        elif word.upper() == "CMD":
            self._recipe.handler = f"{number} {rest.strip()}"

    def outline(self) -> Outline:
        if self._recipe is None:
            raise BadInputError(f"{self._where} has no FROM")
        number, _, rest = self._recipe.handler.partition(" ")
        if not number:
            raise self._no_handler()
        return Outline(tuple(self._bases), self._handler(int(number), rest))

    def take(self, number: int, line: str) -> None:
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "ARG":
            self._argument(rest)
        elif word == "FROM":
            self._from(rest)
        elif self._recipe is None:
            raise BadInputError(f"{self._where}:{number}: {word} stands before the first FROM")
        else:
            self._instruction(number, word, rest, self._recipe)

    def finish(self) -> Recipe:
        if self._recipe is None:
            raise BadInputError(f"{self._where} has no FROM")
        if self._refused:
            raise BadInputError(
                f"{self._where} needs an engine to build it",
                hint="set stepladder.image.builder to docker, or keep the last stage to FROM, COPY, ENV, LABEL, "
                "WORKDIR, CMD and one pip install of requirements.txt",
                problems=tuple(self._refused),
            )
        if not self._recipe.handler:
            raise self._no_handler()
        return self._recipe

    def _no_handler(self) -> BadInputError:
        return BadInputError(
            f"{self._where} has no CMD, so there is no handler", hint='end it with CMD ["app.handler.handler"]'
        )

    def _argument(self, rest: str) -> None:
        for item in shlex.split(rest):
            name, _, default = item.partition("=")
            value = self._overrides.get(name, self._expand(default) or self._global.get(name, ""))
            (self._global if self._recipe is None else self._variables)[name] = value

    def _from(self, rest: str) -> None:
        words = [word for word in rest.split() if not word.startswith("--")]
        self._variables = dict(self._global)
        image = self._expand(words[0]) if words else ""
        parent = self._stages.get(image.lower())
        self._recipe = Recipe(base=image)
        if parent:
            self._recipe = Recipe(parent.base, parent.handler, parent.workdir, list(parent.copies))
            self._recipe.environment, self._recipe.labels = dict(parent.environment), dict(parent.labels)
        else:
            self._refused = []
            self._bases.append(image)
        self._variables = dict(_KNOWN)  # inside a stage, only ARG and ENV of the stage itself are known
        if len(words) > 2 and words[1].lower() == "as":  # noqa: PLR2004 - FROM image AS name
            self._stages[words[2].lower()] = self._recipe

    def _instruction(self, number: int, word: str, rest: str, recipe: Recipe) -> None:
        if word == "CMD":
            recipe.handler = self._handler(number, rest)
        elif word == "COPY":
            self._copy(number, rest, recipe)
        elif word == "WORKDIR":
            recipe.workdir = posixpath.normpath(posixpath.join(recipe.workdir, self._expand(rest)))
        elif word in {"ENV", "LABEL"}:
            pairs = self._pairs(rest)
            (recipe.environment if word == "ENV" else recipe.labels).update(pairs)
            if word == "ENV":
                self._variables.update(pairs)
        elif word == "RUN" and _INSTALL.fullmatch(_without_flags(rest)):
            pass  # what the layers builder does itself
        elif word not in _IGNORED:
            self._refused.append(f"{self._where}:{number}: {word} {rest[:60]}")

    def _handler(self, number: int, rest: str) -> str:
        try:
            value = json.loads(rest)
        except ValueError:
            value = None
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], str):
            raise BadInputError(
                f"{self._where}:{number}: CMD is not a list of one handler: {rest[:60]}",
                hint='write it in the exec form: CMD ["app.handler.handler"]',
            )
        if not _HANDLER.fullmatch(value[0]):
            raise BadInputError(
                f"{self._where}:{number}: {value[0]!r} is not a handler",
                hint="write module.function: app.handler.handler",
            )
        return value[0]

    def _copy(self, number: int, rest: str, recipe: Recipe) -> None:
        flags = [word for word in rest.split() if word.startswith("--")]
        if any(flag.startswith("--from=") for flag in flags):
            return
        body = " ".join(word for word in rest.split() if not word.startswith("--"))
        words = json.loads(body) if body.startswith("[") else shlex.split(body)
        words = [self._expand(word) for word in words]
        odd = [flag for flag in flags if not flag.startswith(("--chown=", "--chmod=", "--link"))]
        if len(words) < 2 or odd or any("*" in w or "<<" in w for w in words):  # noqa: PLR2004 - COPY source target
            self._refused.append(f"{self._where}:{number}: COPY {rest[:60]}")
            return
        *sources, target = words
        absolute = posixpath.join(recipe.workdir, target)
        for source in sources:
            clean = posixpath.normpath(source.lstrip("/"))
            recipe.copies.append((clean, absolute + "/" if len(sources) > 1 else absolute))

    def _pairs(self, rest: str) -> dict[str, str]:
        words = shlex.split(rest)
        if words and "=" not in words[0]:  # the old form: ENV NAME the rest
            return {words[0]: self._expand(" ".join(words[1:]))}
        return {name: self._expand(value) for name, _, value in (word.partition("=") for word in words)}

    def _expand(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1] or match[3]
            return self._variables.get(name, self._global.get(name, "")) or match[2] or ""

        return _VARIABLE.sub(value, text)


def _without_flags(command: str) -> str:
    """Drop `RUN --mount=...` flags."""
    return re.sub(r"^(?:--\S+\s+)+", "", command)
