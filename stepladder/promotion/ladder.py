"""The ladder as data: the execution's input, with everything that a release of a target needs.

The state machine's definition knows no environment: rungs, targets, names and durations all come from here, out of the
settings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stepladder.core import names
from stepladder.core.errors import BadInputError
from stepladder.promotion import own_shift
from stepladder.promotion.contract import (
    CHILD_POLL_SECONDS,
    ExecutionInput,
    LocationInput,
    RungInput,
    TargetInput,
    TargetRelease,
)
from stepladder.releases import release_command
from stepladder.settings import locations
from stepladder.settings.functions import MAIN
from stepladder.settings.load import Settings

_MARGIN = 7200  # seconds for all of a target's promotion that isn't shifting or baking
_MOST_POLLS = 400  # of a child execution: each is thirteen events of the history
_TARGETS, _CHILDREN = (
    2,
    3,
)  # in the primary location, and in others, whose longest shifts one history of 25,000 events holds
_SHORTEST_PAUSE = 5  # seconds between two polls of a child
_SPACING = 1.5  # seconds between the beginnings of two of many targets: Lambda takes 15 changes and reads a second
_DATA_MAX = (
    256 * 1024
)  # of an input and of a state: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_RESULT = 1300  # bytes that a rung's states hold of a target beside its input: its release, how it ended, and why
INLINE_TARGETS = 10
"""The targets of a rung whose events one history holds. Above it each is an execution of its own: a Map Run's child."""


@dataclass(frozen=True)
class PromotionRequest:
    """One promotion: an image with its release id and its options.

    `smoke_key` names the bundle of smoke cases in the artifacts bucket, empty for none. `untested` is the ledger's
    remark on that, and on a release in a freeze, of which `during_freeze` is the reason. `functions` are the names of
    those that are promoted; `own` are their images and cases where they are several.
    """

    release_id: str
    digest: str
    git_commit: str
    requested_by: str
    input_key: str = ""
    smoke_key: str = ""
    untested: str = ""
    hotfix: bool = False
    force: bool = False
    functions: tuple[str, ...] = ("",)
    own: Mapping[str, TargetRelease] = field(default_factory=dict)
    during_freeze: str = ""


def execution_input(settings: Settings, release: PromotionRequest) -> ExecutionInput:
    """Return the input of an execution (see `contract`)."""
    locations.check(settings)
    rungs = [_rung(settings, rung, release) for rung in settings.rungs]
    for target in (target for rung in rungs for target in rung["targets"] if release.during_freeze):
        target["during_freeze"] = release.during_freeze
    return {
        "release_id": release.release_id,
        "digest": release.digest,
        "git_commit": release.git_commit,
        "requested_by": release.requested_by,
        "input_key": release.input_key,
        "smoke_key": release.smoke_key,
        "untested": release.untested,
        "hotfix": release.hotfix,
        "force": release.force,
        "rungs": rungs,
    }


