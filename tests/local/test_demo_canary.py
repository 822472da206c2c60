"""The demo's broken version never passes its canary, however few calls a slow machine answers."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path
from typing import Any

import pytest
from codedeploy_rung import Rung

from localcloud import daemon
from stepladder.core import process
from stepladder.core.console import Console
from stepladder.core.errors import ExitCode
from stepladder.demo import promotion_acts
from stepladder.demo.story import Stage, UnexpectedEndError
from stepladder.demo.traffic import Visitor

SLOW = 0.3  # seconds between two calls of a visitor: at the demo's speed, five in a minute of the cloud
RATE = "IF(invocations >= 10, 100 * errors / invocations, 0)"


class Story(Stage):
    """A stage whose promotions are canaries of one function, and whose other commands do nothing."""

    rung: Rung
    config: str
    said: io.StringIO

    def type(self, command: str, *, quiet: bool = False, expect: ExitCode = ExitCode.OK) -> str:
        if command == "promote":
            alarms = {"enabled": True, "alarms": [{"name": self.rung.name}]}
            deployment = self.rung.deploy(self.config, self.rung.appspec("1", "3"), overrideAlarmConfiguration=alarms)
            ended = self.rung.wait(deployment, "Succeeded", "Stopped", "Failed", seconds=120)
            code = ExitCode.OK if ended["status"] == "Succeeded" else ExitCode.ROLLED_BACK
            if code != expect:
                raise UnexpectedEndError("otherwise", code=code)
        return ""

    def run(self, command: str, *, attached: bool = False) -> process.Completed:
        return process.Completed(0, json.dumps({"outcome": "promoted", "targets": []}), "")


@pytest.fixture
def story(cloud: Any, rung: Rung, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    rung.update("def handler(event, context): raise RuntimeError('the guest book is gone')")
    url = rung.lambda_.create_function_url_config(FunctionName=rung.name, Qualifier="live", AuthType="AWS_IAM")
    watched = {"FunctionName": rung.name, "Resource": f"{rung.name}:live"}
    dimensions = [{"Name": name, "Value": value} for name, value in watched.items()]
    metrics = [
        {
            "Id": name.lower(),
            "MetricStat": {
                "Metric": {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions},
                "Period": 60,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for name in ("Errors", "Invocations")
    ]
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=rung.name,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        EvaluationPeriods=1,
        Threshold=5,
        TreatMissingData="notBreaching",
        Metrics=[*metrics, {"Id": "rate", "Expression": RATE, "ReturnData": True}],
    )
    files = {
        "function/app/handler.py": promotion_acts._LOGS,
        ".stepladder/production/service.outputs.json": json.dumps(
            {"function_name": rung.name, "alias_name": "live", "function_url": url["FunctionUrl"]}
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(daemon, "require", lambda _folder: cloud.info)
    monkeypatch.setattr(promotion_acts, "Visitor", functools.partial(Visitor, pause=SLOW))
    cloud.speed(promotion_acts.SPEED)
    said = io.StringIO()
    made = Story(Console(err=said, live=False), tmp_path, tmp_path, dict(cloud.env))
    made.rung, made.config, made.said = rung, "LambdaCanary10Percent5Minutes", said
    return made


def test_a_canary_that_slow_visitors_meet_is_held_until_its_alarm_has_seen_enough(story: Story, cloud: Any) -> None:
    promotion_acts.broken(story)
    assert "exit code 3: rolled back" in story.said.getvalue()
    assert story.rung.alias() == ("1", {})
    assert cloud.info.request("clock")["speed"] == promotion_acts.SPEED, (
        "the rest of the story goes on as fast as before"
    )


def test_an_act_that_ends_otherwise_says_what_it_saw(story: Story) -> None:
    story.config = "LambdaAllAtOnce"
    with pytest.raises(UnexpectedEndError) as stopped:
        promotion_acts.broken(story)
    said = stopped.value.message
    assert "`inv promote` promoted the version, and rolled the version back was expected (exit code 3, not 0)" in said
    assert "3 visitors called production" in said
    assert "the promotion's own end: promoted" in said
    assert "ended with exit code 0" not in said
