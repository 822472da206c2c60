"""`inv rollback` of a project with several functions: those that were released together return together.

Without `--function` these are the functions whose release is the newest: one deploy or one promotion gave all of them
its id. Every target is chosen and checked, every lock taken and every target woken before the first alias moves. An
alias that can't be moved then takes none of the others back to what they were to leave: the same command goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stepladder.commands.many_report import several
from stepladder.commands.rollback import Rollback, RollbackChoice
from stepladder.commands.rollback_set import released_together
from stepladder.core.errors import ExitCode, RollbackFailedError, StepladderError
from stepladder.core.process_identity import release_id
from stepladder.core.release_facts import short
from stepladder.core.several import attempt, combined, tried
from stepladder.core.tables import Cell, Column
from stepladder.ledger.words import result_words
from stepladder.releases import foretold, marks
from stepladder.releases.rollback_acts import RollbackActs
from stepladder.releases.rollback_plan import VERSION, RollbackPlan, RollbackReport
from stepladder.releases.rollback_preview import RollbackDescription
from stepladder.releases.rung import Rung, uninterrupted
from stepladder.settings.functions import MAIN, given

AT_ONCE = 8  # functions that are worked on at once
HEAD = (Column("function", least=12), "result", "version", "image")


@dataclass(frozen=True)
class RollbackOptions:
    """What the caller asked for; see `Rollback`."""

    to: str = ""
    why: str = ""
    dry_run: bool = False
    bad: bool | None = None


@dataclass(frozen=True)
class RollbackManyReport:
    """How a rollback of several functions ended. `result` is rolled_back, unchanged or dry_run."""

    environment: str
    result: str
    functions: Mapping[str, RollbackReport]

    def record(self) -> dict[str, object]:
        """Return the one record that `--json` prints. The project's own function has an empty name."""
        functions = [{"name": name, **report.record()} for name, report in self.functions.items()]
        return {"environment": self.environment, "result": self.result, "functions": functions}


class FunctionRollback:
    """One function that is rolled back with others. `rung` is a view of it."""

    choice: RollbackChoice
    acts: RollbackActs

    def __init__(self, name: str, rung: Rung, options: RollbackOptions) -> None:
        self.name, self.rung = name, rung
        self.rollback = Rollback(rung, to=options.to, why=options.why, dry_run=options.dry_run, bad=options.bad)
        self.report: RollbackReport | None = None
        self.marked = ""
        self.error: Exception | None = None

    @property
    def label(self) -> str:
        """The function as people read it."""
        return self.rung.target

    def choose(self) -> None:
        """Read, and choose and check the target."""
        self.choice = self.rollback.choose()
        self.report = self.choice.report

    def ready(self) -> None:
        """Wake and test the target as far as it needs that."""
        self.acts.ready(next(step for step in self.acts.plan.steps if step.name == VERSION))

    def move(self) -> None:
        """Move the alias."""
        self.acts.move()

    def record(self) -> None:
        """Write it down."""
        self.report = replace(self.acts.record(), marked_bad=self.marked)


