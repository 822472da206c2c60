"""Which resources a call names, by the resource types of AWS's service authorization reference.

A resource is a template: the part of the ARN after the service, or a whole one. `{A|B}` stands for the parameter A, or
B when A is missing, and `{A|*}` for `*` then; a list of values makes several resources. A parameter that is an ARN
already is the resource. A template whose parameters are missing names no resource.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import product

from localcloud.authorization.calls.call import AwsCall, UnknownAccessError

Resources = Callable[[AwsCall], Iterable[str]]

TEMPLATES: dict[str, dict[str, str]] = {
    "cloudformation": {
        "stack": "stack/{StackName}/*",
        "stackset": "stackset/{StackSetName}:*",
        "changeset": "changeSet/{ChangeSetName}/*",
    },
    "cloudwatch": {
        "alarm": "alarm:{AlarmName|AlarmNames}",
        "dashboard": "arn:{partition}:cloudwatch::{account}:dashboard/{DashboardName|DashboardNames}",
        "insight-rule": "insight-rule/{RuleName|RuleNames}",
        "metric-stream": "metric-stream/{Name|Names}",
    },
    "codeconnections": {"Host": "{HostArn}"},
    "codestar-connections": {"Host": "{HostArn}"},
    "codedeploy": {
        "application": "application:{applicationName|applicationNames}",
        "deploymentconfig": "deploymentconfig:{deploymentConfigName}",
        "deploymentgroup": "deploymentgroup:{applicationName}/"
        "{deploymentGroupName|deploymentGroupNames|currentDeploymentGroupName}",
    },
    "codepipeline": {
        "action": "{pipelineName}/{stageName}/{actionName}",
        "pipeline": "{pipelineName|pipeline.name|name}",
        "stage": "{pipelineName}/{stageName}",
        "webhook": "webhook:{webhookName|webhook.name|name}",
    },
    "dynamodb": {
        "backup": "{BackupArn}",
        "export": "{ExportArn}",
        "global-table": "arn:{partition}:dynamodb::{account}:global-table/{GlobalTableName}",
        "import": "{ImportArn}",
        "stream": "{StreamArn}",
        "table": "table/{TableName|TableArn|TargetTableName|TableCreationParameters.TableName}",
    },
    "ecr": {"repository": "repository/{repositoryName|repositoryNames|*}"},
    "events": {
        "api-destination": "api-destination/{Name}/*",
        "archive": "archive/{ArchiveName}",
        "connection": "connection/{Name}/*",
        "endpoint": "endpoint/{Name}",
        "replay": "replay/{ReplayName}",
    },
    "kms": {"alias": "{AliasName}"},
    "lambda": {
        "code signing config": "code-signing-config:{CodeSigningConfigArn}",
        "layer": "layer:{LayerName}",
        "layerVersion": "layer:{LayerName|Arn}:{VersionNumber|Arn}",
    },
    "logs": {
        "delivery": "delivery:{id}",
        "delivery-destination": "delivery-destination:{name|deliveryDestinationName|deliveryDestinationArn}",
        "delivery-source": "delivery-source:{name|deliverySourceName}",
        "destination": "destination:{destinationName}",
        "log-stream": "log-group:{logGroupName|logGroupIdentifier}:log-stream:{logStreamName}",
    },
    "scheduler": {
        "schedule-group": "schedule-group/{Name}",
    },
    "sns": {"topic": "{TopicArn|TargetArn|Name}"},
    "ssm": {"document": "document/{Name|DocumentName}"},
    "states": {
        "activity": "activity:{name|activityArn}",
        "execution": "{executionArn}",
        "maprun": "{mapRunArn}",
    },
    "sts": {
        "federated-user": "arn:{partition}:sts::{account}:federated-user/{Name}",
        "role": "{RoleArn}",
    },
    "xray": {"group": "group/{GroupName|GroupARN}/*", "sampling-rule": "sampling-rule/{RuleName|RuleARN}"},
}
"""Resource types by the prefix of their service's actions. Others are in the module of their service."""

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def from_template(call: AwsCall, prefix: str, template: str) -> tuple[str, ...]:
    """Return the ARNs that a template gives for a call."""
    names = _PLACEHOLDER.findall(template)
    choices = [_values(call, name) for name in names]
    return tuple(_filled(call, prefix, template, values) for values in product(*choices))


