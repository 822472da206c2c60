"""Answers of AWS that were recorded from a local cloud, and given again without one: each by its call.

`recording` notes what the calls of a block were answered, `playing` answers from that. A call that was not recorded
fails the test: the code calls something new, and the recording is to be made again (`record_promotions.py`). DynamoDB
is no part of it: a fake holds the table's items, since a ledger is read in many ways. Neither is a registry: nobody may
open one.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.dynamodb import FakeDynamoDB

from stepladder.core.aws import Aws

_TIME, _BODY = "at:", "a body"


class RecordedError(Exception):
    """An error of AWS's as it was recorded."""

    def __init__(self, response: dict[str, Any], operation: str) -> None:
        super().__init__(response.get("Error", {}).get("Message", ""))
        self.response, self.operation_name = response, operation


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{_TIME}{value.timestamp()!r}"
    if isinstance(value, dict):
        return {key: _written(each) for key, each in value.items() if key != "ResponseMetadata"}
    if isinstance(value, (list, tuple)):
        return [_written(each) for each in value]
    if hasattr(value, "read"):
        return {_BODY: value.read().decode()}
    return value


def _read(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_TIME):
        return datetime.fromtimestamp(float(value.removeprefix(_TIME)), UTC)
    if isinstance(value, dict) and _BODY in value:
        return io.BytesIO(value[_BODY].encode())
    if isinstance(value, dict):
        return {key: _read(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_read(each) for each in value]
    return value


def _key(aws: Aws, service: str, method: str, request: dict[str, Any]) -> str:
    return f"{aws.region} {aws.role_arn} {service}.{method} {json.dumps(_written(request), sort_keys=True)}"


class _Client:
    def __init__(self, aws: Aws, service: str, real: Any, calls: dict[str, Any], *, plays: bool) -> None:
        self._at, self._real, self._calls, self._plays = (aws, service), real, calls, plays

    def __getattr__(self, method: str) -> Any:
        def call(**request: Any) -> Any:
            key = _key(*self._at, method, request)
            if self._plays:
                if method == "describe_execution" and key not in self._calls:
                    raise RecordedError({"Error": {"Code": "ExecutionDoesNotExist", "Message": "no"}}, method)
                if method == "get_authorization_token":
                    raise RecordedError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, method)
                assert key in self._calls, f"not recorded: {key}"
                if "error" in self._calls[key]:
                    raise RecordedError(self._calls[key]["error"], method)
                return _read(self._calls[key]["answer"])
            try:
                answer = getattr(self._real, method)(**request)
            except Exception as error:
                if hasattr(error, "response"):
                    self._calls[key] = {"error": _written(error.response)}
                raise
            self._calls[key] = {"answer": _written(answer)}
            return _read(self._calls[key]["answer"])

        return call


@contextmanager
def recording() -> Iterator[dict[str, Any]]:
    """Note every call of a block; yields what is noted."""
    calls: dict[str, Any] = {}
    real = Aws.client

    def client(self: Aws, service: str, **options: Any) -> Any:
        made = real(self, service, **options)
        return made if service == "dynamodb" else _Client(self, service, made, calls, plays=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Aws, "client", client)
        yield calls


@contextmanager
def playing(calls: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> Iterator[None]:
    """Answer the calls of a block from a recording; `tables` are the items of each table by its name."""
    database = FakeDynamoDB()
    database.tables = {
        name: {(item["pk"]["S"], item["sk"]["S"]): item for item in items} for name, items in tables.items()
    }

    def client(self: Aws, service: str, **_: Any) -> Any:
        if service == "dynamodb":
            return database
        return _Client(self, service, None, calls, plays=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Aws, "client", client)
        yield


def save(path: Path, recorded: dict[str, Any]) -> None:
    """Write recordings; the same ones make the same bytes."""
    path.write_bytes(gzip.compress(json.dumps(recorded, sort_keys=True).encode(), mtime=0))


def load(path: Path) -> dict[str, Any]:
    """Read recordings."""
    read: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return read
