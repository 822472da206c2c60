"""What callers get: the alias, the deployment group that shifts it, the alarms that stop a shift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stepladder.aws_lambda import alias as aliases
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.release_facts import LATEST
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, WARNING, Finding, SafeFix
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.rung import Rung

_NO_GROUP = frozenset({"ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException"})
_ROLLBACKS = frozenset({"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"})
_ALARMS = 100
"""Alarms of one DescribeAlarms: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html"""
_LAMBDA = "AWS/Lambda"


def alias(context: DoctorContext) -> Iterator[Finding]:
    """Yield which alias is gone, was put on $LATEST, or splits traffic although nothing shifts it."""
    ledger = context.ledger()
    yield from context.each(lambda rung: _alias(rung, ledger[rung.target]))


def _alias(rung: Rung, snapshot: Snapshot) -> Iterator[Finding]:
    subject = rung.target
    live = rung.alias()
    if live is None:
        text = f"the alias {names.ALIAS} of {rung.names.function} is gone, so nothing can be called by it"
        yield Finding(ERROR, subject, text, f"`inv deploy {rung.flags}`")
        return
    if live.version == LATEST and snapshot.current:
        text = "the alias was put on $LATEST, where an untested image gets traffic at once"
        yield Finding(ERROR, subject, text, f"`inv rollback {rung.flags} --to {snapshot.current.release_id}`")
    if not live.weights:
        return
    holder = snapshot.lock
    moving = holder and holder.expires and not rung.lock.is_over(holder)
    if not moving and not rung.active_deployment():
        text = f"weights were left on the alias and nothing shifts it: version {live.version}{aliases.weighted(live)}"
        yield Finding(ERROR, subject, text, f"`inv rollback {rung.flags}`")


def deployment_groups(context: DoctorContext) -> Iterator[Finding]:
    """Yield which CodeDeploy group is gone, watches no alarms, or rolls nothing back by itself."""
    yield from context.each(lambda rung: _group(context, rung))


def _group(context: DoctorContext, rung: Rung) -> Iterator[Finding]:
    subject, fix = rung.target, context.restored_by("service")
    try:
        group = rung.aws.client("codedeploy").get_deployment_group(
            applicationName=rung.names.codedeploy_application, deploymentGroupName=names.ALIAS
        )["deploymentGroupInfo"]
    except Exception as error:
        if error_code(error) not in _NO_GROUP:
            raise
        text = f"CodeDeploy has no deployment group {names.ALIAS} of {rung.names.codedeploy_application}"
        yield Finding(ERROR, subject, text, fix)
        return
    alarms = group.get("alarmConfiguration") or {}
    watched = {each["name"] for each in alarms.get("alarms", ())} if alarms.get("enabled") else set()
    if missing := [name for name in rung.names.alarms if name not in watched]:
        text = f"CodeDeploy doesn't watch {', '.join(missing)}, so {_they(missing)} can't stop a shift"
        yield Finding(ERROR, subject, text, fix)
    if alarms.get("ignorePollAlarmFailure"):
        text = "CodeDeploy goes on shifting while it can't read its alarms"
        yield Finding(WARNING, subject, text, fix)
    rollback = group.get("autoRollbackConfiguration") or {}
    events = set(rollback.get("events", ())) if rollback.get("enabled") else set()
    if lacking := sorted(_ROLLBACKS - events):
        text = f"CodeDeploy rolls nothing back on {', '.join(lacking)}, and leaves the alias split"
        yield Finding(ERROR, subject, text, fix)


def _they(alarms: list[str]) -> str:
    return "it" if len(alarms) == 1 else "they"


def alarms(context: DoctorContext) -> Iterator[Finding]:
    """Yield which alarm is gone, watches something else than the alias, or notifies nobody."""
    deployed = context.deployed()
    made = _described(context, [name for rung in deployed for name in rung.names.alarms])
    fix = context.restored_by("service")
    for rung in deployed:
        if missing := [name for name in rung.names.alarms if name not in made]:
            yield Finding(ERROR, rung.target, f"there is no alarm {', '.join(missing)}", fix)
        for name in rung.names.alarms:
            if name in made:
                yield from _alarm(context, rung, made[name], fix)


def _described(context: DoctorContext, wanted: list[str]) -> dict[str, Mapping[str, Any]]:
    client, made = context.client("cloudwatch"), dict[str, Mapping[str, Any]]()
    for start in range(0, len(wanted), _ALARMS):
        answer = client.describe_alarms(AlarmNames=wanted[start : start + _ALARMS], MaxRecords=_ALARMS)
        made |= {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"]}
    return made


def _alarm(context: DoctorContext, rung: Rung, alarm: Mapping[str, Any], fix: str) -> Iterator[Finding]:
    name = alarm["AlarmName"]
    expected = {"FunctionName": rung.names.function, "Resource": f"{rung.names.function}:{names.ALIAS}"}
    for dimensions in _dimensions(alarm):
        if dimensions != expected:
            watched = ", ".join(f"{key}={value}" for key, value in sorted(dimensions.items())) or "all functions"
            state = " and has no data" if alarm.get("StateValue") == "INSUFFICIENT_DATA" else ""
            text = f"{name} watches {watched}, not the alias{state}: it can't stop a bad release"
            yield Finding(ERROR, rung.target, text, fix)
            break
    if not alarm.get("ActionsEnabled", True) and alarm.get("AlarmActions"):
        client = context.client("cloudwatch")
        act = SafeFix(f"enable the actions of {name}", lambda: client.enable_alarm_actions(AlarmNames=[name]))
        yield Finding(WARNING, rung.target, f"{name} notifies nobody: its actions are disabled", fix, act)


def _dimensions(alarm: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    """Yield the dimensions of each metric of Lambda's that an alarm watches."""
    metrics = [alarm] if alarm.get("Namespace") else []
    for query in alarm.get("Metrics", ()):
        stat = query.get("MetricStat") or {}
        metrics += [stat.get("Metric", {})] if stat else []
    for metric in metrics:
        if metric.get("Namespace") == _LAMBDA:
            yield {each["Name"]: each["Value"] for each in metric.get("Dimensions", ())}
