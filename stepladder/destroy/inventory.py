"""What an environment has, counted: what a person reads before it is destroyed.

Read from Terraform's state, which names everything, and from AWS for how much is in it. A count that may not be read
is shown as unknown: it stops nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from stepladder.core import aws as core_aws
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.display import megabytes
from stepladder.core.release_facts import NOT_FOUND
from stepladder.destroy.report import Asset
from stepladder.releases.rung import Rung
from stepladder.terraform import emptying
from stepladder.terraform.state_file import StateResource

UNKNOWN = "can't be read"


def counted(count: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def functions(targets: Sequence[Rung]) -> list[Asset]:
    """Return the functions that are there, each with its versions and what it serves."""
    return [part for target in targets if (part := _function(target))]


def _function(rung: Rung) -> Asset | None:
    try:
        versions = rung.function.versions()
    except Exception as error:
        if error_code(error) != NOT_FOUND:
            raise
        return None
    alias = rung.alias()
    serves = f", {names.ALIAS} is {alias.version}" if alias else ""
    return Asset("function", rung.names.function, f"{counted(len(versions), 'version')}{serves}")


def resources(rung: Rung, state: Iterable[StateResource]) -> list[Asset]:
    """Return what Terraform's state has: what holds data one by one, and all others counted."""
    parts, others = [], Counter[str]()
    for resource in state:
        if resource.type in _COUNTS:
            what, attribute, _ = _COUNTS[resource.type]
            parts.append(Asset(what, resource.text(attribute), _counted(rung, resource)))
        elif resource.type == "aws_lambda_function":
            continue
        else:
            others[_OTHERS.get(resource.type, "")] += 1
    rest = [Asset(what, "", str(count)) for what, count in sorted(others.items()) if what]
    if others[""]:
        rest.append(Asset("other resources", "", f"{others['']} that Terraform made"))
    return sorted(parts, key=lambda part: (part.what, part.name)) + rest


def address(url: str) -> list[Asset]:
    """Return the address by which callers reach the environment."""
    return [Asset("address", url, "callers get no answer any more")] if url else []


def history(rung: Rung, targets: Sequence[Rung]) -> list[Asset]:
    """Return how many releases the ledger has."""
    count = sum(1 for target in targets for _ in rung.ledger.releases(target.target))
    row = Asset("releases in the ledger", rung.names.ledger_table, f"{count}, copied to a file first")
    return [row] if count else []


def _counted(rung: Rung, resource: StateResource) -> str:
    """Return how much is in a resource, in words."""
    *_, count = _COUNTS[resource.type]
    try:
        return count(rung, resource)
    except Exception as error:
        if core_aws.explain(error) is None:
            raise
        return UNKNOWN


def _table(rung: Rung, resource: StateResource) -> str:
    table = rung.aws.client("dynamodb").describe_table(TableName=resource.text("name"))["Table"]
    return f"about {counted(table.get('ItemCount', 0), 'item')}, {megabytes(table.get('TableSizeBytes', 0))}"


def _bucket(rung: Rung, resource: StateResource) -> str:
    count, more = emptying.count(rung.aws, resource.text("bucket"), rung.names.account)
    return f"{'more than ' if more else ''}{count} objects and versions"


def _queue(rung: Rung, resource: StateResource) -> str:
    client = rung.aws.client("sqs")
    names_of_counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = client.get_queue_attributes(QueueUrl=resource.text("id"), AttributeNames=names_of_counts)
    return f"about {counted(sum(int(value) for value in answer['Attributes'].values()), 'message')}"


def _log_group(rung: Rung, resource: StateResource) -> str:
    name = resource.text("name")
    answer = rung.aws.client("logs").describe_log_groups(logGroupNamePrefix=name, limit=50)
    sizes = [each.get("storedBytes", 0) for each in answer["logGroups"] if each["logGroupName"] == name]
    return megabytes(sizes[0]) if sizes else "gone already"


def _data(_rung: Rung, _resource: StateResource) -> str:
    return "with all that is in it"


_COUNTS: Mapping[str, tuple[str, str, Callable[[Rung, StateResource], str]]] = {
    "aws_cloudwatch_log_group": ("log group", "name", _log_group),
    "aws_cognito_user_pool": ("user pool", "name", _data),
    "aws_db_instance": ("database", "identifier", _data),
    "aws_dynamodb_table": ("table", "name", _table),
    "aws_efs_file_system": ("file system", "id", _data),
    "aws_elasticache_cluster": ("cache", "cluster_id", _data),
    "aws_kinesis_stream": ("stream", "name", _data),
    "aws_rds_cluster": ("database", "cluster_identifier", _data),
    "aws_s3_bucket": ("bucket", "bucket", _bucket),
    "aws_secretsmanager_secret": ("secret in Secrets Manager", "name", _data),
    "aws_sqs_queue": ("queue", "name", _queue),
    "aws_ssm_parameter": ("parameter", "name", _data),
}
"""By kind: what a person calls it, the attribute that names it, and what counts what is in it."""

_OTHERS: Mapping[str, str] = {
    "aws_cloudwatch_metric_alarm": "alarms",
    "aws_iam_role": "roles",
}


def rows(parts: Iterable[Asset]) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of a table."""
    return (part.row for part in parts)
