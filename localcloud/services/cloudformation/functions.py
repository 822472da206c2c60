"""Resources of stacks that Lambda keeps: functions, versions, aliases and permissions.

Each is made, changed and deleted by the operations that a client of Lambda would call, and waited for. What a resource
of a type takes and returns: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.cloud import Cloud
from localcloud.protocol import codec
from localcloud.protocol.codec import ServiceError

_POLL_SECONDS = 0.02
_POLLS = 15_000  # five minutes, of a settle time that somebody made long
_NAME_LENGTH = 64
_SUFFIX_LENGTH = 13
_CODE = ("ImageUri", "S3Bucket", "S3Key", "S3ObjectVersion", "ZipFile")
_DEFAULTS: dict[str, Any] = {  # what a property becomes that a template no longer has
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "Environment": {"Variables": {}},
    "ImageConfig": {},
    "DeadLetterConfig": {"TargetArn": ""},
    "KMSKeyArn": "",
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "TracingConfig": {"Mode": "PassThrough"},
    "EphemeralStorage": {"Size": 512},
    "LoggingConfig": {"LogFormat": "Text"},
}


@dataclass
class StackResource:
    """A resource as its stack keeps it: what was asked for last, and what `Ref` and `Fn::GetAtt` return."""

    physical_resource_id: str
    properties: dict[str, Any]
    attributes: dict[str, str] = field(default_factory=dict)
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    def get_cfn_attribute(self, name: str) -> str:
        """Return what `Fn::GetAtt` does. Raises Moto's error for an attribute that the type doesn't have."""
        from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

        if name not in self.attributes:
            raise UnformattedGetAttTemplateException
        return self.attributes[name]

    def is_created(self) -> bool:
        """Return whether it is there."""
        return True


class LambdaCalls:
    """Lambda of one account and region."""

    def __init__(self, cloud: Cloud, account: str, region: str) -> None:
        self._cloud = cloud
        self._where = {"account": account, "region": region}

    def __call__(self, action: str, **params: Any) -> dict[str, Any]:
        """Call an action with a template's values, which may be text where Lambda wants numbers."""
        shape = codec.operation_model("lambda", action).input_shape
        wanted = {name: value for name, value in params.items() if value is not None}
        return self._cloud.call("lambda", action, _typed(shape, wanted), **self._where)

    def gone(self, action: str, **params: Any) -> None:
        """Delete what may be gone already."""
        try:
            self(action, **params)
        except ServiceError as error:
            if error.code != "ResourceNotFoundException":
                raise

    def settled(self, name: str, qualifier: str = "") -> None:
        """Wait until a function's creation or update has ended. Raises `ServiceError` when it failed."""
        which = {"FunctionName": name, **({"Qualifier": qualifier} if qualifier else {})}
        for _ in range(_POLLS):
            now = self("GetFunctionConfiguration", **which)
            if "Failed" in (now["State"], now.get("LastUpdateStatus")):
                why = now.get("StateReason") or now.get("LastUpdateStatusReason") or ""
                code = now.get("StateReasonCode") or now.get("LastUpdateStatusReasonCode") or ""
                raise ServiceError("NotStabilized", f"{why} (Status code: {code})")
            if now["State"] != "Pending" and now.get("LastUpdateStatus") != "InProgress":
                return
            self._cloud.stopping.wait(_POLL_SECONDS)
        raise ServiceError("NotStabilized", f"{name} didn't settle")


