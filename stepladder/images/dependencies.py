"""The dependency layer: exactly the locked wheels, for the function's platform and Python, made once per lock file."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from stepladder import files, process
from stepladder.errors import BadInputError, StepladderError
from stepladder.images import requirements as requirement_files
from stepladder.images.archive import Layer, write_layer
from stepladder.images.context import Entry
from stepladder.images.requirements import Requirement, Requirements, normal

_VERSION = 1  # raise it when the layer is laid out anew
_TIMEOUT = 600.0
_SHOWN = 8  # lines of uv's
_INSTALLER = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
# Amazon Linux 2 (Python 3.11) has glibc 2.26, Amazon Linux 2023 has 2.34; uv names no 2.26
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_GLIBC = {"3.11": "manylinux_2_17"}
_GLIBC_NEWER = "manylinux_2_34"
_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}
_ONE = r"`?([A-Za-z0-9][\w.-]*?)(==[^\s,`]+|)`?"
_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128}")
_OTHER_VERSION = (
    "take a version that has one (see its files on the package index), or set stepladder.image.builder to docker and "
    "build it in the Dockerfile"
)
_FAILURES = (
    (
        re.compile(rf"Hash mismatch for {_ONE}(?=\s)"),
        "the file of {names} has none of the hashes that are locked",
        "`inv lock` takes the index's own hashes. If nobody changed the lock, find out who changed the file first",
    ),
    (
        re.compile(rf"{_ONE} has no (?:usable )?wheels?(?=[\s,.])"),
        "{names} has no wheel for {fits}",
        _OTHER_VERSION,
    ),
    (
        re.compile(r"dependency is incompatible with the current platform: (\S+)()"),
        "{names} is no wheel for {fits}",
        _OTHER_VERSION,
    ),
    (
        re.compile(rf"(?:no version of|no versions of) {_ONE}(?=[\s,.])"),
        "the package index has no {names}",
        "see which versions there are on the package index, then change requirements.in and run `inv lock`",
    ),
    (
        re.compile(rf"{_ONE} was not found in"),
        "the package index has no {names}",
        "see how its name is spelled on the package index, then change requirements.in and run `inv lock`",
    ),
)
"""By what uv says: what it means for a person, and what to do."""


@dataclass(frozen=True)
class Target:
    """What wheels must fit: a Python and either uv's name of a platform or an interpreter of this machine."""

    python: str
    platform: str = ""
    interpreter: str = ""

    @classmethod
    def of_lambda(cls, python: str, architecture: str) -> Target:
        """Return Lambda's own platform."""
        return cls(python, f"{_MACHINE[architecture]}-{_GLIBC.get(python, _GLIBC_NEWER)}")


@dataclass(frozen=True)
class Dependencies:
    """A dependency layer and the names that can be imported from it."""

    layer: Layer
    modules: tuple[str, ...]


def build(
    requirements: Path, target: Target, cache: Path, *, prefix: str = "var/task", extra: Iterable[Entry] = ()
) -> Dependencies | None:
    """Return the layer of a hash-locked requirements file, from the cache when nothing changed; None when it is empty.

    Raises `BadInputError` when a requirement isn't locked or has no wheel for the target.
    """
    locked = requirement_files.read(requirements) if requirements.is_file() else Requirements()
    check_locked(requirements, locked)
    extra = tuple(extra)
    if not locked.requirements and not extra:
        return None
    content = (requirements.read_bytes() if locked.requirements else b"", *_beside(requirements, locked))
    parts = (str(_VERSION).encode(), *content, repr(target).encode(), prefix.encode(), *(e.read() for e in extra))
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    note = cache / "dependencies" / f"{key}.json"
    cached = _cached(note, cache / "blobs")
    if cached:
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".install-") as scratch:
        folder = Path(scratch)
        _install(requirements, locked, target, folder)
        entries = _entries(folder)
        layer = write_layer([*_below(entries, prefix), *extra], "", cache / "blobs")
    modules = tuple(sorted({re.split(r"[/.]", entry.path)[0] for entry in entries}))
    files.write_json(note, {**asdict(layer), "path": layer.path.name, "modules": modules})
    return Dependencies(layer, modules)


def _cached(note: Path, blobs: Path) -> Dependencies | None:
    try:
        saved = files.read_json(note)
        modules = tuple(saved.pop("modules"))
        layer = Layer(**{**saved, "path": blobs / saved["path"]})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not layer.path.is_file() or layer.path.stat().st_size != layer.size:
        return None
    os.utime(layer.path)  # used today: see layers.tidy
    return Dependencies(layer, modules)


def _beside(requirements: Path, locked: Requirements) -> Iterator[bytes]:
    """Yield what decides the layer beside the file itself: files that it names, wheels that it names by path."""
    for path, content in locked.files.items():
        if path != requirements:
            yield content.encode()


