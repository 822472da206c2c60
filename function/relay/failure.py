"""Why an action of CodePipeline failed, in the words of what it ran: a build's command, or a promotion's end."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import outcome
from shared import aws

CODES = {
    "1": "it failed",
    "2": "bad input",
    "3": "rolled back",
    "4": "refused before anything moved",
    "5": "the rollback failed: a person must act now",
    "6": "something is not ready, or out of reach",
    "7": "somebody else is at work there",
}
"""What the exit codes of stepladder's commands mean (docs/reference/README.md)."""

# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_PhaseContext.html
_COMMAND = re.compile(r"Error while executing command: (?P<command>.*?)\. Reason: exit status (?P<code>\d+)", re.DOTALL)
_UV = "uv run --locked "
_ERROR, _HINT = "error: ", "hint: "
_LINES = 200  # of a build's log, from its end
_LONGEST = 600


@dataclass(frozen=True)
class ActionFailure:
    """Why an action failed. `more` is the command that shows more; `log` reads a build's log, empty without one."""

    why: str
    more: str
    log: str = ""


def read(detail: Mapping[str, Any], rungs: Sequence[str]) -> ActionFailure:
    """Read why the action of an event failed. `rungs` are the lowest environment, and the highest of this place."""
    result = detail.get("execution-result") or {}
    summary = " ".join(str(result.get("external-execution-summary") or "it gave no reason").split())[:_LONGEST]
    identity = str(result.get("external-execution-id") or "")
    provider = (detail.get("type") or {}).get("provider", "")
    if provider == "CodeBuild" and identity:
        return _of_build(identity, summary, rungs)
    if provider == "StepFunctions" and identity:
        return _of_promotion(identity.rpartition(":")[2], summary)
    if provider == "StepFunctions":
        return ActionFailure(summary, "inv promote --dry-run")
    return ActionFailure(summary, f"inv tf.output --env {rungs[0]} --root delivery")


def _of_build(identity: str, summary: str, rungs: Sequence[str]) -> ActionFailure:
    builds = aws.client("codebuild").batch_get_builds(ids=[identity])["builds"]
    if not builds:
        return ActionFailure(summary, f"aws codebuild batch-get-builds --ids {identity}")
    logs = builds[0].get("logs") or {}
    group, stream = logs.get("groupName", ""), logs.get("streamName", "")
    log = f"aws logs tail {group} --log-stream-names {stream}" if stream else ""
    messages = [
        str(context.get("message", ""))
        for phase in builds[0].get("phases", ())
        if phase.get("phaseStatus") not in (None, "SUCCEEDED")
        for context in phase.get("contexts") or ()
    ]
    failed = next((match for match in map(_COMMAND.search, messages) if match), None)
    if not failed:
        return ActionFailure(next(filter(None, messages), summary)[:_LONGEST], log or _of_project(identity, rungs), log)
    command = failed["command"].removeprefix(_UV)
    meaning = CODES.get(failed["code"], "")
    ended = f"`{command}` ended with exit code {failed['code']}{f' ({meaning})' if meaning else ''}"
    own = _error(group, stream) if stream else ""
    return ActionFailure(f"{ended}{f': {own}' if own else ''}", _of_project(identity, rungs, command), log)


def _of_project(identity: str, rungs: Sequence[str], command: str = "") -> str:
    """Return the command that shows more of what a build did."""
    kind = identity.partition(":")[0].rpartition("-")[2]
    of_kind = {"deploy": f"inv status --env {rungs[0]}", "promote": "inv promote --dry-run"}
    return of_kind.get(kind) or command or "inv check"


def _error(group: str, stream: str) -> str:
    """Return stepladder's own error from the end of a build's log, with its hint; empty without one."""
    try:
        events = aws.client("logs").get_log_events(
            logGroupName=group, logStreamName=stream, limit=_LINES, startFromHead=False
        )["events"]
    except Exception as error:
        if not aws.code(error):
            raise
        return ""  # the log only explains
    lines = [line.strip() for event in events for line in str(event["message"]).splitlines()]
    at = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].startswith(_ERROR)), None)
    if at is None:
        return ""
    hint = next((line for line in lines[at + 1 :] if line.startswith(_HINT)), "")
    message = lines[at].removeprefix(_ERROR)
    return f"{message}; {hint.removeprefix(_HINT)}"[:_LONGEST] if hint else message[:_LONGEST]


def _of_promotion(name: str, summary: str) -> ActionFailure:
    executions = os.environ["MACHINE"].replace(":stateMachine:", ":execution:")
    more = f"inv promote.watch --name {name}"
    execution = outcome.describe(f"{executions}:{name}")
    if execution is None:
        return ActionFailure(summary, more)
    end = execution.get("error") or f"the promotion ended {execution['status']}"
    cause = _cause(str(execution.get("cause") or ""))
    return ActionFailure(f"{end}{f': {cause}' if cause else ''}"[:_LONGEST], more)


def _cause(text: str) -> str:
    """Return the cause of an execution as a sentence: of its targets those that failed themselves."""
    try:
        targets = json.loads(text)
    except ValueError:
        return text
    if not isinstance(targets, list):
        return text
    failed = [each for each in targets if isinstance(each, dict) and each.get("cause")]
    own = [each for each in failed if each.get("error") != "SiblingFailed"] or failed
    return "; ".join(f"{each.get('environment', '')}: {' '.join(str(each['cause']).split())}" for each in own)
