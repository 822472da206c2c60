"""Say that an action of CodePipeline failed: on the project's topic, on the event bus, and at the commit.

EventBridge calls the relay with CodePipeline's own events.
https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, TypedDict

import failure
import flag
from shared import aws

SOURCE, DETAIL_TYPE = "stepladder", "Pipeline Failed"
_SUBJECT = 100  # characters that SNS takes


class PipelineEvent(TypedDict):
    """An event of CodePipeline, as EventBridge brings it; `detail-type` and more keys stand beside."""

    detail: dict[str, Any]


class Notice(TypedDict):
    """What became of an event: the reason of a failure, empty for a success, and what became of the commit."""

    why: str
    commit: str


def handle(event: PipelineEvent) -> Notice:
    """Say why an action failed, or flag the commit of a pipeline that succeeded."""
    settings, detail = json.loads(os.environ["PIPELINE"]), event["detail"]
    execution = detail["execution-id"]
    if detail["state"] != "FAILED":
        return {"why": "", "commit": _flagged(settings, execution, "released on every rung", good=True)}
    reason = failure.read(detail, settings["rungs"])
    where = {"stage": detail["stage"], "action": detail["action"]}
    record = {"project": settings["project"], "pipeline": settings["name"], "execution_id": execution, **where}
    record |= {"why": reason.why, "more": reason.more, "log": reason.log}
    _publish(settings, record)
    _put_event(record)
    description = f"{where['stage']}/{where['action']}: {reason.why}"
    return {"why": reason.why, "commit": _flagged(settings, execution, description, good=False)}


def _publish(settings: Mapping[str, Any], record: Mapping[str, str]) -> None:
    lines = [
        f"The pipeline of {record['project']} failed in stage {record['stage']}, action {record['action']}:",
        record["why"],
        "",
        f"Show more: {record['more']}",
        *([f"Its log: {record['log']}"] if record["log"] not in ("", record["more"]) else []),
        f"Its execution: {record['pipeline']} {record['execution_id']}",
    ]
    subject = f"{record['project']}: pipeline failed in {record['stage']}/{record['action']}"
    aws.client("sns").publish(TopicArn=settings["topic"], Subject=subject[:_SUBJECT], Message="\n".join(lines))


def _put_event(record: Mapping[str, str]) -> None:
    """Put the event; an error stands in the log: EventBridge would call again, and say everything twice."""
    entry = {"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(record)}
    try:
        answer = aws.client("events").put_events(Entries=[entry])
    except Exception as error:
        if not aws.code(error):
            raise
        print(f"the event could not be put: {error}")  # noqa: T201 - a function's log is its output
        return
    if answer.get("FailedEntryCount"):
        print(f"the event could not be put: {answer['Entries']}")  # noqa: T201


def _flagged(settings: Mapping[str, Any], execution: str, description: str, *, good: bool) -> str:
    """Flag the commit; whatever stands in the way of it stands in the log and in the answer, and fails nothing."""
    try:
        message = flag.flag(settings, execution, description, good=good)
    except Exception as error:  # noqa: BLE001 - see above
        message = f"the commit was not flagged: {type(error).__name__}: {error}"
    print(message)  # noqa: T201
    return message
