"""Between a task's JSON and botocore's types, by the shapes of botocore's service models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from localcloud.services.stepfunctions.asl.errors import runtime_error


def pascal(action: str) -> str:
    """Return a name with a capital at its beginning."""
    return action[:1].upper() + action[1:]


def to_request(value: Any, shape: Any, task: str) -> Any:  # noqa: PLR0911 - one for each type of shape
    """Turn a task's parameters (PascalCase, JSON types) into what botocore takes, by the shape."""
    if shape is None:
        return {}
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {name[:1].upper() + name[1:]: name for name in shape.members}
        unknown = [key for key in value if key not in members]
        if unknown:
            raise runtime_error(f'The field "{unknown[0]}" of {task} is not supported by Step Functions')
        return {members[k]: to_request(v, shape.members[members[k]], task) for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [to_request(item, shape.member, task) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {k: to_request(v, shape.value, task) for k, v in value.items()}
    if shape.type_name == "blob":
        if isinstance(value, str) and not shape.serialization.get("streaming"):
            return value.encode()
        return json.dumps(value, separators=(",", ":")).encode()  # recorded on AWS: a body is JSON, a text too
    if shape.type_name == "timestamp" and isinstance(value, str):
        return datetime.fromisoformat(value)
    if shape.type_name == "string" and isinstance(value, dict | list):
        return json.dumps(value)  # a message of SNS or SQS may be an object
    return value


def from_response(value: Any, shape: Any) -> Any:
    """Turn what botocore returns into a task's result: PascalCase, JSON types."""
    if shape is not None and shape.type_name == "structure" and isinstance(value, Mapping):
        known = shape.members
        return {pascal(k): from_response(v, known.get(k)) for k, v in value.items() if v is not None}
    if isinstance(value, Mapping):
        inner = shape.value if shape is not None and shape.type_name == "map" else None
        return {k: from_response(v, inner) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [from_response(v, shape.member if shape is not None else None) for v in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    if hasattr(value, "read"):
        value = value.read()
    return value.decode() if isinstance(value, bytes) else value
