"""Follow the Map Runs of a promotion of many targets: each target is an execution of its own, with its own history.

A hundred of them are read in turn, so many a second as Step Functions allows beside others: those first of which least
is known. (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stepladder.core.aws import error_code
from stepladder.promotion import history
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.history import LadderView, Target
from stepladder.promotion.history_events import pages

_RATE, _RATE_LOCAL = 8.0, 80.0  # calls a second
_LIST_SECONDS, _LIST_SECONDS_LOCAL = 5.0, 0.5  # between two lists of a Map Run's executions
_PAGE = 1000
_OUTCOMES = {
    "succeeded": history.RELEASED,
    "unchanged": "unchanged",
    "failed": "failed, nothing moved",
    "rolled_back": "rolled back",
    "rollback_failed": "ROLLBACK FAILED",
}
"""The phrase for each outcome of a target, as its own history has it."""


@dataclass
class _Iteration:
    """One execution of a Map Run. `view` is its history, read into its target; None while that isn't known."""

    arn: str
    status: str = "RUNNING"
    read_at: float = -1.0
    view: LadderView | None = None

    @property
    def is_over(self) -> bool:
        """Whether everything of it was read."""
        return self.status != "RUNNING" and bool(self.view and self.view.end)


class MapRunHistories:
    """The histories of a promotion's Map Runs. A promotion of few targets has none, and nothing is called."""

    def __init__(self, machine: StateMachine, *, is_local: bool) -> None:
        self._machine, self._clock = machine, machine.rung.clock
        self._rate = _RATE_LOCAL if is_local else _RATE
        self._every = _LIST_SECONDS_LOCAL if is_local else _LIST_SECONDS
        self._iterations: dict[str, dict[str, _Iteration]] = {}
        self._begun: dict[str, int] = {}
        self._listed_at: dict[str, float] = {}
        self._allowed, self._counted_at = 0.0, 0.0
        self._denied = False

    def refresh(self, view: LadderView) -> bool:
        """Read on in as many histories as the rate allows; return whether a target changed.

        Histories that may not be read show no phases: the ends of all targets are in the promotion's own outcome.
        """
        changed = False
        try:
            for arn, (rung, begun) in view.map_runs.items() if not self._denied else ():
                self._list(arn, begun, len(view.rungs[rung]))
                for iteration in self._in_turn(arn):
                    if not self._may_call():
                        return changed  # before the next Map Run: a target's phases are read in their order
                    changed = self._read(iteration, view.rungs[rung]) or changed
        except Exception as error:
            if not error_code(error):
                raise
            self._denied = "AccessDenied" in error_code(error)
            self._allowed = -self._rate  # throttled: a pause
        return changed

    def _list(self, arn: str, begun: int, targets: int) -> None:
        """List a Map Run's executions now and then, until all have begun and ended."""
        now, known = self._clock.monotonic(), self._iterations.setdefault(arn, {})
        if self._begun.get(arn) != begun:  # a redrive resumes executions that had ended
            self._begun[arn], self._listed_at[arn] = begun, -self._every
            for iteration in known.values():
                iteration.status = "RUNNING"
        is_over = len(known) >= targets and all(each.status != "RUNNING" for each in known.values())
        if is_over or now - self._listed_at[arn] < self._every:
            return
        self._listed_at[arn] = now
        for page in pages(self._machine.sfn.list_executions, mapRunArn=arn, maxResults=_PAGE):
            for listed in page["executions"]:
                iteration = known.setdefault(listed["executionArn"], _Iteration(listed["executionArn"]))
                iteration.status = listed["status"]

    def _in_turn(self, arn: str) -> list[_Iteration]:
        unread = (each for each in self._iterations[arn].values() if not each.is_over)
        return sorted(unread, key=lambda each: each.read_at)

    def _may_call(self) -> bool:
        """Count a call, if the rate allows one now."""
        now = self._clock.monotonic()
        self._allowed = min(self._rate, self._allowed + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _read(self, iteration: _Iteration, rung: list[Target]) -> bool:
        iteration.read_at = self._clock.monotonic()
        if iteration.view is None:
            described = self._machine.sfn.describe_execution(executionArn=iteration.arn)
            key = json.loads(described.get("input") or "{}").get("target", {}).get("environment")
            iteration.view = view_of([target for target in rung if target.environment == key])
        iteration.view.end = ""
        return history.refresh(iteration.view, self._machine.sfn.get_execution_history, iteration.arn)


def view_of(targets: list[Target], area: str = "ReleaseTargets") -> LadderView:
    """Return the view of an execution of a Map Run: its events belong to one target, in an iteration of that Map."""
    view = LadderView([targets])
    view.paths[0] = (("PromoteRungs", 0), (area, 0))
    return view


def finish(view: LadderView, outcomes: Iterable[Mapping[str, str]]) -> None:
    """Enter how targets ended of which the last phases were not read any more."""
    phrases = {each.get("environment", ""): _OUTCOMES.get(each.get("outcome", ""), "") for each in outcomes}
    for target in view.targets if view.map_runs else ():
        phrase = phrases.get(target.environment, "")
        if phrase and not target.ended:
            target.enter(phrase, view.now)
