"""Read a buildspec.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.services.codebuild.model import PHASES

SHELLS = ("sh", "/bin/sh", "bash", "/bin/bash")
ON_FAILURE = ("", "ABORT", "CONTINUE")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class BuildspecError(Exception):
    """A buildspec that can't be run. The message says why."""


@dataclass(frozen=True)
class SpecPhase:
    """The commands of one phase. `last` are those of `finally`."""

    commands: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    on_failure: str = ""


@dataclass(frozen=True)
class SpecArtifacts:
    """Which files make an artifact, relative to `base`."""

    files: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    base: str = ""
    discards_paths: bool = False


@dataclass(frozen=True)
class Buildspec:
    """A buildspec. `phases` has all four, in order."""

    phases: Mapping[str, SpecPhase]
    shell: str = "/bin/sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    artifacts: SpecArtifacts | None = None
    secondary: Mapping[str, SpecArtifacts] = field(default_factory=dict)


def is_inline(text: str) -> bool:
    """Say whether a project's `buildspec` is one, and not the path of one."""
    return "\n" in text or text.lstrip().startswith(("{", "version:"))


def parse(text: str) -> Buildspec:
    """Return what a buildspec says. Raises `BuildspecError`."""
    import yaml

    try:
        # a loader that makes texts of all scalars: 1.10 stays 1.10, and a command may be called `true`
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but lists, maps and texts
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise BuildspecError(f"wrong YAML{where}: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(document, dict):
        raise BuildspecError("a buildspec is a mapping with `version` and `phases`")
    if document.get("version") not in ("0.1", "0.2"):
        raise BuildspecError(f"Invalid buildspec version: {document.get('version')}. The versions are 0.1 and 0.2")
    env, phases = _mapping(document, "env"), _mapping(document, "phases")
    if unknown := [name for name in phases if name.upper() not in PHASES]:
        raise BuildspecError(f"Invalid phase: {unknown[0]}. The phases are {', '.join(PHASES).lower()}")
    shell = str(env.get("shell") or "sh")
    if shell not in SHELLS:
        raise BuildspecError(f"the local cloud runs commands by sh and bash, not {shell}")
    secondary = _mapping(_mapping(document, "artifacts"), "secondary-artifacts")
    return Buildspec(
        phases={name: _phase(_mapping(phases, name.lower()), name.lower()) for name in PHASES},
        shell=shell if shell.startswith("/") else f"/bin/{shell}",
        variables=_texts(env, "variables"),
        parameters=_texts(env, "parameter-store"),
        secrets=_texts(env, "secrets-manager"),
        exported=_names(env),
        artifacts=_artifacts(_mapping(document, "artifacts")),
        secondary={name: made for name in secondary if (made := _artifacts(_mapping(secondary, name)))},
    )


def _phase(phase: Mapping[str, Any], name: str) -> SpecPhase:
    on_failure = str(phase.get("on-failure") or "")
    if on_failure not in ON_FAILURE:
        raise BuildspecError(f"on-failure of {name} is {on_failure}: the local cloud offers ABORT and CONTINUE")
    return SpecPhase(_list(phase, "commands", name), _list(phase, "finally", name), on_failure)


def _artifacts(artifacts: Mapping[str, Any]) -> SpecArtifacts | None:
    files = _list(artifacts, "files", "artifacts")
    if not files:
        return None
    return SpecArtifacts(
        files,
        _list(artifacts, "exclude-paths", "artifacts"),
        str(artifacts.get("base-directory") or ""),
        str(artifacts.get("discard-paths")).lower() in ("yes", "true"),
    )


def _names(env: Mapping[str, Any]) -> tuple[str, ...]:
    names = _list(env, "exported-variables", "env")
    if invalid := [name for name in names if not NAME.fullmatch(name)]:
        raise BuildspecError(f"{invalid[0]!r} is no name of an exported variable")
    return names


def _mapping(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = of.get(name) or {}
    if not isinstance(value, dict):
        raise BuildspecError(f"{name} is no mapping")
    return value


def _texts(of: Mapping[str, Any], name: str) -> dict[str, str]:
    values = _mapping(of, name)
    if invalid := [key for key, value in values.items() if not isinstance(value, str)]:
        raise BuildspecError(f"{name}: the value of {invalid[0]} is no text")
    return {str(key): str(value) for key, value in values.items()}


def _list(of: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = of.get(name) or []
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        raise BuildspecError(f"{name} of {where} is no list")
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise BuildspecError(
                f"Expected {name.title()}[{index}] of {where} to be of string type: found subkeys instead"
            )
    return tuple(items)
