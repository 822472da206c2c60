"""Resource policies: who may call a function, per qualifier."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from localcloud.access.resource_policies import ResourceArn
from localcloud.cloud import AwsRequest, ServiceError
from localcloud.services.lambda_.missing import check_qualifier
from localcloud.services.lambda_.model import LATEST, Function, Policy, conflict, invalid, not_found, parse_name, stale
from localcloud.services.lambda_.service import LambdaService


def install(service: LambdaService) -> None:
    """Register the actions."""
    policies = FunctionPolicies(service)
    service.cloud.access.resource_policies.add("lambda", policies.read)
    service.cloud.action("lambda", "AddPermission")(policies.add)
    service.cloud.action("lambda", "RemovePermission")(policies.remove)
    service.cloud.action("lambda", "GetPolicy")(policies.get)


class FunctionPolicies:
    """The handlers."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service
        self.store = service.store

    def read(self, arn: ResourceArn) -> dict[str, Any] | None:
        """Return the policy of a function, or of the version or alias that an ARN names."""
        try:
            key, qualifier = parse_name(arn.text, arn.account, arn.region)
        except ServiceError:
            return None
        with self.store.lock:
            function = self.store.functions.get(key)
            return document(function, qualifier) if function else None

    def add(self, request: AwsRequest) -> dict[str, Any]:
        """AddPermission."""
        params = request.params
        with self.store.lock:
            function, qualifier = self._find(request)
            policy = function.policies.get(qualifier, Policy())
            alias = function.aliases.get(qualifier)
            known = {policy.revision_id, *([alias.revision_id] if alias else [])}
            if params.get("RevisionId") and params["RevisionId"] not in known:
                raise stale("GetPolicy")
            name = str(params["StatementId"])
            if name in policy.statements:
                raise conflict(
                    f"The statement id ({name}) provided already exists. Please provide a new statement id, or remove "
                    "the existing statement."
                )
            statement = _statement(function, qualifier, params)
            policy.statements[name] = statement
            policy.revision_id = str(uuid4())
            function.policies[qualifier] = policy
            return {"Statement": json.dumps(statement)}

    def remove(self, request: AwsRequest) -> None:
        """RemovePermission."""
        params = request.params
        with self.store.lock:
            function, qualifier = self._find(request)
            policy = function.policies.get(qualifier)
            if policy is None:
                raise not_found("No policy is associated with the given resource.")
            if params["StatementId"] not in policy.statements:
                raise not_found(f"Statement {params['StatementId']} is not found in resource policy.")
            if params.get("RevisionId") and params["RevisionId"] != policy.revision_id:
                raise stale("GetPolicy")
            del policy.statements[params["StatementId"]]
            policy.revision_id = str(uuid4())
            if not policy.statements:
                del function.policies[qualifier]

    def get(self, request: AwsRequest) -> dict[str, Any]:
        """GetPolicy."""
        with self.store.lock:
            function, qualifier = self._find(request)
            policy = function.policies.get(qualifier)
            if policy is None:
                raise not_found("The resource you requested does not exist.")
            return {"Policy": json.dumps(document(function, qualifier)), "RevisionId": policy.revision_id}

    def _find(self, request: AwsRequest) -> tuple[Function, str]:
        function, qualifier = self.service.find(request)
        if qualifier == LATEST:
            raise invalid("We currently do not support adding policies for $LATEST.")
        check_qualifier(request.action, function, qualifier)
        return function, qualifier


def document(function: Function, qualifier: str) -> dict[str, Any] | None:
    """Return the policy of a qualifier, or None. Hold the store's lock."""
    policy = function.policies.get(qualifier)
    if policy is None:
        return None
    return {"Version": "2012-10-17", "Id": "default", "Statement": list(policy.statements.values())}


def _statement(function: Function, qualifier: str, params: Mapping[str, Any]) -> dict[str, Any]:
    arn = f"{function.key.arn}:{qualifier}" if qualifier else function.key.arn
    statement: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(str(params["Principal"])),
        "Action": params["Action"],
        "Resource": arn,
    }
    condition: dict[str, dict[str, str]] = {}
    for name, operator, key in (
        ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
        ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
        ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
        ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
        ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ):
        if params.get(name):
            condition.setdefault(operator, {})[key] = str(params[name])
    if params.get("InvokedViaFunctionUrl"):
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
    if condition:
        statement["Condition"] = condition
    return statement


def _principal(text: str) -> Any:
    if text == "*":
        return "*"
    if re.fullmatch(r"\d{12}", text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if text.startswith("arn:"):
        return {"AWS": text}
    if not re.fullmatch(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)", text):
        raise invalid("The provided principal was invalid. Please check the principal and try again.")
    return {"Service": text}
