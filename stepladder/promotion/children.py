"""Follow the child executions of a promotion: each has its own history."""

from __future__ import annotations

from stepladder.core.aws import error_code
from stepladder.promotion import history
from stepladder.promotion.contract import child_name
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.history import LadderView, Target


class ChildHistories:
    """The histories of the child executions of one promotion. Each is read on from where the last read ended."""

    def __init__(self, machine: StateMachine, execution: Execution) -> None:
        self._machine, self._execution = machine, execution
        self._views: dict[str, LadderView] = {}

    def refresh(self, view: LadderView) -> bool:
        """Put the phases of targets in other locations into the view; return whether one changed."""
        changed = [self._read(target) for target in view.targets if target.is_remote]
        return any(changed)

    def _read(self, target: Target) -> bool:
        """Read a child's new events; return whether there were any.

        A child whose history may not be read shows no phases. Its end is in the parent's history.
        """
        child_view = self._views.setdefault(
            target.environment, LadderView([[Target(target.environment, target.function, target.rung)]])
        )
        if child_view.end:
            return False
        rung = self._machine.at(target.environment)
        arn = rung.names.execution_arn(child_name(self._execution.arn, target.environment))
        try:
            changed = history.refresh(child_view, rung.aws.client("stepfunctions").get_execution_history, arn)
        except Exception as error:
            if not error_code(error):
                raise
            return False
        (child_target,) = child_view.targets
        if child_target.phase:
            target.enter(child_target.phase, child_target.since)
            target.shifted, target.baked, target.tries = child_target.shifted, child_target.baked, child_target.tries
        return changed
