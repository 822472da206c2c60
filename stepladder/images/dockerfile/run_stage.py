"""`RUN` in a stage: the packages that pip or uv is to install, and what `mkdir`, `rm` or `chmod` do to its files."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stepladder.core import files
from stepladder.images.context.files import Entry
from stepladder.images.dockerfile import uv_command
from stepladder.images.dockerfile.stage import DockerfileStage, holds_uv
from stepladder.images.dockerfile.tree import Install, absolute
from stepladder.images.parsers import run_command, words
from stepladder.images.parsers.dockerfile import Instruction
from stepladder.images.parsers.run_command import NeedsEngineError, PipInstall
from stepladder.images.requirements import dependencies, lock, pip_file
from stepladder.images.requirements.pip_file import Locked
from stepladder.images.requirements.read import Requirements

_ROOT = {"", "0", "0:0", "root", "root:root"}
_CACHES = ("root/.cache", "tmp/pip-cache")
_OCTAL = r"[0-7]{3,4}"
_EXECUTABLE = {"+x": 0o111, "a+x": 0o111, "u+x": 0o100, "ug+x": 0o110, "ugo+x": 0o111}
_NESTED = 9  # files that name each other
_WHEEL = (".whl", ".tar.gz", ".zip")


@dataclass
class _RunShell:
    """What a `RUN` line knows: its folder, and the files of the context that it mounts."""

    folder: str
    mounted: dict[str, Entry] = field(default_factory=dict)
    uv: bool = False
    """Whether it has uv, from an image of uv's own."""


def run(stage: DockerfileStage, instruction: Instruction, stages: Mapping[str, DockerfileStage]) -> None:
    """Do what a `RUN` does. Raises `NeedsEngineError` for what can't be done without running it."""
    if not stage.has_known_base:
        raise NeedsEngineError(f"it runs in {stage.base}, which is not the project's base")
    user = stage.changes.get("User", stage.ground.config.get("User") or "")
    if user not in _ROOT:
        raise NeedsEngineError(f"it runs as the user {user}")
    shell = _RunShell(stage.workdir, uv=any(uv_command.is_on_path(path) for path in stage.tools))
    _mount(stage, shell, instruction, stages)
    variables = {**stage.arguments, **stage.environment}
    listed = words.json_list(instruction.rest) if instruction.rest.startswith("[") else None
    for command in [listed] if listed else run_command.commands(instruction.rest, variables):
        _command(stage, shell, command, instruction.number)


def _command(stage: DockerfileStage, shell: _RunShell, command: list[str], number: int) -> None:
    arguments = run_command.pip_arguments(command)
    name, *rest = command
    if arguments is not None:
        _refuse_settings(stage, "pip")
        _install(stage, shell, run_command.pip_install(arguments), number)
    elif name == "uv":
        _uv(stage, shell, command, number)
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


def _mount(
    stage: DockerfileStage, shell: _RunShell, instruction: Instruction, stages: Mapping[str, DockerfileStage]
) -> None:
    """Take the context's files and the uv that are mounted for this line; a cache holds nothing of the image."""
    for flag in instruction.flags:
        name, _, value = flag.partition("=")
        options = dict(part.partition("=")[::2] for part in value.split(","))
        source = options.get("source", options.get("src", ""))
        target = next((options[key] for key in ("target", "dst", "destination") if key in options), "")
        kind, other = options.get("type", "bind"), options.get("from", "")
        if kind == "bind" and source == "/uv" and holds_uv(other, stages) and uv_command.is_on_path(target):
            shell.uv = True
            continue
        if name != "--mount" or kind not in {"bind", "cache"} or "from" in options or not target:
            raise NeedsEngineError(f"{flag} needs BuildKit")
        entry = stage.ground.context.entry(source) if kind != "cache" else None
        if entry is not None:
            shell.mounted[absolute(stage.workdir, target)] = entry
        elif kind != "cache":
            raise NeedsEngineError(f"{flag} mounts no file of the context")


def _uv(stage: DockerfileStage, shell: _RunShell, command: list[str], number: int) -> None:
    """Do what a `uv` command does. Raises `NeedsEngineError` for all but `export` and `pip install`."""
    if not shell.uv:
        raise NeedsEngineError("where uv comes from is not known: mount or copy /uv of ghcr.io/astral-sh/uv:<version>")
    _refuse_settings(stage, "uv")
    variables = {**stage.arguments, **stage.environment}
    if command[1:2] == ["export"]:
        _export(stage, shell, command, number)
    elif command[1:3] == ["pip", "install"]:
        _install(stage, shell, uv_command.pip_install(command, variables), number)
    else:
        raise NeedsEngineError(f"{' '.join(command)[:60]} has to be run")


