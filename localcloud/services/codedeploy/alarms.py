"""The alarms that a Lambda deployment is watched by.

https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-create-alarms.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud, ServiceError
from localcloud.services.codedeploy.model import Deployment, DeploymentFailure, failed


def check(cloud: Cloud, deployment: Deployment, group: Mapping[str, Any], caller: ServiceCaller | None) -> None:
    """Raise `DeploymentFailure` when an alarm of the group fires (or can't be read). A rollback is watched by none.

    The alarms are read as the `caller`.
    """
    if deployment.creator == "codeDeployRollback":
        return
    watched = deployment.override_alarms or group.get("alarmConfiguration") or {}
    names = [alarm["name"] for alarm in watched.get("alarms") or ()]
    if not watched.get("enabled") or not names:
        return
    params = {"AlarmNames": names}
    try:
        where = {"region": deployment.region, "account": deployment.account}
        answer = cloud.call_as(caller, "cloudwatch", "DescribeAlarms", params, **where)
    except ServiceError as error:
        if watched.get("ignorePollAlarmFailure"):
            return
        raise failed("ALARM_ACTIVE", f"The alarms can't be read: {error.code}") from error
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in answer["MetricAlarms"]}
    firing = [name for name in names if states.get(name) == "ALARM"]
    if firing:
        raise DeploymentFailure(
            "Stopped",
            "ALARM_ACTIVE",
            "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and "
            f"the affected deployments have been stopped. Activated alarms: <{', '.join(firing)}>",
            "DEPLOYMENT_STOP_ON_ALARM",
        )