class RollbackMany:
    """One rollback of several functions of an environment. `rung` is it with the whole project."""

    def __init__(self, rung: Rung, options: RollbackOptions, names: Sequence[str] = ()) -> None:
        self.rung, self.options, self.names = rung, options, tuple(names)
        self.pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rollback")

    def run(self) -> RollbackManyReport:
        """Roll back and return the report.

        Raises as `Rollback.run` does before anything has moved, with a line for each function that can't return.
        Raises `RollbackFailedError` when some returned and others couldn't.
        """
        with self.pool, foretold.refusals(dry_run=self.options.dry_run):
            names = self.names or released_together(self.rung, self.options.to)
            functions = [self._function(name) for name in names]
            attempt(functions, FunctionRollback.choose, self.pool)
            for function in functions:
                function.rollback.show(function.choice)
            acting = [function for function in functions if not function.choice.is_done]
            if not acting:
                self.rung.console.line(f"{self.rung.environment}: nothing to do, every function serves its target")
                return self._report(functions, "unchanged")
            if self.options.dry_run:
                self._describe(acting)
                return self._report(functions, "dry_run")
            self._act(acting)
            return self._close(functions)

    def _function(self, name: str) -> FunctionRollback:
        view = self.rung.of_function(name)
        return FunctionRollback(name, replace(view, console=self.rung.console.about(view.target)), self.options)

    def _describe(self, functions: Sequence[FunctionRollback]) -> None:
        """Say what a rollback would do."""
        marks = set(self._markable(functions))
        for function, plan in self._plans(functions, marks):
            RollbackDescription(function.rung, asks=self.options.bad is None).execute(plan)
            function.report = replace(function.choice.report, result="dry_run", marked_bad=function.marked)

    def _plans(
        self, functions: Sequence[FunctionRollback], bad: Collection[str]
    ) -> Iterator[tuple[FunctionRollback, RollbackPlan]]:
        """Yield each function with its plan. An image is marked by the first that leaves it: its mark is one item."""
        unmarked = set(bad)
        for function in functions:
            digest = function.choice.report.marked_bad
            function.marked = digest if digest in bad else ""
            yield function, function.choice.plan(marked_bad=digest if digest in unmarked else "")
            unmarked.discard(digest)

    def _act(self, functions: Sequence[FunctionRollback]) -> None:
        """Take the locks in the order of their names, then work on several functions at once."""
        shared = release_id(self.rung.clock.now(), max(function.choice.live_release for function in functions))
        for function, plan in self._plans(functions, self._judged(functions)):
            function.acts = RollbackActs(function.rung, plan, self.options.why, shared)
        attempt(functions, lambda function: function.acts.deployment(function.acts.plan.steps[0]), self.pool)
        with contextlib.ExitStack() as held:
            for function in sorted(functions, key=lambda each: each.rung.target):
                function.acts.hold(held)
            attempt(functions, FunctionRollback.ready, self.pool)
            with uninterrupted():
                failed = tried(functions, FunctionRollback.move, self.pool)
                moved = [function for function in functions if function not in failed]
                failed += tried(moved, FunctionRollback.record, self.pool)
        if failed:
            raise self._failed(functions, failed)

    def _failed(self, functions: Sequence[FunctionRollback], failed: Sequence[FunctionRollback]) -> Exception:
        """Return the error that says which functions returned and which didn't."""
        returned = [each for each in functions if each not in failed]
        lines = [f"{each.label}: returned to version {each.choice.target.version}, verified" for each in returned]
        error = combined([(each.label, each.error) for each in failed if each.error], lines)
        if not isinstance(error, StepladderError):
            return error
        if returned and error.exit_code != ExitCode.ROLLBACK_FAILED:
            hint = f"go on with it: `inv rollback --env {self.rung.environment}{self._again(failed)}`"
            error = RollbackFailedError(error.message, kind=error.kind, hint=hint, problems=error.problems)
        error.record = self._report(functions, "failed").record()
        return error

    def _again(self, failed: Sequence[FunctionRollback]) -> str:
        """Return the flags that go on with those that failed: without any, they return to the release before."""
        if not self.options.to:
            return ""
        named = "".join(f" --function {each.name or MAIN}" for each in failed) if self.names else ""
        return f" --to {self.options.to}{named}"

    def _judged(self, functions: Sequence[FunctionRollback]) -> set[str]:
        """Return the images to mark, of those that may be."""
        markable = self._markable(functions)
        if self.options.bad:
            return set(markable)
        return {digest for digest, each in markable.items() if each.rollback.judged(each.choice.state, digest)}

    def _markable(self, functions: Sequence[FunctionRollback]) -> dict[str, FunctionRollback]:
        """Return the images that are left. One that another function serves is marked only where `--bad` says so."""
        candidates = {each.choice.report.marked_bad: each for each in functions if each.choice.report.marked_bad}
        if not candidates or self.options.bad:
            return candidates
        names = {each.name for each in functions}
        others = [self.rung.of_function(name).target for name in self.rung.settings.function_names if name not in names]
        serving = {each.current.digest for each in self.rung.ledger.snapshots(others).values() if each.current}
        for digest in candidates.keys() & serving:
            self.rung.console.warn(
                f"image {short(digest)} is not marked bad: other functions serve it; --bad marks it nevertheless"
            )
        return {digest: each for digest, each in candidates.items() if digest not in serving}

    # report

    def _close(self, functions: Sequence[FunctionRollback]) -> RollbackManyReport:
        """Say where traffic goes now, and what became of the images that were left."""
        console = self.rung.console
        report = self._report(functions, "rolled_back")
        console.line()
        if not console.as_json:
            console.table(HEAD, [_row(each.label, each.report) for each in functions if each.report])
        returned = [one for one in report.functions.values() if one.result == "rolled_back"]
        console.line(f"{self.rung.environment}: {several(returned, 'is', 'are')} rolled back, verified")
        for digest in sorted({one.marked_bad for one in report.functions.values() if one.marked_bad}):
            console.line(f"image {short(digest)} is marked bad: deploy and promote refuse it without --force")
            console.hint(f"if it is good after all: `{marks.unmark_command(digest)}`")
        return report

    def _report(self, functions: Sequence[FunctionRollback], result: str) -> RollbackManyReport:
        reports = {each.name: each.report for each in functions if each.report}
        return RollbackManyReport(self.rung.environment, result, reports)


def _row(label: str, report: RollbackReport) -> tuple[object, ...]:
    words = Cell(result_words(report.result), "green" if report.result == "rolled_back" else "")
    return label, words, f"{report.previous_version} -> {report.version}", short(report.digest)


def run(rung: Rung, flags: Sequence[str], options: RollbackOptions) -> RollbackReport | RollbackManyReport:
    """Roll back the functions that `--function` names, or what was released last. Raises as `RollbackMany.run`.

    A project with its own function alone has its own rollback.
    """
    chosen = {given(rung.settings, flag) for flag in flags}
    every = rung.settings.function_names
    if every == ("",):
        return Rollback(rung, to=options.to, why=options.why, dry_run=options.dry_run, bad=options.bad).run()
    return RollbackMany(rung, options, [name for name in every if name in chosen]).run()
