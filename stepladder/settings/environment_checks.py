"""What holds between an environment's settings and others: its region, its rung's shift of traffic."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepladder.settings import permissions, references
from stepladder.settings.canary import ASK, RESTORE
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.problems import Problems
from stepladder.settings.promotion import PromotionSettings
from stepladder.settings.table import settings_of

if TYPE_CHECKING:
    from stepladder.settings.load import Settings

_LONGEST_HOURS = 160  # of a rung that asks
_ARN = r"arn:aws[a-z-]*:(?:sqs|sns|dynamodb|events):([a-z0-9-]+):[0-9]{12}:"


def check(settings: Settings, problems: Problems) -> None:
    """Note every problem of one function: the project's own, or that of a view."""
    promotions = settings.promotion
    _check_error_rates(settings.environments, promotions, problems)
    _check_questions(settings.environments, promotions, problems)
    for name, environment in settings.environments.items():
        function, key = environment.function, f"environments.{name}.function"
        permissions.check_location(key, function, environment.region, environment.account, problems)
        if function.vpc.ipv6 and not function.vpc.subnets:
            problems.add(f"{key}.vpc.ipv6", True, "false where vpc.subnets is empty: the function is in no VPC")
        for each in ("on_failure", "on_success"):
            for arn in getattr(function.asynchronous, each):
                own = settings.names(name).function
                _check_destination(f"{key}.async.{each}", arn, environment, own, problems)
        _check_triggers(f"environments.{name}.triggers", environment, problems)
        number, reserved = function.provisioned_concurrency, function.reserved_concurrency
        if 0 <= reserved < number:
            most = f"at most {problems.prefix}{key}.reserved_concurrency ({reserved})"
            problems.add(f"{key}.provisioned_concurrency", number, most)
        policy = promotions.policies.get(name)
        if number and policy and policy.shift.kind != "all-at-once":
            problems.messages.append(
                f"{problems.named(key)}.provisioned_concurrency is {number} while traffic of {name} shifts by "
                f"{policy.shift.name}; allowed: 0, or promotion.rungs.{name}.deployment: AllAtOnce, since AWS keeps an "
                "alias with provisioned concurrency from shifting its traffic gradually"
            )


def _check_triggers(key: str, environment: EnvironmentSettings, problems: Problems) -> None:
    """Refuse queues, streams, topics and buses of another region: AWS takes none of them there."""
    for trigger in environment.triggers or ():
        for each in settings_of(trigger.settings):
            for arn in _texts(getattr(trigger.settings, each.name)):
                at = re.match(_ARN, arn)
                if at and at[1] != environment.region:
                    where = f"{key} ({trigger.label}).{each.name}"
                    problems.add(where, arn, f"an ARN in the environment's region, {environment.region}")


def _texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a setting, which may stand for itself, or in a list or a mapping of one."""
    values = tuple(value.values()) if isinstance(value, Mapping) else value if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if isinstance(each, str))


def _check_destination(key: str, arn: str, environment: EnvironmentSettings, function: str, problems: Problems) -> None:
    """Refuse a destination of another region, to which Lambda sends no record, and the function itself."""
    if references.has(arn):
        return
    _, _, service, region, account, *name = arn.split(":")
    if region not in ("", environment.region):  # a bucket's is empty
        problems.add(key, arn, f"an ARN in the environment's region, {environment.region}")
    elif (service, account, name[1:2]) == ("lambda", environment.account, [function]):
        problems.add(key, arn, "another function: a record that failed would come back to this one")


def _check_questions(
    environments: Mapping[str, EnvironmentSettings], promotions: PromotionSettings, problems: Problems
) -> None:
    """Refuse a canary that asks where nobody is asked, and one whose questions take longer than a promotion may.

    People are asked in the lowest rung's location only.
    """
    primary = environments.get(next(iter(promotions.policies), ""))
    for name, policy in promotions.policies.items():
        at = environments.get(name)
        asks = policy.reads_metrics and policy.canary.inconclusive == ASK
        if asks and at and primary and (at.account, at.region) != (primary.account, primary.region):
            problems.add(
                f"promotion.rungs.{name}.canary.inconclusive",
                ASK,
                f"{RESTORE}, since people are asked in {primary.name}'s account and region alone",
            )
        hours = math.ceil(policy.longest_minutes / 60) + policy.most_questions * promotions.approval_hours
        if policy.most_questions and hours > _LONGEST_HOURS:
            problems.add(
                f"promotion.rungs.{name}.canary.inconclusive",
                ASK,
                f"{RESTORE}, or fewer widths, or less than the {promotions.approval_hours} hours of "
                f"promotion.approval_hours: {policy.most_questions} questions may take {hours} hours with their "
                f"widths, at most {_LONGEST_HOURS} fit into the seven days of a promotion",
            )


def _check_error_rates(
    environments: Mapping[str, EnvironmentSettings], promotions: PromotionSettings, problems: Problems
) -> None:
    """Refuse an error rate that a canary whose every call fails wouldn't reach: the alarms see the whole alias.

    Of several widths the widest one counts: the first one may be too narrow for alarms. A canary that compares needs
    no alarm to see it.
    """
    for name, policy in promotions.policies.items():
        rate = environments[name].function.alarms.error_rate_percent if name in environments else 0
        shift, key = policy.shift, f"environments.{name}.function.alarms.error_rate_percent"
        if policy.canary.compare:
            continue
        if shift.widths and rate >= shift.widths[-2][0]:
            problems.add(key, rate, f"less than the {shift.widths[-2][0]} percent before all traffic of {shift.name}")
        elif not shift.widths and rate >= shift.percent:
            problems.add(key, rate, f"less than the {shift.percent} percent that {shift.name} begins with")
