"""The dependency layer: exactly the locked wheels, for the function's platform and Python, made once per lock file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from stepladder.core import files, process
from stepladder.core.errors import BadInputError
from stepladder.images.context import shown
from stepladder.images.context.archive import Layer, write_layer
from stepladder.images.context.files import Entry
from stepladder.images.context.split import LARGE, by_package, split
from stepladder.images.requirements import pip_file, uv_errors, wheel_layout
from stepladder.images.requirements import read as requirement_files
from stepladder.images.requirements.pip_file import Locked
from stepladder.images.requirements.read import Requirement, Requirements

_VERSION = 3  # raise it when the layer is laid out differently
_TIMEOUT = 600.0
# Amazon Linux 2 (Python 3.11) has glibc 2.26, Amazon Linux 2023 has 2.34; uv names no 2.26
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_GLIBC = {"3.11": "manylinux_2_17"}
_GLIBC_NEWER = "manylinux_2_34"
_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}
_DIGEST = r"sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128}"


@dataclass(frozen=True)
class WheelTarget:
    """What wheels must fit: a Python and either uv's name of a platform or an interpreter of this machine."""

    python: str
    platform: str = ""
    interpreter: str = ""

    @classmethod
    def of_lambda(cls, python: str, architecture: str) -> WheelTarget:
        """Return Lambda's own platform."""
        return cls(python, f"{_MACHINE[architecture]}-{_GLIBC.get(python, _GLIBC_NEWER)}")


@dataclass(frozen=True)
class LayerRequest:
    """What to install: locked requirements, where to in the image, and where uv runs and finds wheels."""

    locked: Locked
    prefix: str
    folder: Path
    """uv runs here: the project may configure an index."""
    where: str
    wheels: tuple[Entry, ...] = ()
    no_deps: bool = True
    site: bool = False
    """Whether `prefix` is the base's site-packages, with commands and data files beside it."""

    @classmethod
    def of_file(cls, path: Path, prefix: str) -> LayerRequest:
        """Return the request of a requirements file as it is."""
        where = f"{shown.name(path.parent)}/{path.name}"
        locked = _read_nested(path, where) if path.is_file() else Locked()
        check_locked(path, Requirements(list(locked.pinned), unknown=list(locked.unknown)))
        return cls(locked, prefix, path.parent, where)

    def parts(self) -> tuple[bytes, ...]:
        """Return all that decides the layer."""
        values = (self.locked.lines, self.locked.indexes, self.prefix, self.no_deps, self.site)
        return (repr(values).encode(), *(part for e in self.wheels for part in (e.path.encode(), e.sha256())))


@dataclass(frozen=True)
class Dependencies:
    """The dependency layers, one unless they are large, and their files as paths of the image without a slash first."""

    layers: tuple[Layer, ...]
    paths: tuple[str, ...]


def build(
    request: LayerRequest | Path,
    target: WheelTarget,
    cache: Path,
    *,
    prefix: str = "var/task",
    extra: Iterable[Entry] = (),
) -> Dependencies | None:
    """Return the layer of locked requirements, from the cache when nothing changed; None when it is empty.

    A file by its path is installed as it is, below `prefix`.

    Raises `BadInputError` when a requirement has no wheel for the target or isn't what its hash says.
    """
    if isinstance(request, Path):
        request = LayerRequest.of_file(request, prefix)
    extra = tuple(extra)
    if not request.locked.lines and not extra:
        return None
    parts = (str(_VERSION).encode(), *request.parts(), repr(target).encode(), *(e.read() for e in extra))
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    note = cache / "dependencies" / f"{key}.json"
    cached = _cached(note, cache / "blobs")
    if cached:
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".install-") as scratch:
        folder = Path(scratch) / "made"
        folder.mkdir()
        _install(request, target, Path(scratch), folder)
        entries = [*wheel_layout.entries(folder, request.prefix, site=request.site), *extra]
        parts_of_it = split(entries, by_package(request.prefix), LARGE)
        layers = tuple(write_layer(part, "", cache / "blobs") for part in parts_of_it)
    paths = tuple(sorted(entry.path for entry in entries))
    noted = [{**asdict(layer), "path": layer.path.name} for layer in layers]
    files.write_json(note, {"layers": noted, "paths": paths})
    return Dependencies(layers, paths)


def _read_nested(path: Path, where: str) -> Locked:
    return pip_file.read(
        path, where, os.environ, lambda other: _read_nested(path.parent / other, f"{where.rpartition('/')[0]}/{other}")
    )


