"""Kill `inv deploy` at every step, then deploy again: it converges, and traffic always went to a good version."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import Any

import pytest
from live_project import HELD, LiveProject

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

STEPS = (
    "dynamodb:BatchGetItem",
    "dynamodb:PutItem",
    "ecr:GetAuthorizationToken",
    "lambda:UpdateFunctionCode",
    "lambda:GetFunctionConfiguration",
    "lambda:PublishVersion",
    "lambda:Invoke",
    "lambda:UpdateAlias",
    "dynamodb:TransactWriteItems",
)


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> LiveProject:
    project = LiveProject(cloud, tmp_path_factory.mktemp("killed"))
    project.make()
    return project


def kill_during(project: LiveProject, step: str, how: signal.Signals) -> subprocess.Popen[str]:
    """Start a deploy and send a signal while the call of this step is under way (it takes effect nevertheless)."""
    service, action = step.split(":")
    project.cloud.faults({"kind": "delay_before", "service": service, "action": action, "seconds": HELD})
    project.cloud.reset_calls()
    child = project.start("deploy", "--env", "staging")
    project.wait(lambda: project.cloud.hits() == 1 or child.poll() is not None)
    assert child.poll() is None, child.communicate()
    child.send_signal(how)
    project.cloud.faults()
    return child


INTERRUPTED = ("dynamodb:PutItem", "lambda:UpdateFunctionCode", "lambda:Invoke", "dynamodb:TransactWriteItems")
IN_ITS_PLACE = pytest.mark.long("the same step is killed, and others between the same changes are interrupted")
KILLS = [
    *((signal.SIGKILL, step) for step in STEPS),
    *(pytest.param(signal.SIGINT, step, marks=() if step in INTERRUPTED else IN_ITS_PLACE) for step in STEPS),
    # SIGTERM takes the way of SIGINT: two steps prove it
    (signal.SIGTERM, "lambda:PublishVersion"),
    (signal.SIGTERM, "lambda:UpdateAlias"),
    (signal.SIGHUP, "lambda:UpdateAlias"),  # a closed terminal
]


@pytest.mark.parametrize(("how", "step"), KILLS, ids=lambda part: getattr(part, "name", part))
def test_a_killed_deploy_is_continued_by_the_next(project: LiveProject, how: signal.Signals, step: str) -> None:
    word = f"{how.name} during {step}"
    before, good = project.version, project.answer()
    project.say(word)
    child = kill_during(project, step, how)
    while child.poll() is None:
        assert project.answer() in (good, word), "traffic goes to a version that was verified and tested"
    _, err = child.communicate()
    if how == signal.SIGKILL:
        assert child.returncode == -signal.SIGKILL
    else:
        assert child.returncode == 130, err
        assert "interrupted" in err
        if step != "dynamodb:PutItem":  # the lock itself: written late, maybe after the process has ended
            assert not project.items("lock"), "an interrupted deploy gives its lock back"
    project.cloud.faults()
    if step not in ("lambda:UpdateAlias", "dynamodb:TransactWriteItems"):
        time.sleep(0.1)
        assert project.version == before

    done = project.deploy()
    assert done.code == 0, done.err
    assert project.answer() == word
    assert not project.items("lock")
    assert project.releases[-1]["result"] == "succeeded"
    assert project.releases[-1]["version"] == project.version
    again = project.deploy()
    assert again.code == 0
    assert "nothing to do" in again.err


def test_a_lock_that_a_killed_deploy_left_is_taken_over_and_told(project: LiveProject) -> None:
    project.say("left behind")
    child = kill_during(project, "lambda:PublishVersion", signal.SIGKILL)
    child.communicate()
    (lock,) = project.items("lock")
    assert lock["pid"] == str(child.pid)
    done = project.deploy()
    assert done.code == 0, done.err
    assert f"(process {child.pid}) left" in done.err


def test_the_cloud_that_cuts_the_line_in_mid_deploy_is_no_reason_to_lose_the_alias(project: LiveProject) -> None:
    version = project.version
    project.say("cut off")
    project.cloud.faults({"kind": "cut", "service": "lambda", "action": "PublishVersion", "count": 0})
    child = project.start("deploy", "--env", "staging")
    project.wait(lambda: project.cloud.hits() >= 2)
    child.send_signal(signal.SIGINT)
    assert project.finish(child).code == 130
    assert project.version == version
    project.cloud.faults()
    assert project.deploy().code == 0
    assert project.answer() == "cut off"
