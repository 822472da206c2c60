"""The state of a root as it lies in its bucket: which objects Terraform keeps, with what it knows of each.

Read without Terraform, which takes seconds. It may hold secrets: only what is asked for by name leaves here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.core.aws import ABSENT_IN_S3, Aws, error_code
from stepladder.core.errors import StepladderError
from stepladder.terraform import files
from stepladder.terraform.roots import Root


@dataclass(frozen=True)
class StateResource:
    """One object that a state has: `attributes` are the provider's."""

    address: str
    type: str
    attributes: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return an attribute as text; empty for none."""
        return str(self.attributes.get(name) or "")


def read(aws: Aws, at: Root) -> tuple[StateResource, ...] | None:
    """Return what a root's state has (one `s3:GetObject`); None when there is no state.

    Raises `StepladderError` for one that isn't JSON, as one that OpenTofu encrypts.
    """
    try:
        answer = aws.client("s3").get_object(
            Bucket=at.names.state_bucket, Key=at.state_key, ExpectedBucketOwner=at.environment.account
        )
        text = answer["Body"].read()
    except Exception as error:
        if error_code(error) not in ABSENT_IN_S3:
            raise
        local = files.read_json(at.local_state) if at.name == "foundation" else {}
        return tuple(_resources(local)) if local else None
    try:
        return tuple(_resources(json.loads(text)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StepladderError(
            f"the state of {at.label} can't be read: it is no state as Terraform writes it",
            kind="no-state",
            hint="restore a version of it in S3 that is one; "
            f"`inv unlock --env {at.environment.name}` shows whether somebody works on it",
        ) from error


def _resources(state: Mapping[str, Any]) -> Iterator[StateResource]:
    for resource in state.get("resources", ()):
        if resource.get("mode") != "managed":
            continue
        module = f"{resource['module']}." if resource.get("module") else ""
        for instance in resource["instances"]:
            index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
            address = f"{module}{resource['type']}.{resource['name']}{index}"
            yield StateResource(address, resource["type"], instance.get("attributes") or {})
