"""Aliases: a name for a version, with an optimistic lock and a weight for a second version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest, ServiceError
from localcloud.services.lambda_.actions import provisioned
from localcloud.services.lambda_.constraints import validation
from localcloud.services.lambda_.model import LATEST, Function, FunctionAlias, conflict, invalid, not_found, stale
from localcloud.services.lambda_.service import LambdaService, paged

_KEYS = (
    "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length "
    "greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"
)
_VALUES = (
    "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value "
    "greater than or equal to 0.0, Member must not be null]"
)


def install(service: LambdaService) -> None:
    """Register the actions."""
    aliases = Aliases(service)
    for name in ("Create", "Get", "Update", "Delete"):
        service.cloud.action("lambda", f"{name}Alias")(getattr(aliases, name.lower()))
    service.cloud.action("lambda", "ListAliases")(aliases.list)


class Aliases:
    """The handlers."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service
        self.store = service.store

    def create(self, request: AwsRequest) -> dict[str, Any]:
        """CreateAlias."""
        params = request.params
        with self.store.lock:
            function, _ = self.service.find(request)
            name, version = str(params["Name"]), str(params["FunctionVersion"])
            if name in function.aliases:
                raise conflict(f"Alias already exists: {function.key.arn}:{name}")
            alias = FunctionAlias(name, version, params.get("Description") or "")
            self._route(function, alias, version, params.get("RoutingConfig"))
            function.aliases[name] = alias
            return written(function, alias)

    def get(self, request: AwsRequest) -> dict[str, Any]:
        """GetAlias."""
        with self.store.lock:
            function, _ = self.service.find(request)
            return written(function, function.alias(str(request.params["Name"])))

    def update(self, request: AwsRequest) -> dict[str, Any]:
        """UpdateAlias, guarded by RevisionId."""
        params = request.params
        with self.store.lock:
            function, _ = self.service.find(request)
            alias = function.aliases.get(str(params["Name"]))
            if alias is None:
                raise not_found(f"Alias not found: {function.key.arn}:{params['Name']}")
            if params.get("RevisionId") and params["RevisionId"] != alias.revision_id:
                raise stale()
            self._route(
                function, alias, str(params.get("FunctionVersion") or alias.version), params.get("RoutingConfig")
            )
            if params.get("Description") is not None:
                alias.description = str(params["Description"])
            alias.revision_id = str(uuid4())
            return written(function, alias)

    def delete(self, request: AwsRequest) -> None:
        """DeleteAlias. An alias that isn't there is no error. Its policy, URL and settings go with it."""
        with self.store.lock:
            function, _ = self.service.find(request)
            name = str(request.params["Name"])
            function.aliases.pop(name, None)
            for kept in (function.policies, function.urls, function.event_invoke, function.provisioned):
                dict.pop(kept, name, None)

    def list(self, request: AwsRequest) -> dict[str, Any]:
        """ListAliases, of all versions or of one."""
        version = request.params.get("FunctionVersion")
        with self.store.lock:
            function, _ = self.service.find(request)
            rows = [
                written(function, alias)
                for _, alias in sorted(function.aliases.items())
                if not version or alias.version == version or version in alias.weights
            ]
        return paged(request, "Aliases", rows)

    def _route(self, function: Function, alias: FunctionAlias, version: str, routing: dict[str, Any] | None) -> None:
        """Point an alias at a version, and at a second one by weight. No change when a rule is broken.

        The rules: https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
        """
        weights = alias.weights
        if routing is not None:
            weights = {str(k): float(v) for k, v in (routing.get("AdditionalVersionWeights") or {}).items()}
            _check_weights(weights)
        first = function.revision(version)
        if len(weights) > 1:
            raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
        for other in weights:
            _check_pair(version, other)
            second = function.revision(other)
            for name, what in (("Role", "execution role"), ("DeadLetterConfig", "dead-letter queue")):
                if first.settings.get(name) != second.settings.get(name):
                    raise invalid(f"Specified versions must be associated with the same {what}")
        if weights and alias.name in function.provisioned:
            raise invalid("Alias with weights can not be used with Provisioned Concurrency")
        if version == LATEST and alias.name in function.provisioned:
            raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        if version != alias.version:
            provisioned.moved(function, alias.name, self.service.settle_seconds)
        alias.version, alias.weights = version, dict(weights)


def _check_weights(weights: Mapping[str, float]) -> None:
    """Refuse what AWS's front refuses before anything is read (recorded on AWS, 2025-11-25)."""
    text = "{" + ", ".join(f"{other}={weight}" for other, weight in weights.items()) + "}"
    if any(not re.fullmatch("[0-9]{1,1024}", other) for other in weights):
        raise validation("routingConfig.additionalVersionWeights", text, _KEYS)
    if any(not 0.0 <= weight <= 1.0 for weight in weights.values()):
        raise validation("routingConfig.additionalVersionWeights", text, _VALUES)


def _check_pair(version: str, other: str) -> None:
    if other == version:
        raise invalid(
            f"Invalid function version {other}. Function version {other} is already included in routing configuration."
        )
    if version == LATEST:
        message = "$LATEST is not supported for an alias pointing to more than 1 version"
        raise ServiceError("InvalidParameterValueException", message)


def written(function: Function, alias: FunctionAlias) -> dict[str, Any]:
    """Write an AliasConfiguration. RoutingConfig only when there is one."""
    shape: dict[str, Any] = {
        "AliasArn": f"{function.key.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        shape["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
    return shape
