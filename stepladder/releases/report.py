"""How a deploy ended: the lines for the person and the record for `--json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stepladder.core.release_facts import short
from stepladder.releases.plan import FOUNDATION, SERVICE, SMOKE, DeployPlan, EnvironmentState, PlannedStep
from stepladder.releases.rung import Rung

if TYPE_CHECKING:
    from stepladder.releases.release import Released


@dataclass(frozen=True)
class DeployReport:
    """How a deploy ended.

    `result` is released, applied (infrastructure only), tested (smoke cases only),
    unchanged or dry_run.
    """

    environment: str
    result: str
    version: str = ""
    previous_version: str = ""
    digest: str = ""
    previous_digest: str = ""
    git_commit: str = ""
    release_id: str = ""
    url: str = ""
    skipped_ladder: str = ""
    plan: tuple[PlannedStep, ...] = ()

    def record(self) -> dict[str, object]:
        """Return the one record that `--json` prints."""
        return asdict(self)


def unchanged(rung: Rung, state: EnvironmentState, plan: DeployPlan, url: str) -> DeployReport:
    """Report that the alias serves what is wanted and was left alone."""
    current = state.ledger.current
    if current is None:
        raise AssertionError("nothing can be unchanged before the first release")
    applied = plan.step(SERVICE).act or plan.step(FOUNDATION).act
    rung.console.line()
    tested = next((step for step in plan.steps if step.name == SMOKE and step.act), None)
    summary = "infrastructure applied, no release needed" if applied else "nothing to do"
    summary = f"the smoke cases pass ({tested.why})" if tested and not applied else summary
    rung.console.line(f"{rung.target}: {summary}, version {current.version} is live ({short(current.digest)})")
    _say_url(rung, url)
    return DeployReport(
        rung.target,
        "applied" if applied else "tested" if tested else "unchanged",
        version=current.version,
        previous_version=current.version,
        digest=current.digest,
        previous_digest=current.digest,
        release_id=current.release_id,
        url=url,
        plan=plan.steps,
    )


def previewed(rung: Rung, state: EnvironmentState, plan: DeployPlan, url: str) -> DeployReport:
    """Report a dry run."""
    current = state.ledger.current
    return DeployReport(
        rung.target,
        "dry_run",
        version=state.alias.version if state.alias else "",
        digest=current.digest if current else "",
        url=url,
        plan=plan.steps,
    )


def released(rung: Rung, done: Released, state: EnvironmentState, plan: DeployPlan, url: str) -> DeployReport:
    """Report a release: before -> after, where it answers, how to undo it."""
    entry, console = done.release, rung.console
    before = state.ledger.current.digest if state.ledger.current else ""
    console.line()
    first = not entry.previous_version
    summary = f", {entry.remarks}" if entry.remarks else ""
    if done.moved and not first:
        images = f"{short(before) or '?'} -> {short(entry.digest)}" if before != entry.digest else "same image"
        console.line(f"{entry.environment}: version {entry.previous_version} -> {entry.version} ({images}){summary}")
    else:
        console.line(f"{entry.environment}: version {entry.version} is live ({short(entry.digest)}){summary}")
    _say_url(rung, url)
    if done.moved and not first:
        console.line(f"undo: `inv rollback {rung.flags}`")
    return DeployReport(
        entry.environment,
        "released",
        version=entry.version,
        previous_version=entry.previous_version,
        digest=entry.digest,
        previous_digest=before,
        git_commit=entry.git_commit,
        release_id=entry.release_id,
        url=url,
        skipped_ladder=entry.skipped_ladder,
        plan=plan.steps,
    )


def _say_url(rung: Rung, url: str) -> None:
    if url:
        from stepladder.aws_lambda import function_url

        rung.console.line(f"url: {function_url.shown(url)}")
