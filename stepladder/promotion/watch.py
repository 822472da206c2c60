"""Watch a promotion to its end. Watching only reads: it can be left, lost and resumed at any time."""

from __future__ import annotations

from typing import Any

from stepladder.core import aws
from stepladder.core.aws import error_code
from stepladder.core.errors import InterruptedRunError, StepladderError
from stepladder.promotion import history, outcome
from stepladder.promotion.children import Away
from stepladder.promotion.cloud_clock import CloudClock
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.history import View
from stepladder.promotion.outcome import Verdict
from stepladder.promotion.render import Drawing, drawing
from stepladder.promotion.vitals import Vitals

FIRST, MOST = 0.1, 2.0  # seconds between two looks; the end is seen at most that much later
_LOST = 600.0  # seconds without an answer after which watching is given up; the promotion goes on


def watch(desk: Desk, execution: Execution) -> tuple[Execution, Verdict]:
    """Render a promotion until it ends; return the ended execution and its outcome.

    Raises `InterruptedRunError` on Ctrl-C: the promotion goes on.
    """
    view = View.of(execution.input, execution.started)
    picture = drawing(desk.console)
    try:
        _follow(desk, execution, view, picture)
    except KeyboardInterrupt:
        picture.close()
        raise InterruptedRunError(
            f"stopped watching; promotion {execution.name} goes on",
            hint="watch it again with `inv promote.watch`, or stop it with `inv promote.stop`",
        ) from None
    finally:
        picture.close()
    ended = desk.describe(execution.arn)
    if ended is None:
        raise StepladderError(
            f"promotion {execution.name} is gone from Step Functions", kind="no-promotion", hint="see the ledger"
        )
    outcome.free_locks(desk, ended)
    return ended, outcome.judge(desk, ended)


def _follow(desk: Desk, execution: Execution, view: View, picture: Drawing) -> None:
    clock = desk.rung.clock
    pause, lost_since = FIRST, 0.0
    away = Away(desk, execution)
    cloud = CloudClock(aws.endpoint())
    vitals = Vitals(desk, execution, is_local=cloud.is_local)
    while not view.end:
        try:
            news = history.refresh(view, desk.sfn.get_execution_history, execution.arn)
            news = away.refresh(view) or news
            if reading := cloud.read():
                view.hear(reading.now, reading.speed)
            news = vitals.refresh(view) or news
            lost_since, view.note = 0.0, ""
        except Exception as error:
            if not _is_lost(error):
                raise
            lost_since = lost_since or clock.monotonic()
            if clock.monotonic() - lost_since > _LOST:
                raise StepladderError(
                    f"the connection was lost while watching; promotion {execution.name} goes on",
                    kind="aws-unreachable",
                    hint="resume watching with `inv promote.watch`",
                ) from error
            view.note, news = "the connection is lost, trying again", False
        picture.update(view)
        if not view.end:
            clock.sleep(pause)
        pause = FIRST if news else min(pause * 1.5, MOST)


def _is_lost(error: Any) -> bool:
    """Say whether an error is the network's or the service's passing trouble."""
    from botocore.exceptions import HTTPClientError

    if isinstance(error, HTTPClientError):
        return True
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(error_code(error)) and (status >= 500 or "Throttl" in error_code(error))  # noqa: PLR2004 - HTTP
