"""What a run of `inv bench` leaves: where and when it was made, with what, and its tables."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tables import Table

from stepladder.terraform import providers

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "reference" / "benchmarks.json"
_DEADLINE = 60


@dataclass(frozen=True)
class Part:
    """One module of measurements: how long it took, and the load average of a minute before and after it."""

    name: str
    seconds: float
    load: tuple[float, float]
    error: str = ""


@dataclass(frozen=True)
class Record:
    """A run. `started` is UTC, ISO 8601; `rounds` of 1 is a trial; `changed` says that files differed from `commit`."""

    started: str
    seconds: float
    rounds: int
    whole: bool
    commit: str
    changed: bool
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    load: tuple[float, float]
    parts: tuple[Part, ...]
    tables: tuple[Table, ...] = field(default=())

    def text(self) -> str:
        """Return the file's text."""
        return f"{json.dumps(asdict(self), indent=1, ensure_ascii=False)}\n"

    @classmethod
    def read(cls, file: Path = FILE) -> Record:
        """Return the record in a file."""
        known = json.loads(file.read_text("utf-8"))
        parts = tuple(Part(**{**part, "load": tuple(part["load"])}) for part in known["parts"])
        tables = tuple(map(Table.from_json, known["tables"]))
        return cls(**{**known, "load": tuple(known["load"]), "parts": parts, "tables": tables})


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def commit() -> tuple[str, bool]:
    """Return the commit of the checkout, and whether files differ from it; nothing where it is no checkout."""
    return _first_line(["git", "rev-parse", "HEAD"]), bool(_first_line(["git", "status", "--porcelain"]))


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processors": f"{os.cpu_count()}, {model[1] if model else platform.machine()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Return the versions of stepladder and of the programs under it; of one that isn't there, nothing."""
    programs = {
        "Node": (["node", "--version"], r"v([\d.]+)"),
        "Terraform": (["terraform", "version"], r"Terraform v([\d.]+)"),
        "Docker engine": (["docker", "version", "--format", "{{.Server.Version}}"], r"^(\d[\w.]+)"),
        "Docker client": (["docker", "--version"], r"version (\d[\w.]+)"),
    }
    found = {"stepladder": importlib.metadata.version("stepladder"), "Python": platform.python_version()}
    for name, (argv, pattern) in programs.items():
        if version := re.search(pattern, _first_line(argv)):
            found[name] = version[1]
    if provider := provider_version():
        found["Terraform's AWS provider"] = provider
    found |= {name: importlib.metadata.version(name) for name in ("invoke", "boto3", "cookiecutter")}
    return found


def provider_version() -> str:
    """Return the newest AWS provider in the mirror that projects use on this machine; nothing without a mirror."""
    with tempfile.TemporaryDirectory() as folder:
        mirror = providers.source(Path(folder), Path(folder)).mirror
    names = [path.name for path in (mirror / providers.REGISTRY / providers.NEEDED).rglob("*")] if mirror else []
    found = [tuple(map(int, match[1].split("."))) for name in names if (match := re.search(r"(\d+\.\d+\.\d+)", name))]
    return ".".join(map(str, max(found, default=())))


def _first_line(argv: list[str]) -> str:
    if not shutil.which(argv[0]):
        return ""
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=_DEADLINE, check=False)
    return done.stdout.partition("\n")[0].strip()