def _export(stage: DockerfileStage, shell: _RunShell, command: list[str], number: int) -> None:
    """Let our own uv write the requirements file, and place it."""
    project = {name: _file(stage, shell, absolute(shell.folder, name)) for name in ("uv.lock", "pyproject.toml")}
    for name, entry in project.items():
        if entry is None:
            raise NeedsEngineError(f"uv export finds no {name} in {shell.folder}: mount it from the context or COPY it")
    wanted = uv_command.export(command, {**stage.arguments, **stage.environment})
    present = {name: entry for name, entry in project.items() if entry}
    path = stage.tree.resolve(absolute(shell.folder, wanted.output))
    if path in shell.mounted or not stage.tree.is_folder(posixpath.dirname(path)):
        raise NeedsEngineError(f"uv export can't write /{path}")
    content = uv_command.run(wanted, {name: entry.source for name, entry in present.items()})
    folder = f".export-{hashlib.sha256(content.encode()).hexdigest()[:16]}"  # `layers.tidy` removes such a one in time
    made = files.write_text(stage.ground.cache / folder / "requirements.txt", content)
    locked = pip_file.read(made, f"what uv exports to {wanted.output}", {}, lambda _: Locked())
    for one in locked.pinned:
        if why := dependencies.loose_in(one):
            raise NeedsEngineError(f"uv export names {one.text[:60]}, which would have to be built: {why}")
    stage.ground.exports[made] = present["uv.lock"]
    stage.tree.put(Entry(path, made), number)


def _file(stage: DockerfileStage, shell: _RunShell, path: str) -> Entry | None:
    """Return a file of the image, or one that is mounted."""
    if path in shell.mounted:
        return shell.mounted[path]
    placed = stage.tree.placed.get(stage.tree.resolve(path))
    return placed.entry if placed and placed.kind == "file" else None


def _install(stage: DockerfileStage, shell: _RunShell, command: PipInstall, number: int) -> None:
    tree, read = stage.tree, list[Entry]()
    locked = Locked()
    for path in command.requirements:
        locked += _read(stage, shell, absolute(shell.folder, path), read)
    limits = list(locked.limits)
    for path in command.constraints:
        limits += _read(stage, shell, absolute(shell.folder, path), []).pinned
    links, wheels = _wheels(stage, shell, (*command.indexes.links, *locked.indexes.links))
    dependencies.check_locked(read[0].source, Requirements(list(locked.pinned), unknown=list(locked.unknown)))
    for limit in limits:
        if odd := [one for one in locked.pinned if one.key == limit.key and not lock.fits(limit, one)]:
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
    origins = tuple(stage.ground.exports.get(entry.source, entry) for entry in read)
    tree.add_install(Install(prefix, origins, locked, tuple(wheels), command.no_deps, number, 0, site))


def _refuse_settings(stage: DockerfileStage, tool: str) -> None:
    """Refuse what would make pip or uv do something else than its command says."""
    known = {"pip": run_command.PIP_VARIABLES, "uv": uv_command.VARIABLES}[tool] | _base_variables(stage)
    odd = [
        name
        for name in {**stage.arguments, **stage.environment}
        if (name.startswith(f"{tool.upper()}_") and name not in known) or name == "PYTHONHOME"
    ]
    if odd:
        raise NeedsEngineError(f"{odd[0]} changes what {tool} does")
    file = {"pip": "pip.conf", "uv": "uv.toml"}[tool]
    if configured := [path for path in stage.tree.placed if posixpath.basename(path) == file]:
        raise NeedsEngineError(f"/{configured[0]} changes what {tool} does")
    before = dict(line.partition("=")[::2] for line in stage.ground.config.get("Env") or ()).get("PATH", "")
    if not set(before.split(":")) <= set(stage.environment.get("PATH", "").split(":")):
        raise NeedsEngineError(f"PATH lacks what the base has in it, so which {tool} runs is not known")


def _base_variables(stage: DockerfileStage) -> set[str]:
    return {line.partition("=")[0] for line in stage.ground.config.get("Env") or ()}


def _read(stage: DockerfileStage, shell: _RunShell, path: str, read: list[Entry], depth: int = 0) -> Locked:
    """Read a requirements file of the image and those that it names."""
    entry = _file(stage, shell, path) if depth <= _NESTED else None
    if entry is None:
        raise NeedsEngineError(f"the image has no requirements file /{path} there: COPY it first")
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


def _name(stage: DockerfileStage, entry: Entry) -> str:
    """Return a file's name for people, from the project's root."""
    parts = entry.source.parts
    folder = stage.ground.folder
    return "/".join(parts[len(parts) - 1 - parts[::-1].index(folder) :]) if folder in parts else entry.source.name


def _wheels(stage: DockerfileStage, shell: _RunShell, links: tuple[str, ...]) -> tuple[list[str], list[Entry]]:
    """Split `--find-links` into addresses, and wheels that lie in the image."""
    addresses, wheels = list[str](), list[Entry]()
    for link in links:
        path = absolute(shell.folder, link.removeprefix("file://"))
        inside = [
            replace(placed.entry, path=rest)
            for rest, placed in stage.tree.below(stage.tree.resolve(path))
            if "/" not in rest and rest.endswith(_WHEEL) and placed.kind == "file"
        ]
        wheels += inside
        if not inside:
            addresses.append(link)
    return addresses, wheels


def _mkdir(stage: DockerfileStage, shell: _RunShell, rest: list[str], number: int) -> None:
    parents = rest[:1] in (["-p"], ["--parents"])
    for path in rest[1:] if parents else rest:
        real = stage.tree.resolve(absolute(shell.folder, path))
        if path.startswith("-") or (not parents and stage.tree.lstat(real)):
            raise NeedsEngineError(f"mkdir {path} has to be run")
        stage.tree.make_folder(real, number)


def _rm(stage: DockerfileStage, shell: _RunShell, rest: list[str], _number: int) -> None:
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


def _chmod(stage: DockerfileStage, shell: _RunShell, rest: list[str], number: int) -> None:
    mode, *paths = rest or [""]
    if not paths or not (re.fullmatch(_OCTAL, mode) or mode in _EXECUTABLE):
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
