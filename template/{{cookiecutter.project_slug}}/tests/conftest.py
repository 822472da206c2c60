"""What the tests share: sample events, and the context that Lambda passes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EVENTS = Path(__file__).parent / "events"


@dataclass(frozen=True)
class Context:
    """The part of Lambda's context object that the handler and its logger read."""

    function_name: str = "sample"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:sample:live"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def event() -> Callable[[str], dict[str, Any]]:
    """Load a sample event by its file's name."""
    return lambda name: json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
