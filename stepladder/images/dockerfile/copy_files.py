"""`COPY`, `ADD` and `WORKDIR`: where files go, with which modes and owners, as the engine places them."""

from __future__ import annotations

import posixpath
import re
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

from stepladder.images.context.files import Entry
from stepladder.images.dockerfile import uv_command
from stepladder.images.dockerfile.sources import CopySource
from stepladder.images.dockerfile.stage import DockerfileStage, holds_uv
from stepladder.images.dockerfile.tree import ImageTree, Install, absolute
from stepladder.images.parsers import words
from stepladder.images.parsers.dockerfile import Instruction
from stepladder.images.parsers.run_command import NeedsEngineError

_CHOWN = r"(\d+|root)(?::(\d+|root))?"
_MODE = r"[0-7]{3,4}"
_OPEN = 0o555
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"(\xb5/\xfd")
_USTAR = slice(257, 262)
_REMOTE = r"https?://|git@|git://|ssh://|ftp://"


@dataclass(frozen=True)
class _Flags:
    source: str | None = None
    mode: int | None = None
    owner: tuple[int, int] | None = None
    link: bool = False


def workdir(stage: DockerfileStage, instruction: Instruction) -> None:
    """Set the working folder, and make it when it is missing."""
    value = stage.expand(instruction.rest, instruction)
    if not value:
        raise words.WordError("WORKDIR needs a folder")
    path = absolute(stage.workdir, value)
    stage.tree.make_folder(stage.tree.resolve(path), instruction.number)
    stage.workdir = value if value.startswith("/") else f"/{path}"  # an absolute one stays as it is written


def copy(stage: DockerfileStage, instruction: Instruction, stages: dict[str, DockerfileStage]) -> None:
    """Place what a `COPY` or `ADD` names. Raises `NeedsEngineError`, `MissingError`, `words.WordError`."""
    flags = _flags(stage, instruction)
    listed = words.json_list(instruction.rest) if instruction.rest.startswith("[") else None
    names = [stage.expand(word, instruction) for word in listed or words.blank_separated(instruction.rest)]
    if len(names) < 2 or "" in names:  # noqa: PLR2004 - source and destination
        raise words.WordError(f"{instruction.word} needs a source and a destination")
    *patterns, target = names
    if instruction.word == "ADD":
        _refuse_remote(patterns)
    if flags.source is not None and holds_uv(flags.source, stages):
        _take_uv(stage, patterns, target, instruction.number)
        return
    if flags.source is not None:
        _from_stage(stage, _stage(flags.source, stages), patterns, target, flags, instruction.number)
        return
    sources = [source for pattern in patterns for source in stage.ground.context.find(pattern)]
    if len(sources) > 1 and not target.endswith("/"):
        raise NeedsEngineError(f"several files go to {target}, which doesn't end with /")
    if instruction.word == "ADD":
        _refuse_archives(sources)
    for source in sources:
        _put_source(stage, source, target, flags, instruction.number)


def _flags(stage: DockerfileStage, instruction: Instruction) -> _Flags:
    flags = _Flags()
    for flag in instruction.flags:
        name, _, value = flag.partition("=")
        if name == "--from" and instruction.word == "COPY":
            flags = replace(flags, source=value)
        elif name == "--link" and value in {"", "true", "false"}:
            flags = replace(flags, link=value != "false")
        elif name == "--chmod":
            mode = stage.expand(value, instruction)
            if not re.fullmatch(_MODE, mode):
                raise NeedsEngineError(f"--chmod={mode} is no mode in three or four octal digits")
            flags = replace(flags, mode=int(mode, 8))
        elif name == "--chown":
            match = re.fullmatch(_CHOWN, stage.expand(value, instruction))
            if not match:
                raise NeedsEngineError(f"{flag}: the numbers of a user's name are known to the base image only")
            owner, group = (0 if part in (None, "root") else int(part) for part in (match[1], match[2] or match[1]))
            flags = replace(flags, owner=(owner, group))
        else:
            raise NeedsEngineError(f"{flag} is not known to the layers builder")
    return flags


def _put_source(stage: DockerfileStage, source: CopySource, target: str, flags: _Flags, number: int) -> None:
    """Put a file into a folder or under a name, or a folder's content into a folder."""
    tree, owner = stage.tree, flags.owner or (0, 0)
    path = absolute(stage.workdir, target)
    real = tree.resolve(path)
    if flags.link and real != path:
        raise NeedsEngineError(f"--link doesn't follow the links on the way to {target}, the classic builder does")
    if source.folder:
        if flags.mode is not None and flags.mode & _OPEN != _OPEN:
            raise NeedsEngineError(f"--chmod={flags.mode:o} would shut the folders that are copied")
        if flags.owner and not tree.is_folder(posixpath.dirname(real)):
            raise NeedsEngineError(f"engines differ in who owns the new folders above {target}: make them before")
        tree.make_folder(real, number, owner)
        for entry in source.entries:
            _put(tree, real, entry, flags, number)
        return
    entry = replace(source.entries[0], path=source.name)
    if target.endswith("/") or tree.is_folder(real):
        tree.make_folder(real, number, owner)
    else:
        entry = replace(entry, path=posixpath.basename(real))
        real = posixpath.dirname(real)
        tree.make_folder(real, number, owner)
    _put(tree, real, entry, flags, number)


