"""`inv rollback` after a release that was cut off before it was written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.deploy_harness import TABLE, DeployHarness, digest
from fakes.errors import DENIED
from fakes.rollback import released_three_times, roll_back

from stepladder.core.errors import StepladderError


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    monkeypatch.delenv("CI", raising=False)
    return released_three_times(tmp_path)


def lose_the_last_record(harness: DeployHarness) -> None:
    """Leave a release as it is when its run is killed after UpdateAlias and before the ledger is written."""
    harness.source = "four"
    harness.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(StepladderError, match="the ledger could not be written"):
        harness.deploy()


def test_a_release_that_was_cut_off_before_it_was_written_down_is_left_for_the_last_good_one(
    harness: DeployHarness,
) -> None:
    lose_the_last_record(harness)
    report = roll_back(harness, dry_run=True)
    assert (report.previous_version, report.version) == ("4", "3")
    report = roll_back(harness)
    assert (report.previous_version, report.version) == ("4", "3")
    assert harness.serves == digest("three")


def test_the_last_good_one_is_passed_over_when_it_is_marked_bad(harness: DeployHarness) -> None:
    lose_the_last_record(harness)
    where = {"pk": {"S": "digest#" + digest("three")}, "sk": {"S": "bad"}}
    said = {name: {"S": "x"} for name in ("marked_at", "by", "why")}
    harness.table.tables[TABLE][where["pk"]["S"], "bad"] = where | said
    assert roll_back(harness, dry_run=True).version == "2"


@pytest.mark.parametrize("ahead", [300, 3 * 3600, -300])
def test_a_clock_that_was_wrong_when_a_release_was_written_changes_no_order(harness: DeployHarness, ahead: int) -> None:
    harness.time.seconds += ahead
    harness.source = "four"
    harness.deploy()
    harness.time.seconds -= ahead
    harness.source = "five"
    harness.deploy()
    ids = [entry["release_id"] for entry in harness.releases]
    assert ids == sorted(ids)
    assert roll_back(harness).version == "4"
