"""Doctor's check that a rollback has something to return to."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from fakes.rollback import roll_back

from stepladder.commands.doctor import Doctor, DoctorOptions
from stepladder.core.console import Console
from stepladder.core.errors import StepladderError
from stepladder.doctor import rollback
from stepladder.doctor.check import ENVIRONMENT, DoctorCheck
from stepladder.ledger.schema import Bad


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """A rung that was released twice."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    for source in ("one", "two"):
        harness.source = source
        harness.deploy()
    return harness


def findings(harness: DeployHarness) -> list[dict[str, Any]]:
    out = io.StringIO()
    console = Console(out=out, err=io.StringIO(), live=False, as_json=True)
    checks = (DoctorCheck("rollback", ENVIRONMENT, rollback.targets),)
    clock, settings = harness.time.clock(), harness.settings
    doctor = Doctor(harness.root, settings, console, DoctorOptions(), checks, clock, lambda *_: harness.aws)  # type: ignore[arg-type, return-value]
    try:
        doctor.run()
    except StepladderError as error:
        return list(error.record["findings"])  # type: ignore[call-overload]
    return list(json.loads(out.getvalue())["findings"])


def test_two_releases_with_their_images_are_well(harness: DeployHarness) -> None:
    assert findings(harness) == []


def test_a_live_image_that_is_gone_is_an_error(harness: DeployHarness) -> None:
    harness.ecr.gone.add(digest("two"))
    (one,) = findings(harness)
    assert (one["level"], one["subject"]) == ("error", "staging")
    assert "is gone from ECR" in one["problem"]
    assert "inv deploy --env staging --force" in one["fix"]


@pytest.mark.parametrize(("what", "text"), [("image", "its image"), ("version", "its version 1 is gone")])
def test_a_release_before_that_cannot_serve_is_a_warning(harness: DeployHarness, what: str, text: str) -> None:
    if what == "image":
        harness.ecr.gone.add(digest("one"))
    else:
        del harness.function.versions["1"]
    (one,) = findings(harness)
    assert one["level"] == "warning"
    assert text in one["problem"]


def test_a_release_that_a_rollback_left_or_that_is_bad_is_missed_by_nobody(harness: DeployHarness) -> None:
    harness.source = "three"
    harness.deploy()
    roll_back(harness)
    harness.ecr.gone.add(digest("three"))
    assert findings(harness) == []
    harness.ecr.gone.add(digest("one"))
    (one,) = findings(harness)
    assert "its image" in one["problem"]
    harness.rung().ledger.mark_bad(digest("one"), Bad("now", "a release", "a reason"))
    assert findings(harness) == []


def test_a_live_version_that_is_gone_is_an_error(harness: DeployHarness) -> None:
    del harness.function.versions["2"]
    (one,) = findings(harness)
    assert "version 2, which the ledger calls live" in one["problem"]


def test_a_first_release_has_none_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    assert findings(harness) == []
