"""The gates that a project sets up for a rung: a freeze by the cloud's clock, and an alarm of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import cloud_alarms
import pytest

from stepladder.promotion import frozen

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
ALARM = "checkout-of-the-shop"
TODAY = datetime.now(UTC).date()
WINDOW = f"{TODAY - timedelta(days=1)} - {TODAY + timedelta(days=300)}"


@pytest.fixture
def guarded(make_project, cloud):
    cloud.client("cloudwatch").put_metric_alarm(**quiet(cloud))
    window = {"window": WINDOW, "reason": "the year's end"}
    policy = {"freeze": [window], "alarms": [ALARM], "deployment": "Canary10Percent5Minutes"}
    return make_project("guarded", per_rung={"production": policy})


def quiet(cloud):
    """Let the alarm watch a metric of which there is no data yet."""
    return {
        "AlarmName": ALARM,
        "Namespace": "Shop",
        "MetricName": "errors",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }


def test_a_freeze_and_an_alarm_keep_a_release_out_and_the_alarm_undoes_one(
    guarded, before, unique, midway, cloud, monkeypatch
):
    guarded.ship(unique(GOOD))
    was = before(guarded)
    ended = guarded.promote()
    assert (ended.code, guarded.running()) == (4, []), "nothing was started"
    assert f"00:00 UTC ({WINDOW}: the year's end)" in ended.message
    with monkeypatch.context() as patched:  # another command, whose settings have no freeze
        patched.setattr(frozen, "check", lambda *_: None)
        ended = guarded.promote()
    assert ended.code == 4
    assert f"00:00 UTC ({WINDOW}: the year's end); promote again then" in ended.message
    with midway(guarded, during_freeze=True, why="the shop is down") as promotion:
        cloud_alarms.fire(cloud.client("cloudwatch"), *ALARM.rsplit("-", 1))
        ended = promotion.result()
    assert (ended.code, f"alarm {ALARM} fires" in ended.message) == (3, True), ended.message
    was.check_unmoved()
    digest = guarded.ship(unique(GOOD))
    ended = guarded.promote(during_freeze=True, why="a fix")
    assert (ended.code, "inv promote --hotfix" in ended.message) == (4, True), ended.message
    assert guarded.promote(hotfix=True).code == 0
    assert guarded.digest() == digest
