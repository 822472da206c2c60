"""Check the handlers that the settings name, before anything is built or changed.

The context says most: a module that its folder lacks, a function that its file doesn't have. A handler from a package,
or one that a step of the Dockerfile makes, is checked in the image (`stepladder.images.pipeline.check_handlers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stepladder.core.errors import BadInputError
from stepladder.images import builder
from stepladder.images.context import handler_names, python_syntax
from stepladder.images.context.files import Entry
from stepladder.images.dockerfile import handlers
from stepladder.images.shared import ConfiguredHandler
from stepladder.settings.load import Settings


def check(settings: Settings, entries: Sequence[Entry], command: str, configured: Sequence[ConfiguredHandler]) -> None:
    """Raise `BadInputError` for each handler that can't be in the image; `command` is the one that the image has."""
    files = {entry.path: entry.source for entry in entries if entry.path.endswith(".py")}
    base, made = python_syntax.home(command, files), builder.builds_from_source(settings)
    problems: list[tuple[ConfiguredHandler, str]] = []
    for each in configured:
        paths, name = python_syntax.files_of(each.name, files), each.name.rpartition(".")[2]
        if not paths and not made and _is_own(each, entries, base):
            module = handlers.module_of(each.name)
            problems.append((each, f"there is no {module}.py in {settings.image.context}"))
        elif paths and all(_lacks(files[path], name) for path in paths):
            problems.append((each, f"{settings.image.context}/{paths[0]} has no {name}"))
    if not problems:
        return
    lines = [f"{each.words}: {why}" for each, why in problems]
    hints = [_suggestion(each, files, base) for each, _ in problems]
    if len(problems) == 1:
        raise BadInputError(f"the image would not hold {lines[0]}", kind="bad-handler", hint=hints[0])
    raise BadInputError(
        f"the image would not hold {len(problems)} handlers that the settings name",
        kind="bad-handler",
        hint=hints[0],
        problems=tuple(f"{line}; {hint}" for line, hint in zip(lines, hints, strict=True)),
    )


def _is_own(each: ConfiguredHandler, entries: Sequence[Entry], base: str) -> bool:
    """Say whether a handler's module would be the project's own, and none of a package: the context has its folder.

    A module that is there in another form than Python's text is none of those that are missing.
    """
    module = handlers.module_of(each.name)
    paths = [entry.path[len(base) :] for entry in entries if entry.path.startswith(base)]
    top = module.partition("/")[0]
    return any(path.startswith(f"{top}/") for path in paths) and not handlers.holds(paths, module)


def _lacks(source: Path, name: str) -> bool:
    names = handler_names.names_of(source.read_bytes())
    return names is not None and name not in names


def _suggestion(each: ConfiguredHandler, files: dict[str, Path], base: str) -> str:
    known = handler_names.offered(files, base, each.name.rpartition(".")[2])
    return handler_names.suggestion(each.name, known) or "fix the handler in `invoke.yaml`"
