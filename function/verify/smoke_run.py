"""The project's smoke cases, and invocations of the function under test."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concurrency import MOST, Limiter
from shared import aws
from shared.errors import RefusedError, SmokeFailedError

from stepladder.core.release_facts import read_answer
from stepladder.promotion.requests.check import CheckAnswerRequest
from stepladder.releases import smoke_case as smoke
from stepladder.releases import smoke_outputs
from stepladder.releases.smoke_check import OwnCheck

PREFIX = "smoke/"
_READ_TIMEOUT = 250  # the function under test may run long; our own deadline is later


@dataclass(frozen=True)
class Called:
    """One invocation: what smoke cases compare, and which version answered."""

    result: Any
    error: str | None
    seconds: float
    version: str


@functools.cache
def load(key: str, target: str) -> tuple[smoke.Case, ...]:
    """Read the bundle that `inv promote` put under a content key, for one target; no key means no cases.

    `target` is its key, or its Lambda function's name.
    """
    if not key:
        return ()
    if not key.startswith(PREFIX):
        raise RefusedError(f"{key} is no bundle of smoke cases")
    body = aws.client("s3").get_object(Bucket=os.environ["ARTIFACTS_BUCKET"], Key=key)["Body"].read()
    documents, outputs = smoke_outputs.opened(body, target)
    return smoke_outputs.filled(smoke.parse(documents), outputs)


def healthy(cases: Sequence[smoke.Case]) -> list[smoke.Case]:
    """Return the cases that expect no error: those that fail on purpose would raise the alias's error alarm."""
    return [case for case in cases if all(call.expect.get("error") is None for call in case.calls)]


def invoke(function: str, qualifier: str, payload: Any) -> Called:
    """Invoke once and measure. The client tries no second time: its pauses would count as the function's latency."""
    started = time.perf_counter()
    answer = aws.client("lambda", _READ_TIMEOUT, attempts=1).invoke(
        FunctionName=function, Qualifier=qualifier, Payload=json.dumps(payload).encode()
    )
    body = answer["Payload"].read()
    seconds = time.perf_counter() - started
    result = read_answer(body)
    error = None
    if answer.get("FunctionError"):
        error = str(result.get("errorType") or "") if isinstance(result, dict) else ""
        error = error or str(answer["FunctionError"])
    return Called(result, error, seconds, str(answer.get("ExecutedVersion", "")))


def _check(check: OwnCheck, answer: Any, captured: Mapping[str, Any]) -> list[str]:
    """Have the check function run a project's own check: its role may do nothing, and ours may."""
    arn = os.environ.get("CHECK")
    if not arn:
        raise RefusedError(f"nothing runs check {check.name} there: `promotion.checks` has not been applied")
    request: CheckAnswerRequest = {
        "file": check.file,
        "function": check.function,
        "source": check.source,
        "answer": answer,
        "captured": dict(captured),
    }
    answered = aws.client("lambda", _READ_TIMEOUT).invoke(FunctionName=arn, Payload=json.dumps(request).encode())
    response = read_answer(answered["Payload"].read())
    if answered.get("FunctionError"):
        return [f"check {check.name}: the function that runs it failed: {response}"]
    return [str(line) for line in response["problems"]]


def run(function: str, cases: Sequence[smoke.Case], call: Callable[[Any], Called], subject: str) -> int:
    """Run all cases; return how many. Raises `SmokeFailedError` with the first reasons.

    A call that Lambda turned away is no answer of the version: it is made again (see `concurrency`).
    """
    limiter = Limiter(function)

    def invoke_once(payload: Any) -> tuple[Any, str | None, float]:
        called = limiter(lambda: call(payload))
        return called.result, called.error, called.seconds

    outcomes = smoke.run(cases, invoke_once, parallel=MOST, check=_check)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if failed:
        reasons = "; ".join(f"{outcome.name}: {', '.join(outcome.mismatches)}" for outcome in failed[:5])
        raise SmokeFailedError(f"{subject} failed {len(failed)} of {len(cases)} smoke cases: {reasons}")
    return len(cases)
