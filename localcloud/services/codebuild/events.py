"""The events that CodeBuild sends to EventBridge.

https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications-ref.html
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.events import emit
from localcloud.services.codebuild.model import Build

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_TIME = "%b %d, %Y %I:%M:%S %p"


def publish(cloud: Cloud, build: Build) -> None:
    """Send the event of a build that began or ended."""
    shown = build.describe()
    detail = {
        "build-status": build.status,
        "project-name": build.project,
        "build-id": build.arn,
        "additional-information": {
            "artifact": {"location": shown["artifacts"].get("location", "")},
            "environment": build.settings["environment"],
            "timeout-in-minutes": build.settings["timeoutInMinutes"],
            "build-complete": build.ended is not None,
            "initiator": build.initiator,
            "build-start-time": build.started.strftime(_TIME),
            "source": {name: shown["source"][name] for name in ("type", "location") if name in shown["source"]},
            "source-version": build.source_version,
            "logs": {
                "group-name": build.group or None,
                "stream-name": build.stream or None,
                "deep-link": shown["logs"].get("deepLink", ""),
            },
            "phases": [_phase(phase) for phase in shown["phases"]],
        },
        "current-phase": shown["currentPhase"],
        "current-phase-context": f"[{': '.join(_context(build))}]",
        "version": "1",
    }
    where = {"region": build.region, "account": build.account}
    emit(cloud, "aws.codebuild", "CodeBuild Build State Change", detail, resources=[build.arn], **where)


def _context(build: Build) -> tuple[str, str]:
    failed = next((phase for phase in build.phases if phase.message), None)
    return (failed.code, failed.message) if failed else ("", "")


def _phase(phase: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"phase-type": phase["phaseType"], "start-time": _text(phase["startTime"])}
    if "endTime" in phase:
        contexts = [f"{each['statusCode']}: {each['message']}" for each in phase["contexts"]]
        shown |= {"end-time": _text(phase["endTime"]), "duration-in-seconds": phase["durationInSeconds"]}
        shown |= {"phase-status": phase["phaseStatus"], "phase-context": contexts}
    return shown


def _text(at: datetime) -> str:
    return at.strftime(_TIME)
