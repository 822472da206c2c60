"""Synthetic traffic on the alias while CodeDeploy shifts it: without traffic no alarm has data to judge by.

What the new version answers is judged at once as well, which is sooner than any alarm. One bad answer is asked again
of the version itself; it stands when that fails too, or when a tenth (and at least two) of its answers are bad.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cases
import smoke
from gate import MOST, Gate
from shared import aws, serving
from shared.errors import AlarmFiredError, NotServedError, ProbeFailedError, TransientError

_FEW = 2
_SHARE = 0.1
_ROUNDS = 8  # of ten requests each: a version with a tenth of the traffic is missed by all of them once in 4,600


def run(event: dict[str, Any]) -> dict[str, Any]:
    """Send `probe_requests` requests; return how many the new version answered and how many of them badly.

    While the version bakes (all traffic is on it already) the environment's alarms are read too, because CodeDeploy no
    longer does; a hotfix climbs in spite of them.
    """
    target, version = event["target"], event["version"]
    function, alias = target["function"], target["alias"]
    _check_untouched(function, alias, {version, event["previous_version"]})
    if event["baked"] and not event["release"]["hotfix"]:
        _check_alarms(function)
    known = cases.healthy(cases.load(event["release"]["smoke_key"]))
    if not known:
        return {"samples": 0, "bad": 0}
    gate = Gate(function)
    samples = _samples(event, known, gate)
    bad = [(case, found) for case, answer in samples if (found := _compare(case, answer))]
    if len(bad) >= max(_FEW, len(samples) * _SHARE):
        case, found = bad[0]
        raise ProbeFailedError(
            f"version {version} of {function} failed {len(bad)} of {len(samples)} requests of synthetic traffic, "
            f"first {case.name}: {', '.join(found)}"
        )
    for case, _ in bad:
        again = _again(gate, function, version, case)
        if again:
            raise ProbeFailedError(
                f"version {version} of {function} failed synthetic traffic twice, {case.name}: {', '.join(again)}"
            )
    return {"samples": len(samples), "bad": len(bad)}


def _samples(event: dict[str, Any], known: list[smoke.Case], gate: Gate) -> list[tuple[smoke.Case, cases.Called]]:
    """Call the alias until the new version has answered; return its answers. None at all is not a pass."""
    target, version = event["target"], event["version"]
    function, alias = target["function"], target["alias"]
    wanted = list(itertools.islice(itertools.cycle(known), int(target["probe_requests"])))
    for _ in range(_ROUNDS):
        with ThreadPoolExecutor(MOST, thread_name_prefix="probe") as pool:
            called = list(pool.map(lambda case: gate(lambda: cases.invoke(function, alias, case.payload)), wanted))
        samples = [(case, answer) for case, answer in zip(wanted, called, strict=True) if answer.version == version]
        if samples or not wanted or not serving.alias(function, alias).serves(version):
            return samples
    raise TransientError(
        f"version {version} of {function} has traffic and answered none of {_ROUNDS * len(wanted)} requests"
    )


def _again(gate: Gate, function: str, version: str, case: smoke.Case) -> list[str]:
    return _compare(case, gate(lambda: cases.invoke(function, version, case.payload)))


def _check_untouched(function: str, name: str, ours: set[str]) -> None:
    """Refuse to go on when the alias serves what is neither the old nor the new version: somebody's own choice."""
    alias = serving.alias(function, name)
    if {alias.version, *alias.weights} - ours:
        raise NotServedError(f"somebody else moved alias {name} of {function} during the promotion: it serves {alias}")


def _compare(case: smoke.Case, answer: cases.Called) -> list[str]:
    return smoke.compare(case, answer.result, answer.error, answer.seconds)


def _check_alarms(function: str) -> None:
    names = [f"{function}-{kind}" for kind in ("errors", "latency", "throttles")]
    for alarm in aws.client("cloudwatch").describe_alarms(AlarmNames=names, StateValue="ALARM")["MetricAlarms"]:
        raise AlarmFiredError(f"alarm {alarm['AlarmName']} fired: {alarm.get('StateReason', 'no reason given')}")
