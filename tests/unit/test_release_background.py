"""What is done for an image while it is released: it is over before the image gets traffic, or the release fails."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from fakes.many_harness import ManyHarness

from stepladder.core.errors import NotReadyError, RefusedError
from stepladder.releases import background


@pytest.fixture
def harness(tmp_path: Path) -> DeployHarness:
    harness = DeployHarness(tmp_path)
    harness.deploy()
    harness.source = "two"
    return harness


def fail() -> None:
    raise NotReadyError("the container engine stopped answering", kind="engine-down")


def test_the_release_goes_on_beside_it_up_to_the_alias(harness: DeployHarness) -> None:
    served: list[str] = []

    def attach() -> None:
        deadline = time.monotonic() + 60
        while len(harness.function.versions) < 2:
            assert time.monotonic() < deadline, "the version waits for what is attached"
            time.sleep(0.001)
        time.sleep(0.02)
        served.append(harness.serves)

    harness.in_background = attach
    assert harness.deploy().result == "released"
    assert served == [digest("one")]
    assert harness.serves == digest("two")
    assert "what belongs to it" not in harness.printed


def test_its_failure_fails_the_release_and_the_next_run_releases(harness: DeployHarness) -> None:
    harness.in_background = fail
    with pytest.raises(NotReadyError, match="stopped answering"):
        harness.deploy()
    assert harness.serves == digest("one")
    assert harness.items("lock") == []
    failed = harness.releases[-1]
    assert (failed["result"], failed["error_kind"], failed["failed_step"]) == ("failed", "engine-down", "image")
    harness.in_background = None
    harness.deploy()
    assert harness.serves == digest("two")


def test_it_has_ended_when_the_release_fails_of_something_else(harness: DeployHarness) -> None:
    ended: list[bool] = []

    def attach() -> None:
        time.sleep(0.05)
        ended.append(True)

    harness.in_background = attach
    harness.case("never", payload={}, expect={"status": 418})
    with pytest.raises(RefusedError, match="smoke"):
        harness.deploy()
    assert ended == [True]
    assert harness.serves == digest("one")


def test_a_long_wait_is_shown_as_a_step(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = threading.Event()

    def attach() -> None:
        assert waited.wait(60)

    def wait_in_vain(begun: Any, timeout: float) -> Any:
        answer = wait(begun, timeout=0 * timeout)
        waited.set()
        return answer

    monkeypatch.setattr(background, "wait", wait_in_vain)
    harness.in_background = attach
    harness.deploy()
    assert "image        what belongs to it is attached" in harness.printed


def test_no_function_of_several_moves_when_one_images_work_fails(tmp_path: Path) -> None:
    harness = ManyHarness(tmp_path, {"mailer": {}})
    harness.deploy_many()
    harness.source = "two"
    harness.in_background = fail
    with pytest.raises(NotReadyError, match="stopped answering"):
        harness.deploy_many()
    assert harness.live_versions == {"": "1", "mailer": "1"}
    harness.in_background = None
    harness.deploy_many()
    assert "1" not in harness.live_versions.values()
