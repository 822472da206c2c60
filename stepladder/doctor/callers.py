"""What calls the function: URLs, event sources and permissions, each on the alias and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, NOTE, WARNING, Finding
from stepladder.releases.rung import Rung

_MISSING = "ResourceNotFoundException"
_URL, _INVOKE = "lambda:InvokeFunctionUrl", "lambda:InvokeFunction"
_URL_KINDS = frozenset({"url", "url-iam"})


def urls(context: DoctorContext) -> Iterator[Finding]:
    """Yield which URL calls the function instead of its alias, or has one of the two permissions only.

    Calls need both permissions: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    """
    yield from context.each(lambda rung: _urls(context, rung))


def _urls(context: DoctorContext, rung: Rung) -> Iterator[Finding]:
    kinds = {each.kind for each in rung.settings.triggers_of(rung.settings.environment(rung.environment))}
    if not kinds & _URL_KINDS:
        return
    fix = context.restored_by("service")
    function = rung.names.function
    configured = rung.lambda_client.list_function_url_configs(FunctionName=function)["FunctionUrlConfigs"]
    has_own = any(_qualifier(each["FunctionArn"]) == names.ALIAS for each in configured)
    for each in configured:
        qualifier = _qualifier(each["FunctionArn"])
        if qualifier != names.ALIAS:
            text = f"its URL calls {_of(qualifier)}, so callers skip releases and rollbacks"
            delete = f"aws lambda delete-function-url-config --function-name {function} {_region(rung)}"
            delete += f" --qualifier {qualifier}" if qualifier else ""
            gone = f"let its callers use the alias's URL, then: `{delete}`"  # Terraform knows nothing of a second one
            yield Finding(ERROR, rung.target, text, gone if has_own else fix)
        statements = _policy(rung, qualifier)
        granted = {action for each_one in statements for action in _actions(each_one)}
        if each.get("AuthType") == "NONE" and _URL not in granted:
            yield Finding(ERROR, rung.target, f"its public URL answers 403: nobody has {_URL}", fix)
        elif _URL in granted and _INVOKE not in granted:
            text = f"its URL answers 403: since 2026-11-01 callers need {_INVOKE} besides {_URL}"
            yield Finding(ERROR, rung.target, text, fix)
    if not configured:
        yield Finding(ERROR, rung.target, "its URL is gone", fix)


def _region(rung: Rung) -> str:
    """Return the flag without which the AWS CLI acts in the region of its own settings."""
    return f"--region {rung.names.region}"


def _of(qualifier: str) -> str:
    return f"version {qualifier}" if qualifier else "the function ($LATEST) instead of its alias"


def _qualifier(arn: str) -> str:
    """Return an ARN's qualifier; empty for the function's own."""
    parts = arn.split(":")
    return parts[7] if len(parts) > 7 else ""  # noqa: PLR2004 - arn:aws:lambda:region:account:function:name:qualifier


def _policy(rung: Rung, qualifier: str) -> list[Mapping[str, Any]]:
    request = {"FunctionName": rung.names.function, **({"Qualifier": qualifier} if qualifier else {})}
    try:
        document = json.loads(rung.lambda_client.get_policy(**request)["Policy"])
    except Exception as error:
        if error_code(error) != _MISSING:
            raise
        return []
    return list(document.get("Statement", ()))


def _actions(statement: Mapping[str, Any]) -> list[str]:
    actions = statement.get("Action", [])
    return [actions] if isinstance(actions, str) else list(actions)


def permissions(context: DoctorContext) -> Iterator[Finding]:
    """Yield who may call the function itself: a caller that bypasses the alias gets $LATEST, tested by nobody."""
    yield from context.each(_permissions)


def _permissions(rung: Rung) -> Iterator[Finding]:
    for statement in _policy(rung, ""):
        if statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal", "")
        named = principal if isinstance(principal, str) else ", ".join(str(each) for each in principal.values())
        sid = statement.get("Sid", "")
        text = f"{named} may call the function itself ({sid}), and gets $LATEST instead of what was released"
        function = rung.names.function
        command = f"aws lambda remove-permission --function-name {function} --statement-id {sid} {_region(rung)}"
        yield Finding(WARNING, rung.target, text, f"let it call the alias, then: `{command}`")


def sources(context: DoctorContext) -> Iterator[Finding]:
    """Yield which event source mapping calls a function instead of its alias, or is off."""
    own = {rung.names.function_arn: rung for rung in context.deployed()}
    for each in context.once("sources", lambda: _mappings(context)):
        arn = str(each.get("FunctionArn", ""))
        qualifier = _qualifier(arn)
        rung = own.get(arn.removesuffix(f":{qualifier}") if qualifier else arn)
        if rung is None:
            continue
        source = str(each.get("EventSourceArn", "")).rpartition(":")[2] or "an event source"
        if qualifier != names.ALIAS:
            fix = context.restored_by("service")
            text = f"{source} calls {_of(qualifier)}, so its events skip releases and rollbacks"
            yield Finding(ERROR, rung.target, text, fix)
        if each.get("State") in {"Disabled", "Disabling"} and not _is_off_by_settings(rung):
            command = f"aws lambda update-event-source-mapping --uuid {each['UUID']} --enabled {_region(rung)}"
            yield Finding(NOTE, rung.target, f"{source} is disabled, and its events wait", f"`{command}`")


def _is_off_by_settings(rung: Rung) -> bool:
    """Say whether the settings turn an event source of the function off: then one that is off is as it should be."""
    triggers = rung.settings.triggers_of(rung.settings.environment(rung.environment))
    return any(getattr(each.settings, "enabled", True) is False for each in triggers)


def _mappings(context: DoctorContext) -> list[Mapping[str, Any]]:
    client = context.client("lambda")
    mappings: list[Mapping[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = client.list_event_source_mappings(**more)
        mappings += answer["EventSourceMappings"]
        if not answer.get("NextMarker"):
            return mappings
        more = {"Marker": answer["NextMarker"]}
