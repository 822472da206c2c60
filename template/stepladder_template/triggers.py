"""The trigger kind of a project, for the template's files."""

from __future__ import annotations

from typing import Any

from stepladder_template.core_modules import TEMPLATE, load_module


def kind(name: str) -> Any:
    """Return a trigger kind: `summary` and what else its folder says of it."""
    return load_module("trigger_kinds").find(TEMPLATE, name)


def file(name: str, part: str) -> str:
    """Return the path of a kind's file as an `include` names it, below `templates`."""
    path = load_module("trigger_kinds").part(TEMPLATE, name, part)
    return str(path.relative_to(TEMPLATE / "templates").as_posix())
