"""States in a project's bucket of which the settings name no environment: what they have would be lost track of.

An environment that was taken out of `invoke.yaml`, or given another account there, is still in AWS with its state. So
may be a root of the user's own, in the same bucket. Destroying everything would delete the bucket, and leave what they
made.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from stepladder.core.aws import ABSENT_IN_S3, error_code
from stepladder.core.errors import RefusedError
from stepladder.core.names import is_preview
from stepladder.promotion.delivery import ROOT as DELIVERY
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.releases.rung import Rung

_SUFFIX = ".tfstate"


def check(rung: Rung, environments: Collection[str]) -> None:
    """Refuse while the bucket has a state with objects that is of none of these environments, nor shared by them."""
    names = rung.names
    known = {names.state_key(root) for root in (DELIVERY, FOUNDATION)}
    known |= {replace(names, environment=each).state_key(SERVICE) for each in environments}
    others = [key for key in _keys(rung) if key not in known and _has_objects(rung, key)]
    if others:
        raise RefusedError(
            f"{names.state_bucket} has states of what isn't in `invoke.yaml` for {names.account}, {names.region}: "
            f"{', '.join(others)}",
            kind="states-of-others",
            hint=_hint(rung, others[0]),
        )


def _hint(rung: Rung, key: str) -> str:
    environment, _, root = key.partition("/")
    if root != f"{SERVICE}{_SUFFIX}":
        return "move that state to another bucket, or destroy what it has with the Terraform that made it"
    destroy = f"`inv destroy --env {environment}`"
    if is_preview(environment):
        return f"destroy the preview: {destroy}"
    where = f"with account {rung.names.account} and region {rung.names.region}"
    return f"name it under `stepladder.environments` {where}, then {destroy}"


def _keys(rung: Rung) -> Iterator[str]:
    """Yield the keys of the states in the bucket; none without a bucket."""
    request: dict[str, Any] = {"Bucket": rung.names.state_bucket, "ExpectedBucketOwner": rung.names.account}
    while True:
        try:
            answer = rung.aws.client("s3").list_objects_v2(**request)
        except Exception as error:
            if error_code(error) in ABSENT_IN_S3:
                return
            raise
        yield from (each["Key"] for each in answer.get("Contents", ()) if each["Key"].endswith(_SUFFIX))
        if not answer.get("IsTruncated"):
            return
        request["ContinuationToken"] = answer["NextContinuationToken"]


def _has_objects(rung: Rung, key: str) -> bool:
    """Say whether a state has an object that Terraform manages; true also of one that can't be read."""
    try:
        answer = rung.aws.client("s3").get_object(
            Bucket=rung.names.state_bucket, Key=key, ExpectedBucketOwner=rung.names.account
        )
        state = json.loads(answer["Body"].read())
        return any(each["mode"] == "managed" and each["instances"] for each in state["resources"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return True
    except Exception as error:
        if error_code(error) in ABSENT_IN_S3:
            return False
        raise
