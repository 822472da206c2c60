"""One stage of a Dockerfile while it is read: its base, the files it has placed, its configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stepladder.images.base.files import BaseFiles
from stepladder.images.context import shown
from stepladder.images.context.files import Entry
from stepladder.images.dockerfile import uv_command
from stepladder.images.dockerfile.sources import BuildContext
from stepladder.images.dockerfile.tree import ImageTree
from stepladder.images.parsers import words
from stepladder.images.parsers.dockerfile import Instruction
from stepladder.images.parsers.run_command import NeedsEngineError

_PORT = r"(?ai)(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp)?)?"
_SIGNAL = (
    r"(?ai)0*[1-9]\d{0,8}|(?:SIG)?(?:ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|"
    r"STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(?:\+(?:[1-9]|1[0-5]))?|"
    r"RTMAX(?:-(?:[1-9]|1[0-4]))?)"
)
_SHELL = r"(?:/usr)?/bin/(?:sh|bash) (?:-[eux]+ )*(?:-[eux]*o pipefail )?(?:-[eux]+ )*-[eux]*c"


@dataclass(frozen=True)
class Ground:
    """What a Dockerfile is read on: the project's base, the build context, and the Python of the function."""

    references: tuple[str, ...]
    """What the base may be called in `FROM`."""
    config: Mapping[str, Any]
    files: BaseFiles
    context: BuildContext
    python: str
    context_folder: Path
    cache: Path
    """Where files lie that a command of the Dockerfile makes."""
    exports: dict[Path, Entry] = field(default_factory=dict)
    """By a file that uv exported: the uv.lock that it was made of."""

    @property
    def folder(self) -> str:
        """The context's name, for people."""
        return shown.name(self.context_folder)


@dataclass
class DockerfileStage:
    """A stage, at the instruction that was read last."""

    base: str
    has_known_base: bool
    """Whether it stands on the project's base, maybe through other stages."""
    ground: Ground
    tree: ImageTree
    platform: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    """What it changes of the base's `config`, but for `Env`, `Labels` and `Cmd`."""
    labels: dict[str, str] = field(default_factory=dict)
    author: str = ""
    workdir: str = "/"
    handler: tuple[int, str] | None = None
    """Line and text of the last CMD."""
    own_handler: bool = False
    problems: list[str] = field(default_factory=list)
    tools: dict[str, int] = field(default_factory=dict)
    """uv's programs that were copied into it, whose bytes are not known here: the path and the line."""

    def child(self) -> DockerfileStage:
        """Return a stage that begins where this one ends."""
        return DockerfileStage(
            self.base,
            self.has_known_base,
            self.ground,
            self.tree.copy(),
            self.platform,
            dict(self.environment),
            {},
            dict(self.changes),
            dict(self.labels),
            self.author,
            self.workdir,
            self.handler,
            problems=list(self.problems),
            tools=dict(self.tools),
        )

    def expand(self, text: str, instruction: Instruction) -> str:
        """Replace variables and take quotes off, as Docker does for this stage. Raises `words.WordError`."""
        return words.expand(text, {**self.arguments, **self.environment}, instruction.escape)


def holds_uv(name: str, stages: Mapping[str, DockerfileStage]) -> bool:
    """Say whether `--from` names an image of uv's own, or a stage that is one and nothing else."""
    stage = stages.get(name.lower())
    if stage is None:
        return uv_command.is_image(name)
    return uv_command.is_image(stage.base) and not (stage.tree.placed or stage.problems or stage.tools)


def configure(stage: DockerfileStage, instruction: Instruction) -> bool:
    """Take an instruction that changes the configuration only; False for another.

    Raises `NeedsEngineError` or `words.WordError` for what can't be taken.
    """
    take = _CONFIGURE.get(instruction.word)
    if take is None:
        return False
    if instruction.flags:
        raise NeedsEngineError(f"{instruction.flags[0]} is not known to the layers builder")
    take(stage, instruction)
    return True


def _env(stage: DockerfileStage, instruction: Instruction) -> None:
    stage.environment.update(_pairs(stage, instruction))


def _label(stage: DockerfileStage, instruction: Instruction) -> None:
    stage.labels.update(_pairs(stage, instruction))


def _pairs(stage: DockerfileStage, instruction: Instruction) -> dict[str, str]:
    """All values of one line are read with the variables as they were before it."""
    values = words.pairs(instruction.rest, instruction.escape, instruction.word)
    return {stage.expand(name, instruction): stage.expand(value, instruction) for name, value in values}


def _user(stage: DockerfileStage, instruction: Instruction) -> None:
    stage.changes["User"] = _one(stage, instruction)


def _stop_signal(stage: DockerfileStage, instruction: Instruction) -> None:
    value = _one(stage, instruction)
    if not re.fullmatch(_SIGNAL, value):
        raise NeedsEngineError(f"{value} is no signal of Linux")
    stage.changes["StopSignal"] = value


def _maintainer(stage: DockerfileStage, instruction: Instruction) -> None:
    if not instruction.rest:
        raise words.WordError("MAINTAINER needs a value")
    stage.author = instruction.rest  # as it is written: Docker keeps its quotes and dollars


def _one(stage: DockerfileStage, instruction: Instruction) -> str:
    value = stage.expand(instruction.rest, instruction)
    if not value:
        raise words.WordError(f"{instruction.word} needs a value")
    return value


def _expose(stage: DockerfileStage, instruction: Instruction) -> None:
    ports = [piece for word in instruction.rest.split() for piece in stage.expand(word, instruction).split()]
    exposed = dict(stage.changes.get("ExposedPorts") or stage.ground.config.get("ExposedPorts") or {})
    for port in ports:
        match = re.fullmatch(_PORT, port)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not match or not 0 < first <= last < 65536:  # noqa: PLR2004 - ports
            raise NeedsEngineError(f"{port} is no port")
        exposed |= {f"{number}/{(match[3] or 'tcp').lower()}": {} for number in range(first, last + 1)}
    if not ports:
        raise words.WordError("EXPOSE needs a port")
    stage.changes["ExposedPorts"] = exposed


def _healthcheck(stage: DockerfileStage, instruction: Instruction) -> None:
    if instruction.rest.upper() != "NONE":
        raise NeedsEngineError("Lambda runs no health checks; only HEALTHCHECK NONE is taken")
    stage.changes["Healthcheck"] = {"Test": ["NONE"]}


def _entry_point(stage: DockerfileStage, instruction: Instruction) -> None:
    own = stage.ground.config.get("Entrypoint") if stage.has_known_base else None
    if not own or words.json_list(instruction.rest) != list(own):
        raise NeedsEngineError("another entry point than the base's")
    stage.changes["Entrypoint"] = list(own)
    if not stage.own_handler:
        stage.handler = None  # as Docker: an inherited CMD was meant for another entry point


def _shell(stage: DockerfileStage, instruction: Instruction) -> None:
    """Take a shell that reads a `RUN` line as `sh` does; its options decide only what happens after a failure."""
    listed = words.json_list(instruction.rest)
    if not listed or not re.fullmatch(_SHELL, " ".join(listed)):
        raise NeedsEngineError("a shell other than sh or bash with -c and options for failures")
    stage.changes["Shell"] = listed


def _command(stage: DockerfileStage, instruction: Instruction) -> None:
    stage.handler, stage.own_handler = (instruction.number, instruction.rest), True


_CONFIGURE: dict[str, Callable[[DockerfileStage, Instruction], None]] = {
    "CMD": _command,
    "ENTRYPOINT": _entry_point,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
}
