"""Parameter Store and Secrets Manager, in memory. Who reads metadata gets no value."""

# ruff: noqa: N803 - the parameters have AWS's own names

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from fakes.errors import Scripted, error

CHANGED = datetime(2026, 11, 26, tzinfo=UTC)


class Parameters(Scripted):
    """Parameter Store: `values` by name; who looks gets metadata, a page of one each."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[dict[str, Any]]] = {}
        self.tags: dict[str, dict[str, str]] = {}

    def describe_parameters(
        self, *, ParameterFilters: list[dict[str, Any]], MaxResults: int, NextToken: str = ""
    ) -> dict[str, Any]:
        self.called("DescribeParameters")
        assert MaxResults == 50
        (filter_,) = ParameterFilters
        assert len(filter_["Values"]) <= 50
        known = [name for name in filter_["Values"] if name in self.values]
        page = known[int(NextToken or 0) :][:1]
        more = {"NextToken": str(int(NextToken or 0) + 1)} if len(known) > int(NextToken or 0) + 1 else {}
        return {"Parameters": [self._described(name) for name in page], **more}

    def _described(self, name: str) -> dict[str, Any]:
        last = self.values[name][-1]
        described = {"Name": name, "Version": len(self.values[name]), "LastModifiedDate": CHANGED}
        return described | {key: last[key] for key in ("Type", "Tier", "KeyId") if key in last}

    def list_tags_for_resource(self, *, ResourceType: str, ResourceId: str) -> dict[str, Any]:
        self.called("ListTagsForResource")
        assert ResourceType == "Parameter"
        return {"TagList": [{"Key": key, "Value": value} for key, value in self.tags.get(ResourceId, {}).items()]}

    def put_parameter(
        self, *, Name: str, Overwrite: bool, Tags: list[dict[str, str]] | None = None, **request: Any
    ) -> dict[str, Any]:
        logging.getLogger("botocore.endpoint").debug("Making request with body %s", request["Value"])
        self.called("PutParameter")
        if Name in self.values and not Overwrite:
            raise error("ParameterAlreadyExists")
        assert not (Overwrite and Tags), "AWS takes no tags with an overwrite"
        if Tags:
            self.tags[Name] = {tag["Key"]: tag["Value"] for tag in Tags}
        self.values.setdefault(Name, []).append(request)
        return {"Version": len(self.values[Name]), "Tier": request["Tier"]}


class Manager(Scripted):
    """Secrets Manager: `secrets` by name, each a list of versions, newest last."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, dict[str, Any]] = {}

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:
        self.called("DescribeSecret")
        if SecretId not in self.secrets:
            raise error("ResourceNotFoundException")
        secret = self.secrets[SecretId]
        versions = [each["ClientRequestToken"] for each in secret["versions"]]
        stages = {version: ["AWSPREVIOUS"] for version in versions[:-1]} | {v: ["AWSCURRENT"] for v in versions[-1:]}
        return {"Name": SecretId, "VersionIdsToStages": stages, "LastChangedDate": CHANGED, **secret["told"]}

    def create_secret(self, *, Name: str, Tags: list[dict[str, str]], **request: Any) -> dict[str, Any]:
        self.called("CreateSecret")
        if Name in self.secrets:
            raise error("ResourceExistsException")
        self.secrets[Name] = {"versions": [request], "told": {"Tags": Tags}}
        return {"VersionId": request["ClientRequestToken"]}

    def put_secret_value(self, *, SecretId: str, **request: Any) -> dict[str, Any]:
        self.called("PutSecretValue")
        self.secrets[SecretId]["versions"].append(request)
        return {"VersionId": request["ClientRequestToken"]}

    def update_secret(self, *, SecretId: str, **request: Any) -> dict[str, Any]:
        self.called("UpdateSecret")
        return self.put_secret_value(SecretId=SecretId, **request)
