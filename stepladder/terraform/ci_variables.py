"""What the modules get of the settings `ci`: whose jobs may act as which role, and what bounds what they make.

Names follow from the project. Only what the settings say of triggers can't be derived: their names, and the buckets,
topics and buses of others that they listen to. A reference to the project's own Terraform isn't known before it is
applied, so nothing follows from one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stepladder.settings import ci, codepipeline, locations, previews, references
from stepladder.settings.load import Settings
from stepladder.settings.triggers import Trigger

_RULES = "eventbridge"
OTHER = "other"
"""The provider of another location of this account, which its foundation makes."""
BOUNDARY = "permissions_boundary"
UNTOUCHED = {BOUNDARY: ""}
"""What the service's module does without the variable, which the root of an earlier stepladder doesn't declare."""


def is_on(settings: Settings, environment: str) -> bool:
    """Say whether anybody's jobs are trusted in an environment's location: a forge's, or those of CodePipeline."""
    return bool(settings.ci.forges) or has_pipeline(settings, environment)


def has_pipeline(settings: Settings, environment: str) -> bool:
    """Say whether CodePipeline runs in an environment's location: that of the lowest rung."""
    is_primary = locations.of(settings, environment) == locations.primary(settings)
    return settings.codepipeline.enabled and is_primary


def has_previews(settings: Settings, environment: str) -> bool:
    """Say whether previews are made in an environment's location."""
    base = previews.base_name(settings)
    return settings.previews.enabled and locations.of(settings, environment) == locations.of(settings, base)


def boundary(settings: Settings, environment: str) -> str:
    """Return the ARN of the policy that bounds every role which a job makes in an environment's location."""
    names, given = settings.names(environment), settings.ci.permissions_boundary
    if given.startswith("arn:"):
        return given
    name = given or f"{settings.project}-ci-boundary-{names.region}"
    return f"arn:{names.partition}:iam::{names.account}:policy/{name}"


def bounds(settings: Settings, environment: str) -> dict[str, str]:
    """Return the variable of the service's and the delivery's module; nothing where no job is trusted."""
    return {BOUNDARY: boundary(settings, environment)} if is_on(settings, environment) else {}


def foundation(settings: Settings, environment: str) -> dict[str, Any]:
    """Return the variables of the foundation's module in an environment's location; nothing where no job is trusted."""
    if not is_on(settings, environment):
        return {}
    location = locations.of(settings, environment)
    local = [name for name in settings.environments if locations.of(settings, name) == location]
    return {
        "ci": {
            "boundary": boundary(settings, environment) if settings.ci.permissions_boundary else "",
            "environments": {name: _environment(settings, name) for name in sorted(local)},
            "issuers": {name: _issuer(settings, forge, location, local) for name, forge in settings.ci.forges.items()},
            "previews": bool(settings.ci.forges) and has_previews(settings, environment),
            "primary": location == locations.primary(settings),
        },
        **({"codepipeline": codepipeline.foundation(settings)} if has_pipeline(settings, environment) else {}),
    }


def _environment(settings: Settings, name: str) -> dict[str, Any]:
    """Return what can't be derived from an environment's name: what its triggers are called, and listen to.

    Of several functions, those that have a name are reached by what all their names begin with.
    """
    names = settings.names(name)
    own, partition = names.function, names.partition
    triggers = settings.triggers_of(settings.environment(name)) if settings.main else ()
    views = [settings.of_function(each) for each in settings.function_names]
    every = [trigger for view in views for trigger in view.triggers_of(view.environment(name))]
    buckets = (each for trigger in every if trigger.kind == "s3" for each in _texts(trigger.settings.bucket))
    begun = [f"{own}-*"] if settings.functions else []
    rules = {f"{_bus(each)}{own}-*" for each in every if each.kind == _RULES} if settings.functions else set()

    def named(*kinds: str) -> list[str]:
        return sorted({f"{own}-{each.name}" for each in triggers if each.name and each.kind in kinds})

    return {
        "buckets": [f"arn:{partition}:s3:::{bucket}" for bucket in _known(buckets)],
        "http_api": any(trigger.kind == "http-api" for trigger in every),
        "promoted": any(name in rung for rung in settings.rungs[1:]),
        "queues": [own, *(begun or named("sqs"))],
        "rules": sorted({own, *begun, *rules, *(_rule(own, each) for each in triggers if each.kind == _RULES)}),
        "schedules": [own, *(begun or named("schedule"))],
        "stacks": begun or [f"{own}-url", *named("url", "url-iam")],
        "topics": _known(trigger.settings.topic_arn for trigger in every if trigger.kind == "sns"),
    }


def _rule(own: str, trigger: Trigger) -> str:
    return f"{_bus(trigger)}{own}-{trigger.name}" if trigger.name else f"{_bus(trigger)}{own}"


def _bus(trigger: Trigger) -> str:
    """Return what a rule's name begins with; nothing for the default bus, and for one that isn't known."""
    bus = str(trigger.settings.bus).rpartition("/")[2]
    return "" if bus == "default" or references.has(trigger.settings.bus) else f"{bus}/"


def _issuer(settings: Settings, forge: ci.Forge, location: locations.Location, local: Iterable[str]) -> dict[str, Any]:
    branch = settings.ci.branch
    environments = [name for each in sorted(local) for name in (each, f"{each}{ci.APPROVAL}")]
    is_first = location == _first_of_account(settings, location.account)
    return {
        "audience": forge.audience,
        "provider": forge.provider if forge.provider == ci.EXISTING or is_first else OTHER,
        "subjects": {
            "branch": list(forge.of_branch(branch)),
            "environments": {name: list(forge.of_environment(name, branch)) for name in environments},
            "pull_requests": list(forge.of_pull_requests()),
        },
        "url": forge.url,
    }


def _first_of_account(settings: Settings, account: str) -> locations.Location:
    """Return the location whose foundation makes an account's provider: the first of the ladder, else of all."""
    names = (*settings.ladder_environments, *settings.environments)
    return next(at for at in (locations.of(settings, name) for name in names) if at.account == account)


def _texts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else (value,)


def _known(values: Iterable[Any]) -> list[str]:
    return sorted({str(value) for value in values if not references.has(value)})
