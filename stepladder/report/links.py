"""The pages of the AWS console that show what a story is about. A local cloud has none: addresses are empty there."""

from __future__ import annotations

from urllib.parse import quote

from stepladder.core import aws, console_links
from stepladder.core.names import Names


def log_group(names: Names, group: str) -> str:
    """Return the page of a log group."""
    twice = quote(quote(group, safe=""), safe="").replace("%25", "$25")  # the console's own quoting
    return _page(names, "cloudwatch", f"#logsV2:log-groups/log-group/{twice}")


def alarm(names: Names, name: str) -> str:
    """Return the page of an alarm."""
    return _page(names, "cloudwatch", f"#alarmsV2:alarm/{quote(name, safe='')}")


def deployment(names: Names, deployment_id: str) -> str:
    """Return the page of a deployment of CodeDeploy."""
    return _page(names, "codesuite/codedeploy/deployments", quote(deployment_id, safe="")) if deployment_id else ""


def version(names: Names, function: str, number: str) -> str:
    """Return the page of a function's version."""
    return _page(names, "lambda", f"#/functions/{quote(function)}/versions/{quote(number)}") if number else ""


def _page(names: Names, service: str, rest: str) -> str:
    if aws.endpoint():
        return ""
    host = console_links.host(names)
    if service.startswith("codesuite"):
        return f"{host}/{service}/{rest}?region={names.region}"
    return f"{host}/{service}/home?region={names.region}{rest}"
