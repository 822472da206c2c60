"""Tags of functions and of event source mappings.

What AWS refuses is recorded: tests/local/data/aws-recordings, test_lambda_api.json, 2025-11-25.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest
from localcloud.services.lambda_.constraints import refused
from localcloud.services.lambda_.model import invalid, not_found, parse_name
from localcloud.services.lambda_.service import LambdaService

_MOST = 50


def install(service: LambdaService) -> None:
    """Register the actions."""
    tags = Tags(service)
    service.cloud.action("lambda", "ListTags")(tags.list)
    service.cloud.action("lambda", "TagResource")(tags.add)
    service.cloud.action("lambda", "UntagResource")(tags.remove)


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse more tags than a resource may have."""
    if len(tags) > _MOST:
        raise invalid("Number of tags exceeds resource tag limit.")


class Tags:
    """The handlers."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service
        self.store = service.store

    def list(self, request: AwsRequest) -> dict[str, Any]:
        """ListTags."""
        with self.store.lock:
            return {"Tags": dict(self._find(request, changes=False))}

    def add(self, request: AwsRequest) -> None:
        """TagResource."""
        added: dict[str, str] = request.params.get("Tags") or {}
        with self.store.lock:
            tags = self._find(request)
            if not added:
                raise invalid("An error occurred and the request cannot be processed.")
            check_tags({**tags, **added})
            tags.update(added)

    def remove(self, request: AwsRequest) -> None:
        """UntagResource."""
        if not request.params.get("TagKeys"):
            message = "Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
            raise refused([message])
        with self.store.lock:
            tags = self._find(request)
            for name in request.params["TagKeys"]:
                tags.pop(name, None)

    def _find(self, request: AwsRequest, *, changes: bool = True) -> dict[str, str]:
        text = str(request.params["Resource"])
        kind = text.split(":")[5]
        if kind == "event-source-mapping":
            if text not in self.service.mapping_arns():
                raise not_found(f"Event source mapping not found: {text}")
            return self.service.mapping_tags.setdefault(text, {})
        if kind != "function":
            raise not_found(f"{kind.capitalize().replace('-', ' ')} not found: {text}")
        key, qualifier = parse_name(text, request.account, request.region)
        if qualifier:
            raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
        function = self.store.get(key)
        if changes:
            function.latest.revision_id = str(uuid4())  # recorded on AWS: TagResource and UntagResource change it
        return function.tags
