"""Resource policies: who may call a function, per qualifier."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest
from localcloud.services.lambda_.missing import check_qualifier
from localcloud.services.lambda_.model import LATEST, Function, Policy, conflict, invalid, not_found, stale
from localcloud.services.lambda_.service import LambdaService


def install(service: LambdaService) -> None:
    """Register the actions."""
    policies = FunctionPolicies(service)
    service.cloud.action("lambda", "AddPermission")(policies.add)
    service.cloud.action("lambda", "RemovePermission")(policies.remove)
    service.cloud.action("lambda", "GetPolicy")(policies.get)


class FunctionPolicies:
    """The handlers."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service
        self.store = service.store

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
            document = {"Version": "2012-10-17", "Id": "default", "Statement": list(policy.statements.values())}
            return {"Policy": json.dumps(document), "RevisionId": policy.revision_id}

    def _find(self, request: AwsRequest) -> tuple[Function, str]:
        function, qualifier = self.service.find(request)
        if qualifier == LATEST:
            raise invalid("We currently do not support adding policies for $LATEST.")
        check_qualifier(request.action, function, qualifier)
        return function, qualifier


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


def allows(function: Function, qualifier: str, action: str, principal: str, *, via_url: bool = False) -> bool:
    """Say whether a policy lets a principal (`*`, or a service) do an action.

    Of the conditions only those of URLs count.
    """
    policy = function.policies.get(qualifier)
    for statement in policy.statements.values() if policy else ():
        who = statement["Principal"]
        if not (who == "*" or who == {"Service": principal}):  # noqa: PLR1714 - a dict has no hash
            continue
        if statement["Action"] not in (action, "lambda:*", "*"):
            continue
        condition = statement.get("Condition", {})
        if not via_url and "Bool" in condition:
            continue
        if condition.get("StringEquals", {}).get("lambda:FunctionUrlAuthType", "NONE") != "NONE":
            continue
        return True
    return False


def allows_account(function: Function, qualifier: str, action: str, account: str) -> bool:
    """Say whether a policy lets anybody of another account do an action: roles are not distinguished."""
    policy = function.policies.get(qualifier)
    for statement in policy.statements.values() if policy else ():
        who = statement["Principal"]
        named = str(who.get("AWS", "")) if isinstance(who, dict) else who
        if statement["Action"] in (action, "lambda:*", "*") and (named == "*" or f"::{account}:" in named):
            return True
    return False
