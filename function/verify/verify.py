"""Verify: is what should serve really serving, and is it well? Also CodeDeploy's lifecycle hook.

`version` tests a version before traffic, `alias` reads the alias back after the shift, `unchanged` does both for a
target that needed no release, `probe` sends synthetic traffic during the shift, `restored` looks after a rollback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cases
import hook
import probe
from shared import deployments, serving
from shared.aws import explained
from shared.errors import NotServedError


@explained
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a task of the state machine, or a lifecycle event of CodeDeploy (which brings no `action`)."""
    if "LifecycleEventHookExecutionId" in event:
        return hook.answer(event, context)
    actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "version": _version,
        "alias": _alias,
        "unchanged": _unchanged,
        "probe": probe.run,
        "restored": _restored,
    }
    return actions[event["action"]](event)


def _version(event: dict[str, Any]) -> dict[str, Any]:
    """Test a version by its own number, before any traffic."""
    function, version = event["target"]["function"], event["version"]
    _check_digest(function, version, event["release"]["digest"])
    count = cases.run(
        function,
        cases.load(event["release"]["smoke_key"]),
        lambda payload: cases.invoke(function, version, payload),
        f"version {version} of {function}",
    )
    return {"cases": count}


def _alias(event: dict[str, Any]) -> dict[str, Any]:
    """Read the alias back: all of it on the version, and well. The revision is that of the verified alias."""
    function, name, version = event["target"]["function"], event["target"]["alias"], event["version"]
    _check_digest(function, version, event["release"]["digest"])
    _check_serving(function, name, version)
    subject = f"version {version} of {function} behind alias {name}"
    known = cases.healthy(cases.load(event["release"]["smoke_key"]))
    count = cases.run(function, known, lambda payload: _through(function, name, version, payload), subject)
    return {"cases": count, "alias_revision": _check_serving(function, name, version).revision}


_unchanged = _alias


def _through(function: str, name: str, version: str, payload: Any) -> cases.Called:
    called = cases.invoke(function, name, payload)
    if called.version and called.version != version:
        raise NotServedError(f"alias {name} of {function} was answered by version {called.version}, not {version}")
    return called


def _restored(event: dict[str, Any]) -> dict[str, Any]:
    """Look whether a rollback is true: the alias serves what it did, or somebody else's deployment moves it now."""
    target = event["target"]
    alias = serving.alias(target["function"], target["alias"])
    active = deployments.active(target["application"], target["deployment_group"])
    for deployment in active:
        if deployment.belongs_to(event["release"]["id"]):
            raise NotServedError(f"deployment {deployment.id} of this climb is still {deployment.status}")
    if alias.serves_only(event["previous_version"]) or (active and not alias.serves(event["version"])):
        return {"serves": str(alias)}
    name = f"alias {target['alias']} of {target['function']}"
    raise NotServedError(f"{name} serves {alias}, not all of it version {event['previous_version']}")


def _check_digest(function: str, version: str, digest: str) -> None:
    runs, _ = serving.version(function, version)
    if runs != digest:
        raise NotServedError(f"version {version} of {function} has {runs or 'an unknown image'}, not {digest}")


def _check_serving(function: str, name: str, version: str) -> serving.Alias:
    alias = serving.alias(function, name)
    if not alias.serves_only(version):
        raise NotServedError(f"alias {name} of {function} serves {alias}, not all of it version {version}")
    return alias
