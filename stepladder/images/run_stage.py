"""`RUN` in a stage: the packages that pip is to install, and what `mkdir`, `rm` or `chmod` do to its files."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace

from stepladder.images import dependencies, lock, pip_file, run_command
from stepladder.images import dockerfile_words as words
from stepladder.images.context import Entry
from stepladder.images.dockerfile_syntax import Instruction
from stepladder.images.pip_file import Locked
from stepladder.images.requirements import Requirements
from stepladder.images.run_command import NeedsEngineError, PipInstall
from stepladder.images.stage import Stage
from stepladder.images.tree import Install, absolute

_ROOT = {"", "0", "0:0", "root", "root:root"}
_CACHES = ("root/.cache", "tmp/pip-cache")
_OCTAL = re.compile(r"[0-7]{3,4}")
_EXECUTABLE = {"+x": 0o111, "a+x": 0o111, "u+x": 0o100, "ug+x": 0o110, "ugo+x": 0o111}
_WHEEL = (".whl", ".tar.gz", ".zip")


@dataclass
class _Shell:
    """What a `RUN` line knows: its folder, and the files of the context that it mounts."""

    folder: str
    mounted: dict[str, Entry] = field(default_factory=dict)


def run(stage: Stage, instruction: Instruction) -> None:
    """Do what a `RUN` does. Raises `NeedsEngineError` for what can't be done without running it."""
    if not stage.ours:
        raise NeedsEngineError(f"it runs in {stage.base}, which is not the project's base")
    user = stage.changes.get("User", stage.ground.config.get("User") or "")
    if user not in _ROOT:
        raise NeedsEngineError(f"it runs as the user {user}")
    shell = _Shell(stage.workdir, _mounts(stage, instruction))
    variables = {**stage.arguments, **stage.environment}
    listed = words.json_list(instruction.rest) if instruction.rest.startswith("[") else None
    for command in [listed] if listed else run_command.commands(instruction.rest, variables):
        _command(stage, shell, command, instruction.number)


def _command(stage: Stage, shell: _Shell, command: list[str], number: int) -> None:
    arguments = run_command.pip_arguments(command)
    name, *rest = command
    if arguments is not None:
        _install(stage, shell, run_command.pip_install(arguments), number)
    elif (
        command in (["pip", "cache", "purge"], ["true"], [":"])
        or name == "echo"
        or (name == "set" and rest and set(rest[0]) <= set("-eux"))
    ):
        return
    elif name == "cd" and len(rest) == 1 and stage.tree.is_folder(stage.tree.resolve(absolute(shell.folder, rest[0]))):
        shell.folder = f"/{absolute(shell.folder, rest[0])}"
    elif name in _FILES:
        _FILES[name](stage, shell, rest, number)
    else:
        raise NeedsEngineError(f"{' '.join(command)[:60]} has to be run")


def _mounts(stage: Stage, instruction: Instruction) -> dict[str, Entry]:
    """Return the context's files that are mounted for this line; a cache holds nothing of the image."""
    found: dict[str, Entry] = {}
    for flag in instruction.flags:
        name, _, value = flag.partition("=")
        options = dict(part.partition("=")[::2] for part in value.split(","))
        source = options.get("source", options.get("src", ""))
        target = next((options[key] for key in ("target", "dst", "destination") if key in options), "")
        if name != "--mount" or options.get("type", "bind") not in {"bind", "cache"} or "from" in options or not target:
            raise NeedsEngineError(f"{flag} needs BuildKit")
        entry = stage.ground.context.entry(source) if options.get("type") != "cache" else None
        if entry is not None:
            found[absolute(stage.workdir, target)] = entry
        elif options.get("type") != "cache":
            raise NeedsEngineError(f"{flag} mounts no file of the context")
    return found


def _install(stage: Stage, shell: _Shell, command: PipInstall, number: int) -> None:
    _refuse_settings(stage)
    tree, read = stage.tree, list[Entry]()
    locked = Locked()
    for path in command.requirements:
        locked += _read(stage, shell, absolute(shell.folder, path), read)
    limits = list(locked.limits)
    for path in command.constraints:
        limits += _read(stage, shell, absolute(shell.folder, path), []).found
    links, wheels = _wheels(stage, shell, (*command.indexes.links, *locked.indexes.links))
    dependencies.check_locked(read[0].source, Requirements(list(locked.found), unknown=list(locked.unknown)))
    for limit in limits:
        if odd := [one for one in locked.found if one.key == limit.key and not lock.fits(limit, one)]:
            raise NeedsEngineError(f"{limit.where} forbids {odd[0].text}")
    locked = (Locked(indexes=command.indexes) + locked).with_links(links)
    site = command.target is None
    if command.target is None:
        prefix = tree.base.site_packages(stage.ground.python)
        if not prefix:
            raise NeedsEngineError("where the base's pip installs to is not known: add --target ${LAMBDA_TASK_ROOT}")
    else:
        prefix = tree.resolve(absolute(shell.folder, command.target))
    tree.make_folder(prefix, number)
    if not locked.lines:
        return
    tree.add_install(Install(prefix, tuple(read), locked, tuple(wheels), command.no_deps, number, 0, site))


