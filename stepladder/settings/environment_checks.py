"""What holds between an environment's settings and others: its region, its rung's shift of traffic."""

from __future__ import annotations

from collections.abc import Mapping

from stepladder.settings import references
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.problems import Problems
from stepladder.settings.promotion import PromotionSettings


def check(environments: Mapping[str, EnvironmentSettings], promotions: PromotionSettings, problems: Problems) -> None:
    """Note every problem."""
    _check_error_rates(environments, promotions, problems)
    for name, environment in environments.items():
        function, key = environment.function, f"environments.{name}.function"
        for each in ("on_failure", "on_success"):
            for arn in getattr(function.asynchronous, each):
                _check_region(f"{key}.async.{each}", arn, environment.region, problems)
        number, reserved = function.provisioned_concurrency, function.reserved_concurrency
        if 0 <= reserved < number:
            problems.add(f"{key}.provisioned_concurrency", number, f"at most {key}.reserved_concurrency ({reserved})")
        policy = promotions.policies.get(name)
        if number and policy and policy.shift.kind != "all-at-once":
            problems.messages.append(
                f"stepladder.{key}.provisioned_concurrency is {number} while traffic of {name} shifts by "
                f"{policy.shift.name}; allowed: 0, or promotion.rungs.{name}.deployment: AllAtOnce, since AWS keeps an "
                "alias with provisioned concurrency from shifting its traffic gradually"
            )


def _check_region(key: str, arn: str, region: str, problems: Problems) -> None:
    """Refuse a destination of another region: Lambda sends no record there."""
    parts = arn.split(":")
    if references.has(arn):
        return
    if len(parts) > 3 and parts[3] not in ("", region):  # noqa: PLR2004 - the region's place; a bucket's is empty
        problems.add(key, arn, f"an ARN in the environment's region, {region}")


def _check_error_rates(
    environments: Mapping[str, EnvironmentSettings], promotions: PromotionSettings, problems: Problems
) -> None:
    """Refuse an error rate that a canary whose every call fails wouldn't reach: the alarms see the whole alias."""
    for name, policy in promotions.policies.items():
        rate = environments[name].function.alarms.error_rate_percent if name in environments else 0
        if rate >= policy.shift.percent:
            key = f"environments.{name}.function.alarms.error_rate_percent"
            problems.add(
                key, rate, f"less than the {policy.shift.percent} percent that {policy.shift.name} begins with"
            )
