"""Verify: does the alias serve what it should, and does that pass its smoke cases? Also CodeDeploy's lifecycle hook.

`command` sends the release command to a version, `version` tests a version before traffic, `alias` reads the alias back
after the shift, `unchanged` does both for a target that needed no release, `probe` sends synthetic traffic during the
shift, `judge` compares both versions too, `restored` checks a rollback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import canary
import hook
import probe
import send_command
import smoke_run
from shared import deployments, serving
from shared.aws import explained
from shared.errors import NotServedError

from stepladder.promotion.contract import AliasServes, Context, ShiftProgress
from stepladder.promotion.requests.verify import (
    AliasRequest,
    AliasResponse,
    CommandRequest,
    CommandResponse,
    HookRequest,
    HookResponse,
    JudgeRequest,
    ProbeRequest,
    ProbeResponse,
    RestoredRequest,
    VersionRequest,
    VersionResponse,
)

VerifyRequest = (
    AliasRequest | CommandRequest | JudgeRequest | ProbeRequest | RestoredRequest | VersionRequest | HookRequest
)
VerifyResponse = AliasResponse | AliasServes | CommandResponse | ProbeResponse | ShiftProgress | VersionResponse


@explained
def handler(event: VerifyRequest, context: Context) -> VerifyResponse | HookResponse:
    """Answer a task of the state machine, or a lifecycle event of CodeDeploy (which brings no `action`)."""
    if "LifecycleEventHookExecutionId" in event:
        return hook.answer(event, context)
    return ACTIONS[event["action"]](event)


def run_command(request: CommandRequest) -> CommandResponse:
    """Send the release command to a version by its own number, before its smoke cases."""
    _check_digest(request["target"]["function"], request["version"], request["release"]["digest"])
    return send_command.run(request)


def verify_version(request: VersionRequest) -> VersionResponse:
    """Test a version by its own number, before any traffic."""
    function, version = request["target"]["function"], request["version"]
    _check_digest(function, version, request["release"]["digest"])
    count = smoke_run.run(
        function,
        smoke_run.load(request["release"]["smoke_key"], request["target"]["environment"]),
        lambda payload: smoke_run.invoke(function, version, payload),
        f"version {version} of {function}",
    )
    return {"cases": count}


def verify_alias(request: AliasRequest) -> AliasResponse:
    """Read the alias back: all of it on the version, and well. The revision is that of the verified alias."""
    function, name, version = request["target"]["function"], request["target"]["alias"], request["version"]
    _check_digest(function, version, request["release"]["digest"])
    _check_serving(function, name, version)
    subject = f"version {version} of {function} behind alias {name}"
    cases = smoke_run.healthy(smoke_run.load(request["release"]["smoke_key"], request["target"]["environment"]))
    count = smoke_run.run(function, cases, lambda payload: _through(function, name, version, payload), subject)
    return {"cases": count, "alias_revision": _check_serving(function, name, version).revision}


def _through(function: str, name: str, version: str, payload: Any) -> smoke_run.Called:
    called = smoke_run.invoke(function, name, payload)
    if called.version and called.version != version:
        raise NotServedError(f"alias {name} of {function} was answered by version {called.version}, not {version}")
    return called


def verify_restored(request: RestoredRequest) -> AliasServes:
    """Check a rollback: the alias serves what it did before, or somebody else's deployment moves it now."""
    target = request["target"]
    alias = serving.alias(target["function"], target["alias"])
    active = deployments.active(target["application"], target["deployment_group"])
    for deployment in active:
        if deployment.belongs_to(request["release"]["id"]):
            raise NotServedError(f"deployment {deployment.id} of this promotion is still {deployment.status}")
    if alias.serves_only(request["previous_version"]) or (active and not alias.serves(request["version"])):
        return {"serves": str(alias)}
    name = f"alias {target['alias']} of {target['function']}"
    raise NotServedError(f"{name} serves {alias}, not all of it version {request['previous_version']}")


def _check_digest(function: str, version: str, digest: str) -> None:
    image, _ = serving.version(function, version)
    if image != digest:
        raise NotServedError(f"version {version} of {function} has {image or 'an unknown image'}, not {digest}")


def _check_serving(function: str, name: str, version: str) -> serving.ServedAlias:
    alias = serving.alias(function, name)
    if not alias.serves_only(version):
        raise NotServedError(f"alias {name} of {function} serves {alias}, not all of it version {version}")
    return alias


ACTIONS: dict[str, Callable[[Any], VerifyResponse]] = {
    "alias": verify_alias,
    "command": run_command,
    "judge": canary.run,
    "probe": probe.run,
    "restored": verify_restored,
    "unchanged": verify_alias,
    "version": verify_version,
}
