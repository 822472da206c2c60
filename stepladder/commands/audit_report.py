"""What is known of the locked packages: warned of by `inv lock`, and judged by `inv lock --check`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, StepladderError
from stepladder.images.requirements import audit, read
from stepladder.images.requirements import lock as locks
from stepladder.images.requirements.audit import AuditResult
from stepladder.settings import functions
from stepladder.settings.load import Settings

_SHOWN = 20
_OTHER_LOCKS = ("poetry.lock", "pdm.lock", "Pipfile.lock", "uv.lock")


@dataclass(frozen=True)
class VulnerabilityRecord:
    """A vulnerability for `--json`."""

    package: str
    version: str
    id: str
    aliases: list[str]
    summary: str
    fixed: list[str]
    link: str


@dataclass(frozen=True)
class LockRecord:
    """A lock for `--json`. `audit` is clean, vulnerable, unknown or off; `problem` says why nothing is known."""

    lock: str
    packages: int
    audit: str
    vulnerabilities: list[VulnerabilityRecord] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    expired: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class LockCheckRecord:
    """What `inv lock --check --json` prints."""

    locks: list[LockRecord]


def warn(settings: Settings, console: Console) -> None:
    """Warn of what is known of the packages that were just locked; nothing stops the command."""
    if not settings.supply_chain.audit:
        return
    with console.step("audit") as step:
        result = _audit(settings)
        if result.problem:
            step.skip("unknown")
        else:
            step.done(words(result))
    _show(console, result, settings.image.context)


def check(settings: Settings, console: Console, function: str = "") -> LockCheckRecord:
    """Check each lock and change nothing: it holds what is asked for, and no package has a known vulnerability.

    Raises `BadInputError` for a lock that lacks something or isn't there, `StepladderError` (1) for vulnerabilities,
    `NotReadyError` (6) when the database couldn't be asked.
    """
    contexts = {view.image.context: view for view in functions.views(settings, function).values()}
    records, bad, problems = list[LockRecord](), list[str](), list[str]()
    for context, view in contexts.items():
        if not function and context != settings.whole.image.context and not _files(view):
            continue
        _require(view)
        locks.check(view)
        with console.step("audit") as step:
            result = _audit(view) if view.supply_chain.audit else AuditResult()
            state = _state(view, result)
            (step.skip if state in {"unknown", "off"} else step.done)(f"{context}: {_in_words(state, result)}")
        _show(console, result, context)
        records.append(_record(view, result, state))
        bad += [f"{each.package} {each.version}: {each.id}" for each in result.vulnerabilities]
        bad += [f"{name}: its index keeps it back as {audit.QUARANTINED}" for name in result.quarantined]
        problems += [f"{context}: {result.problem}"] if result.problem else []
    record = LockCheckRecord(records)
    if bad or problems:
        raise _failure(bad, problems, record)
    return record


def words(result: AuditResult) -> str:
    """Return in a few words what is known."""
    if result.is_bad:
        count = len(result.vulnerabilities) + len(result.quarantined)
        return f"{count} known {'vulnerability' if count == 1 else 'vulnerabilities'} in {result.packages} packages"
    return f"no known vulnerability in {result.packages} packages"


def _in_words(state: str, result: AuditResult) -> str:
    return {"off": "not asked", "unknown": "unknown"}.get(state) or words(result)


def _state(settings: Settings, result: AuditResult) -> str:
    if not settings.supply_chain.audit:
        return "off"
    return "unknown" if result.problem else "vulnerable" if result.is_bad else "clean"


def _audit(settings: Settings) -> AuditResult:
    section = settings.supply_chain
    locked = read.read(_lock(settings)).requirements if _lock(settings).is_file() else []
    return audit.audit(locked, url=section.audit_url, ignored=section.ignored_vulnerabilities)


def _lock(settings: Settings) -> Path:
    return settings.root / settings.image.context / "requirements.txt"


def _files(settings: Settings) -> list[str]:
    folder = settings.root / settings.image.context
    return [name for name in ("requirements.in", "requirements.txt", *_OTHER_LOCKS) if (folder / name).is_file()]


def _require(settings: Settings) -> None:
    """Raise `BadInputError` for a context without a lock that can be read, with the command that makes one."""
    context, names = settings.image.context, _files(settings)
    if "requirements.txt" in names:
        return
    if "requirements.in" in names:
        raise BadInputError(
            f"{context}/requirements.in isn't locked", kind="bad-requirements", hint="lock it: `inv lock`"
        )
    other = next((name for name in names if name in _OTHER_LOCKS), "")
    if other:
        raise BadInputError(
            f"{context}/ has {other} and no requirements.txt, which is the only lock that is read",
            kind="bad-requirements",
            hint=f"write `{context}/requirements.in` and run `inv lock`, or export {other} to requirements.txt",
        )
    raise BadInputError(
        f"{context}/ has no requirements.txt",
        kind="bad-requirements",
        hint=f"write `{context}/requirements.in`: what the function needs, a package a line; then run `inv lock`",
    )


def _show(console: Console, result: AuditResult, context: str) -> None:
    for each in result.vulnerabilities[:_SHOWN]:
        aliases = f" ({', '.join(each.aliases[:3])})" if each.aliases else ""
        fixed = f"; fixed in {', '.join(each.fixed)}" if each.fixed else "; no version fixes it yet"
        console.warn(f"{each.package} {each.version}: {each.id}{aliases} {each.summary}{fixed}")
    if len(result.vulnerabilities) > _SHOWN:
        console.warn(f"{len(result.vulnerabilities) - _SHOWN} more; `inv lock --check --json` lists all")
    for name in result.quarantined:
        console.warn(
            f"{name}: its index keeps it back as {audit.QUARANTINED}; take it out of {context}/requirements.in"
        )
    for name, why in result.expired.items():
        console.warn(f"{name} is ignored no more: {why}")
    for name, why in result.ignored.items():
        console.line(f"  {name} is ignored: {why}")
    if result.skipped:
        console.line(f"  not asked about, since no index has them: {', '.join(result.skipped)}")
    if result.problem:
        console.warn(f"whether the packages of {context}/ have known vulnerabilities is unknown: {result.problem}")


def _record(settings: Settings, result: AuditResult, state: str) -> LockRecord:
    return LockRecord(
        lock=f"{settings.image.context}/requirements.txt",
        packages=result.packages,
        audit=state,
        vulnerabilities=[
            VulnerabilityRecord(
                each.package, each.version, each.id, list(each.aliases), each.summary, list(each.fixed), each.link
            )
            for each in result.vulnerabilities
        ],
        quarantined=result.quarantined,
        ignored=result.ignored,
        expired=result.expired,
        skipped=result.skipped,
        problem=result.problem,
    )


def _failure(bad: list[str], problems: list[str], record: LockCheckRecord) -> StepladderError:
    from dataclasses import asdict

    error: StepladderError
    if bad:
        error = StepladderError(
            f"{len(bad)} known {'vulnerability' if len(bad) == 1 else 'vulnerabilities'} in what is locked",
            kind="vulnerable-packages",
            hint="lock newer versions: `inv lock --upgrade`; one that is no danger here belongs under "
            "`stepladder.supply_chain.ignored_vulnerabilities`, with a reason and a day",
            problems=tuple(bad),
        )
    else:
        error = NotReadyError(
            "whether the locked packages have known vulnerabilities is unknown",
            kind="audit-unknown",
            hint="run `inv lock --check` again where the database can be reached, or name a mirror in "
            "`stepladder.supply_chain.audit_url`",
            problems=tuple(problems),
        )
    error.record = asdict(record)
    return error
