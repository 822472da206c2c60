"""Judge a version on a width of a shift by the state machine: synthetic traffic, alarms, both versions' metrics.

CodeDeploy has no part in such a shift, so its alarms are read at each poll. What CloudWatch doesn't answer is no pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import probe
import version_metrics
from shared import aws, gate_alarms, ledger, serving
from shared.errors import AlarmFiredError, CanaryFailedError, CanaryInconclusiveError, NotServedError, RefusedError

from stepladder.ledger import schema
from stepladder.promotion import judge, shift_steps
from stepladder.promotion.contract import ShiftInput, ShiftProgress
from stepladder.promotion.judge import FAIL, INCONCLUSIVE, PASS, Judgement, Limits
from stepladder.promotion.requests.verify import JudgeRequest
from stepladder.promotion.shift_steps import Known

_NOTHING = Judgement(PASS, "")
_LEAST_PROBED = 10  # percent from which a synthetic request must meet the new version


@dataclass(frozen=True)
class _Seen:
    judgement: Judgement
    requests: int = 0


def run(request: JudgeRequest) -> ShiftProgress:
    """Return what follows on this width. Raises `CanaryFailedError` when the version is worse than the old one."""
    target, shifted, at = request["target"], request["shifted"], request["at"]
    shift, version = target["shift"], request["version"]
    function, percent = target["function"], shift_steps.width(target["shift"], request["shifted"])
    check_width(function, target["alias"], request["previous_version"], version, percent)
    check_alarms(function, shifted["began"])
    if fires := gate_alarms.firing(target["environment"]):
        raise AlarmFiredError(fires)
    probe.send(request, required=percent >= _LEAST_PROBED)
    seen = _seen(request, shift)
    why = seen.judgement.why
    if seen.judgement.word == FAIL:
        raise CanaryFailedError(why)
    answer = _answer(request) if shifted["questioned"] else None
    decision = answer.decision if answer else ""
    known = Known(seen.judgement.word == PASS, seen.requests, decision)
    move = shift_steps.following(shift, shifted, at, known)
    if move == "restore":
        raise CanaryInconclusiveError(_ended(shift, why or _counted(shift, seen.requests), answer))
    questioned = at if move == "ask" else "" if move == "widen" else shifted["questioned"]
    return {
        "step": shifted["step"] + (move == "widen"),
        "polls": shifted["polls"] + 1,
        "began": shifted["began"],
        "moved": shifted["moved"],
        "moves": shift_steps.moves(shifted),
        "questioned": questioned,
        "wait": shift_steps.pause(shift, target["poll_seconds"], has_question=bool(questioned)),
        "move": move,
        "why": why or _counted(shift, seen.requests),
    }


def check_width(function: str, name: str, previous: str, version: str, percent: int) -> None:
    """Refuse to go on with an alias that has other weights than this width: somebody moved it by hand."""
    alias = serving.alias(function, name)
    if not alias.is_split(previous, version, percent):
        raise NotServedError(f"somebody else moved alias {name} of {function} during the promotion: it serves {alias}")


def check_alarms(function: str, began: str) -> None:
    """Raise `AlarmFiredError` for an alarm of the function that fires since traffic began to shift.

    One that fired before says nothing of this version: `RefusedError` ends the shift without blaming it.
    """
    names = [f"{function}-{kind}" for kind in ("errors", "latency", "throttles")]
    fire = aws.client("cloudwatch").describe_alarms(AlarmNames=names, StateValue="ALARM")["MetricAlarms"]
    before = [alarm for alarm in fire if _fired_before(alarm, began)]
    for alarm in fire:
        if alarm not in before:
            raise AlarmFiredError(f"alarm {alarm['AlarmName']} fired: {_reason(alarm)}")
    for alarm in before:
        raise RefusedError(f"alarm {alarm['AlarmName']} fired before traffic began to shift: {_reason(alarm)}")


def _fired_before(alarm: Mapping[str, Any], began: str) -> bool:
    """Say whether an alarm fires since before a time. StateUpdatedTimestamp also changes while the state stays."""
    since = alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")
    return since is not None and shift_steps.seconds_between(since.isoformat(), began) > 0


def _reason(alarm: Mapping[str, Any]) -> str:
    return str(alarm.get("StateReason", "no reason given"))


def _seen(request: JudgeRequest, shift: ShiftInput) -> _Seen:
    """Compare the versions, and count the new one's requests in the bake, as far as the shift asks for it."""
    target, shifted, version = request["target"], request["shifted"], request["version"]
    function, alias, at = target["function"], target["alias"], request["at"]
    judgement, requests = _NOTHING, 0
    bakes = shift_steps.is_baking(shift, shifted)
    try:
        if "canary" in shift:
            canary = shift["canary"]
            limits = Limits(canary["error_rate"], canary["p99"], canary["minimum_requests"])
            versions = (version, request["previous_version"])
            new, old, slow = version_metrics.windows(function, alias, versions, shift_steps.moves(shifted), at, limits)
            judgement = (judge.judge_baking if bakes else judge.judge)(new, old, limits, slow, versions)
        if bakes and shift["bake_requests"]:
            requests = version_metrics.requests(function, alias, version, shifted["moved"], at)
    except version_metrics.UnknownMetricsError as error:
        judgement = Judgement(INCONCLUSIVE, str(error))
    return _Seen(judgement, requests)


def _answer(request: JudgeRequest) -> schema.Approval | None:
    """Return the answer to the question that the state machine wrote; None while nobody gave one."""
    rung = shift_steps.question(request["target"]["environment"])
    execution = request["execution_arn"].rpartition(":")[2]
    return ledger.read(schema.APPROVAL, execution=execution, rung=rung)


def _ended(shift: ShiftInput, why: str, answer: schema.Approval | None) -> str:
    """Say why a canary without a judgement ended."""
    if answer and answer.decision:
        return f"{answer.decision} by {answer.decided_by} ({answer.why or 'no reason given'}): {why}"
    if shift["inconclusive"] == "ask":
        return f"nobody answered in {shift['ask_seconds'] / 3600:g} hours: {why}"
    return f"no judgement in time: {why}"


def _counted(shift: ShiftInput, requests: int) -> str:
    wanted = shift["bake_requests"]
    return f"the new version baked with {requests:,} of {wanted:,} requests" if wanted else ""
