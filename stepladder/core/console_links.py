"""The addresses of pages in the AWS console, which is another one in each partition.

https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/getting-started.html; how the parts are encoded is what the
console itself writes into the address bar.
"""

from __future__ import annotations

from urllib.parse import quote

from stepladder.core.names import ALIAS, Names

_HOSTS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-eusc": "console.amazonaws-eusc.eu",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def has_console(names: Names) -> bool:
    """Say whether the partition's console has an address that is publicly known."""
    return names.partition in _HOSTS


def host(names: Names) -> str:
    """Return the beginning of every page's address in the region."""
    return f"https://{names.region}.{_HOSTS.get(names.partition, _HOSTS['aws'])}"


def _page(names: Names, path: str) -> str:
    return f"{host(names)}/{path}"


def _home(names: Names, service: str, rest: str) -> str:
    return _page(names, f"{service}/home?region={names.region}#{rest}")


def function(names: Names) -> str:
    """Return the function's page."""
    return _home(names, "lambda", f"/functions/{names.function}")


def alias(names: Names) -> str:
    """Return the page of the alias that callers use."""
    return _home(names, "lambda", f"/functions/{names.function}/aliases/{ALIAS}")


def logs(names: Names) -> str:
    """Return the page of the function's log group, whose name the console encodes twice, with `$` for `%`."""
    encoded = quote(quote(names.log_group, safe=""), safe="").replace("%", "$")
    return _home(names, "cloudwatch", f"logsV2:log-groups/log-group/{encoded}")


def alarms(names: Names) -> str:
    """Return the list of the function's alarms."""
    return _home(names, "cloudwatch", f"alarmsV2:?search={quote(names.function + '-')}")


def alarm(names: Names, name: str) -> str:
    """Return the page of one alarm."""
    return _home(names, "cloudwatch", f"alarmsV2:alarm/{quote(name, safe='')}")


def state_machine(names: Names) -> str:
    """Return the page of the state machine that promotes."""
    return _home(names, "states", f"/statemachines/view/{quote(names.state_machine_arn, safe=':')}")


def execution(names: Names, arn: str) -> str:
    """Return the page of one promotion."""
    return _home(names, "states", f"/v2/executions/details/{quote(arn, safe=':')}")


def deployment(names: Names, deployment_id: str) -> str:
    """Return the page of a CodeDeploy deployment."""
    return _page(names, f"codesuite/codedeploy/deployments/{quote(deployment_id)}?region={names.region}")


def image(names: Names, digest: str) -> str:
    """Return the page of an image in the repository."""
    path = f"{names.account}/{names.repository}/_/image/{digest}"
    return _page(names, f"ecr/repositories/private/{path}/details?region={names.region}")


def ledger(names: Names) -> str:
    """Return the items of the ledger's table."""
    return _home(names, "dynamodbv2", f"item-explorer?table={names.ledger_table}")
