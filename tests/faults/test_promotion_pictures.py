"""What a person sees of a promotion: the drawing of real ones, and their last lines."""

from __future__ import annotations

import re

import pytest
from pictures import Recorder

from stepladder.promotion import watch

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
RAISES = """
def handler(event, context):
    if context.invoked_function_arn.endswith('-production:live'):
        raise ValueError('the guest book is gone')
    return {'statusCode': 200}
"""


@pytest.fixture
def canary(make_project):
    return make_project("pictures", deployment="Canary10Percent5Minutes", probe_requests=40)


@pytest.fixture
def recorder(monkeypatch):
    found = Recorder(80, 120)
    monkeypatch.setattr(watch, "renderer", lambda _console: found)
    return found


def test_a_canary_that_goes_well(canary, recorder, unique, cloud):
    canary.ship(unique(GOOD))
    cloud.speed(100)
    ended = canary.promote()
    assert ended.code == 0, ended.message
    lines = recorder.lines()
    assert max(map(len, lines)) <= 80
    assert any("10% for" in line and "of 5 min" in line for line in lines)
    last = recorder.frames[80][-1].plain
    assert "released" in last
    assert "████████████████████  100% on the new version" in last
    assert "promoted, " in last
    assert "simulated (the clock runs at 100x real time)" in last
    assert re.search(r"shift \d+ min", last)
    assert "console.aws" not in ended.text, "a local cloud has no such page"
    said = ended.text.splitlines()
    assert said[-1].startswith("promoted ")
    assert said[-1].endswith(" to production")
    moments = [line for line in lines if "staging" in line and "unchanged" in line]
    assert len(set(moments)) == 1, "a rung that is done goes on counting"


def test_a_canary_that_is_rolled_back_shows_what_the_new_version_raised(canary, recorder, unique):
    canary.ship(unique(RAISES))
    ended = canary.promote()
    assert ended.code == 3, ended.message
    last = recorder.frames[80][-1].plain
    assert "rolled back" in last
    assert "░" * 20 in last
    assert "not promoted" in last
    assert "Exception" not in "".join(recorder.lines()), "a machine's words"
    assert "the first exception of version" in ended.text
    assert "ValueError: the guest book is gone" in ended.text
    assert "raise ValueError('the guest book is gone')" in ended.text
    (found,) = ended.record["exceptions"]
    assert found["environment"] == "production"


def test_a_log_that_may_not_be_read_is_told_and_changes_nothing_else(canary, recorder, unique, cloud):
    canary.ship(unique(RAISES))
    cloud.faults({"service": "logs", "action": "FilterLogEvents", "kind": "access_denied", "count": 0})
    ended = canary.promote()
    assert ended.code == 3, ended.message
    assert "the log of production could not be read" in ended.text
    assert "FilterLogEvents" in ended.text


@pytest.mark.parametrize("kind", ["access_denied", "throttle", "malformed"])
def test_metrics_that_can_not_be_read_are_left_out(kind, canary, recorder, unique, cloud):
    canary.ship(unique(GOOD))
    cloud.faults({"service": "cloudwatch", "action": "GetMetricData", "kind": kind, "count": 0})
    cloud.speed(100)
    assert canary.promote().code == 0
    assert any("10% for" in line for line in recorder.lines())
