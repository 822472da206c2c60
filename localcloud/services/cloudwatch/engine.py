"""The thread that evaluates alarms, and what follows when one changes its state."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.cloud import Cloud, ServiceError
from localcloud.events import emit
from localcloud.metrics import MetricKey
from localcloud.scoped_store import ScopedStore
from localcloud.services.cloudwatch import evaluation, metric_math
from localcloud.services.cloudwatch.model import ALARM, NO_DATA, OK, Alarm
from localcloud.services.cloudwatch.store import AlarmRegion

TICK = 10.0  # cloud seconds between evaluations; AWS takes a minute


@dataclass(frozen=True)
class _Evaluated:
    """What an alarm's state was found by, and until when nothing but a new point can change it."""

    given: Mapping[str, Any]
    state: str
    keys: tuple[MetricKey, ...]
    changes: int
    until: float


class AlarmEngine:
    """Evaluates all alarms while the cloud runs."""

    def __init__(self, cloud: Cloud, regions: ScopedStore[AlarmRegion]) -> None:
        self._cloud = cloud
        self.regions = regions
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._evaluated: dict[str, _Evaluated] = {}  # by the alarm's ARN
        cloud.on_stop(self._stop.set)
        threading.Thread(target=self._loop, daemon=True, name="alarms").start()

    def wake(self) -> None:
        """Evaluate now: there is a new alarm."""
        self._wake.set()

    def _loop(self) -> None:
        while not self._stop.is_set():
            if not any(region.alarms for region in self.regions):
                self._wake.wait(1)
                self._wake.clear()
                continue
            for region in self.regions:
                for alarm in list(region.alarms.values()):
                    self.evaluate(region, alarm)
            time.sleep(0.02)
            self._cloud.clock.sleep(TICK, cancel=self._stop)

    def evaluate(self, region: AlarmRegion, alarm: Alarm) -> None:
        """Bring an alarm to the state that its metrics put it in."""
        now = self._cloud.clock.now()
        if now < alarm.forced_until:
            return
        if self._is_current(alarm, now):
            return
        given, metrics = alarm.given, self._cloud.metrics
        keys = evaluation.metric_keys(alarm)
        changes, until = metrics.changes(keys), evaluation.holds_until(alarm, metrics, now)  # before the points
        try:
            state, reason = evaluation.evaluate(alarm, metrics, now)
        except metric_math.ExpressionError as error:
            state, reason = NO_DATA, str(error)
        if state != alarm.state:
            self.move(region, alarm, state, reason)
        self._evaluated[alarm.arn] = _Evaluated(given, state, keys, changes, until)

    def _is_current(self, alarm: Alarm, now: float) -> bool:
        """Say whether to evaluate an alarm would change nothing: a cloud has many that nothing happens to."""
        last = self._evaluated.get(alarm.arn)
        return (
            last is not None
            and now < last.until
            and last.given is alarm.given
            and last.state == alarm.state
            and last.changes == self._cloud.metrics.changes(last.keys)
        )

    def move(self, region: AlarmRegion, alarm: Alarm, state: str, reason: str) -> None:
        """Set an alarm's state. A change is noted, sent as an event, and starts the alarm's actions."""
        with self.regions.lock:
            before, changed, was = alarm.state, alarm.state != state, alarm.reason
            alarm.state, alarm.reason = state, reason
            if not changed:
                return
            alarm.changed = self._cloud.clock.utcnow()
            data = {
                "version": "1.0",
                "oldState": {"stateValue": before, "stateReason": was},
                "newState": {"stateValue": state, "stateReason": reason},
            }
            self.note(region, alarm.name, "StateUpdate", f"Alarm updated from {before} to {state}", data)
        emit(
            self._cloud,
            "aws.cloudwatch",
            "CloudWatch Alarm State Change",
            {"alarmName": alarm.name, "state": {"value": state, "reason": reason}, "previousState": {"value": before}},
            region=alarm.region,
            account=alarm.account,
        )
        names = {OK: "OKActions", ALARM: "AlarmActions", NO_DATA: "InsufficientDataActions"}
        if alarm.given.get("ActionsEnabled", True):
            for action in alarm.given.get(names[state]) or ():
                self._act(alarm, action, before)

    def _act(self, alarm: Alarm, action: str, before: str) -> None:
        message = {
            "AlarmName": alarm.name,
            "AlarmArn": alarm.arn,
            "AWSAccountId": alarm.account,
            "NewStateValue": alarm.state,
            "OldStateValue": before,
            "NewStateReason": alarm.reason,
            "StateChangeTime": alarm.changed.isoformat(),
        }
        if ":sns:" not in action:
            sys.stderr.write(f"the alarm {alarm.name} can't act on {action}: only SNS topics are offered\n")
            return
        with contextlib.suppress(ServiceError):
            self._cloud.call(
                "sns",
                "Publish",
                {"TopicArn": action, "Subject": f"{alarm.state}: {alarm.name}", "Message": json.dumps(message)},
                region=alarm.region,
                account=alarm.account,
            )

    def note(
        self, region: AlarmRegion, name: str, kind: str, summary: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """Add an item to the history of alarms; `data` is what AWS has as `HistoryData`."""
        region.history.append(
            {
                "AlarmName": name,
                "AlarmType": "MetricAlarm",
                "Timestamp": self._cloud.clock.utcnow(),
                "HistoryItemType": kind,
                "HistorySummary": summary,
                "HistoryData": json.dumps(data or {}),
            }
        )
        del region.history[:-1000]
