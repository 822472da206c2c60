"""Synthetic traffic on the alias while CodeDeploy shifts it: without traffic no alarm has data to judge by.

What the new version answers is judged at once as well, which is sooner than any alarm. After one bad answer the
version itself is invoked again; the answer stands when that fails too, or when a tenth (and at least two) of its
answers are bad. Of a case with steps only the first is sent: while traffic shifts, another version may answer the next.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import smoke_run
from concurrency import MOST, Limiter
from shared import aws, gate_alarms, serving
from shared.errors import AlarmFiredError, NotServedError, ProbeFailedError, TransientError
from smoke_run import Called

from stepladder.promotion.requests.verify import JudgeRequest, ProbeRequest, ProbeResponse
from stepladder.releases.smoke_case import Case, compare

_FEW = 2
_SHARE = 0.1
_ROUNDS = 8  # of ten requests each: a version with a tenth of the traffic is missed by all of them once in 4,600


def run(request: ProbeRequest) -> ProbeResponse:
    """Send `probe_requests` requests; return how many the new version answered and how many of them badly.

    While the version bakes (all traffic is on it already) the environment's alarms are read too, because CodeDeploy no
    longer does. The project's own alarms are read at each poll. A hotfix is promoted in spite of all of them.
    """
    target, version = request["target"], request["version"]
    function, alias = target["function"], target["alias"]
    _check_untouched(function, alias, {version, request["previous_version"]})
    if not request["release"]["hotfix"]:
        if request["baked"]:
            _check_alarms(function)
        if fires := gate_alarms.firing(target["environment"]):
            raise AlarmFiredError(fires)
    return send(request, required=True)


def send(request: ProbeRequest | JudgeRequest, *, required: bool) -> ProbeResponse:
    """Send the requests. A new version that has traffic must answer one where it is `required`."""
    target, version = request["target"], request["version"]
    function = target["function"]
    cases = smoke_run.healthy(smoke_run.load(request["release"]["smoke_key"], target["environment"]))
    if not cases:
        return {"samples": 0, "bad": 0}
    limiter = Limiter(function)
    samples = _samples(request, cases, limiter, required=required)
    bad = [(case, mismatches) for case, answer in samples if (mismatches := _compare(case, answer))]
    if len(bad) >= max(_FEW, len(samples) * _SHARE):
        case, mismatches = bad[0]
        raise ProbeFailedError(
            f"version {version} of {function} failed {len(bad)} of {len(samples)} requests of synthetic traffic, "
            f"first {case.name}: {', '.join(mismatches)}"
        )
    for case, _ in bad:
        mismatches = _compare(case, _invoke(limiter, function, version, case))
        if mismatches:
            raise ProbeFailedError(
                f"version {version} of {function} failed synthetic traffic twice, {case.name}: {', '.join(mismatches)}"
            )
    return {"samples": len(samples), "bad": len(bad)}


def _samples(
    request: ProbeRequest | JudgeRequest, cases: list[Case], limiter: Limiter, *, required: bool
) -> list[tuple[Case, Called]]:
    """Call the alias until the new version has answered; return its answers. None at all is not a pass.

    Where they are not `required`, one round is all: of a share of a hundredth, most rounds meet none of it.
    """
    target, version = request["target"], request["version"]
    function, alias = target["function"], target["alias"]
    one_round = list(itertools.islice(itertools.cycle(cases), int(target["probe_requests"])))
    for _ in range(_ROUNDS):
        with ThreadPoolExecutor(MOST, thread_name_prefix="probe") as pool:
            answers = list(pool.map(lambda case: _invoke(limiter, function, alias, case), one_round))
        samples = [(case, called) for case, called in zip(one_round, answers, strict=True) if called.version == version]
        if samples or not required or not one_round or not serving.alias(function, alias).serves(version):
            return samples
    raise TransientError(
        f"version {version} of {function} has traffic and answered none of {_ROUNDS * len(one_round)} requests"
    )


def _invoke(limiter: Limiter, function: str, qualifier: str, case: Case) -> Called:
    return limiter(lambda: smoke_run.invoke(function, qualifier, case.calls[0].payload))


def _check_untouched(function: str, name: str, expected: set[str]) -> None:
    """Refuse to go on when the alias serves any other version than the old and the new one: somebody's own choice."""
    alias = serving.alias(function, name)
    if {alias.version, *alias.weights} - expected:
        raise NotServedError(f"somebody else moved alias {name} of {function} during the promotion: it serves {alias}")


def _compare(case: Case, called: Called) -> list[str]:
    return compare(case.calls[0], called.result, called.error, called.seconds)


def _check_alarms(function: str) -> None:
    names = [f"{function}-{kind}" for kind in ("errors", "latency", "throttles")]
    for alarm in aws.client("cloudwatch").describe_alarms(AlarmNames=names, StateValue="ALARM")["MetricAlarms"]:
        raise AlarmFiredError(f"alarm {alarm['AlarmName']} fired: {alarm.get('StateReason', 'no reason given')}")
