"""Calls of the pipeline's functions on the fake AWS, as the state machine makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.pipeline import EXECUTION, FUNCTION, Context, release, target

LADDER = {
    "staging": {"function": "orders-staging", "alias": "live", "below": []},
    "production": {"function": FUNCTION, "alias": "live", "below": ["staging"]},
}


def shorten_waits(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a rollback wait for milliseconds where it waits for seconds."""
    monkeypatch.setattr(pipeline.rollback, "_SHORT", 0.2)
    monkeypatch.setattr(pipeline.restore, "_POLL", 0.01)
    monkeypatch.setattr(pipeline.restore, "_GRACE", 0.05)


def restore(pipeline: Any) -> Any:
    event = {"action": "restore", "release": release(), "target": target(), "previous_version": "7", "version": "8"}
    return pipeline.rollback.handler(event, Context())


def alias(pipeline: Any) -> dict[str, Any]:
    return pipeline.aws.lambda_.aliases[FUNCTION]  # type: ignore[no-any-return]


def configure_validate(pipeline: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Set the variables that Validate runs with, and the configuration of the image that it reads."""
    monkeypatch.setenv("LADDER", json.dumps(LADDER))
    monkeypatch.setenv("REPOSITORY", "orders")
    monkeypatch.setenv("SCAN_THRESHOLD", "HIGH")
    config = folder / "config.json"
    config.write_text('{"architecture": "arm64"}')
    pipeline.aws.ecr.url = config.as_uri()


def validate(pipeline: Any, promoted: Any = None, at: Any = None) -> Any:
    promoted = promoted or release()
    event = {"action": "validate", "release": promoted, "target": at or target(), "execution_arn": EXECUTION}
    return pipeline.validate.handler(event, None)


def lock(pipeline: Any) -> Any:
    return pipeline.aws.dynamodb.read("env#production", "lock")
