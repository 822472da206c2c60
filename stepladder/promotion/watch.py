"""Watch a promotion to its end. Watching only reads, so it can be interrupted and resumed at any time."""

from __future__ import annotations

from typing import Any

from stepladder.core import aws
from stepladder.core.aws import error_code
from stepladder.core.cloud_clock import ClockReader
from stepladder.core.errors import InterruptedRunError, StepladderError
from stepladder.promotion import history, map_runs, outcome
from stepladder.promotion.children import ChildHistories
from stepladder.promotion.contract import CUT_OFF
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.health import VersionHealth
from stepladder.promotion.history import LadderView
from stepladder.promotion.outcome import PromotionOutcome
from stepladder.promotion.render import Renderer, renderer

FIRST, MOST = 0.1, 2.0  # seconds between two polls; the end is seen at most that much later
_GIVE_UP = 600.0  # seconds without an answer after which watching is given up; the promotion goes on


def watch(machine: StateMachine, execution: Execution) -> tuple[Execution, PromotionOutcome]:
    """Render a promotion until it ends; return the ended execution and its outcome.

    Raises `InterruptedRunError` on Ctrl-C, while the promotion goes on, and `StepladderError` when AWS can't be reached
    for ten minutes or no longer has the execution.
    """
    view = LadderView.of(execution.input, execution.started)
    picture = renderer(machine.console)
    try:
        _follow(machine, execution, view, picture)
        if view.map_runs:
            _finish(machine, execution, view, picture)
    except KeyboardInterrupt:
        picture.close()
        raise InterruptedRunError(
            f"stopped watching; promotion {execution.name} goes on",
            hint="watch it again with `inv promote.watch`, or stop it with `inv promote.stop`",
        ) from None
    finally:
        picture.close()
    ended = machine.describe(execution.arn)
    if ended is None:
        raise StepladderError(
            f"promotion {execution.name} is gone from Step Functions",
            kind="no-promotion",
            hint="`inv status` shows what each rung serves, and the ledger how each release ended",
        )
    outcome.free_locks(machine, ended)
    return ended, outcome.read_end(machine, ended)


def _finish(machine: StateMachine, execution: Execution, view: LadderView, picture: Renderer) -> None:
    """Show how targets ended of which the last phases were not read. A cut-off promotion says nothing of them."""
    ended = machine.describe(execution.arn)
    if ended and ended.status not in CUT_OFF:
        map_runs.finish(view, outcome.targets_of(ended))
        picture.update(view)


def _follow(machine: StateMachine, execution: Execution, view: LadderView, picture: Renderer) -> None:
    clock = machine.rung.clock
    pause, lost_since = FIRST, 0.0
    children = ChildHistories(machine, execution)
    cloud = ClockReader(aws.endpoint())
    runs = map_runs.MapRunHistories(machine, is_local=cloud.is_local)
    health = VersionHealth(machine, execution, is_local=cloud.is_local)
    while not view.end:
        try:
            changed = history.refresh(view, machine.sfn.get_execution_history, execution.arn)
            changed = runs.refresh(view) or changed
            changed = children.refresh(view) or changed
            if reading := cloud.read():
                view.set_clock(reading.now, reading.speed)
            changed = health.refresh(view) or changed
            lost_since, view.note = 0.0, ""
        except Exception as error:
            if not _is_lost(error):
                raise
            lost_since = lost_since or clock.monotonic()
            if clock.monotonic() - lost_since > _GIVE_UP:
                raise StepladderError(
                    f"the connection was lost while watching; promotion {execution.name} goes on",
                    kind="aws-unreachable",
                    hint="resume watching with `inv promote.watch`",
                ) from error
            view.note, changed = "the connection is lost, trying again", False
        picture.update(view)
        if not view.end:
            clock.sleep(pause)
        pause = FIRST if changed else min(pause * 1.5, MOST)


def _is_lost(error: Any) -> bool:
    """Return whether an error of the network or the service may pass: a retry can succeed."""
    from botocore.exceptions import HTTPClientError

    if isinstance(error, HTTPClientError):
        return True
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(error_code(error)) and (status >= 500 or "Throttl" in error_code(error))  # noqa: PLR2004 - HTTP