class FunctionType:
    """AWS::Lambda::Function."""

    name = "AWS::Lambda::Function"
    attributes = ("Arn",)
    takes = (
        *("FunctionName", "PackageType", "Role", "Runtime", "Handler", "Architectures", "Layers", *_DEFAULTS),
        *("Code", "Tags", "ReservedConcurrentExecutions", "FileSystemConfigs"),
    )

    def create(self, calls: LambdaCalls, name: str, properties: dict[str, Any]) -> StackResource:
        """CreateFunction."""
        name = str(properties.get("FunctionName") or _short(name))
        config = {k: v for k, v in properties.items() if k not in ("Code", "Tags", "ReservedConcurrentExecutions")}
        made = calls(
            "CreateFunction", **{**config, "FunctionName": name, "Code": _code(properties), "Tags": _tags(properties)}
        )
        try:
            calls.settled(name)
            self._reserve(calls, name, properties)
        except ServiceError:
            calls.gone("DeleteFunction", FunctionName=name)
            raise
        return StackResource(name, properties, {"Arn": made["FunctionArn"]})

    def update(self, calls: LambdaCalls, name: str, before: StackResource, properties: dict[str, Any]) -> StackResource:
        """Update what differs; another name or package type wants another function.

        `before` says after each call what was asked for, so that a rollback finds what it has to undo.
        """
        old, same = before.properties, before.physical_resource_id
        if properties.get("FunctionName", same) != same or _package(properties) != _package(old):
            return self.create(calls, name, properties)
        which = {"FunctionName": same}
        code = {key: properties.get(key) for key in ("Code", "Architectures")}
        if any(old.get(key) != value for key, value in code.items()):
            before.properties = {**before.properties, **code}
            calls("UpdateFunctionCode", **which, **_code(properties), Architectures=code["Architectures"])
            calls.settled(same)
        names = ("Role", "Runtime", "Handler", "Layers", "FileSystemConfigs", *_DEFAULTS)
        if config := {k: _value(properties, k) for k in names if _value(properties, k) != _value(old, k)}:
            before.properties = {**before.properties, **{key: properties.get(key) for key in names}}
            calls("UpdateFunctionConfiguration", **which, **config)
            calls.settled(same)
        self._retag(calls, before.attributes["Arn"], _tags(old), _tags(properties))
        if properties.get("ReservedConcurrentExecutions") != old.get("ReservedConcurrentExecutions"):
            self._reserve(calls, same, properties)
        return StackResource(same, properties, before.attributes)

    def delete(self, calls: LambdaCalls, resource: StackResource) -> None:
        """DeleteFunction."""
        calls.gone("DeleteFunction", FunctionName=resource.physical_resource_id)

    def _reserve(self, calls: LambdaCalls, name: str, properties: Mapping[str, Any]) -> None:
        reserved = properties.get("ReservedConcurrentExecutions")
        if reserved is not None:
            calls("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=reserved)
        else:
            calls("DeleteFunctionConcurrency", FunctionName=name)

    def _retag(self, calls: LambdaCalls, arn: str, old: dict[str, str], new: dict[str, str]) -> None:
        if new != old and new:
            calls("TagResource", Resource=arn, Tags=new)
        if lost := sorted(set(old) - set(new)):
            calls("UntagResource", Resource=arn, TagKeys=lost)


class VersionType:
    """AWS::Lambda::Version. Nothing of it can change: another one takes its place."""

    name = "AWS::Lambda::Version"
    attributes = ("FunctionArn", "Version")
    takes = ("FunctionName", "CodeSha256", "Description")

    def create(self, calls: LambdaCalls, _name: str, properties: dict[str, Any]) -> StackResource:
        """PublishVersion. As on AWS it is an error when the same version is there already."""
        function = properties.get("FunctionName")
        existing = {row["Version"] for row in calls("ListVersionsByFunction", FunctionName=function)["Versions"]}
        made = calls("PublishVersion", **properties)
        version = made["Version"]
        if version in existing:
            why = (
                f"A version for this Lambda function exists ( {version} ). Modify the function to create a new version."
            )
            raise ServiceError("AlreadyExists", why)
        calls.settled(str(function), version)
        return StackResource(made["FunctionArn"], properties, {"FunctionArn": made["FunctionArn"], "Version": version})

    def update(
        self, calls: LambdaCalls, name: str, _before: StackResource, properties: dict[str, Any]
    ) -> StackResource:
        """Publish another one."""
        return self.create(calls, name, properties)

    def delete(self, calls: LambdaCalls, resource: StackResource) -> None:
        """DeleteFunction, of one version."""
        function, _, version = resource.physical_resource_id.rpartition(":")
        calls.gone("DeleteFunction", FunctionName=function, Qualifier=version)


class AliasType:
    """AWS::Lambda::Alias."""

    name = "AWS::Lambda::Alias"
    attributes = ("AliasArn",)
    takes = ("FunctionName", "Name", "FunctionVersion", "Description", "RoutingConfig")

    def create(self, calls: LambdaCalls, _name: str, properties: dict[str, Any]) -> StackResource:
        """CreateAlias."""
        made = calls("CreateAlias", **{**properties, "RoutingConfig": _routing(properties)})
        return StackResource(made["AliasArn"], properties, {"AliasArn": made["AliasArn"]})

    def update(self, calls: LambdaCalls, name: str, before: StackResource, properties: dict[str, Any]) -> StackResource:
        """UpdateAlias; another name or function wants another alias."""
        if any(properties.get(key) != before.properties.get(key) for key in ("FunctionName", "Name")):
            return self.create(calls, name, properties)
        calls("UpdateAlias", **{"Description": "", **properties, "RoutingConfig": _routing(properties)})
        return StackResource(before.physical_resource_id, properties, before.attributes)

    def delete(self, calls: LambdaCalls, resource: StackResource) -> None:
        """DeleteAlias."""
        which = {key: resource.properties.get(key) for key in ("FunctionName", "Name")}
        calls.gone("DeleteAlias", **which)


class PermissionType:
    """AWS::Lambda::Permission. Nothing of it can change: another one takes its place."""

    name = "AWS::Lambda::Permission"
    attributes = ("Id",)
    takes = (
        *("Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType", "InvokedViaFunctionUrl"),
        *("Principal", "PrincipalOrgID", "SourceAccount", "SourceArn"),
    )

    def create(self, calls: LambdaCalls, name: str, properties: dict[str, Any]) -> StackResource:
        """AddPermission."""
        calls("AddPermission", **properties, StatementId=name)
        return StackResource(name, properties, {"Id": name})

    def update(
        self, calls: LambdaCalls, name: str, _before: StackResource, properties: dict[str, Any]
    ) -> StackResource:
        """Add another one."""
        return self.create(calls, name, properties)

    def delete(self, calls: LambdaCalls, resource: StackResource) -> None:
        """RemovePermission."""
        which = resource.properties.get("FunctionName")
        calls.gone("RemovePermission", FunctionName=which, StatementId=resource.physical_resource_id)


LambdaType = FunctionType | VersionType | AliasType | PermissionType
TYPES: tuple[LambdaType, ...] = (FunctionType(), VersionType(), AliasType(), PermissionType())
"""What stacks make of Lambda."""


class MotoModel:
    """One type, in the place of Moto's model of it: what Moto asks of a class of resources."""

    def __init__(self, cloud: Cloud, kind: LambdaType) -> None:
        self._cloud = cloud
        self._kind = kind

    def create_from_cloudformation_json(
        self, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> StackResource:
        """Make one. `resource_name` is what Moto thought of for one that has no name."""
        return self._kind.create(
            LambdaCalls(self._cloud, account_id, region_name), resource_name, self._properties(cloudformation_json)
        )

    def update_from_cloudformation_json(
        self,
        original_resource: StackResource,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> StackResource:
        """Change one. What is returned has another physical id when it was replaced."""
        calls = LambdaCalls(self._cloud, account_id, region_name)
        return self._kind.update(calls, new_resource_name, original_resource, self._properties(cloudformation_json))

    def delete(self, resource: StackResource, account_id: str, region_name: str) -> None:
        """Delete one."""
        self._kind.delete(LambdaCalls(self._cloud, account_id, region_name), resource)

    def has_cfn_attr(self, attr: str) -> bool:
        """Say whether `Fn::GetAtt` has it."""
        return attr in self._kind.attributes

    def _properties(self, json: Mapping[str, Any]) -> dict[str, Any]:
        properties = dict(json.get("Properties") or {})
        if unknown := sorted(set(properties) - set(self._kind.takes)):
            name = self._kind.name
            raise ServiceError("InvalidRequest", f"the local cloud makes no {', '.join(unknown)} of an {name}")
        return properties


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - _SUFFIX_LENGTH] + name[-_SUFFIX_LENGTH:]


def _package(properties: Mapping[str, Any]) -> str:
    return str(properties.get("PackageType") or "Zip")


def _value(properties: Mapping[str, Any], key: str) -> Any:
    value = properties.get(key)
    return _DEFAULTS.get(key) if value is None else value


def _tags(properties: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in properties.get("Tags") or ()}


def _routing(properties: Mapping[str, Any]) -> dict[str, Any]:
    rows = (properties.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or ()
    return {"AdditionalVersionWeights": {str(r["FunctionVersion"]): float(r["FunctionWeight"]) for r in rows}}


def _code(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the code as Lambda's operations take it. `ZipFile` in a template is the source itself."""
    code = {key: value for key, value in (properties.get("Code") or {}).items() if key in _CODE}
    if "ZipFile" in code:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(zipfile.ZipInfo("index.py"), str(code["ZipFile"]))  # without a time: the same each time
        code["ZipFile"] = archive.getvalue()
    return code


def _typed(shape: Any, value: Any) -> Any:
    """Return a value as an operation's shape wants it: a template may say `"128"` and `"true"`."""
    if value is None:
        return None
    kinds: dict[str, Callable[[Any], Any]] = {
        "structure": lambda v: {k: _typed(shape.members[k], m) for k, m in v.items() if k in shape.members},
        "map": lambda v: {str(k): _typed(shape.value, m) for k, m in v.items()},
        "list": lambda v: [_typed(shape.member, m) for m in v],
        "integer": int,
        "long": int,
        "boolean": lambda v: str(v).lower() == "true",
        "string": lambda v: str(v).lower() if isinstance(v, bool) else str(v),
    }
    return kinds.get(shape.type_name, lambda v: v)(value)
