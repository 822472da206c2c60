"""Faults on request: throttles, 5xx, denials, delays, nonsense, cut connections and crashes, for chosen calls.

A rule is a JSON object:

    {"service": "lambda", "action": "UpdateAlias", "kind": "throttle",
     "skip": 0, "count": 1, "body": "", "seconds": 1.0, "status": 503, "code": ""}

`service` and `action` may be `*`. The first `skip` matching calls pass, the next `count` (0: all) are hit. `body` must
occur in the request's body or URL. `seconds` is how long `delay` waits after the call, and `delay_before` and
`timeout` before it (real time, not the cloud's clock); when the rules are dropped, what waits goes on. `but` names
actions that are not meant, with commas. With a `rate` only those calls are hit, all of them, that come faster than so
many in a second of real time; `burst` may come at once (as many as the rate by default). So a throttle is a quota:

    {"service": "lambda", "kind": "throttle", "rate": 15, "but": "Invoke,GetFunction,GetPolicy"}

The container registry is met by rules of its own: see `http/registry_faults.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from localcloud.cloud import AwsRequest
from localcloud.protocol.codec import ServiceError

KINDS = (
    *("throttle", "error", "access_denied", "delay", "delay_before"),
    *("timeout", "malformed", "cut", "cut_after", "crash"),
)

REGISTRY = "registry"
"""The container registry, as rules name it."""
_OF_REGISTRY = ("throttle", "error", "access_denied", "delay_before", "timeout", "cut")

THROTTLES = {  # what each service calls it; the rest say ThrottlingException
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "cloudwatch": ("Throttling", 400),
    "sts": ("Throttling", 400),
    "iam": ("Throttling", 400),
    "sns": ("Throttled", 429),
    "sqs": ("ThrottlingException", 400),
    REGISTRY: ("TOOMANYREQUESTS", 429),
}
DENIALS = {
    "s3": ("AccessDenied", 403),
    "iam": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
    REGISTRY: ("DENIED", 403),
}
SERVER_ERRORS = {
    "lambda": ("ServiceException", 500),
    "dynamodb": ("InternalServerError", 500),
    "s3": ("InternalError", 500),
    REGISTRY: ("UNKNOWN", 500),
}
CODES = {"throttle": THROTTLES, "access_denied": DENIALS, "error": SERVER_ERRORS}
"""Faults that are answers."""


COUNTS = frozenset({"seen", "hits", "tokens", "filled"})
"""Fields that no rule is given with."""


class CallHangs(Exception):  # noqa: N818 - not an error of ours
    """A `timeout` fault met a call from inside, which has a deadline of its own to wait for."""


@dataclass
class Fault:
    """One rule. `seen` counts the calls that matched, `hits` those that were hit."""

    kind: str
    service: str = "*"
    action: str = "*"
    skip: int = 0
    count: int = 1
    body: str = ""
    seconds: float = 1.0
    status: int = 0
    code: str = ""
    message: str = ""
    but: str = ""
    rate: float = 0.0
    burst: float = 0.0
    seen: int = 0
    hits: int = 0
    tokens: float = 0.0
    """Calls that may pass now, of a rule with a rate, as of `filled` (real seconds)."""
    filled: float = 0.0

    def passes(self, now: float) -> bool:
        """Say whether a rule's rate lets one more call pass, and count it."""
        most = self.burst or self.rate
        self.tokens = min(most, self.tokens + (now - self.filled) * self.rate) if self.filled else most
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def matches(self, request: AwsRequest) -> bool:
        """Say whether a request is meant."""
        if self.service not in (
            "*" if request.service != REGISTRY else REGISTRY,
            request.service,
        ) or self.action not in ("*", request.action):
            return False
        if request.action in self.but.split(","):
            return False
        where = request.body + request.environ.get("RAW_URI", "").encode()
        return not self.body or self.body.encode() in where

    def error(self, service: str) -> ServiceError:
        """Return the error as this service would word it."""
        table = CODES[self.kind]
        defaults = {
            "throttle": ("ThrottlingException", 400),
            "access_denied": ("AccessDeniedException", 403 if service == "lambda" else 400),
            "error": ("InternalFailure", 500),
        }
        code, status = table.get(service, defaults[self.kind])
        message = {
            "throttle": "Rate exceeded",
            "access_denied": "User is not authorized to perform this action",
            "error": "An internal error occurred",
        }[self.kind]
        return ServiceError(self.code or code, self.message or message, self.status or status)


class Faults:
    """The rules in force. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._rules: list[Fault] = []

    def add(self, raw: Mapping[str, Any]) -> Fault:
        """Add a rule. ValueError says what is wrong with it."""
        known = {f.name for f in fields(Fault)} - COUNTS
        unknown = sorted(set(raw) - known)
        if unknown:
            raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        if raw.get("kind") not in KINDS:
            raise ValueError(f"a fault's kind is one of {', '.join(KINDS)}, not {raw.get('kind')!r}")
        if raw.get("service") == REGISTRY and raw["kind"] not in _OF_REGISTRY:
            raise ValueError(f"a fault of the registry is one of {', '.join(_OF_REGISTRY)}, not {raw['kind']}")
        rule = Fault(**raw)
        if rule.rate and (rule.rate < 0 or 0 < rule.burst < 1):
            raise ValueError("a fault's rate is over 0, and its burst at least 1")
        if rule.rate and "count" not in raw:
            rule.count = 0
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Drop all rules. Whatever they delay goes on."""
        with self._lock:
            self._rules.clear()
            self._lock.notify_all()

    def delay(self, rule: Fault) -> None:
        """Wait as long as a rule says, or until it is dropped."""
        with self._lock:
            self._lock.wait_for(lambda: not any(each is rule for each in self._rules), rule.seconds)

    def list(self) -> list[dict[str, Any]]:
        """Return the rules with what they have hit."""
        with self._lock:
            every = [asdict(rule) for rule in self._rules]
        return [{k: v for k, v in rule.items() if k not in ("tokens", "filled")} for rule in every]

    def pick(self, request: AwsRequest) -> Fault | None:
        """Return the rule that hits this request, and count."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if not rule.matches(request):
                    continue
                rule.seen += 1
                if rule.rate and rule.passes(time.monotonic()):
                    continue
                if rule.seen > rule.skip and (rule.count == 0 or rule.hits < rule.count):
                    rule.hits += 1
                    return rule
        return None
