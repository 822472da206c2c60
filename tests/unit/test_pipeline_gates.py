"""The gates that a project sets up for a rung, as Validate and Verify keep them: freezes and alarms of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.pipeline import EXECUTION, FUNCTION, NEW, Context, release, target
from fakes.pipeline_calls import configure_validate, lock

from stepladder.core.freeze_facts import FreezeWindow, to_json
from stepladder.settings.freezes import offsets

ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:checkout"
WINDOW = FreezeWindow("fri 16:00 - mon 08:00 Europe/Berlin", "weekend", "Europe/Berlin", week=(6720, 480))


@pytest.fixture(autouse=True)
def environment(pipeline: Any, monkeypatch: Any, tmp_path: Any) -> None:
    configure_validate(pipeline, monkeypatch, tmp_path)


@pytest.fixture
def frozen(monkeypatch: Any) -> None:
    text = to_json({"production": [WINDOW]}, {"Europe/Berlin": offsets("Europe/Berlin")})
    monkeypatch.setenv("FREEZES", text)


@pytest.fixture
def alarms(pipeline: Any, monkeypatch: Any) -> dict[str, str]:
    """The alarms of production and their states."""
    monkeypatch.setenv("GATE_ALARMS", json.dumps({"production": ["orders", ARN]}))
    states = {"orders": "OK", "checkout": "INSUFFICIENT_DATA"}

    def describe_alarms(AlarmNames: list[str], **_: Any) -> Any:  # noqa: N803
        rows = [
            {
                "AlarmName": name,
                "AlarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}",
                "StateValue": states[name],
                "StateReason": "too many",
            }
            for name in AlarmNames
            if name in states
        ]
        return {"MetricAlarms": rows[:1], "CompositeAlarms": rows[1:]}

    monkeypatch.setattr(pipeline.aws.cloudwatch, "describe_alarms", describe_alarms)
    return states


def validate(pipeline: Any, now: str = "2026-11-27T15:00:00.000Z", **changes: Any) -> Any:
    event = {"action": "validate", "release": release(), "target": target(), "execution_arn": EXECUTION, "now": now}
    return pipeline.validate.handler(event | changes, None)


def test_a_frozen_rung_is_refused_and_unlocked_again(pipeline: Any, frozen: None) -> None:
    with pytest.raises(
        pipeline.errors.RefusedError, match="production is frozen until Mon 2026-11-30 08:00 Europe/Ber"
    ):
        validate(pipeline)
    assert not lock(pipeline)
    event = {"action": "check", "release": release(), "targets": [target()], "now": "2026-11-27T15:00:00.000Z"}
    with pytest.raises(pipeline.errors.RefusedError, match="weekend"):
        pipeline.validate.handler(event, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"now": "2026-11-27T14:59:59.000Z"},
        {"release": release() | {"hotfix": True}},
        {"target": target() | {"during_freeze": "it burns"}},
    ],
    ids=["before it begins", "a hotfix", "with a reason"],
)
def test_a_release_that_may_pass_a_freeze_passes(pipeline: Any, frozen: None, changes: dict[str, Any]) -> None:
    assert validate(pipeline, **changes)["previous_version"] == "7"


def test_what_a_rung_serves_already_may_stay_in_a_freeze(pipeline: Any, frozen: None) -> None:
    pipeline.aws.lambda_.digests[FUNCTION, "7"] = NEW
    assert validate(pipeline)["unchanged"] is True


def test_no_release_begins_while_an_alarm_of_the_project_fires(pipeline: Any, alarms: dict[str, str]) -> None:
    assert validate(pipeline)["previous_version"] == "7", "too little data is no alarm"
    alarms["checkout"] = "ALARM"
    with pytest.raises(pipeline.errors.RefusedError, match=r"alarm checkout fires: too many; .*inv promote --hotfix"):
        validate(pipeline)
    assert validate(pipeline, release=release() | {"hotfix": True})["previous_version"] == "7"


def test_an_alarm_that_is_not_there_is_no_gate_that_stands_open(pipeline: Any, alarms: dict[str, str]) -> None:
    del alarms["orders"]
    with pytest.raises(
        pipeline.errors.RefusedError, match=r"promotion\.alarms of production names orders, and CloudWatch"
    ):
        validate(pipeline)


@pytest.mark.parametrize("baked", [0, 1])
def test_an_alarm_that_fires_while_traffic_shifts_or_the_version_bakes_undoes_it(
    pipeline: Any, alarms: dict[str, str], monkeypatch: Any, baked: int
) -> None:
    monkeypatch.setattr(pipeline.probe, "_check_alarms", lambda _function: None)
    event = {
        "action": "probe",
        "release": release(),
        "target": target() | {"probe_requests": 0},
        "version": "8",
        "previous_version": "7",
        "baked": baked,
    }
    assert pipeline.verify.handler(event, Context()) == {"samples": 0, "bad": 0}
    alarms["orders"] = "ALARM"
    with pytest.raises(pipeline.errors.AlarmFiredError, match="alarm orders fires: too many"):
        pipeline.verify.handler(event, Context())
    hotfix = event | {"release": release() | {"hotfix": True}}
    assert pipeline.verify.handler(hotfix, Context()) == {"samples": 0, "bad": 0}