def _put(tree: ImageTree, below: str, entry: Entry, flags: _Flags, number: int) -> None:
    path = f"{below}/{entry.path}".lstrip("/")
    owner = flags.owner or (0, 0)
    existing = tree.lstat(path)
    if existing and existing.kind == "link":
        raise NeedsEngineError(f"/{path} is a link already")
    if entry.folder:
        wanted = flags.mode if flags.mode is not None else 0o755 if entry.mode is None else entry.mode
        if existing is None:
            tree.put(Entry(path, Path(), folder=True, mode=wanted, owner=owner), number)
        elif existing.kind != "folder":
            raise NeedsEngineError(f"/{path} is no folder")
        elif (existing.mode, existing.owner) != (wanted, owner):
            raise NeedsEngineError(f"/{path} exists with another mode or owner: engines differ in which one stays")
        return
    mode = entry.mode if entry.link or flags.mode is None else flags.mode
    tree.put(replace(entry, path=path, mode=mode, owner=owner), number)


def _refuse_remote(patterns: list[str]) -> None:
    for pattern in patterns:
        if re.match(_REMOTE, pattern) or pattern.endswith(".git"):
            raise NeedsEngineError(f"{pattern} would be fetched by the engine")


def _refuse_archives(sources: list[CopySource]) -> None:
    for source in sources:
        if not source.folder and not source.entries[0].link:
            with source.entries[0].source.open("rb") as file:
                head = file.read(512)
            if head.startswith(_ARCHIVES) or head[_USTAR] == b"ustar" or _is_old_tar(head):
                raise NeedsEngineError(f"ADD unpacks the archive {source.name}")


def _is_old_tar(head: bytes) -> bool:
    """Say whether a block is the head of a tar without a mark, as Unix V7 wrote it: its sum is right."""
    try:
        return bool(tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape"))
    except tarfile.HeaderError:
        return False


def _stage(name: str, stages: dict[str, DockerfileStage]) -> DockerfileStage:
    stage = stages.get(name.lower())
    if stage is None:
        raise NeedsEngineError(f"--from={name} is another image, or a stage that comes later")
    return stage


def _take_uv(stage: DockerfileStage, patterns: list[str], target: str, number: int) -> None:
    """Remember where uv is copied to: a stage may run it, no image that is made here can hold it."""
    if odd := [pattern for pattern in patterns if pattern not in uv_command.NAMES]:
        raise NeedsEngineError(f"{odd[0]} of uv's image is known to the engine only")
    path = f"/{absolute(stage.workdir, target)}"
    into = target.endswith("/") or not uv_command.is_program(path)
    for pattern in patterns:
        stage.tools[f"{path}{pattern}" if into else path] = number


def _from_stage(
    stage: DockerfileStage, other: DockerfileStage, patterns: list[str], target: str, flags: _Flags, number: int
) -> None:
    """Copy what an earlier stage placed or let pip install; what its base holds can't be had."""
    if len(patterns) > 1 and not target.endswith("/"):
        raise NeedsEngineError(f"several files go to {target}, which doesn't end with /")
    for problem in other.problems:
        if problem not in stage.problems:
            stage.problems.append(problem)
    for pattern in patterns:
        if any(char in pattern for char in "*?[\\"):
            raise NeedsEngineError(f"{pattern} is matched against files that the engine knows")
        path = other.tree.resolve(absolute("/", pattern))
        _check_known(stage, other, path, absolute(stage.workdir, target))
        placed = other.tree.placed.get(path)
        owned = [placed_below for _, placed_below in other.tree.below(path)] + ([placed] if placed else [])
        if flags.owner is None and any(placed_below.entry.owner != (0, 0) for placed_below in owned):
            raise NeedsEngineError(f"whether {pattern} keeps its owner depends on the engine: add --chown")
        if placed and not placed.entry.folder:
            single = CopySource(posixpath.basename(pattern), folder=False, entries=(placed.entry,))
            _put_source(stage, single, target, flags, number)
            continue
        inside = tuple(replace(placed_below.entry, path=rest) for rest, placed_below in other.tree.below(path))
        installs = [install for install in other.tree.installs if _below(install.prefix, path) is not None]
        if not inside and not installs and not other.tree.is_folder(path):
            raise NeedsEngineError(f"nothing known of {pattern} in that stage")
        _put_source(stage, CopySource(posixpath.basename(path), folder=True, entries=inside), target, flags, number)
        for install in installs:
            _move(stage, install, path, target, flags)


def _check_known(stage: DockerfileStage, other: DockerfileStage, path: str, target: str) -> None:
    if any(_below(tool.lstrip("/"), path) is not None for tool in other.tools):
        raise NeedsEngineError(f"uv lies in /{path}, and its bytes are known to the engine only")
    for install in other.tree.installs:
        if path.startswith(f"{install.prefix}/") and path not in other.tree.placed:
            raise NeedsEngineError(f"/{path} is a part of what pip installs")
    if other.has_known_base and stage.has_known_base and path == stage.tree.resolve(target):
        return  # what the base has there is there already
    if other.tree.base.below(path):
        raise NeedsEngineError(f"the base of that stage has files in /{path}")


def _move(stage: DockerfileStage, install: Install, path: str, target: str, flags: _Flags) -> None:
    if flags.owner or flags.mode is not None:
        raise NeedsEngineError("--chown or --chmod on what pip installs")
    if not stage.has_known_base:
        raise NeedsEngineError("pip's packages go into a stage on another base")
    rest = _below(install.prefix, path) or ""
    prefix = f"{stage.tree.resolve(absolute(stage.workdir, target))}/{rest}".strip("/")
    if install.site and prefix != install.prefix:
        raise NeedsEngineError("site-packages would be copied to another place")
    stage.tree.add_install(replace(install, prefix=prefix, direct=False))


def _below(path: str, folder: str) -> str | None:
    """Return where a path lies below a folder; None when it doesn't."""
    if path == folder or not folder:
        return "" if path == folder else path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
