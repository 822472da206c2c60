"""Watch the child executions of a promotion: each has a history of its own."""

from __future__ import annotations

from stepladder.core.aws import error_code
from stepladder.promotion import history
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.history import Target, View
from stepladder.settings import locations


class Away:
    """The child executions that one execution started, each read from where it was left."""

    def __init__(self, desk: Desk, execution: Execution) -> None:
        self._desk, self._execution = desk, execution
        self._views: dict[str, View] = {}

    def refresh(self, view: View) -> bool:
        """Put the phases of targets in other places into the view; say whether one changed."""
        changed = [self._read(target) for target in view.targets if target.is_away]
        return any(changed)

    def _read(self, target: Target) -> bool:
        """Read on. Whoever may not look there sees less, and that is all: the parent says how it ended."""
        own = self._views.setdefault(
            target.environment, View([[Target(target.environment, target.function, target.rung)]])
        )
        if own.end:
            return False
        there = self._desk.at(target.environment)
        arn = there.names.execution_arn(locations.child_name(self._execution.arn, target.environment))
        try:
            news = history.refresh(own, there.aws.client("stepfunctions").get_execution_history, arn)
        except Exception as error:
            if not error_code(error):
                raise
            return False
        (seen,) = own.targets
        if seen.phase:
            target.enter(seen.phase, seen.since)
            target.shifted, target.baked, target.tries = seen.shifted, seen.baked, seen.tries
        return news
