"""A function's configuration: what a request may set, its defaults, and the checks that AWS makes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_ import role_permissions, vpc
from localcloud.services.lambda_.constraints import validation
from localcloud.services.lambda_.model import FunctionKey, invalid

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_PLAIN = ("Role", "Description", "Timeout", "MemorySize", "TracingConfig", "EphemeralStorage", "Runtime", "Handler")
_EMPTIED = ("Environment", "ImageConfig", "DeadLetterConfig", "KMSKeyArn", "FileSystemConfigs")  # empty: absent
_RESERVED = frozenset(
    {
        *("_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
        *("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_RUNTIME_API"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    }
)
_ENVIRONMENT_LIMIT = 4096
_ROLE = re.compile(r"arn:(aws[a-zA-Z-]*)?:iam::(?P<account>\d{12}):role/(?P<path>[a-zA-Z_0-9+=,.@\-_/]+)")
RUNTIMES = (  # as AWS listed them on 2025-11-25, in its order
    *("nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25"),
    *("python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17"),
    *("nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2"),
)
OTHER_RUNTIMES = frozenset(name for name in RUNTIMES if not name.startswith("python"))
_RUNTIME = re.compile(r"python3\.\d{1,2}")


def created(cloud: Cloud, key: FunctionKey, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a new function. Raises what AWS does on bad ones."""
    package = params.get("PackageType") or "Zip"
    settings: dict[str, Any] = {
        "PackageType": package,
        "Architectures": list(params.get("Architectures") or ["x86_64"]),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "TracingConfig": {"Mode": "PassThrough"},
        "EphemeralStorage": {"Size": 512},
    }
    if package == "Zip" and not (params.get("Runtime") and params.get("Handler")):
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    if package == "Image" and (params.get("Runtime") or params.get("Handler")):
        raise invalid(
            "Please don't provide Handler, Runtime or Layers when the intended function PackageType is Image."
        )
    complete = changed(cloud, key, settings, params)
    if (params.get("Environment") or {}).get("Variables") == {}:
        complete["Environment"] = {"Variables": {}}  # recorded on AWS: at creation an empty one is kept
    return complete


def changed(cloud: Cloud, key: FunctionKey, settings: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the changes of a request. Raises what AWS does on bad ones."""
    result = dict(settings)
    result.update({name: params[name] for name in _PLAIN if params.get(name) is not None})
    for name in _EMPTIED:
        if name not in params or params[name] is None:
            continue
        result.pop(name, None)
        value = params[name]
        if isinstance(value, Mapping):
            value = {k: v for k, v in value.items() if v not in (None, "", [], {})}
        if value:
            result[name] = value
    if params.get("VpcConfig") is not None:
        result.pop("VpcConfig", None)
        if connected := vpc.configured(cloud, key, {**settings.get("VpcConfig", {}), **params["VpcConfig"]}):
            role_permissions.check_network(cloud, key, result["Role"], connected)
            result["VpcConfig"] = connected
    logging = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{key.name}", **result.get("LoggingConfig", {})}
    logging.update({k: v for k, v in (params.get("LoggingConfig") or {}).items() if v})
    if logging["LogFormat"] == "JSON":
        logging = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **logging}
    else:
        logging = {k: v for k, v in logging.items() if k in ("LogFormat", "LogGroup")}
    result["LoggingConfig"] = logging
    _check(result, params)
    if result["Role"] != settings.get("Role"):
        _check_role(cloud, key, result["Role"])
    return result


def _check(settings: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    _check_range("memorySize", settings["MemorySize"], 128, 10240)
    _check_range("timeout", settings["Timeout"], 1, 900)
    _check_range("ephemeralStorage.size", settings["EphemeralStorage"]["Size"], 512, 10240)
    if settings["PackageType"] == "Zip" and not _RUNTIME.fullmatch(settings["Runtime"]):
        if settings["Runtime"] in OTHER_RUNTIMES:
            raise invalid(f"the local cloud runs Python functions only, not the runtime {settings['Runtime']}")
        raise invalid(
            f"Value {settings['Runtime']} at 'runtime' failed to satisfy constraint: Member must satisfy enum value "
            f"set: [{', '.join(RUNTIMES)}] or be a valid ARN"
        )
    if params.get("Layers"):
        raise invalid("the local cloud runs no Lambda layers: put the dependencies into the package or the image")
    if settings["PackageType"] == "Zip" and settings.get("ImageConfig"):
        raise invalid("Please don't provide ImageConfig when the function has packageType Zip.")
    variables: Mapping[str, str] = settings.get("Environment", {}).get("Variables", {})
    if reserved := sorted(_RESERVED & set(variables)):
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > _ENVIRONMENT_LIMIT:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured}"
        )
    for name in variables:
        if not re.fullmatch(r"[a-zA-Z]\w+", name):
            raise validation("environment.variables", name, "Map keys must satisfy constraint: [a-zA-Z]([a-zA-Z0-9_])+")


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= int(value) <= most:
        raise validation(name, value, f"Member must have value between {least} and {most}")


def _check_role(cloud: Cloud, key: FunctionKey, arn: str) -> None:
    """Refuse a role that doesn't exist or doesn't trust Lambda, as AWS does after a moment of its own retries."""
    match = _ROLE.fullmatch(arn)
    if not match or match["account"] != key.account:
        raise ServiceError("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
    refused = invalid("The role defined for the function cannot be assumed by Lambda.")
    try:
        params = {"RoleName": match["path"].rpartition("/")[2]}
        role = cloud.call("iam", "GetRole", params, region=key.region, account=key.account)["Role"]
    except ServiceError as error:
        if error.code in ("NoSuchEntity", "NoSuchEntityException"):
            raise refused from None
        raise
    if "lambda.amazonaws.com" not in json.dumps(role.get("AssumeRolePolicyDocument", "")):
        raise refused
