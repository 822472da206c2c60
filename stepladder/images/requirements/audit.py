"""Ask which locked packages have known vulnerabilities: uv's auditor, which asks OSV (https://osv.dev).

`uv audit` reads a project. A lock of requirements becomes one, in a folder of its own, with exactly its packages. What
can't be asked is unknown, and never a pass. https://docs.astral.sh/uv/reference/cli/#uv-audit
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stepladder.core import process
from stepladder.core.errors import StepladderError
from stepladder.images.requirements import dependencies
from stepladder.images.requirements.read import Requirement
from stepladder.settings.supply_chain import IgnoredVulnerability

PYPI = "https://pypi.org/simple"
_TIMEOUT = 60.0
_ANSWERED = (0, 1)
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
QUARANTINED = "quarantined"
_NAME = "audited-packages"


@dataclass(frozen=True)
class Vulnerability:
    """A known vulnerability of a locked package; `fixed` are the versions that end it."""

    package: str
    version: str
    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    fixed: tuple[str, ...] = ()
    link: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """All its ids."""
        return (self.id, *self.aliases)


@dataclass
class AuditResult:
    """What is known of the packages of one lock. With a `problem` nothing is.

    `vulnerabilities` are those that count. `ignored` are those that don't, each with the reason of the settings, and
    `expired` the ids that the settings ignored until a day that has passed. `quarantined` are packages that their index
    keeps back. `skipped` are packages that no index has.
    """

    packages: int = 0
    vulnerabilities: list[Vulnerability] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    expired: dict[str, str] = field(default_factory=dict)
    quarantined: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether something was found that counts."""
        return bool(self.vulnerabilities or self.quarantined)


def audit(
    locked: Iterable[Requirement],
    *,
    url: str = "",
    ignored: Mapping[str, IgnoredVulnerability] | None = None,
    today: date | None = None,
) -> AuditResult:
    """Ask about locked packages. `url` is the database's address in place of OSV's own."""
    result = AuditResult()
    pinned: dict[str, set[str]] = {}
    for each in locked:
        if each.url or not each.version:
            result.skipped.append(each.name or each.text)
        else:
            pinned.setdefault(each.key, set()).add(each.version)
    result.packages = len(pinned)
    if not pinned:
        return result
    with tempfile.TemporaryDirectory() as folder:
        _project(Path(folder), pinned)
        try:
            done = process.run(_argv(url), cwd=Path(folder), env={"UV_HTTP_RETRIES": "1"}, timeout=_TIMEOUT)
        except StepladderError as error:
            result.problem = error.message
            return result
    answer = _answer(done.out) if done.code in _ANSWERED else None
    if answer is None:
        result.problem = _problem(done.err)
        return result
    _read(result, answer, ignored or {}, today or datetime.now(UTC).date())
    return result


def _argv(url: str) -> list[str]:
    argv = [dependencies.uv(), "audit", "--frozen", "--no-config", "--output-format", "json", "--color", "never"]
    argv += ["--preview-features", "audit-command,json-output"]
    return [*argv, "--service-url", url] if url else argv


def _project(folder: Path, pinned: Mapping[str, Iterable[str]]) -> None:
    """Write a project that needs exactly the packages, and its lock. A package may be locked in several versions."""
    index = next((value for name in _INDEXES if (value := os.environ.get(name, "")).startswith("http")), PYPI)
    names = ", ".join(json.dumps(name) for name in pinned)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{_NAME}"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{names}]\n'
        "[tool.uv]\npackage = false\n"
    )
    source = f"source = {{ registry = {json.dumps(index)} }}"
    every = [(name, version) for name, versions in pinned.items() for version in sorted(versions)]
    needed = ", ".join(
        f"{{ name = {json.dumps(name)}, version = {json.dumps(version)}, {source} }}" for name, version in every
    )
    packages = "".join(
        f"\n[[package]]\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\n{source}\n"
        for name, version in every
    )
    (folder / "uv.lock").write_text(
        f'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n[[package]]\nname = "{_NAME}"\nversion = "0"\n'
        f'source = {{ virtual = "." }}\ndependencies = [{needed}]\n{packages}'
    )


def _answer(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("vulnerabilities"), list) else None


def _read(
    result: AuditResult, answer: Mapping[str, Any], ignored: Mapping[str, IgnoredVulnerability], today: date
) -> None:
    for entry in answer["vulnerabilities"]:
        known = _vulnerability(entry) if isinstance(entry, dict) else None
        if known is None:
            result.problem = "the auditor's answer can't be read"
            return
        accepted = next(((name, ignored[name]) for name in known.ids if name in ignored), None)
        if accepted and accepted[1].until >= today:
            result.ignored[accepted[0]] = str(accepted[1])
            continue
        if accepted:
            result.expired[accepted[0]] = str(accepted[1])
        result.vulnerabilities.append(known)
    result.vulnerabilities.sort(key=lambda each: (each.package, each.id))
    for status in answer.get("adverse_statuses") or ():
        if isinstance(status, dict) and status.get("status") == QUARANTINED:
            result.quarantined.append(str(status.get("name", "")))


def _vulnerability(entry: Mapping[str, Any]) -> Vulnerability | None:
    dependency = entry.get("dependency")
    if not isinstance(dependency, dict) or not isinstance(entry.get("id"), str):
        return None
    return Vulnerability(
        str(dependency.get("name", "")),
        str(dependency.get("version", "")),
        str(entry.get("display_id") or entry["id"]),
        tuple(each for each in (entry["id"], *(entry.get("aliases") or ())) if each != entry.get("display_id")),
        str(entry.get("summary") or ""),
        tuple(map(str, entry.get("fix_versions") or ())),
        str(entry.get("link") or ""),
    )


def _problem(output: str) -> str:
    """Return why the auditor gave no answer, in one line without the address of an index, which may hold a password."""
    lines = [line.strip() for line in output.splitlines()]
    reason = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), "")
    if "unrecognized subcommand" in reason:
        return "this uv has no auditor; `uv lock --upgrade-package uv` gets a newer one"
    for word in reason.split():
        address = urlsplit(word.strip("()`'\""))
        if address.username or address.password:
            reason = reason.replace(word, address.hostname or "the index")
    causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ") and "://" not in line]
    if reason.startswith("Request failed") and causes:
        reason = f"the vulnerability database can't be reached: {causes[-1]}"
    return reason[:200] or "the auditor gave no answer"
