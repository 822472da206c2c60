"""Whether `inv rollback` marks the image that it leaves, and who is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from fakes.errors import DENIED, Scripted
from fakes.rollback import released_three_times, roll_back

from stepladder.commands.rollback import is_bad
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    monkeypatch.delenv("CI", raising=False)
    return released_three_times(tmp_path)


class FakeCloudWatch(Scripted):
    state = "OK"

    def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803 - AWS's own name
        self.called("DescribeAlarms")
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": self.state} for name in AlarmNames]}


@pytest.fixture
def person(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Somebody at the terminal, whose answer is set and whose questions are kept."""
    harness.aws.clients["cloudwatch"] = FakeCloudWatch()
    asked: list[str] = []
    person = SimpleNamespace(answer=False, asked=asked)
    monkeypatch.setattr(Console, "can_ask", True)
    monkeypatch.setattr(Console, "ask", lambda _console, question: asked.append(question) or person.answer)
    return person


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_who_rolls_a_healthy_release_back_says_whether_its_image_is_bad(
    harness: DeployHarness, person: Any, answer: bool
) -> None:
    person.answer = answer
    report = roll_back(harness)
    assert len(person.asked) == 1
    assert bool(harness.rung().ledger.is_bad(digest("three"))) is answer
    assert report.marked_bad == (digest("three") if answer else "")
    assert ("is not marked" in harness.printed) is not answer
    harness.source = "three"
    if answer:
        with pytest.raises(RefusedError, match="marked bad"):
            harness.deploy()
    else:
        assert harness.deploy().result == "released"


def test_an_image_that_is_kept_is_no_target_of_the_next_rollback_all_the_same(
    harness: DeployHarness, person: Any
) -> None:
    assert [roll_back(harness).version for _ in range(2)] == ["2", "1"]
    with pytest.raises(RefusedError, match="no earlier good release"):
        roll_back(harness)


def test_without_an_answer_the_image_is_marked_and_the_way_back_is_told(harness: DeployHarness) -> None:
    harness.aws.clients["cloudwatch"] = FakeCloudWatch()
    roll_back(harness)
    assert harness.rung().ledger.is_bad(digest("three"))
    assert f"`inv ledger.unmark --digest {digest('three')[7:19]}`" in harness.printed
    assert not harness.aws.clients["cloudwatch"].calls


@pytest.mark.parametrize("bad", [True, False])
def test_a_flag_answers_before_anybody_is_asked(harness: DeployHarness, person: Any, bad: bool) -> None:
    roll_back(harness, bad=bad)
    assert person.asked == []
    assert bool(harness.rung().ledger.is_bad(digest("three"))) is bad


def test_both_flags_contradict_each_other() -> None:
    assert (is_bad(keep_image=False, bad=True), is_bad(keep_image=True, bad=False)) == (True, False)
    assert is_bad(keep_image=False, bad=False) is None
    with pytest.raises(BadInputError, match="contradict"):
        is_bad(keep_image=True, bad=True)


def test_nobody_is_asked_where_an_alarm_has_judged_or_traffic_is_shifting(harness: DeployHarness, person: Any) -> None:
    harness.aws.clients["cloudwatch"].state = "ALARM"
    roll_back(harness)
    assert "ALARM: errors, latency, throttles: image" in harness.printed
    assert harness.rung().ledger.is_bad(digest("three"))
    harness.function.point("2", {"1": 0.1})
    roll_back(harness, to=harness.releases[0]["release_id"])
    assert person.asked == []


def test_alarms_that_cant_be_read_hold_no_rollback_up(harness: DeployHarness, person: Any) -> None:
    harness.aws.clients["cloudwatch"].fail("DescribeAlarms", DENIED)
    assert roll_back(harness).result == "rolled_back"
    assert len(person.asked) == 1


def test_a_dry_run_and_a_rollback_of_nothing_ask_nobody(harness: DeployHarness, person: Any) -> None:
    assert roll_back(harness, dry_run=True).marked_bad == digest("three")
    assert (
        f"image {digest('three')[7:19]} would be marked bad; a person on a terminal is asked first" in harness.printed
    )
    assert roll_back(harness, dry_run=True, bad=False).marked_bad == ""
    roll_back(harness, to=harness.releases[2]["release_id"])
    assert person.asked == []