def _cached(note: Path, blobs: Path) -> Dependencies | None:
    try:
        saved = files.read_json(note)
        paths = tuple(saved["paths"])
        layers = tuple(Layer(**{**layer, "path": blobs / layer["path"]}) for layer in saved["layers"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Dependencies(layers, paths) if layers and all(layer.used() for layer in layers) else None


def check_locked(path: Path, locked: Requirements) -> None:
    """Raise `BadInputError` unless every requirement is one archive: a version or a direct reference, with a hash."""
    folder = shown.name(path.parent)
    loose = [
        *locked.unknown,
        *(f"{r.where}: {r.text[:80]}: {why}" for r in locked.requirements if (why := loose_in(r))),
    ]
    if loose:
        has_source = (path.parent / "requirements.in").is_file()
        first = "" if has_source else f"name what the function needs in {folder}/requirements.in, then "
        hint = f"{first}`inv lock` locks it"
        if path.name != "requirements.txt":
            made = f"{folder}/{path.stem}.in --generate-hashes --no-strip-markers -o {folder}/{path.name}"
            hint = f"lock it: `uv pip compile {made}`"
        raise BadInputError(
            f"{folder}/{path.name} is not locked by hashes", kind="bad-requirements", hint=hint, problems=tuple(loose)
        )


def loose_in(requirement: Requirement) -> str:
    """Say why no hash can make a locked requirement one certain wheel; an empty string when it is one."""
    if why := unlockable(requirement):
        return why
    if not requirement.url and not requirement.version:
        return "it names no version"
    if not requirement.hashes:
        return "it has no hash"
    return next((f"{digest[:24]} is no hash" for digest in requirement.hashes if not re.fullmatch(_DIGEST, digest)), "")


def unlockable(requirement: Requirement) -> str:
    """Say why `inv lock` can't lock what is asked for; an empty string when it can."""
    url = requirement.url.partition("#")[0]
    if requirement.editable:
        return "an editable has no hash"
    if url and re.match(r"(git|hg|svn|bzr)\+", url):
        return "a repository has no hash"
    if url and not url.endswith(".whl"):
        return "it is no wheel"
    return ""


def _install(request: LayerRequest, target: WheelTarget, scratch: Path, folder: Path) -> None:
    if not request.locked.lines:
        return
    wanted = scratch / "requirements.txt"
    wanted.write_text("".join(f"{line}\n" for line in request.locked.lines), encoding="utf-8")
    argv = [*_argv(wanted, target, folder), "--link-mode", "copy", "--no-compile-bytecode"]
    if request.site:
        argv[argv.index("--target")] = "--prefix"
    argv += [*_indexes(request, scratch), *(["--no-deps"] if request.no_deps else [])]
    done = process.run(argv, cwd=request.folder, timeout=_TIMEOUT)
    if done.code:
        if lost := re.search(r"no trusted hash was provided for: `([^`]+)`", done.err):
            raise BadInputError(
                f"{request.where} doesn't lock {lost[1]}, which a package in it needs",
                kind="bad-requirements",
                hint="`inv lock` locks what packages need too; or install with `--no-deps`",
            )
        raise uv_errors.explained(done.err, request.locked.pinned, target)


def _indexes(request: LayerRequest, scratch: Path) -> list[str]:
    """Return uv's words for where pip would look; like pip, it takes the best of all indexes."""
    indexes = request.locked.indexes
    argv = ["--no-index"] if indexes.no_index else []
    argv += ["--index-url", indexes.index] if indexes.index else []
    for name, values in (("--extra-index-url", indexes.extra), ("--allow-insecure-host", indexes.trusted)):
        argv += [word for value in values for word in (name, value)]
    argv += ["--index-strategy", "unsafe-best-match"] if indexes.extra else []
    links = list(indexes.links)
    if request.wheels:
        (scratch / "wheels").mkdir()
        for entry in request.wheels:
            shutil.copyfile(entry.source, scratch / "wheels" / entry.path)
        links.append(str(scratch / "wheels"))
    return argv + [word for link in links for word in ("--find-links", link)]


def check_wheels(requirements: Path, target: WheelTarget, wanted: Iterable[Requirement] = ()) -> None:
    """Raise `BadInputError` when something locked has no wheel for the target; asks the index, installs nothing.

    What is `wanted` for gives the names as a person spelled them.
    """
    locked = requirement_files.read(requirements)
    if not locked.requirements:
        return
    with tempfile.TemporaryDirectory() as folder:
        argv = [*_argv(requirements, target, Path(folder)), "--no-deps", "--dry-run"]
        argv += [word for host in locked.hosts for word in ("--allow-insecure-host", host)]
        done = process.run(argv, cwd=requirements.parent, timeout=_TIMEOUT)
    if done.code:
        raise uv_errors.explained(done.err, [*locked.requirements, *wanted], target)


def _argv(requirements: Path, target: WheelTarget, folder: Path) -> list[str]:
    argv = [uv(), "pip", "install", "--target", str(folder), "--requirements", str(requirements)]
    argv += ["--require-hashes", "--only-binary", ":all:", "--no-progress", "--color", "never"]
    if target.platform:
        argv += ["--python-platform", target.platform, "--python-version", target.python]
    return [*argv, "--python", target.interpreter] if target.interpreter else argv


def uv() -> str:
    """Return the path of the uv that this environment holds."""
    from uv import find_uv_bin

    return find_uv_bin()