def check_locked(path: Path, locked: Requirements) -> None:
    """Raise `BadInputError` unless every requirement is one archive: a version or a direct reference, with a hash."""
    folder = path.parent.name
    loose = [
        *locked.unknown,
        *(f"{r.where}: {r.text[:80]}: {why}" for r in locked.requirements if (why := loose_in(r))),
    ]
    if loose:
        there = (path.parent / "requirements.in").is_file()
        first = "" if there else f"name what the function needs in {folder}/requirements.in, then "
        raise BadInputError(
            f"{folder}/{path.name} is not locked by hashes", hint=f"{first}`inv lock` locks it", problems=tuple(loose)
        )


def loose_in(requirement: Requirement) -> str:
    """Say why no hash can make a locked requirement one certain wheel; an empty string when it is one."""
    if why := unlockable(requirement):
        return why
    if not requirement.url and not requirement.version:
        return "it names no version"
    if not requirement.hashes:
        return "it has no hash"
    return next((f"{found[:24]} is no hash" for found in requirement.hashes if not _DIGEST.fullmatch(found)), "")


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


def _install(requirements: Path, locked: Requirements, target: Target, folder: Path) -> None:
    if not locked.requirements:
        return
    done = process.run(
        [*_argv(requirements, locked, target, folder), "--link-mode", "copy", "--no-compile-bytecode"],
        cwd=requirements.parent,  # where the project may configure an index
        timeout=_TIMEOUT,
    )
    if done.code:
        raise explained(done.err, locked.requirements, target)


def check_wheels(requirements: Path, target: Target, asked: Iterable[Requirement] = ()) -> None:
    """Raise `BadInputError` when something locked has no wheel for the target; asks the index, installs nothing.

    What is `asked` for gives the names as a person spelled them.
    """
    locked = requirement_files.read(requirements)
    if not locked.requirements:
        return
    with tempfile.TemporaryDirectory() as folder:
        argv = [*_argv(requirements, locked, target, Path(folder)), "--dry-run"]
        done = process.run(argv, cwd=requirements.parent, timeout=_TIMEOUT)
    if done.code:
        raise explained(done.err, [*locked.requirements, *asked], target)


def _argv(requirements: Path, locked: Requirements, target: Target, folder: Path) -> list[str]:
    argv = [uv(), "pip", "install", "--target", str(folder), "--requirements", str(requirements)]
    argv += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-progress", "--color", "never"]
    argv += [word for host in locked.hosts for word in ("--allow-insecure-host", host)]
    if target.platform:
        argv += ["--python-platform", target.platform, "--python-version", target.python]
    return [*argv, "--python", target.interpreter] if target.interpreter else argv


def explained(said: str, requirements: Iterable[Requirement], target: Target) -> StepladderError:
    """Turn what uv said into what to do about it, with each requirement in the spelling that it is asked for in."""
    spelled = {requirement.key: requirement.name for requirement in requirements if requirement.name}
    flat = re.sub(r"\s+", " ", said)
    lines = [line.strip() for line in said.splitlines() if line.strip(" ^") and not line.startswith("Using ")]
    for pattern, message, hint in _FAILURES:
        named = list(dict.fromkeys(pattern.findall(flat)))
        if named:
            names = ", ".join(f"{spelled.get(normal(name), name)}{version}" for name, version in named)
            fits = f"Python {target.python} on {target.platform or 'this machine'}"
            problems = tuple(line for line in lines if not line.startswith(("error: No sol", "hint: ")))[:_SHOWN]
            return BadInputError(message.format(names=names, fits=fits), hint=hint, problems=problems)
    return StepladderError(
        "the packages can't be installed: " + (lines[-1][:200] if lines else "uv said nothing"),
        hint="; ".join(lines[:4])[:600],
    )


def uv() -> str:
    """Return the path of the uv that this environment holds."""
    from uv import find_uv_bin

    return find_uv_bin()


def _entries(folder: Path) -> list[Entry]:
    """Keep what the function imports, drop what depends on the machine that installed it."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    found: dict[str, Entry] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (
            path.is_dir()
            or "__pycache__" in path.parts
            or (path.parent.name.endswith(".dist-info") and path.name in _INSTALLER)
        ):
            continue
        found[name] = Entry(name, path, executable=bool(path.stat().st_mode & 0o100))
    for name, entry in found.items():
        if name.endswith(".dist-info/RECORD"):
            _trim_record(entry.source, set(found))
    return list(found.values())


def _trim_record(path: Path, kept: set[str]) -> None:
    """Leave in RECORD what is in the layer, sorted: importlib.metadata reads it."""
    rows = sorted(row for row in csv.reader(path.read_text(encoding="utf-8").splitlines()) if row and row[0] in kept)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")


def _below(entries: Iterable[Entry], prefix: str) -> list[Entry]:
    return [Entry(f"{prefix}/{entry.path}", entry.source, entry.executable, entry.link) for entry in entries]
