"""The guards against a loss, and the only place that lifts them: for `inv destroy`, which a person has confirmed.

`prevent_destroy` stands in the code, so it is lifted in the snapshot that Terraform runs in, never in the project. A
protection that AWS keeps is lifted there, for the objects of the state that is about to be destroyed and no other. AWS
is asked whether it is on: somebody may have turned it on in the console, where no state knows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from stepladder.core.aws import ABSENT_IN_S3, Aws, error_code
from stepladder.core.step import Step
from stepladder.terraform import emptying
from stepladder.terraform.roots import Root
from stepladder.terraform.state_file import StateResource

_PREVENT = r"(\bprevent_destroy\"?[ \t]*[=:][ \t]*)true\b"
_ABSENT = ABSENT_IN_S3 | {
    "DBClusterNotFoundFault",
    "DBInstanceNotFound",
    "LoadBalancerNotFound",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
    "UserPoolNotFound",
}


def lift_in_code(folder: Path) -> None:
    """Take `prevent_destroy` out of a copy of the code."""
    for path in sorted((*folder.rglob("*.tf"), *folder.rglob("*.tf.json"))):
        text = path.read_text(encoding="utf-8")
        lifted = re.sub(_PREVENT, r"\1false", text)
        if lifted != text:
            path.write_text(lifted, encoding="utf-8")


def lift(aws: Aws, at: Root, resources: Iterable[StateResource], step: Step) -> None:
    """Lift what AWS keeps from being deleted, of these objects; one that isn't there any more needs nothing."""
    for resource in resources:
        lifter = _LIFTERS.get(resource.type)
        if lifter is None:
            continue
        try:
            lifter(aws, at, resource, step)
        except Exception as error:
            if error_code(error) not in _ABSENT:
                raise


def _bucket(aws: Aws, at: Root, resource: StateResource, step: Step) -> None:
    name = resource.text("bucket") or resource.text("id")
    emptying.bucket(
        aws, name, at.environment.account, progress=lambda count: step.progress(f"emptying {name}: {count} versions")
    )


def _repository(aws: Aws, at: Root, resource: StateResource, step: Step) -> None:
    step.progress(f"deleting the images of {resource.text('name')}")
    emptying.repository(aws, resource.text("name"), at.environment.account)


def _is_on(read: Callable[[], object]) -> bool:
    """Say whether a protection is on. Where AWS doesn't say, as of an object in another region, Terraform will."""
    try:
        return bool(read())
    except Exception as error:
        if not error_code(error):
            raise
        return False


def _table(aws: Aws, _at: Root, resource: StateResource, _step: Step) -> None:
    client, name = aws.client("dynamodb"), resource.text("name")
    if _is_on(lambda: client.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled")):
        client.update_table(TableName=name, DeletionProtectionEnabled=False)


def _database(aws: Aws, _at: Root, resource: StateResource, _step: Step) -> None:
    client, name = aws.client("rds"), resource.text("identifier")
    if _is_on(lambda: client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DeletionProtection"]):
        client.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)


def _cluster(aws: Aws, _at: Root, resource: StateResource, _step: Step) -> None:
    client, name = aws.client("rds"), resource.text("cluster_identifier")
    if _is_on(lambda: client.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["DeletionProtection"]):
        client.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)


def _balancer(aws: Aws, _at: Root, resource: StateResource, _step: Step) -> None:
    client, arn, key = aws.client("elbv2"), resource.text("arn"), "deletion_protection.enabled"
    on = {"Key": key, "Value": "true"}
    if _is_on(lambda: on in client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]):
        client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": "false"}])


def _user_pool(aws: Aws, _at: Root, resource: StateResource, _step: Step) -> None:
    client, pool = aws.client("cognito-idp"), resource.text("id")
    if _is_on(lambda: client.describe_user_pool(UserPoolId=pool)["UserPool"].get("DeletionProtection") == "ACTIVE"):
        # The call sets back all that it isn't given: it goes anyway.
        client.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")


_LIFTERS: Mapping[str, Callable[[Aws, Root, StateResource, Step], None]] = {
    "aws_cognito_user_pool": _user_pool,
    "aws_db_instance": _database,
    "aws_dynamodb_table": _table,
    "aws_ecr_repository": _repository,
    "aws_lb": _balancer,
    "aws_rds_cluster": _cluster,
    "aws_s3_bucket": _bucket,
}
"""By kind: what keeps an object that Terraform would destroy. Of other kinds the provider says what is in the way."""
