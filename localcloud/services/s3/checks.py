"""What PutBucketNotificationConfiguration refuses, in AWS's words."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud, ServiceError
from localcloud.services.s3.notifications import SERVICE, configurations

_SERVICES = {"CloudFunction": "lambda", "Queue": "sqs", "Topic": "sns"}
_UNKNOWN = {
    "Queue": "The destination queue does not exist",
    "Topic": "The destination topic does not exist",
}


def check(cloud: Cloud, configuration: Mapping[str, Any], bucket_arn: str, account: str, *, targets: bool) -> None:
    """Refuse a configuration. With `targets`, also one whose targets aren't there or may not be called."""
    rows = list(configurations(configuration))
    for kind, arn, _ in rows:
        if arn.count(":") < 5 or arn.split(":")[2] != _SERVICES[kind]:  # noqa: PLR2004 - the parts of an ARN
            raise _invalid("The ARN could not be parsed", ArgumentName=kind, ArgumentValue=arn)
    for first, second in itertools.combinations([each for _, _, each in rows], 2):
        if _overlap(first, second):
            raise _invalid(
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes "
                "are overlapping for the same event type."
            )
    if not targets:
        return
    problems = [problem for kind, arn, _ in rows if (problem := _problem(cloud, kind, arn, bucket_arn, account))]
    if problems:
        fields: dict[str, str] = {}
        for number, (name, value) in enumerate(problems, 1):
            fields |= {f"ArgumentName{number}": name, f"ArgumentValue{number}": value}
        raise _invalid("Unable to validate the following destination configurations", **fields)


def with_lower_names(params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return parameters whose filters say prefix and suffix in small letters, as Moto wants them, or None: they do."""
    rules = [
        rule
        for _, _, each in configurations(params.get("NotificationConfiguration") or {})
        for rule in ((each.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    ]
    if all(str(rule["Name"]).islower() for rule in rules):
        return None
    for rule in rules:
        rule["Name"] = str(rule["Name"]).lower()
    return params


def _problem(cloud: Cloud, kind: str, arn: str, bucket_arn: str, account: str) -> tuple[str, str] | None:
    _, _, _, region, owner, name = arn.split(":", 5)
    if kind == "CloudFunction":
        if cloud.functions.permits(ServiceCaller(SERVICE, bucket_arn, account), arn):
            return None
        return f"{arn}, null", f"Not authorized to invoke function [{arn}]"
    try:
        if kind == "Queue":
            cloud.call("sqs", "GetQueueUrl", {"QueueName": name}, region=region, account=owner)
        else:
            cloud.call("sns", "GetTopicAttributes", {"TopicArn": arn}, region=region, account=owner)
    except ServiceError:
        return arn, _UNKNOWN[kind]
    return None


def _overlap(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Say whether two configurations could both be meant by one event."""
    events = itertools.product(first.get("Events") or (), second.get("Events") or ())
    if not any(_same_event(str(one), str(other)) for one, other in events):
        return False
    (prefix, suffix), (other_prefix, other_suffix) = _affixes(first), _affixes(second)
    prefixes = prefix.startswith(other_prefix) or other_prefix.startswith(prefix)
    return prefixes and (suffix.endswith(other_suffix) or other_suffix.endswith(suffix))


def _same_event(one: str, other: str) -> bool:
    return fnmatchcase(one, other) or fnmatchcase(other, one)


def _affixes(configuration: Mapping[str, Any]) -> tuple[str, str]:
    rules = ((configuration.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    values = {str(rule.get("Name", "")).lower(): str(rule.get("Value") or "") for rule in rules}
    return values.get("prefix", ""), values.get("suffix", "")


def _invalid(message: str, **fields: str) -> ServiceError:
    return ServiceError("InvalidArgument", message, 400, **fields)
