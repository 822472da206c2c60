"""Smoke cases on what is live: for `inv smoke`, and for a deploy that changed nothing but them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypedDict

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.core import names
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell, Column
from stepladder.ledger.schema import Current
from stepladder.releases import release as releases
from stepladder.releases import restore
from stepladder.releases.plan import EnvironmentState
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_case import SmokeOutcome
from stepladder.releases.smoke_outputs import cases_of
from stepladder.releases.smoke_suite import Suite, load_suite

HEAD = (Column("case", least=12), "result", "slowest", "runs", Column("why", least=30, prose=True))


def passed(rung: Rung, alias: Alias, current: Current, suite: Suite) -> str:
    """Return the key of the cases that the live version passes; those that it hasn't passed yet are run now."""
    if not suite.key or cases_of(suite.key) == cases_of(current.smoke_key):
        return current.smoke_key
    fate = f"version {alias.version} stays live: only the smoke cases changed"
    releases.run_smoke(rung, alias.version, suite.cases, fate=fate)
    return suite.key


def retest(rung: Rung, state: EnvironmentState, suite: Suite) -> None:
    """Run the cases on the live version and record that it passed them, so that the next deploy need not."""
    current, alias = state.ledger.current, state.alias
    if current is None or alias is None:
        raise AssertionError("testing what is live needs an alias and a current release")
    new = replace(current, smoke_key=passed(rung, alias, current, suite))
    rung.ledger.set_current(rung.target, new, was=current, holding=rung.lock.holding)


class SmokeRecord(TypedDict):
    """One run of the smoke cases, for `--json`. `passed` and `failed` count the `cases`."""

    environment: str
    version: str
    digest: str
    passed: int
    failed: int
    cases: list[dict[str, object]]


def smoke(rung: Rung, version: str = "") -> SmokeRecord:
    """Run the project's cases through the alias, or on one version; print the table and return the record.

    Raises `StepladderError` with that record when a case fails, `BadInputError` when the cases can't be read, and
    `RefusedError` when nothing is live or there is no such version.
    """
    suite = load_suite(rung)
    qualifier, served, digest = _subject(rung, version)
    with rung.console.step("smoke") as step:
        outcomes = releases.outcomes(rung, qualifier, suite.cases)
        failed = [outcome for outcome in outcomes if not outcome.passed]
        step.done(f"{len(outcomes) - len(failed)} of {len(outcomes)} pass on version {served} ({short(digest) or '?'})")
        step.mark = "fail" if failed else "ok"
    record: SmokeRecord = {
        "environment": rung.target,
        "version": served,
        "digest": digest,
        "passed": len(outcomes) - len(failed),
        "failed": len(failed),
        "cases": [_record(outcome) for outcome in outcomes],
    }
    if not rung.console.as_json:
        rung.console.table(HEAD, [_row(outcome) for outcome in outcomes])
    if failed:
        error = StepladderError(
            f"version {served} of {rung.target} fails {len(failed)} of {len(outcomes)} smoke cases",
            kind="smoke-failed",
            hint=f"call it yourself: `inv function.invoke {rung.flags} --version '{served}'`",
        )
        error.record = dict(record)
        raise error
    return record


def _subject(rung: Rung, version: str) -> tuple[str, str, str]:
    """Return what to call, the version that answers, and its digest."""
    alias = None if version else rung.alias()
    if not version and alias is None:
        raise restore.nothing_live(rung)
    if alias and alias.weights:
        rung.console.warn(
            f"traffic is split, version {alias.version}{aliases.weighted(alias)}: any of them may answer a case; "
            "--version tests one"
        )
    served = alias.version if alias else version
    state = rung.function.read(served)
    if state is None:
        raise RefusedError(
            f"there is no version {served} of {rung.names.function}",
            kind="unknown-version",
            hint=f"the releases and their versions: `inv ledger {rung.flags}`",
        )
    return (version or names.ALIAS), served, state.digest


def _record(outcome: SmokeOutcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "passed": outcome.passed,
        "seconds": round(outcome.seconds, 3),
        "runs": outcome.runs,
        "mismatches": list(outcome.mismatches),
    }


def _row(outcome: SmokeOutcome) -> tuple[object, ...]:
    result = Cell("passed", "green") if outcome.passed else Cell("failed", "red")
    why = "; ".join(outcome.mismatches) or "-"
    return outcome.name, result, f"{outcome.seconds * 1000:.0f} ms", outcome.runs, why
