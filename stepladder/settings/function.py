"""The `function:` part of the settings: what Terraform configures on and around the function, and what an alarm is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from stepladder.settings.problems import Problems

DEFAULTS: dict[str, Any] = {
    "memory_mb": 256,
    "timeout_seconds": 15,
    "environment": {},
    "log_level": "INFO",
    "log_retention_days": 30,
    "reserved_concurrency": -1,
    "alarms": {
        "error_rate_percent": 5.0,
        "latency_p99_ms": 0,
        "minimum_invocations": 10,
        "periods": 1,
        "throttles": 0,
        "topic_arns": [],
    },
}
"""Every key under `stepladder.function:` and `stepladder.environments.<name>.function:`; as in the `service` module."""

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
RESERVED = frozenset(
    {
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_REGION"),
        *("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_LAMBDA_RUNTIME_API", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"),
    }
)
LONGEST = 4096  # bytes of all variables together, as JSON
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
_TOPIC = re.compile(r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[^:]+")
_WHOLE = 100  # percent


@dataclass(frozen=True)
class Alarms:
    """When a release is bad. `latency_p99_ms` 0 is four fifths of the timeout; a period is a minute."""

    error_rate_percent: float = 5.0
    latency_p99_ms: int = 0
    minimum_invocations: int = 10
    periods: int = 1
    throttles: int = 0
    topic_arns: tuple[str, ...] = ()


@dataclass(frozen=True)
class FunctionSettings:
    """What Terraform configures. `reserved_concurrency` -1 sets none."""

    memory_mb: int = 256
    timeout_seconds: int = 15
    environment: Mapping[str, str] = field(default_factory=dict)
    log_level: str = "INFO"
    log_retention_days: int = 30
    reserved_concurrency: int = -1
    alarms: Alarms = field(default_factory=Alarms)

    @property
    def variables(self) -> dict[str, Any]:
        """The same as variables of the `service` module."""
        given = {**asdict(self), "environment_variables": dict(self.environment)}
        given["alarms"]["topic_arns"] = list(self.alarms.topic_arns)
        del given["environment"]
        return given


def read(key: str, raw: object, default: FunctionSettings, problems: Problems) -> FunctionSettings:
    """Read a section; what it doesn't say is as in `default`."""
    told = problems.mapping(key, raw, tuple(DEFAULTS))

    def number(name: str, low: int, high: int) -> int:
        return problems.number(f"{key}.{name}", told.get(name, getattr(default, name)), low, high)

    days = told.get("log_retention_days", default.log_retention_days)
    if days not in RETENTION:
        problems.add(f"{key}.log_retention_days", days, ", ".join(map(str, RETENTION)))
    return FunctionSettings(
        memory_mb=number("memory_mb", 128, 10240),
        timeout_seconds=number("timeout_seconds", 1, 900),
        environment=_environment(f"{key}.environment", told.get("environment", {}), default.environment, problems),
        log_level=problems.choice(f"{key}.log_level", told.get("log_level", default.log_level), LOG_LEVELS),
        log_retention_days=days,
        reserved_concurrency=number("reserved_concurrency", -1, 100_000),
        alarms=_alarms(f"{key}.alarms", told.get("alarms", {}), default.alarms, problems),
    )


def _environment(key: str, raw: object, default: Mapping[str, str], problems: Problems) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        problems.add(key, raw, "a mapping of names to text")
        return {}
    for name, value in raw.items():
        if not _VARIABLE.fullmatch(str(name)) or not isinstance(value, str):
            problems.add(f"{key}.{name}", value, "text, under a name like LOG_LEVEL")
        if name in RESERVED:
            problems.add(f"{key}.{name}", value, "a name that Lambda doesn't reserve: it sets this one itself")
    found = {str(k): str(v) for k, v in {**default, **raw}.items()}
    size = len(_as_json(found).encode())
    if raw and size > LONGEST:
        problems.add(key, f"{len(found)} variables, {size} bytes", f"{LONGEST} bytes together, as JSON")
    return found


def _as_json(values: Mapping[str, str]) -> str:
    """Write variables as Terraform's `jsonencode` does, whose length the module limits."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _alarms(key: str, raw: object, default: Alarms, problems: Problems) -> Alarms:
    told = problems.mapping(key, raw, tuple(DEFAULTS["alarms"]))

    def number(name: str, low: int, high: int) -> int:
        return problems.number(f"{key}.{name}", told.get(name, getattr(default, name)), low, high)

    rate = told.get("error_rate_percent", default.error_rate_percent)
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < _WHOLE:
        problems.add(f"{key}.error_rate_percent", rate, "a number above 0 and below 100")
        rate = default.error_rate_percent
    topics = told.get("topic_arns", default.topic_arns)
    if not isinstance(topics, (list, tuple)) or not all(_TOPIC.fullmatch(str(arn)) for arn in topics):
        problems.add(f"{key}.topic_arns", topics, "a list of ARNs of SNS topics")
        topics = ()
    return Alarms(
        error_rate_percent=rate,
        latency_p99_ms=number("latency_p99_ms", 0, 900_000),
        minimum_invocations=number("minimum_invocations", 1, 1_000_000),
        periods=number("periods", 1, 60),
        throttles=number("throttles", 0, 1_000_000),
        topic_arns=tuple(topics),
    )
