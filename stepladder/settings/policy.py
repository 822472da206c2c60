"""The statements of an IAM policy, as settings and policy files have them: what each must be, and what is too wide.

What IAM would refuse at the end of an apply is refused here, before anything runs. A wildcard that takes in whole
services or all resources of a kind needs its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stepladder.core import iam_actions
from stepladder.core.similar import did_you_mean
from stepladder.settings import references
from stepladder.settings.problems import Problems

Statement = dict[str, Any]

VERSION = "2012-10-17"
LONGEST = 10_240 - 1_024
"""Characters of all inline policies of a role (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html),
less what the function's own takes, with all that triggers add."""
EFFECTS = ("Allow", "Deny")
ACTIONS = "actions like dynamodb:GetItem, at least one"
RESOURCES = "ARNs, `*`, or references like ${aws_dynamodb_table.orders.arn}, at least one"
REASON = "a name in place of the wildcard, or a `reason` for it beside it"

_SID = r"[A-Za-z0-9]+"
_ACTION = r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+"
_ARN = (
    r"arn:(?P<partition>[a-z*?][a-z0-9*?-]*):(?P<service>[A-Za-z0-9*?-]+):[A-Za-z0-9*?-]*:"
    r"(?P<account>[0-9]{12}|aws|[0-9]*[*?][0-9*?]*|\$\{[^}]*\})?:(?P<name>.+)"
)
_WILD = r"[*?]+"
_BARE = frozenset({"s3", "sns", "sqs", "execute-api"})  # an ARN of theirs names no kind: its first part is the name
_OPERATOR = r"(?:ForAllValues:|ForAnyValue:)?(?P<name>[A-Za-z]+?)(?:IfExists)?"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
OPERATORS = (
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    *("StringLike", "StringNotLike", "NumericEquals", "NumericNotEquals", "NumericLessThan"),
    *("NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals"),
    *("DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals"),
    *("IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null"),
)


def statement(key: str, raw: Mapping[str, Any], problems: Problems) -> Statement:
    """Return a checked statement; `key` says where it stands, and its `reason` goes no further."""
    sid = "" if raw.get("sid") is None else raw["sid"]
    name = f"{key} ({sid})" if isinstance(sid, str) and sid else key
    if not isinstance(sid, str) or (sid and not re.fullmatch(_SID, sid)):
        problems.add(f"{name}.sid", sid, "letters and digits")
        sid = ""
    effect = problems.choice(f"{name}.effect", raw.get("effect", EFFECTS[0]), EFFECTS)
    actions = _texts(f"{name}.actions", raw.get("actions"), ACTIONS, re.compile(_ACTION).fullmatch, problems)
    resources = _texts(f"{name}.resources", raw.get("resources"), RESOURCES, _is_resource, problems)
    conditions = _conditions(f"{name}.conditions", raw.get("conditions"), problems)
    reason = raw.get("reason")
    if not reason:
        for action in filter(iam_actions.is_unknown, actions):
            service = action.partition(":")[0]
            meant = did_you_mean(action, [f"{service}:{each}" for each in iam_actions.of(service)])
            problems.add(
                f"{name}.actions", action, f"{meant} an action of {service}, or a `reason` for a new one".strip()
            )
    if reason is not None and not (isinstance(reason, str) and reason.strip()):
        problems.add(f"{name}.reason", reason, "why the statement needs its wildcard, as text")
    elif effect == EFFECTS[0] and not reason:
        for each, value in (*(("actions", a) for a in actions), *(("resources", r) for r in resources)):
            if is_wide_action(value) if each == "actions" else is_wide_resource(value):
                problems.add(f"{name}.{each}", value, REASON)
    return {"actions": actions, "conditions": conditions, "effect": effect, "resources": resources, "sid": sid or None}


def is_wide_action(action: str) -> bool:
    """Say whether an action has a wildcard: it takes in actions that AWS adds later."""
    return bool(re.search(_WILD, action))


def is_wide_resource(resource: str) -> bool:
    """Say whether a resource is all of a service or of a kind: `*`, `arn:aws:s3:::*`, `...:table/*`.

    A wildcard behind a name (`bucket/*`, `table/orders/index/*`) isn't wide.
    """
    if re.fullmatch(_WILD, resource):
        return True
    arn = re.fullmatch(_ARN, resource)
    if not arn or references.has(resource):
        return False
    segments = [each for each in re.split(r"[:/]", arn["name"]) if each]
    named = segments if arn["service"] in _BARE or len(segments) == 1 else segments[1:]
    return bool(re.search(_WILD, arn["service"]) or re.fullmatch(_WILD, segments[0]) or re.fullmatch(_WILD, named[0]))


def size(statements: Iterable[Statement]) -> int:
    """Return the characters of the policy, as IAM counts them: without white space."""
    document = [{key: value for key, value in each.items() if value} for each in statements]
    return len(json.dumps({"Version": VERSION, "Statement": document}, separators=(",", ":"), ensure_ascii=False))


def partitions(resources: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each ARN that names a partition, and the partition."""
    for each in resources:
        arn = re.fullmatch(_ARN, each)
        if arn and not re.search(_WILD, arn["partition"]):
            yield each, arn["partition"]


def _is_resource(value: str) -> bool:
    return bool(references.has(value) or value == "*" or re.fullmatch(_ARN, value))


def _texts(key: str, raw: Any, allowed: str, fits: Any, problems: Problems) -> list[str]:
    values = [raw] if isinstance(raw, str) else raw
    if not isinstance(values, (list, tuple)) or not values:
        problems.add(key, raw, allowed)
        return []
    wrong = [value for value in values if not isinstance(value, str) or not fits(value)]
    for value in wrong:
        problems.add(key, value, allowed)
    return [value for value in values if value not in wrong]


def _conditions(key: str, raw: Any, problems: Problems) -> dict[str, dict[str, list[str]]]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        problems.add(
            key, raw, "operators, each with condition keys and values: `StringEquals: {aws:SourceAccount: ...}`"
        )
        return {}
    conditions: dict[str, dict[str, list[str]]] = {}
    for operator, tests in raw.items():
        match = re.fullmatch(_OPERATOR, str(operator))
        if not match or match["name"] not in OPERATORS:
            meant = did_you_mean(operator, OPERATORS)
            problems.add(f"{key}.{operator}", tests, f"{meant} an operator of IAM, such as {OPERATORS[0]}".strip())
        elif not isinstance(tests, Mapping) or not tests:
            problems.add(f"{key}.{operator}", tests, "condition keys and their values")
        else:
            conditions[str(operator)] = {
                str(name): _values(f"{key}.{operator}.{name}", value, problems) for name, value in tests.items()
            }
    return conditions


def _values(key: str, raw: Any, problems: Problems) -> list[str]:
    values = list(raw) if isinstance(raw, (list, tuple)) else [raw]
    if not values or not all(isinstance(each, (str, bool, int, float)) for each in values):
        problems.add(key, raw, "text, or a list of texts")
        return []
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
