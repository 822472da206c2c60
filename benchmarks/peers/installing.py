"""Install the newest version of a tool by its own registry's client, into a folder of its own, once.

The folder is `<cache>/<tool>-<version>`: a second run of the same version finds it. Python's tools are compiled to byte
code by pip, without which each of their imports takes two to three times as long.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

CACHE = Path(__file__).resolve().parents[2] / ".stepladder" / "bench" / "peers"
_SECONDS = 900.0
_STAMP = "installed.json"
_NAME = re.compile(r"[\w.+-]+")


class NotRunnableError(Exception):
    """A peer can't be installed, or can't run here. The text is the reason, for the table."""


def reason(error: Exception) -> str:
    """Return the line that says why: the last that names an error, or the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    named = [line for line in lines if re.match(r"(?i)\W*(error|\w*(exception|error))\b.*\w", line)]
    return (named or lines)[-1][:200]


@dataclass(frozen=True)
class Tool:
    """A tool as its registry knows it. `packages` are installed together; the first one's version is the tool's.

    `wanted` restricts that version (`<4`); `registry` is pip or npm.
    """

    name: str
    packages: tuple[str, ...]
    registry: str
    wanted: str = ""

    def install(self, cache: Path) -> Installed:
        """Resolve the newest version and install it, unless that was done. Raises `NotRunnableError`."""
        version = self.newest()
        if not _NAME.fullmatch(version):
            raise NotRunnableError(f"{self.registry} answers with no version of {self.packages[0]}: {version[:80]}")
        folder = cache / f"{self.name}-{version}"
        stamp = folder / _STAMP
        if not stamp.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            if self.registry == "pip":
                _install_by_pip(folder, self._pinned(version, "=="))
            else:
                _install_by_npm(folder, self._pinned(version, "@"))
            stamp.write_text(json.dumps({"tool": self.name, "version": version}))
        return Installed(self.name, version, folder, self.registry)

    def newest(self) -> str:
        """Ask the registry for the newest version. Raises `NotRunnableError`."""
        package = self.packages[0]
        if self.registry == "npm":
            raw = json.loads(_run(["npm", "view", f"{package}@{self.wanted or 'latest'}", "version", "--json"]) or '""')
            return str(max(raw, key=Version) if isinstance(raw, list) else raw)  # in the order of publication, or none
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", package]
        version = re.search(r"\(([^)]+)\)", _run(pip))
        return version[1] if version else ""

    def _pinned(self, version: str, sign: str) -> list[str]:
        return [f"{self.packages[0]}{sign}{version}", *self.packages[1:]]


@dataclass(frozen=True)
class Installed:
    """A tool that is there, and how it is started."""

    name: str
    version: str
    folder: Path
    registry: str

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        inside = "bin" if self.registry == "pip" else "node_modules/.bin"
        return str(self.folder / inside / name)

    @property
    def packages(self) -> Path:
        """Return npm's folder of packages, for an app that imports from it."""
        return self.folder / "node_modules"


def _install_by_pip(folder: Path, packages: Sequence[str]) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--compile", *packages])


def _install_by_npm(folder: Path, packages: Sequence[str]) -> None:
    _run(["npm", "install", "--prefix", str(folder), "--no-fund", "--no-audit", "--silent", *packages])


def _run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(
            argv, env={**kept, **(env or {})}, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise NotRunnableError(f"{argv[0]} is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise NotRunnableError(f"{argv[0]} took longer than {_SECONDS:.0f} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise NotRunnableError(f"{Path(argv[0]).name} ended with {done.returncode}: {last[:200]}")
    return done.stdout
