"""Faults with a rate: a throttle that is a quota."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from localcloud import faults


def request(action: str) -> Any:
    return SimpleNamespace(service="lambda", action=action, body=b"", environ={})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(faults.time, "monotonic", lambda: now[0])
    return now


def hits(rules: faults.Faults, action: str, calls: int) -> int:
    return sum(rules.pick(request(action)) is not None for _ in range(calls))


def test_calls_that_come_faster_than_the_rate_are_throttled(clock: list[float]) -> None:
    rules = faults.Faults()
    rules.add({"service": "lambda", "kind": "throttle", "rate": 15, "but": "Invoke,GetFunction"})
    assert hits(rules, "GetAlias", 20) == 5
    clock[0] += 0.2  # three more may pass
    assert hits(rules, "UpdateAlias", 5) == 2
    clock[0] += 60
    assert hits(rules, "GetAlias", 15) == 0
    assert hits(rules, "Invoke", 100) == 0
    assert hits(rules, "GetFunction", 100) == 0


def test_a_burst_may_come_at_once(clock: list[float]) -> None:
    rules = faults.Faults()
    rules.add({"service": "lambda", "kind": "throttle", "rate": 1, "burst": 10})
    assert hits(rules, "GetAlias", 12) == 2
    (shown,) = rules.list()
    assert (shown["hits"], shown["seen"], shown["count"]) == (2, 12, 0)
    assert "tokens" not in shown


@pytest.mark.parametrize("wrong", [{"rate": -1}, {"rate": 1, "burst": 0.5}, {"tokens": 3}], ids=str)
def test_a_wrong_rate_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a fault"):
        faults.Faults().add({"kind": "throttle", **wrong})