def _refuse_settings(stage: Stage) -> None:
    """Refuse what would make pip do something else than its command says."""
    odd = [
        name
        for name in {**stage.arguments, **stage.environment}
        if (name.startswith("PIP_") and name not in run_command.PIP_VARIABLES and name not in _base_variables(stage))
        or name == "PYTHONHOME"
    ]
    if odd:
        raise NeedsEngineError(f"{odd[0]} changes what pip does")
    if configured := [path for path in stage.tree.placed if posixpath.basename(path) == "pip.conf"]:
        raise NeedsEngineError(f"/{configured[0]} changes what pip does")
    before = dict(line.partition("=")[::2] for line in stage.ground.config.get("Env") or ()).get("PATH", "")
    if not set(before.split(":")) <= set(stage.environment.get("PATH", "").split(":")):
        raise NeedsEngineError("PATH lacks what the base has in it, so which pip runs is not known")


def _base_variables(stage: Stage) -> set[str]:
    return {line.partition("=")[0] for line in stage.ground.config.get("Env") or ()}


def _read(stage: Stage, shell: _Shell, path: str, read: list[Entry], depth: int = 0) -> Locked:
    """Read a requirements file of the image and those that it names."""
    entry = shell.mounted.get(path)
    placed = None if entry else stage.tree.placed.get(stage.tree.resolve(path))
    if entry is None and (placed is None or placed.kind != "file" or depth > 9):  # noqa: PLR2004 - files that name each other
        raise NeedsEngineError(f"the image has no requirements file /{path} there: COPY it first")
    entry = entry or (placed.entry if placed else None)
    assert entry is not None  # noqa: S101 - one of the two
    read.append(entry)
    where = _name(stage, entry)
    folder = posixpath.dirname(path)
    variables = {**stage.arguments, **stage.environment}
    return pip_file.read(
        entry.source,
        where,
        variables,
        lambda other: _read(stage, shell, absolute(f"/{folder}", other), read, depth + 1),
    )


def _name(stage: Stage, entry: Entry) -> str:
    """Return a file's name for people, from the project's root."""
    parts = entry.source.parts
    folder = stage.ground.folder
    return "/".join(parts[len(parts) - 1 - parts[::-1].index(folder) :]) if folder in parts else entry.source.name


def _wheels(stage: Stage, shell: _Shell, links: tuple[str, ...]) -> tuple[list[str], list[Entry]]:
    """Split `--find-links` into addresses, and wheels that lie in the image."""
    addresses, wheels = list[str](), list[Entry]()
    for link in links:
        path = absolute(shell.folder, link.removeprefix("file://"))
        inside = [
            replace(found.entry, path=rest)
            for rest, found in stage.tree.below(stage.tree.resolve(path))
            if "/" not in rest and rest.endswith(_WHEEL) and found.kind == "file"
        ]
        wheels += inside
        if not inside:
            addresses.append(link)
    return addresses, wheels


def _mkdir(stage: Stage, shell: _Shell, rest: list[str], number: int) -> None:
    parents = rest[:1] in (["-p"], ["--parents"])
    for path in rest[1:] if parents else rest:
        real = stage.tree.resolve(absolute(shell.folder, path))
        if path.startswith("-") or (not parents and stage.tree.look(real)):
            raise NeedsEngineError(f"mkdir {path} has to be run")
        stage.tree.make_folder(real, number)


def _rm(stage: Stage, shell: _Shell, rest: list[str], _number: int) -> None:
    flags = [word for word in rest if word.startswith("-")]
    if any(set(flag) - set("-rfR") for flag in flags):
        raise NeedsEngineError(f"rm {flags[0]} has to be run")
    for word in rest:
        path = absolute(shell.folder, word)
        if word.startswith("-") or path.startswith(_CACHES):
            continue
        if path not in stage.tree.placed and not any("f" in flag for flag in flags):
            raise NeedsEngineError(f"rm {word}: nothing was copied there")
        stage.tree.remove(path)


def _chmod(stage: Stage, shell: _Shell, rest: list[str], number: int) -> None:
    mode, *paths = rest or [""]
    if not paths or not (_OCTAL.fullmatch(mode) or mode in _EXECUTABLE):
        raise NeedsEngineError(f"chmod {mode} has to be run")
    for word in paths:
        path = stage.tree.resolve(absolute(shell.folder, word))
        placed = stage.tree.placed.get(path)
        if placed is None or placed.kind == "link":
            raise NeedsEngineError(f"chmod {word}: nothing was copied there")
        entry = placed.entry
        before = entry.mode if entry.mode is not None else 0o755 if entry.executable or entry.folder else 0o644
        changed = before | _EXECUTABLE[mode] if mode in _EXECUTABLE else int(mode, 8)
        stage.tree.put(replace(entry, mode=changed), number)


_FILES = {"mkdir": _mkdir, "rm": _rm, "chmod": _chmod}
