"""What the credentials at hand may do, as far as IAM lets them ask: what a deployment and a promotion call first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.names import Names
from stepladder.doctor import caller
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import NOTE, WARNING, Finding

_ASSUMED = r"arn:[a-z-]+:sts::\d{12}:assumed-role/(?P<role>[^/]+)/.+"
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def _actions(names: Names) -> dict[str, tuple[str, ...]]:
    """Return what a deployment to an environment and a promotion call, by the resource that it is authorised by."""
    base = f"arn:{names.partition}"
    location = f"{names.region}:{names.account}"
    return {
        names.function_arn: (
            *("lambda:GetAlias", "lambda:GetFunction", "lambda:PublishVersion", "lambda:UpdateAlias"),
            *("lambda:UpdateFunctionCode", "lambda:InvokeFunction"),
        ),
        f"{base}:ecr:{location}:repository/{names.repository}": (
            *("ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage"),
            "ecr:UploadLayerPart",
        ),
        f"{base}:dynamodb:{location}:table/{names.ledger_table}": (
            *("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"),
        ),
        f"{base}:s3:::{names.state_bucket}/{names.state_key('service')}": ("s3:GetObject", "s3:PutObject"),
        names.state_machine_arn: ("states:DescribeStateMachine", "states:StartExecution"),
        "*": ("cloudwatch:DescribeAlarms", "ecr:GetAuthorizationToken"),
    }


def permissions(context: DoctorContext) -> Iterator[Finding]:
    """Yield what these credentials may not do in the environment; a note where they may not ask."""
    client, arn = context.client("iam"), caller.read(context).arn
    if arn.endswith(":root"):
        return
    try:
        source = _source(client, arn)
        denied = {
            action: resource
            for resource, actions in _actions(context.names).items()
            for action in _refused(client, source, actions, resource)
        }
    except Exception as error:
        if error_code(error) not in _DENIED:
            raise
        operation = getattr(error, "operation_name", "") or "SimulatePrincipalPolicy"
        text = f"what these credentials may do is unknown: they may not call iam:{operation}"
        yield Finding(NOTE, context.environment, text, "`inv explain aws-denied` says how to find out what is missing")
        return
    for resource in dict.fromkeys(denied.values()):
        missing = ", ".join(action for action, of in denied.items() if of == resource)
        text = f"these credentials may not call {missing} on {resource}"
        yield Finding(
            WARNING, context.environment, text, f"let {source.rpartition(':')[2]} do that; `inv explain aws-denied`"
        )


def _source(client: Any, arn: str) -> str:
    """Return the ARN that policies are attached to: a session's role, whose path the session doesn't name."""
    match = re.fullmatch(_ASSUMED, arn)
    return str(client.get_role(RoleName=match["role"])["Role"]["Arn"]) if match else arn


def _refused(client: Any, source: str, actions: tuple[str, ...], resource: str) -> list[str]:
    answer = client.simulate_principal_policy(
        PolicySourceArn=source, ActionNames=list(actions), ResourceArns=[resource]
    )
    return [each["EvalActionName"] for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed"]
