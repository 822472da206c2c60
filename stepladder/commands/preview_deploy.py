"""What a deploy of a preview does around the deploy of any environment: its record in the ledger, the limit, the file.

The record is written before anything is made, so that whatever a killed run leaves is found and destroyed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from stepladder.core.clock import stamp
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.names import is_preview
from stepladder.forge import registered
from stepladder.ledger.schema import Preview
from stepladder.releases import preview_file, preview_owner
from stepladder.releases.preview_file import PreviewResult
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.settings import previews
from stepladder.settings.functions import views

if TYPE_CHECKING:
    from stepladder.commands.many_report import ManyReport

_HOUR = 3600
_SIGNED = "url-iam"
Report = TypeVar("Report", "DeployReport", "ManyReport", "DeployReport | ManyReport")


def around(rung: Rung, deploy: Callable[[], Report], *, dry_run: bool) -> Report:
    """Deploy; where the environment is a preview, with all that belongs to one.

    Raises `RefusedError` when there are as many previews as there may be, or when what all of them share was never
    made.
    """
    if not is_preview(rung.environment):
        return deploy()
    before = _checked(rung)
    if dry_run:
        return deploy()
    record = _record(rung, before)
    rung.ledger.write_preview(rung.environment, record)
    result = PreviewResult(rung.environment, until=record.until)
    try:
        report = deploy()
    except BaseException as error:
        problem = error.message if isinstance(error, StepladderError) else type(error).__name__
        preview_file.write(rung.settings, replace(result, result="failed", problem=problem))
        raise
    shown = _main(report)
    rung.ledger.write_preview(rung.environment, replace(record, url=shown.url or record.url))
    preview_file.write(
        rung.settings,
        replace(
            result,
            result=report.result,
            url=shown.url,
            version=shown.version,
            commit=shown.git_commit,
            signed=_is_signed(rung, shown),
        ),
    )
    rung.console.line(f"{rung.environment} is a preview, until {record.until}: `inv preview` lists all")
    return report


def _checked(rung: Rung) -> Preview | None:
    """Return the preview's record so far; refuse another forge's, one more than there may be, and no foundation."""
    settings, base = rung.settings.whole, previews.base_name(rung.settings)
    if not rung.ledger.snapshot(rung.environment).exists:
        raise RefusedError(
            f"{base} was never deployed, and a preview shares its foundation",
            kind="not-applied",
            hint=f"begin there: `inv deploy --env {base}`",
        )
    records = rung.ledger.previews()
    before = records.get(rung.environment)
    preview_owner.check(rung.environment, before, registered.current())
    limit = settings.previews.limit
    if before is None and len(records) >= limit:
        oldest = min(records, key=lambda name: records[name].deployed_at)
        raise RefusedError(
            f"there are {len(records)} previews, and there may be {limit}",
            kind="preview-limit",
            hint=f"destroy what is past its time: `inv preview.sweep`; or one: `inv preview.destroy --env {oldest}`; "
            "or set `stepladder.previews.limit`",
        )
    return before


def _record(rung: Rung, before: Preview | None) -> Preview:
    now = rung.clock.now() + rung.ledger.offset
    forge = registered.current()
    return Preview(
        since=before.since if before else stamp(now),
        until=stamp(now + rung.settings.whole.previews.ttl_hours * _HOUR),
        deployed_at=stamp(now),
        requested_by=rung.requested_by,
        branch=forge.branch() or (before.branch if before else ""),
        url=before.url if before else "",
        functions=",".join(sorted({*rung.settings.whole.functions, *_known(before)})),
        job=forge.job_url() or (before.job if before else ""),
    )


def _known(before: Preview | None) -> set[str]:
    """Return the functions that earlier deploys made: the change may have dropped one since."""
    return set(filter(None, before.functions.split(","))) if before else set()


def _main(report: DeployReport | ManyReport) -> DeployReport:
    """Return the report of the project's own function, or of the first that has a URL."""
    if isinstance(report, DeployReport):
        return report
    every = list(report.functions.values())
    return next((each for each in every if each.url), every[0])


def _is_signed(rung: Rung, shown: DeployReport) -> bool:
    """Say whether its URL takes signed requests only."""
    for view in views(rung.settings.whole).values():
        if view.names(rung.environment).target == shown.environment:
            return any(each.kind == _SIGNED for each in view.triggers_of(view.environment(rung.environment)))
    return False
