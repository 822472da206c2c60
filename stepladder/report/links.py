"""The pages of the AWS console that show what a story is about. A local cloud has none: addresses are empty there."""

from __future__ import annotations

from stepladder.core import aws, console_links
from stepladder.core.names import Names
from stepladder.report.story import TargetStory


def log_group(names: Names) -> str:
    """Return the page of the function's log group."""
    return console_links.logs(names) if _has_pages(names) else ""


def alarm(names: Names, name: str) -> str:
    """Return the page of an alarm."""
    return console_links.alarm(names, name) if _has_pages(names) else ""


def of_target(names: Names, target: TargetStory) -> dict[str, str]:
    """Return the pages about a target by what they show; none where there is no console."""
    if not _has_pages(names):
        return {}
    deployment = target.entry.deployment_id if target.entry else ""
    return {
        "function": console_links.alias(names),
        "log": console_links.logs(names),
        "alarms": console_links.alarms(names),
        **({"deployment": console_links.deployment(names, deployment)} if deployment else {}),
    }


def _has_pages(names: Names) -> bool:
    return not aws.endpoint() and console_links.has_console(names)
