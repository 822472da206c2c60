"""Manual: somebody approves or rejects, by PutApprovalResult.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ApprovalManual.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import uuid4

from localcloud.cloud import ServiceError
from localcloud.services.codepipeline.context import ActionContext, FailedAction
from localcloud.services.codepipeline.model import MANUAL_MINUTES

_POLL = 0.1


def run(context: ActionContext) -> None:
    """Wait for a decision, for seven days of the clock unless the action has another time limit."""
    action, clock = context.action, context.cloud.clock
    minutes = int(action.declaration.get("timeoutInMinutes") or MANUAL_MINUTES)
    expires = clock.now() + 60 * minutes
    action.token = str(uuid4())
    _notify(context, expires)
    while not action.decision:
        if clock.now() >= expires:
            raise FailedAction(f"The approval was not given within {minutes} minutes", "ActionTimedOut")
        context.wait(_POLL)
    if action.decision != "Approved":
        raise FailedAction(action.summary or "The approval was rejected")


def _notify(context: ActionContext, expires: float) -> None:
    given, topic = context.action.configuration, context.action.configuration.get("NotificationArn")
    if not topic:
        return
    approval = {
        "pipelineName": context.pipeline.name,
        "stageName": context.action.stage,
        "actionName": context.action.action,
        "token": context.action.token,
        "expires": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "externalEntityLink": given.get("ExternalEntityLink"),
        "customData": given.get("CustomData"),
    }
    message = {"region": context.region, "approval": {name: value for name, value in approval.items() if value}}
    subject = f"APPROVAL NEEDED: AWS CodePipeline {context.pipeline.name} for action {context.action.action}"
    try:
        context.call("sns", "Publish", {"TopicArn": topic, "Message": json.dumps(message), "Subject": subject[:100]})
    except ServiceError as error:
        raise FailedAction(f"The topic {topic} takes no message: {error.message}", "PermissionError") from None
