"""Read the project's Dockerfile for what the layers builder can build as the engine would, and refuse the rest.

Both builders must make the same image of one Dockerfile. So what can't be done without running it, and what isn't
known without the base's own programs, is an error that names the line and the reason, rather than a silent difference.
Stages that the last one doesn't need decide nothing.
Reference: https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.images.base import files as base_files
from stepladder.images.context import shown
from stepladder.images.context.ignore import reason
from stepladder.images.dockerfile import copy_files, from_and_arg, run_stage, uv_command
from stepladder.images.dockerfile.sources import MissingError
from stepladder.images.dockerfile.stage import DockerfileStage, Ground, configure
from stepladder.images.dockerfile.tree import ImageTree
from stepladder.images.parsers import words
from stepladder.images.parsers.dockerfile import Instruction, instructions
from stepladder.images.parsers.run_command import NeedsEngineError

TASK_ROOT = "/var/task"
_HANDLER = r"[\w-]+(?:[./][\w-]+)*\.\w+"


@dataclass(frozen=True)
class Recipe:
    """What the last stage says, on top of the base."""

    base: str
    platform: str
    handler: str
    workdir: str
    environment: Mapping[str, str]
    """All variables, the base's among them."""
    labels: Mapping[str, str]
    changes: Mapping[str, Any]
    author: str
    tree: ImageTree


@dataclass(frozen=True)
class Outline:
    """What decides about any Dockerfile, whoever builds it: its bases, all stages, and its handler."""

    bases: tuple[str, ...]
    base: str
    """The base of the last stage, through the stages that it stands on."""
    handler: str


def outline(path: Path, arguments: Mapping[str, str]) -> Outline:
    """Read `FROM`, `ARG` and the last stage's `CMD`; the rest is the engine's business.

    Raises `BadInputError` when there is no `CMD` with one handler: a `CMD` that the base has is not the function's.
    """
    where, bases, stages = _where(path), list[str](), dict[str, str]()
    known, base, command = dict[str, str](), "", (0, "")
    for instruction in _read(path):
        if instruction.word == "ARG" and not bases:
            from_and_arg.take_argument(instruction, known, arguments, known, where)
        elif instruction.word == "FROM":
            image, name, _ = from_and_arg.image_of(instruction, known, where)
            if image.lower() not in stages:
                bases.append(image)
            base, command = stages.get(image.lower(), image), (0, "")
            stages[name.lower()] = base
        elif not bases:
            raise BadInputError(
                f"{where}:{instruction.number}: {instruction.word} stands before the first FROM", kind="bad-dockerfile"
            )
        elif instruction.word == "CMD":
            command = (instruction.number, instruction.rest)
    if not bases:
        raise BadInputError(f"{where} has no FROM", kind="bad-dockerfile")
    if not command[0]:
        raise _no_handler(where)
    return Outline(tuple(bases), base, _handler(where, *command))


def read(path: Path, arguments: Mapping[str, str], ground: Ground) -> Recipe:
    """Read a Dockerfile; `arguments` are the build arguments that override its `ARG` defaults.

    Raises `BadInputError` naming the lines that can't be honoured, or saying that there is no usable `CMD`.
    """
    reader = _Reader(_where(path), dict(arguments), ground)
    for instruction in _read(path):
        reader.take(instruction)
    return reader.finish()


def _where(path: Path) -> str:
    return f"{shown.name(path.parent)}/{path.name}"


def _read(path: Path) -> list[Instruction]:
    where = _where(path)
    try:
        content = text.read(path, comments=True)
    except FileNotFoundError:
        raise BadInputError(
            f"there is no {where}",
            kind="bad-handler",
            hint='its last line names the handler: `CMD ["app.handler.handler"]`',
        ) from None
    parsed = instructions(content, where)
    for instruction in parsed:
        if instruction.documents:
            raise BadInputError(
                f"{where}:{instruction.number}: the here-document {instruction.documents[0].lstrip('-')} needs "
                "BuildKit, and the image is built without it",
                kind="needs-engine",
                hint="put the text into a file of the build context and `COPY` it",
            )
    return parsed