def _values(call: AwsCall, name: str) -> tuple[str, ...]:
    if name in ("partition", "account", "region"):
        return (str(getattr(call, name)),)
    for each in name.split("|"):
        if values := ("*",) if each == "*" else call.texts(each):
            return values
    raise UnknownAccessError(name)


def _filled(call: AwsCall, prefix: str, template: str, values: tuple[str, ...]) -> str:
    if not template.startswith("arn:"):
        whole = [value for value in values if value.startswith("arn:")]
        if whole:
            return whole[-1]
    parts = iter(values)
    text = _PLACEHOLDER.sub(lambda _: next(parts), template)
    return text if text.startswith("arn:") else call.arn(prefix, text)


def queue(call: AwsCall) -> Iterable[str]:
    """Return the queue of an SQS call, whose URL names its account."""
    if url := call.text("QueueUrl"):
        *_, account, name = ["", *url.rstrip("/").split("/")]
        yield call.arn("sqs", name, account=account if account.isdigit() else None)
    elif arn := call.text("SourceArn"):
        yield arn
    elif name := call.text("QueueName"):
        yield call.arn("sqs", name, account=call.text("QueueOwnerAWSAccountId") or None)
    else:
        raise UnknownAccessError("the queue")


def topic(call: AwsCall) -> Iterable[str]:
    """Return the topic of an SNS call. A subscription is its topic's, and a phone number is no resource."""
    if arn := call.text("SubscriptionArn"):
        yield arn.rpartition(":")[0]
    elif call.text("PhoneNumber"):
        yield "*"
    else:
        yield from from_template(call, "sns", TEMPLATES["sns"]["topic"])


_MACHINE = re.compile(r"(arn:[^:]+:states:[^:]*:\d+:stateMachine:[^:]+)(?::([^:]+))?")
_MACHINE_PARAMETERS = ("stateMachineArn", "stateMachineAliasArn", "stateMachineVersionArn", "resourceArn")


def machine(call: AwsCall) -> Iterable[str]:
    """Return the state machine of a call: its versions and aliases are authorised by its own ARN.

    https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html
    """
    if name := call.text("name") if call.action == "CreateStateMachine" else "":
        yield call.arn("states", f"stateMachine:{name}")
        return
    for route in call.params.get("routingConfiguration") or ():
        if match := _MACHINE.fullmatch(str(route.get("stateMachineVersionArn", ""))):
            yield match[1]
            return
    if match := _MACHINE.fullmatch(call.text(*_MACHINE_PARAMETERS)):
        yield match[1]
    else:
        raise UnknownAccessError("the state machine")


def machine_qualifier(call: AwsCall) -> tuple[str, ...]:
    """Return the version or alias that a call names of a state machine."""
    match = _MACHINE.fullmatch(call.text(*_MACHINE_PARAMETERS))
    return (match[2],) if match and match[2] else ()


def log_group(call: AwsCall) -> Iterable[str]:
    """Return the log group of a call, without the `:*` that some ARNs of it end in."""
    names = next((values for each in _GROUPS if (values := call.texts(each))), ())
    if not names:
        raise UnknownAccessError("the log group")
    for name in names:
        yield name.removesuffix(":*") if name.startswith("arn:") else call.arn("logs", f"log-group:{name}")


_GROUPS = (
    "logGroupName",
    "logGroupIdentifier",
    "logGroupArnList",
    "logGroupIdentifiers",
    "logGroupNames",
    "resourceArn",
)


def rule(call: AwsCall) -> Iterable[str]:
    """Return the rule of an EventBridge call, on its bus."""
    name = call.text("Rule", "Name")
    if not name:
        raise UnknownAccessError("the rule")
    bus = call.text("EventBusName").rpartition("/")[2]
    if name.startswith("arn:"):
        yield name
    else:
        yield call.arn("events", f"rule/{name}" if bus in ("", "default") else f"rule/{bus}/{name}")


