"""One Lambda function in memory: versions that freeze, status that passes through InProgress, guards that hold."""

# ruff: noqa: N803 - the parameters have AWS's own names

from __future__ import annotations

import copy
import io
import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

from fakes.errors import Scripted, error

ACCOUNT = "123456789012"
REGION = "eu-west-1"


class FakeLambda(Scripted):
    """`polls` is how many reads an update stays InProgress; `outcome` what becomes of it."""

    def __init__(self, name: str, *, polls: int = 1) -> None:
        super().__init__()
        self.name = name
        self.polls = polls
        self.outcome: Callable[[str], str] = lambda _uri: "Successful"
        self.handler: Callable[[str, Any], tuple[Any, bool]] = lambda _digest, _payload: ({"statusCode": 200}, False)
        self.latest: dict[str, Any] | None = None
        self.versions: dict[str, dict[str, Any]] = {}
        self.alias: dict[str, Any] | None = None
        self.provisioned: dict[str, Any] | None = None
        self.version_states: list[str] = []
        self.sources: list[str] = []  # qualifiers that event sources call
        self.provisioned_for: list[str] = []
        self.configured: list[str] = []  # qualifiers whose asynchronous calls are configured
        self.permitted: set[str] = set()
        self.executions: dict[str, str] = {}  # by version, the status of a durable execution
        self._left = 0
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    # set-up, and what other people do

    def create(self, image_uri: str) -> None:
        """What Terraform makes: the function, and the alias, which begins on $LATEST."""
        self.latest = {
            "FunctionName": self.name,
            "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}",
            "Version": "$LATEST",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Image",
            "Architectures": ["arm64"],
            "MemorySize": 256,
            "Timeout": 15,
            "Role": "arn:aws:iam::123456789012:role/r",
        }
        self._image(image_uri)
        self.make_alias()

    def make_alias(self) -> None:
        """What Terraform makes of an alias that isn't there."""
        assert self.latest
        self.alias = {"AliasArn": f"{self.latest['FunctionArn']}:live", "Name": "live", "FunctionVersion": "$LATEST"}
        self._touch(self.alias)

    def configure(self, **values: Any) -> None:
        """What Terraform's UpdateFunctionConfiguration, or a person in the console, does."""
        assert self.latest
        self.latest |= values
        self._touch(self.latest)

    def give(self, image_uri: str) -> None:
        """What another person's UpdateFunctionCode does."""
        self._image(image_uri)

    def point(self, version: str, weights: dict[str, float] | None = None) -> None:
        """What another person's UpdateAlias, or CodeDeploy, does."""
        assert self.alias
        self.alias |= {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights or {}}}
        self._touch(self.alias)

    def _touch(self, thing: dict[str, Any]) -> None:
        thing["RevisionId"] = f"revision-{next(self._ids)}"

    def _image(self, image_uri: str) -> None:
        assert self.latest
        self.latest |= {"ImageUri": image_uri, "CodeSha256": image_uri.rpartition("sha256:")[2]}
        self._touch(self.latest)

    def _publish(self, description: str) -> str:
        assert self.latest
        frozen = copy.deepcopy(self.latest) | {"Description": description}
        if self.versions:
            last = self.versions[max(self.versions, key=int)]
            passing = {"Version", "FunctionArn", "RevisionId", "Description", "State"}
            same = {k: v for k, v in last.items() if k not in passing}
            if same == {k: v for k, v in frozen.items() if k not in passing}:
                return str(last["Version"])
        version = str(max(map(int, self.versions), default=0) + 1)
        frozen |= {"Version": version, "FunctionArn": f"{self.latest['FunctionArn']}:{version}"}
        self._touch(frozen)
        self.versions[version] = frozen
        return version

    # the API

    def _progress(self) -> None:
        assert self.latest
        if self.latest["LastUpdateStatus"] == "InProgress":
            self._left -= 1
            if self._left < 0:
                status = self.outcome(self.latest["ImageUri"])
                self.latest["LastUpdateStatus"] = status
                if status == "Failed":
                    reason = {"LastUpdateStatusReason": "not an image", "LastUpdateStatusReasonCode": "InvalidImage"}
                    self.latest |= reason
                self._touch(self.latest)

    def _find(self, qualifier: str | None) -> dict[str, Any]:
        if self.latest is None:
            raise error("ResourceNotFoundException", 404)
        if qualifier is None:
            self._progress()
            return self.latest
        if qualifier == "live" and self.alias:
            qualifier = str(self.alias["FunctionVersion"])
        if qualifier not in self.versions:
            raise error("ResourceNotFoundException", 404)
        version = self.versions[qualifier]
        if self.version_states:
            version["State"] = self.version_states.pop(0)
        return version

    def get_function(self, *, FunctionName: str, Qualifier: str | None = None) -> dict[str, Any]:
        if FunctionName != self.name:
            raise error("ResourceNotFoundException", 404)
        with self._lock:
            self.called("GetFunction")
            version = self._find(Qualifier)
            uri = version["ImageUri"]
            return {"Configuration": _configuration(version), "Code": {"ImageUri": uri, "ResolvedImageUri": uri}}

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:
        with self._lock:
            self.called("GetFunctionConfiguration")
            return _configuration(self._find(None))

    def update_function_code(self, *, FunctionName: str, ImageUri: str, RevisionId: str, Publish: bool) -> Any:
        assert not Publish
        with self._lock:
            self.called("UpdateFunctionCode")
            latest = self._find(None)
            if latest["LastUpdateStatus"] == "InProgress":
                raise error("ResourceConflictException", 409)
            if RevisionId != latest["RevisionId"]:
                raise error("PreconditionFailedException", 412)
            self._image(ImageUri)
            latest["LastUpdateStatus"] = "InProgress"
            for name in ("LastUpdateStatusReason", "LastUpdateStatusReasonCode"):
                latest.pop(name, None)
            self._left = self.polls
            self.answered("UpdateFunctionCode")
            return _configuration(latest)

    def publish_version(self, *, FunctionName: str, CodeSha256: str, RevisionId: str, Description: str) -> Any:
        with self._lock:
            self.called("PublishVersion")
            latest = self._find(None)
            if latest["LastUpdateStatus"] == "InProgress":
                raise error("ResourceConflictException", 409)
            if CodeSha256 != latest["CodeSha256"]:
                raise error("InvalidParameterValueException")
            if RevisionId != latest["RevisionId"]:
                raise error("PreconditionFailedException", 412)
            return _configuration(self.versions[self._publish(Description)])

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:
        with self._lock:
            self.called("GetAlias")
            if self.alias is None:
                raise error("ResourceNotFoundException", 404)
            return copy.deepcopy(self.alias)

    def get_provisioned_concurrency_config(self, *, FunctionName: str, Qualifier: str) -> dict[str, Any]:
        with self._lock:
            self.called("GetProvisionedConcurrencyConfig")
            if FunctionName != self.name or Qualifier != "live" or self.provisioned is None:
                raise error("ProvisionedConcurrencyConfigNotFoundException", 404)
            return copy.deepcopy(self.provisioned)

    def list_aliases(self, *, FunctionName: str, **_: Any) -> dict[str, Any]:
        with self._lock:
            self.called("ListAliases")
            if FunctionName != self.name or self.latest is None:
                raise error("ResourceNotFoundException", 404)
            return {"Aliases": [copy.deepcopy(self.alias)] if self.alias else []}

    def create_alias(self, *, FunctionName: str, Name: str, FunctionVersion: str, Description: str) -> dict[str, Any]:
        with self._lock:
            self.called("CreateAlias")
            assert self.latest
            if self.alias:
                raise error("ResourceConflictException", 409)
            if FunctionVersion not in self.versions:
                raise error("ResourceNotFoundException", 404)
            arn = f"{self.latest['FunctionArn']}:{Name}"
            self.alias = {"AliasArn": arn, "Name": Name, "Description": Description}
            self.point(FunctionVersion)
            return copy.deepcopy(self.alias)

    def update_alias(
        self, *, FunctionName: str, Name: str, FunctionVersion: str, RoutingConfig: dict[str, Any], RevisionId: str
    ) -> dict[str, Any]:
        with self._lock:
            self.called("UpdateAlias")
            assert self.alias
            if RevisionId != self.alias["RevisionId"]:
                raise error("PreconditionFailedException", 412)
            if FunctionVersion not in {"$LATEST", *self.versions}:
                raise error("ResourceNotFoundException", 404)
            assert RoutingConfig == {"AdditionalVersionWeights": {}}
            self.point(FunctionVersion)
            self.answered("UpdateAlias")
            return copy.deepcopy(self.alias)

    def invoke(self, *, FunctionName: str, Payload: bytes, Qualifier: str | None = None, **_: Any) -> dict[str, Any]:
        with self._lock:
            self.called("Invoke")
            version = self._find(Qualifier)
        result, failed = self.handler(version["ImageUri"].rpartition("@")[2], json.loads(Payload))
        body = io.BytesIO(json.dumps(result).encode())
        return {"StatusCode": 200, "Payload": body, **({"FunctionError": "Unhandled"} if failed else {})}

    def _arns(self, qualifiers: list[str]) -> list[dict[str, str]]:
        return [
            {"FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}:{each}"} for each in qualifiers
        ]

    def list_event_source_mappings(self, **_: Any) -> dict[str, Any]:
        self.called("ListEventSourceMappings")
        return {"EventSourceMappings": self._arns(self.sources)}

    def list_provisioned_concurrency_configs(self, **_: Any) -> dict[str, Any]:
        self.called("ListProvisionedConcurrencyConfigs")
        return {"ProvisionedConcurrencyConfigs": self._arns(self.provisioned_for)}

    def list_function_event_invoke_configs(self, **_: Any) -> dict[str, Any]:
        self.called("ListFunctionEventInvokeConfigs")
        return {"FunctionEventInvokeConfigs": self._arns(self.configured)}

    def list_durable_executions_by_function(
        self, *, FunctionName: str, Qualifier: str, Statuses: list[str], MaxItems: int
    ) -> dict[str, Any]:
        self.called("ListDurableExecutionsByFunction")
        assert MaxItems
        return {"DurableExecutions": [{}] if self.executions.get(Qualifier) in Statuses else []}

    def get_policy(self, *, FunctionName: str, Qualifier: str) -> dict[str, Any]:
        self.called("GetPolicy")
        if Qualifier not in self.permitted:
            raise error("ResourceNotFoundException", 404)
        return {"Policy": "{}"}

    def delete_function(self, *, FunctionName: str, Qualifier: str) -> None:
        self.called("DeleteFunction")
        weights = (self.alias or {}).get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        if self.alias and Qualifier in {self.alias["FunctionVersion"], *weights}:
            raise error("ResourceConflictException", 409)
        if self.versions.pop(Qualifier, None) is None:
            raise error("ResourceNotFoundException", 404)

    def list_versions_by_function(self, *, FunctionName: str, Marker: str = "") -> dict[str, Any]:
        self.called("ListVersionsByFunction")
        assert self.latest
        every = [self.latest, *self.versions.values()]
        at = int(Marker or 0)
        more = {"NextMarker": str(at + 2)} if len(every) > at + 2 else {}
        return {"Versions": [_configuration(v) for v in every[at : at + 2]], **more}


class FakeLambdas:
    """The functions of several environments behind one client."""

    def __init__(self) -> None:
        self.functions: dict[str, FakeLambda] = {}
        self.calls: list[str] = []

    def list_event_source_mappings(self, **given: Any) -> dict[str, Any]:
        every = [each.list_event_source_mappings(**given) for each in self.functions.values()]
        return {"EventSourceMappings": [one for answer in every for one in answer["EventSourceMappings"]]}

    def __getattr__(self, action: str) -> Callable[..., Any]:
        def call(*, FunctionName: str, **rest: Any) -> Any:
            self.calls.append("".join(word.capitalize() for word in action.split("_")))
            if FunctionName not in self.functions:
                raise error("ResourceNotFoundException", 404)
            return getattr(self.functions[FunctionName], action)(FunctionName=FunctionName, **rest)

        return call


def _configuration(version: dict[str, Any]) -> dict[str, Any]:
    return {k: copy.deepcopy(v) for k, v in version.items() if k != "ImageUri"}
