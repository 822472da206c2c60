"""Run checks side by side. One that can't run says why, and hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from stepladder.core.aws import known_error
from stepladder.core.errors import StepladderError
from stepladder.doctor import caller
from stepladder.doctor.check import LOCATION, PROJECT, DoctorCheck
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, LEVELS, Finding, Unchecked

_AT_ONCE = 16
Job = tuple[DoctorCheck, DoctorContext]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Examination:
    """What the checks found, the worst first; `ran` counts those that ran to their end."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    ran: int

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What doesn't work."""
        return tuple(each for each in self.findings if each.level == ERROR)

    @property
    def safe(self) -> tuple[Finding, ...]:
        """What `--fix` can fix."""
        return tuple(each for each in self.findings if each.safe)


def jobs(checks: Iterable[DoctorCheck], project: DoctorContext, environments: Sequence[DoctorContext]) -> list[Job]:
    """Return each check with what it is of: the first environment of an account and region stands for it."""
    locations = {(each.names.account, each.names.region): each for each in reversed(environments)}
    planned: list[Job] = []
    for check in checks:
        if check.scope == PROJECT:
            planned.append((check, project))
        elif check.scope == LOCATION:
            planned += [(check, each) for each in environments if each in locations.values()]
        else:
            planned += [(check, each) for each in environments]
    return planned


def examine(planned: Sequence[Job], progress: Progress = lambda _done, _total: None) -> Examination:
    """Run them. The order of the result is the order of the checks, whichever ends first."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor")
    try:
        futures = [pool.submit(_one, check, context) for check, context in planned]
        for done, _ in enumerate(as_completed(futures), 1):
            progress(done, len(futures))
        results = [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    unique: dict[tuple[str, str, str, str], Finding] = {}
    for own, _ in results:
        for each in own:
            unique.setdefault(each.key, each)
    findings = sorted(unique.values(), key=lambda each: LEVELS.index(each.level))
    unchecked = [left for _, left in results if left]
    return Examination(tuple(findings), tuple(unchecked), len(planned) - len(unchecked))


def _one(check: DoctorCheck, context: DoctorContext) -> tuple[list[Finding], Unchecked | None]:
    findings: list[Finding] = []
    try:
        if context.at and check.needs_caller:
            caller.require(context)
        for finding in check.act(context):
            findings.append(replace(finding, check=check.name))  # noqa: PERF401 - what comes before an error is kept
    except Exception as error:  # noqa: BLE001 - one check hides no other
        return findings, _unchecked(check, context, error)
    return findings, None


def _unchecked(check: DoctorCheck, context: DoctorContext, error: Exception) -> Unchecked:
    known = known_error(error) or StepladderError(f"unexpected {type(error).__name__}: {error}")
    subject = "" if context.at is None else context.location if check.scope == LOCATION else context.environment
    return Unchecked(check.name, subject, known.message, known.hint)
