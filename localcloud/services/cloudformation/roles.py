"""Roles of stacks: Moto's, with the policies that it leaves out or writes as Python does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.cloud import Cloud

NAME = "AWS::IAM::Role"


class RoleModel:
    """In the place of Moto's model of a role. What isn't here is Moto's."""

    def __init__(self, cloud: Cloud, model: Any) -> None:
        self._cloud = cloud
        self._model = model

    def __getattr__(self, name: str) -> Any:
        """Return what Moto's model has."""
        return getattr(self._model, name)

    def create_from_cloudformation_json(
        self, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **more: Any
    ) -> Any:
        """Make a role and give it its policies."""
        bare = _without_policies(cloudformation_json)
        role = self._model.create_from_cloudformation_json(resource_name, bare, account_id, region_name, **more)
        self._give(role.name, cloudformation_json["Properties"], account_id)
        return role

    def update_from_cloudformation_json(
        self,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> Any:
        """Change a role, and its trust and its policies."""
        properties = cloudformation_json["Properties"]
        name = original_resource.name
        if properties.get("RoleName", name) != name:
            return self.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)
        bare = _without_policies(cloudformation_json)
        self._model.update_from_cloudformation_json(original_resource, new_resource_name, bare, account_id, region_name)
        trust = _text(properties["AssumeRolePolicyDocument"])
        self._iam("UpdateAssumeRolePolicy", account_id, RoleName=name, PolicyDocument=trust)
        self._give(name, properties, account_id)
        return original_resource

    def delete_from_cloudformation_json(
        self, resource_name: str, resource_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """Take a role's managed policies from it, and delete it."""
        self._detach(resource_name, account_id, set())
        self._model.delete_from_cloudformation_json(resource_name, resource_json, account_id, region_name)

    def _give(self, name: str, properties: Mapping[str, Any], account: str) -> None:
        inline = {policy["PolicyName"]: _text(policy["PolicyDocument"]) for policy in properties.get("Policies") or ()}
        managed = set(properties.get("ManagedPolicyArns") or ())
        for policy in set(self._iam("ListRolePolicies", account, RoleName=name)["PolicyNames"]) - set(inline):
            self._iam("DeleteRolePolicy", account, RoleName=name, PolicyName=policy)
        for policy, document in inline.items():
            self._iam("PutRolePolicy", account, RoleName=name, PolicyName=policy, PolicyDocument=document)
        self._detach(name, account, managed)
        for arn in managed:
            self._iam("AttachRolePolicy", account, RoleName=name, PolicyArn=arn)

    def _detach(self, name: str, account: str, but: set[str]) -> None:
        attached = self._iam("ListAttachedRolePolicies", account, RoleName=name)["AttachedPolicies"]
        for arn in {policy["PolicyArn"] for policy in attached} - but:
            self._iam("DetachRolePolicy", account, RoleName=name, PolicyArn=arn)

    def _iam(self, action: str, account: str, **params: Any) -> dict[str, Any]:
        return self._cloud.call("iam", action, params, account=account)


def _without_policies(json_: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: value for key, value in json_["Properties"].items() if key != "Policies"}
    return {**json_, "Properties": properties}


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, default=str)
