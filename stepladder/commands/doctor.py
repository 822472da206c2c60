"""`inv doctor`: what is wrong with the project and what it made in AWS, each with the command that fixes it.

It reads only. With `--fix` it shows what can be fixed safely, asks, fixes it, and checks again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stepladder.core.aws import Aws, known_error
from stepladder.core.clock import Clock
from stepladder.core.console import Console
from stepladder.core.errors import NotReadyError, RefusedError, StepladderError
from stepladder.core.tables import Cell, Column
from stepladder.doctor.check import DoctorCheck
from stepladder.doctor.context import DoctorContext, SharedReads
from stepladder.doctor.finding import ERROR, LEVELS, NOTE, WARNING, Finding, Unchecked
from stepladder.doctor.registered import CHECKS
from stepladder.doctor.run import Examination, examine, jobs
from stepladder.releases.rung import Rung, clients
from stepladder.settings.load import Settings

_COLOURS = {ERROR: "red", WARNING: "yellow", NOTE: "dim"}
_HEAD = ("", "level", "subject", Column("problem", least=30, prose=True))
_COMMAND = "inv doctor"
_SPELLED_OUT = 6
"""Checks that are named one by one where one reason stands in the way of them."""


@dataclass(frozen=True)
class DoctorOptions:
    """What was typed."""

    environment: str = ""
    fix: bool = False
    confirmed: bool = False


@dataclass(frozen=True)
class Doctor:
    """One run. `loaded` are the settings, or the error that reading them raised."""

    root: Path
    loaded: Settings | StepladderError
    console: Console
    options: DoctorOptions = DoctorOptions()
    checks: Sequence[DoctorCheck] = CHECKS
    clock: Clock = field(default_factory=Clock)
    open_clients: Callable[[Settings, str], Aws] = clients

    def run(self) -> None:
        """Carry it out. Raises `StepladderError` for errors, and `NotReadyError` where only not all was checked."""
        if isinstance(self.loaded, StepladderError) and self.loaded.kind == "no-project":
            raise self.loaded
        environments = self._environments()
        examination = self._examine(environments)
        fixed: list[Finding] = []
        if self.options.fix:
            fixed = self._fix(examination)
            if fixed:
                examination = self._examine(environments)
                remaining = {each.key for each in examination.findings}
                fixed = [each for each in fixed if each.key not in remaining]
        self._report(examination, fixed)

    def _environments(self) -> tuple[str, ...]:
        if isinstance(self.loaded, StepladderError):
            return ()
        if self.options.environment:
            return (self.loaded.environment(self.options.environment).name,)
        return DoctorContext(self.root, self.loaded).environments

    def _examine(self, environments: Sequence[str]) -> Examination:
        reads = SharedReads()
        project = DoctorContext(self.root, self.loaded, reads=reads, clock=self.clock)
        contexts = [
            DoctorContext(self.root, self.loaded, rung, reads, self.clock) for rung in self._rungs(environments)
        ]
        with self.console.step("doctor") as step:
            examination = examine(
                jobs(self.checks, project, contexts), lambda done, total: step.progress("checks", done, total)
            )
            if isinstance(self.loaded, StepladderError):
                left = Unchecked("everything in AWS", "", self.loaded.message, self.loaded.hint)
                examination = replace(examination, unchecked=(*examination.unchecked, left))
            step.done(_ran(examination))
        return examination

    def _rungs(self, environments: Sequence[str]) -> list[Rung]:
        if isinstance(self.loaded, StepladderError):
            return []
        made: dict[tuple[str, str], Aws] = {}
        rungs = []
        for name in environments:
            at = self.loaded.environment(name)
            if (at.region, at.role_arn) not in made:
                made[at.region, at.role_arn] = self.open_clients(self.loaded, name)
            rungs.append(Rung(self.loaded, name, made[at.region, at.role_arn], self.console, _COMMAND, self.clock))
        return rungs

    # fix

    def _fix(self, examination: Examination) -> list[Finding]:
        """Fix what is safe, after a yes; return what was tried."""
        if not examination.safe:
            self.console.line("nothing that is wrong can be fixed safely")
            return []
        for each in examination.safe:
            if each.safe:
                self.console.line(f"can be fixed: {each.safe.description}")
        self._confirm(len(examination.safe))
        return [each for each in examination.safe if self._fixed(each)]

    @property
    def _again(self) -> str:
        """The command of this run, of the same environments."""
        return f"{_COMMAND} --env {self.options.environment}" if self.options.environment else _COMMAND

    def _confirm(self, count: int) -> None:
        if self.options.confirmed:
            return
        answer = self.console.ask(f"fix {'it' if count == 1 else f'these {count}'}?")
        if not answer:
            why = "nobody can be asked here" if answer is None else "the answer was no"
            raise RefusedError(
                f"nothing was fixed: {why}",
                kind="not-confirmed",
                hint=f"fix it without a question: `{self._again} --fix --yes`",
            )

    def _fixed(self, finding: Finding) -> bool:
        if finding.safe is None:
            return False
        try:
            with self.console.step("fix") as step:
                step.done(finding.safe.description)
                finding.safe.act()
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            self.console.warn(f"not fixed: {finding.safe.description}: {known.message}")
            return False
        return True

    # report

    def _report(self, examination: Examination, fixed: Sequence[Finding]) -> None:
        record = {
            "findings": [each.record() for each in examination.findings],
            "fixed": [each.record() for each in fixed],
            "healthy": not examination.errors and not examination.unchecked,
            "ran": examination.ran,
            "unchecked": [each.record() for each in examination.unchecked],
        }
        error = self._outcome(examination)
        if not self.console.as_json:
            self._print(examination, fixed)
        elif error is None:
            self.console.json(record)
        if error:
            error.record |= record
            raise error

    def _outcome(self, examination: Examination) -> StepladderError | None:
        if examination.errors:
            first = examination.errors[0]
            count = len(examination.errors)
            return StepladderError(
                f"{count} {'thing needs' if count == 1 else 'things need'} fixing",
                kind="unhealthy",
                hint=f"begin with the first, {first.subject}: {first.fix}",
            )
        if examination.unchecked:
            first_unchecked = examination.unchecked[0]
            summaries = dict.fromkeys(_grouped(examination.unchecked).values())
            return NotReadyError(
                f"not everything could be checked: {'; '.join(summaries)}",
                kind="doctor-incomplete",
                hint=first_unchecked.hint or "the lines above say why; `--json` under unchecked",
            )
        return None

    def _print(self, examination: Examination, fixed: Sequence[Finding]) -> None:
        console, findings = self.console, examination.findings
        for each in fixed:
            if each.safe:
                console.line(f"fixed: {each.safe.description}")
        if findings:
            console.table(_HEAD, [_row(number, each) for number, each in enumerate(findings, 1)])
            for numbers, fix in _fixes(findings):
                console.data(f"{numbers} {fix}")
        for (reason, hint), summary in _grouped(examination.unchecked).items():
            console.warn(f"not checked: {summary}: {reason}")
            if hint:
                console.hint(hint)
        safe = len(examination.safe)
        if safe and not self.options.fix:
            console.hint(f"{safe} of them can be fixed safely: `{self._again} --fix`")


def _ran(examination: Examination) -> str:
    counts = Counter(each.level for each in examination.findings)
    parts = [f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in LEVELS if counts[level]]
    total = examination.ran + len(examination.unchecked)
    checked = (
        f"{total} check{'' if total == 1 else 's'}"
        if not examination.unchecked
        else f"{examination.ran} of {total} checks"
    )
    return f"{checked}: {', '.join(parts) or 'nothing is wrong'}"


def _row(number: int, finding: Finding) -> tuple[object, ...]:
    level = Cell(finding.level, _COLOURS[finding.level])
    return (str(number), level, finding.subject, finding.problem)


def _fixes(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return what fixes the findings, each with their numbers."""
    numbers: dict[str, list[str]] = {}
    for number, each in enumerate(findings, 1):
        numbers.setdefault(each.fix, []).append(str(number))
    rows = {fix: ", ".join(each) for fix, each in numbers.items()}
    width = max(map(len, rows.values()), default=0)
    return [(f"{shown:>{width}}", fix) for fix, shown in rows.items()]


def _grouped(unchecked: Sequence[Unchecked]) -> dict[tuple[str, str], str]:
    """Return what wasn't checked by reason and hint: each check, or of what they are where they are many."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for each in unchecked:
        subjects = groups.setdefault((each.reason, each.hint), {}).setdefault(each.check, [])
        subjects += [each.subject] if each.subject else []
    return {key: _summary(checks) for key, checks in groups.items()}


def _summary(checks: Mapping[str, Sequence[str]]) -> str:
    if len(checks) > _SPELLED_OUT:
        subjects = dict.fromkeys(subject for each in checks.values() for subject in each)
        return f"{len(checks)} checks of {', '.join(subjects)}"
    return ", ".join(f"{name} ({', '.join(subjects)})" if subjects else name for name, subjects in checks.items())