def schedule(call: AwsCall) -> Iterable[str]:
    """Return the schedule of a call, in its group."""
    yield call.arn("scheduler", f"schedule/{call.text('GroupName') or 'default'}/{call.text('Name')}")


def event_bus(call: AwsCall) -> Iterable[str]:
    """Return the bus of an EventBridge call: the default one, when none is named."""
    name = call.text("Name") or "default"
    yield name if name.startswith("arn:") else call.arn("events", f"event-bus/{name}")


def deployment_group(call: AwsCall) -> Iterable[str]:
    """Return the deployment groups of a call, also of one that names deployments by their ids."""
    deployments = call.texts("deploymentId") or call.texts("deploymentIds")
    if not deployments:
        yield from from_template(call, "codedeploy", TEMPLATES["codedeploy"]["deploymentgroup"])
    for deployment in dict.fromkeys(deployments):
        info = call.read("codedeploy", "GetDeployment", deploymentId=deployment)["deploymentInfo"]
        yield call.arn(
            "codedeploy", f"deploymentgroup:{info['applicationName']}/{info.get('deploymentGroupName', '*')}"
        )


def connection(call: AwsCall) -> Iterable[str]:
    """Return the connection of a call. A list is authorised against all of them."""
    if call.action == "ListConnections":
        yield call.arn(call.service, "connection/*")
    else:
        yield from from_template(call, call.service, "{ConnectionArn}")


def build_project(call: AwsCall) -> Iterable[str]:
    """Return the projects of a CodeBuild call, also of one that names builds by their ids (`<project>:<uuid>`)."""
    builds = call.texts("ids") or call.texts("id")
    if not builds:
        yield from from_template(call, "codebuild", "project/{projectName|names|name|arn}")
    for build in dict.fromkeys(builds):
        yield call.arn("codebuild", f"project/{build.rpartition('/')[2].rpartition(':')[0]}")


def alarm(call: AwsCall) -> Iterable[str]:
    """Return the alarms of a CloudWatch call. DescribeAlarms is authorised against the list of alarms."""
    if call.action in ("DescribeAlarms", "DescribeAlarmHistory"):
        yield call.arn("cloudwatch", "alarm:*")
    else:
        yield from from_template(call, "cloudwatch", TEMPLATES["cloudwatch"]["alarm"])


def repository(call: AwsCall) -> Iterable[str]:
    """Return the repositories of an ECR call, in the registry that it names."""
    for arn in from_template(call, "ecr", TEMPLATES["ecr"]["repository"]):
        registry = call.text("registryId")
        yield call.arn("ecr", arn.split(":", 5)[5], account=registry) if registry else arn


FUNCTIONS: dict[str, dict[str, Resources]] = {
    "cloudwatch": {"alarm": alarm},
    "codebuild": {"project": build_project},
    "codeconnections": {"Connection": connection},
    "codestar-connections": {"Connection": connection},
    "codedeploy": {"deploymentgroup": deployment_group},
    "ecr": {"repository": repository},
    "events": {"event-bus": event_bus, "rule-on-default-event-bus": rule},
    "logs": {"log-group": log_group},
    "scheduler": {"schedule": schedule},
    "sns": {"topic": topic},
    "sqs": {"queue": queue},
    "states": {"statemachine": machine},
}
"""Resource types that a template can't say."""

LISTS = {
    "dynamodb:ListTables": ("dynamodb", "table/*"),
    "logs:DescribeLogGroups": ("logs", "log-group::log-stream:"),
    "states:ListStateMachines": ("states", "stateMachine:*"),
}
"""Actions that are authorised on all resources by the reference, and on a list of one type by AWS's own errors."""


def other_arns(call: AwsCall, action: str, arn: str) -> tuple[str, ...]:
    """Return other ARNs by which AWS may authorise an action.

    A log group's ARN ends in `:*` in most of its policies, and in `:log-stream:` in CloudWatch Logs' errors.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    if action in LISTS:
        return (call.arn(*LISTS[action]),)
    if ":log-group:" in arn and ":log-stream:" not in arn:
        return (f"{arn}:log-stream:", f"{arn}:*")
    return ()
