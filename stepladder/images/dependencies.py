"""The dependency layer: exactly the locked wheels, for the function's platform and Python, made once per lock file."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from stepladder import files, process
from stepladder.errors import BadInputError, StepladderError
from stepladder.images.archive import Layer, write_layer
from stepladder.images.context import Entry

_VERSION = 1  # raise it when the layer is laid out anew
_TIMEOUT = 600.0
_INSTALLER = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;\\]+)")
# Amazon Linux 2 (Python 3.11) has glibc 2.26, Amazon Linux 2023 has 2.34; uv names no 2.26
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_GLIBC = {"3.11": "manylinux_2_17"}
_GLIBC_NEWER = "manylinux_2_34"
_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


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
    pinned = _locked(requirements) if requirements.is_file() else {}
    extra = tuple(extra)
    if not pinned and not extra:
        return None
    content = requirements.read_bytes() if pinned else b""
    parts = (str(_VERSION).encode(), content, repr(target).encode(), prefix.encode(), *(e.read() for e in extra))
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    note = cache / "dependencies" / f"{key}.json"
    cached = _cached(note, cache / "blobs")
    if cached:
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".install-") as scratch:
        folder = Path(scratch)
        _install(requirements, pinned, target, folder)
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


def _locked(requirements: Path) -> dict[str, str]:
    """Return name -> version of every requirement; each must carry a version and a hash."""
    text = requirements.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for raw in text.splitlines() if (line := raw.split(" #")[0].strip()) and not line.startswith("#")]
    pinned: dict[str, str] = {}
    loose: list[str] = []
    for line in lines:
        if line.startswith(
            ("--index-url", "--extra-index-url", "-i ", "--find-links", "-f ", "--no-index", "--only-binary")
        ):
            continue
        match = _PINNED.match(line)
        if match and "--hash=" in line:
            pinned[match[1]] = match[2]
        else:
            loose.append(f"{requirements.name}: {line[:80]}")
    if loose:
        folder = requirements.parent.name
        raise BadInputError(
            f"{folder}/{requirements.name} is not locked by hashes",
            hint=f"lock it: uv pip compile {folder}/requirements.in --generate-hashes --no-strip-markers "
            f"-o {folder}/{requirements.name}",
            problems=tuple(loose),
        )
    return pinned


def _install(requirements: Path, pinned: dict[str, str], target: Target, folder: Path) -> None:
    if not pinned:
        return
    argv = [uv(), "pip", "install", "--target", str(folder), "--requirements", str(requirements)]
    argv += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
    argv += ["--no-compile-bytecode", "--no-progress", "--color", "never"]
    if target.platform:
        argv += ["--python-platform", target.platform, "--python-version", target.python]
    if target.interpreter:
        argv += ["--python", target.interpreter]
    done = process.run(argv, cwd=requirements.parent, timeout=_TIMEOUT)  # where the project may configure an index
    if done.code:
        _explain(done.err, pinned, target)


def _explain(said: str, pinned: dict[str, str], target: Target) -> None:
    """Turn uv's failure into ours: name the requirement that has no wheel."""
    fits = f"Python {target.python} on {target.platform or 'this machine'}"
    flat = re.sub(r"\s+", " ", said)
    named = [f"{name}=={version}" for name, version in pinned.items() if f"{name}=={version}" in flat]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if named and "wheel" in flat:
        raise BadInputError(
            f"{', '.join(named)} has no wheel for {fits}",
            hint="take a version that has one (see its files on the package index), or set "
            "stepladder.image.builder to docker and build it in the Dockerfile",
            problems=tuple(lines[:6]),
        )
    raise StepladderError(
        "the dependencies can't be installed: " + (lines[-1][:200] if lines else "uv said nothing"),
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
