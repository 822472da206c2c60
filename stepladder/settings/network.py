"""The settings under `function:` of the network, of asynchronous calls and of provisioned concurrency.

What one setting can't know by itself is in `environment_checks.py`.
"""

from __future__ import annotations

import re
from typing import Any

from stepladder.core.records import dataclass
from stepladder.settings import references
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Flag, Texts, Whole
from stepladder.settings.table import Check, setting

_SUBNET = r"subnet-[0-9a-f]{8,17}"
_SECURITY_GROUP = r"sg-[0-9a-f]{8,17}"
_FIRST = (
    r"arn:aws[a-z-]*:(sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}|sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}|"
    r"lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?|"
    r"events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9/._-]+"
)
_SUCCESS = rf"{_FIRST})"
_FAILURE = rf"{_FIRST}|s3:::[a-z0-9.-]{{3,63}})"
"""https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html: no FIFO, S3 for failures only."""
DESTINATION = "the ARN of a standard SQS queue, a standard SNS topic, a Lambda function or an EventBridge bus"


@dataclass(eq=False, repr=False)
class Ids(Texts):
    """A list of ids of which AWS takes so many at most."""

    most: int = 16

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> tuple[str, ...] | str:
        """See `Rule`."""
        ids = super().read(key, value, before, problems)
        if isinstance(ids, str):
            return ids
        if len(ids) > self.most or len(set(ids)) != len(ids):
            problems.add(key, list(ids), f"at most {self.most}, each once")
        return ids

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        count = f"length(var.{variable}) <= {self.most}"
        return (*super().checks(variable), Check(count, f"{variable} must be at most {self.most}."))


class Destination(Texts):
    """An ARN, or none. In Terraform it is a list: whether there is one is known before the ARN is."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> tuple[str, ...]:
        """See `Rule`."""
        if value in ("", None):
            return ()
        if isinstance(value, str) and (references.passes(key, value) or re.fullmatch(self.shape, value)):
            return (value,)
        if isinstance(value, (list, tuple)) and len(value) <= 1:
            return tuple(super().read(key, value, before, problems))
        problems.add(key, value, self.words)
        return ()

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        one = Check(f"length(var.{variable}) <= 1", f"{variable} must be one ARN, or none.")
        return (*super().checks(variable), one)


@dataclass(eq=False, repr=False)
class Both:
    """Two lists of a section of which both are given, or neither."""

    settings: tuple[str, str]

    def read(self, key: str, section: Any, problems: Problems) -> None:
        """Note a problem when only one is given."""
        first, second = self.settings
        for given, missing in ((first, second), (second, first)):
            lacks = getattr(section, given) and not getattr(section, missing)
            if lacks and not problems.has(f"{key}.{missing}"):
                problems.messages.append(
                    f"stepladder.{key}.{missing} is empty while {key}.{given} is not; "
                    f"allowed: {first} and {second} together, or neither"
                )

    def check(self, variable: str) -> Check:
        """Return Terraform's validation."""
        first, second = self.settings
        return Check(
            f"(length(var.{variable}.{first}) > 0) == (length(var.{variable}.{second}) > 0)",
            f"{variable} must have {first} and {second}, or neither.",
        )


@dataclass(frozen=True)
class Vpc:
    """The VPC that the function reaches. Without subnets it is in none."""

    ipv6: bool = setting(default=False, rule=Flag(), purpose="whether it also gets IPv6, in subnets that have both")
    security_groups: tuple[str, ...] = setting(
        (),
        Ids(_SECURITY_GROUP, "ids like sg-0123456789abcdef0", each="id", most=5),
        "security groups of the function's network interfaces",
    )
    subnets: tuple[str, ...] = setting(
        (),
        Ids(_SUBNET, "ids like subnet-0123456789abcdef0", each="id"),
        "subnets of the VPC that the function reaches; without any it is in no VPC",
    )


VPC_TOGETHER = Both(("subnets", "security_groups"))


@dataclass(frozen=True)
class Asynchronous:
    """What Lambda does with asynchronous calls of the alias."""

    maximum_age_seconds: int = setting(
        21_600, Whole(60, 21_600), "how long Lambda keeps an event of an asynchronous call"
    )
    on_failure: tuple[str, ...] = setting(
        (),
        Destination(_FAILURE, f"{DESTINATION}, or of an S3 bucket", each="arn"),
        "where the record of an asynchronous call that failed goes",
    )
    on_success: tuple[str, ...] = setting(
        (),
        Destination(_SUCCESS, DESTINATION, each="arn"),
        "where the record of an asynchronous call that succeeded goes",
    )
    retries: int = setting(2, Whole(0, 2), "how often Lambda tries an asynchronous call that failed again")
