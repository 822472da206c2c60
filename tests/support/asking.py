"""How tests ask a cloud: again until something holds, or for the error that a call ends with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

patience = 90.0
"""Seconds that a wait may take. AWS is slower than a local cloud: tests/conftest.py raises it for another endpoint."""


def until(read: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float | None = None) -> Any:
    """Read until it is what is wanted, and return that."""
    deadline, pause = time.monotonic() + (seconds or patience), 0.02 if patience <= 90 else 1.0
    while not wanted(value := read()):
        assert time.monotonic() < deadline, value
        time.sleep(pause)
    return value


def code_of(call: Callable[[], Any]) -> str:
    """Return the AWS error code that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])