def check_size(text: str, functions: Collection[str]) -> None:
    """Raise `BadInputError` for an input that Step Functions would refuse, or whose rung would fill a state's data.

    A rung's states hold its targets with the result of each: without this they would be released, and then put back.
    """
    rungs: list[RungInput] = json.loads(text)["rungs"]
    states = max(len(json.dumps(rung).encode()) + len(rung["targets"]) * _RESULT for rung in rungs)
    given = len(text.encode())
    size = max(given, states)
    if size <= _DATA_MAX:
        return
    fits = max(1, len(functions) * _DATA_MAX // size)
    function = next(filter(None, functions), MAIN)
    what = "its input has" if given >= states else "the results of a rung take about"
    raise BadInputError(
        f"the promotion of {len(functions)} functions is too large to start: {what} {size // 1024} KiB, and "
        f"Step Functions takes {_DATA_MAX // 1024}",
        kind="promotion-too-large",
        hint=f"promote at most {fits} at once, by name: `inv promote --function {function}`",
    )


def rung_name(environments: tuple[str, ...]) -> str:
    """Name a rung: its environment, or all of them."""
    return "+".join(environments)


def _rung(settings: Settings, environments: tuple[str, ...], release: PromotionRequest) -> RungInput:
    rungs = [settings.promotion.policies[name] for name in environments]
    lease = max(own_shift.longest_seconds(rung, settings.promotion) for rung in rungs) + _MARGIN
    targets = [
        _target(settings.of_function(function), name, release, lease)
        for name in environments
        for function in release.functions
    ]
    if release.own and len(targets) > INLINE_TARGETS:
        for number, target in enumerate(targets[1:], 1):
            target["begins_after"] = math.ceil(number * _SPACING)
    if any("place" in target for target in targets):
        # each may wait for the slowest of its siblings, with its lock, and then has to undo its release
        for target in targets:
            target["lock_seconds"] = lease * 2
    return {
        "name": rung_name(environments),
        "approval": any(rung.approval for rung in rungs),
        "approval_seconds": settings.promotion.approval_hours * 3600,
        "targets": targets,
    }


def is_distributed(settings: Settings) -> bool:
    """Say whether the state machine releases each target by an execution of its own, as Terraform decides it too.

    Never in a project whose only function is its own: that has the same state machine, and fewer permissions.
    """
    return bool(settings.functions) and max(map(len, settings.rungs)) * len(settings.function_names) > INLINE_TARGETS


def _target(settings: Settings, environment: str, release: PromotionRequest, lease: int) -> TargetInput:
    """Return a target of the settings' function."""
    named, rung = settings.names(environment), settings.promotion.policies[environment]
    functions = len(release.functions)
    shared = _concurrency(settings, environment, _TARGETS, functions)
    poll_seconds, polls = rung.shift.polls(rung.bake_minutes * 60, shared)
    if rung.shifts_itself:  # a hotfix of such a rung is CodeDeploy's, and polled as seldom
        pause = own_shift.pause_seconds(rung, shared)
        poll_seconds, polls = pause, math.ceil(polls * poll_seconds / pause)
    bake_polls = math.ceil(rung.bake_minutes * 60 / poll_seconds)
    own = release.own.get(settings.name_of_function)
    target: TargetInput = {
        "environment": named.target,
        "function": named.function,
        "alias": names.ALIAS,
        "image_uri": f"{named.registry}/{named.repository}@{own['digest'] if own else release.digest}",
        "application": named.codedeploy_application,
        "deployment_group": names.ALIAS,
        "deployment_config": rung.shift.config(named.function),
        "poll_seconds": poll_seconds,
        "max_polls": polls + bake_polls,
        "bake_polls": bake_polls,
        "probe_requests": settings.promotion.probe_requests,
        "lock_seconds": lease,
    }
    command = release_command.of(settings, environment)
    if command:
        target["command"] = {
            "name": command.name,
            "event": dict(command.event),
            "wait_seconds": command.wait_seconds,
        }
    if own:
        target["release"] = own
    if rung.shifts_itself:
        target["shift"] = own_shift.shift_input(rung, settings.promotion, poll_seconds, shared)
    location = _location(settings, environment, lease, functions)
    if location:
        target |= {"place": location, "verdict_seconds": lease}
    return target


def _concurrency(settings: Settings, environment: str, fits: int, functions: int) -> float:
    """Return the factor by which the targets of an environment's kind of location exceed `fits`; at least 1.

    The kinds are the primary location and all others. Polls are made slower by the factor.
    """
    if is_distributed(settings.whole):
        return 1.0
    primary = locations.primary(settings)
    is_primary = [locations.of(settings, name) == primary for name in settings.ladder_environments]
    alike = is_primary.count(locations.of(settings, environment) == primary) * functions
    return max(1.0, alike / fits)


def _location(settings: Settings, environment: str, lease: int, functions: int) -> LocationInput | None:
    """Return where a target in another location is, and how its child is polled; None in the primary location.

    The parent gives up polling before any sibling gives up waiting for its decision. Otherwise one would keep what
    another undid.
    """
    location = locations.of(settings, environment)
    if location == locations.primary(settings):
        return None
    fits = _concurrency(settings, environment, _CHILDREN, functions)
    pause = max(_SHORTEST_PAUSE, math.ceil(lease / _MOST_POLLS * fits))
    return {
        "account": location.account,
        "region": location.region,
        "look_seconds": pause,
        "max_looks": lease // (pause + CHILD_POLL_SECONDS),
    }