class _Reader:
    def __init__(self, where: str, overrides: dict[str, str], ground: Ground) -> None:
        self._where, self._overrides, self._ground = where, overrides, ground
        self._global: dict[str, str] = {}
        self._stages: dict[str, DockerfileStage] = {}
        self._stage: DockerfileStage | None = None
        self._lost: tuple[str, str] | None = None

    def take(self, instruction: Instruction) -> None:
        at = f"{self._where}:{instruction.number}"
        if instruction.word == "FROM":
            self._begin(instruction)
        elif self._stage is None:
            if instruction.word != "ARG":
                raise BadInputError(f"{at}: {instruction.word} stands before the first FROM", kind="bad-dockerfile")
            from_and_arg.take_argument(instruction, self._global, self._overrides, self._global, self._where)
        else:
            try:
                self._take(instruction, self._stage)
            except words.WordError as error:
                raise BadInputError(
                    f"{at}: {instruction.text}: {error}", kind="bad-dockerfile", hint=f"fix `{at}`"
                ) from None
            except MissingError as error:
                why = self._missing(error.path)
                self._lost = (error.path, why)
                self._stage.problems.append(f"{at}: {instruction.text}: the context has nothing there: {why}")
            except NeedsEngineError as error:
                self._stage.problems.append(f"{at}: {instruction.text}: {error}")

    def finish(self) -> Recipe:
        stage = self._stage
        if stage is None:
            raise BadInputError(f"{self._where} has no FROM", kind="bad-dockerfile")
        for path, number in stage.tools.items():
            stage.problems.append(f"{self._where}:{number}: the image would hold {path}: {uv_command.NOT_COPIED}")
        if stage.problems:
            first, lost = stage.problems[0], self._lost
            if lost and ": the context has nothing there: " in first:
                raise BadInputError(
                    f"{self._where} copies {lost[0]}, but the context has nothing there",
                    kind="bad-dockerfile",
                    hint=lost[1],
                    problems=tuple(stage.problems),
                )
            raise BadInputError(
                f"{self._where} needs an engine to build it",
                kind="needs-engine",
                hint="write these lines in another way, or set `stepladder.image.builder` to docker; "
                "docs/reference/dockerfile.md says what the layers builder takes",
                problems=tuple(stage.problems),
            )
        if stage.handler is None:
            raise _no_handler(self._where)
        return Recipe(
            stage.base,
            stage.platform,
            _handler(self._where, *stage.handler),
            stage.workdir,
            stage.environment,
            stage.labels,
            stage.changes,
            stage.author,
            stage.tree,
        )

    def _take(self, instruction: Instruction, stage: DockerfileStage) -> None:
        if instruction.word == "ARG":
            known = {**stage.arguments, **stage.environment}
            from_and_arg.take_argument(instruction, stage.arguments, self._overrides, known, self._where, self._global)
        elif instruction.word in {"COPY", "ADD"}:
            copy_files.copy(stage, instruction, self._stages)
        elif instruction.word == "WORKDIR":
            copy_files.workdir(stage, instruction)
        elif instruction.word == "RUN":
            run_stage.run(stage, instruction, self._stages)
        elif not configure(stage, instruction):
            raise NeedsEngineError(f"{instruction.word} is not known to the layers builder")

    def _begin(self, instruction: Instruction) -> None:
        image, name, platform = from_and_arg.image_of(instruction, self._global, self._where)
        parent = self._stages.get(image.lower())
        self._stage = parent.child() if parent else self._on(image)
        self._stage.platform = platform or self._stage.platform
        if re.search(from_and_arg.OF_BUILDKIT, instruction.text) or platform.startswith("$"):
            self._stage.problems.append(
                f"{self._where}:{instruction.number}: {instruction.text}: the platform's variables have a value with "
                "BuildKit only"
            )
        if name.lower() in self._stages:
            self._stage.problems.append(
                f"{self._where}:{instruction.number}: {instruction.text}: engines differ in what a second stage of one "
                "name is"
            )
        index = len({id(stage) for stage in self._stages.values()})
        self._stages[str(index)] = self._stage
        if name:
            self._stages[name.lower()] = self._stage

    def _on(self, image: str) -> DockerfileStage:
        ground, has_known_base = self._ground, image in self._ground.references
        if not has_known_base:
            files = base_files.nothing() if image == "scratch" else base_files.unknown(image)
            return DockerfileStage(image, has_known_base, ground, ImageTree(files))
        environment = dict(line.partition("=")[::2] for line in ground.config.get("Env") or ())
        stage = DockerfileStage(image, has_known_base, ground, ImageTree(ground.files), environment=environment)
        stage.workdir = ground.config.get("WorkingDir") or "/"
        if ground.config.get("OnBuild"):
            stage.problems.append(f"{self._where}: the base {image} has ONBUILD instructions")
        return stage

    def _missing(self, source: str) -> str:
        folder = self._ground.folder
        why = reason(self._ground.context_folder, source)
        return why or f"create {folder}/{source}"


def _no_handler(where: str) -> BadInputError:
    return BadInputError(
        f"{where} has no CMD, so there is no handler",
        kind="bad-handler",
        hint='end it with `CMD ["app.handler.handler"]`',
    )


def _handler(where: str, number: int, rest: str) -> str:
    value = words.json_list(rest)
    if value is None or len(value) != 1:
        raise BadInputError(
            f"{where}:{number}: CMD is not a list of one handler: {rest[:60]}",
            kind="bad-handler",
            hint='write it in the exec form: `CMD ["app.handler.handler"]`',
        )
    if not re.fullmatch(_HANDLER, value[0]):
        raise BadInputError(
            f"{where}:{number}: {value[0]!r} is not a handler",
            kind="bad-handler",
            hint='write module.function, as in `CMD ["app.handler.handler"]`',
        )
    return value[0]
