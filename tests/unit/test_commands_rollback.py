"""`inv rollback` on fake AWS."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from fakes.deploy_harness import TABLE, DeployHarness, digest
from fakes.errors import DENIED
from fakes.rollback import released_three_times, roll_back

from stepladder.core.errors import LockedError, RefusedError, RollbackFailedError, StepladderError
from stepladder.ledger.schema import PIPELINE_HOST


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    monkeypatch.delenv("CI", raising=False)
    return released_three_times(tmp_path)


def test_the_alias_returns_to_the_release_before_and_the_bad_image_is_marked(harness: DeployHarness) -> None:
    report = roll_back(harness, why="customers see blanks")
    assert (report.result, report.previous_version, report.version) == ("rolled_back", "3", "2")
    assert harness.serves == digest("two")
    bad = harness.rung().ledger.is_bad(digest("three"))
    assert bad
    assert bad.why == "customers see blanks"
    entry = harness.releases[-1]
    assert (entry["kind"], entry["result"], entry["version"], entry["previous_version"]) == (
        "rollback",
        "succeeded",
        "2",
        "3",
    )
    assert harness.items("current")[0]["release_id"] == entry["release_id"]
    assert not harness.items("lock")


def test_deploy_refuses_the_same_code_after_a_rollback_and_takes_the_mended_one(harness: DeployHarness) -> None:
    roll_back(harness)
    with pytest.raises(RefusedError, match="marked bad"):
        harness.deploy()
    harness.source = "mended"
    assert harness.deploy().version == "4"


def test_deploy_of_the_code_that_was_returned_to_has_little_to_do(harness: DeployHarness) -> None:
    roll_back(harness)
    harness.source = "two"
    assert harness.deploy().result == "released", "$LATEST has the bad image, so a version of the good one is made"
    assert harness.serves == digest("two")
    assert harness.deploy().result == "unchanged"


def test_a_second_rollback_goes_further_down_and_never_to_a_bad_image(harness: DeployHarness) -> None:
    roll_back(harness)
    assert roll_back(harness).version == "1"
    with pytest.raises(RefusedError, match="no earlier good release"):
        roll_back(harness)


def test_a_second_rollback_never_returns_to_what_the_first_one_left(harness: DeployHarness) -> None:
    harness.infra_inputs = "more memory"
    harness.on_apply = lambda _root: harness.function.configure(MemorySize=512)
    assert harness.deploy().version == "4", "the same image in another configuration, so no digest is marked bad"
    assert [roll_back(harness).version for _ in range(3)] == ["3", "2", "1"]
    with pytest.raises(RefusedError, match="no earlier good release"):
        roll_back(harness)


def test_a_version_that_was_left_and_released_again_is_a_target_once_more(harness: DeployHarness) -> None:
    harness.infra_inputs = "more memory"
    harness.on_apply = lambda _root: harness.function.configure(MemorySize=512)
    harness.deploy()
    roll_back(harness)
    assert harness.deploy().version == "4", "Lambda gives no new version to what was published before"
    harness.source = "five"
    assert harness.deploy().version == "5"
    assert [roll_back(harness).version for _ in range(2)] == ["4", "3"]


def test_a_rollback_that_was_cut_off_before_the_ledger_is_written_down_by_the_next(harness: DeployHarness) -> None:
    harness.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(StepladderError, match="version 2 serves staging, verified, but the ledger"):
        roll_back(harness)
    assert harness.serves == digest("two")
    report = roll_back(harness)
    assert (report.result, report.previous_version, report.version) == ("rolled_back", "3", "2")
    assert harness.rung().ledger.is_bad(digest("three"))
    assert roll_back(harness).version == "1"


def test_a_version_that_failed_its_smoke_cases_is_never_a_target(harness: DeployHarness) -> None:
    harness.case("works", expect={"status": 200})
    harness.function.handler = lambda image, _p: ({"statusCode": 500 if image == digest("bad") else 200}, False)
    harness.source = "bad"
    with pytest.raises(RefusedError):
        harness.deploy()
    harness.source = "five"
    assert harness.deploy().version == "5"
    assert roll_back(harness).version == "3"


def test_a_named_release_is_the_target(harness: DeployHarness) -> None:
    first = harness.releases[0]["release_id"]
    assert roll_back(harness, to=first).version == "1"


def test_a_release_that_nobody_knows_is_refused_with_those_that_exist(harness: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="isn't in the ledger") as caught:
        roll_back(harness, to="20200101T000000Z-abcdef")
    assert harness.releases[0]["release_id"] in caught.value.hint


def test_the_release_that_is_live_already_is_nothing_to_do(harness: DeployHarness) -> None:
    report = roll_back(harness, to=harness.releases[-1]["release_id"])
    assert report.result == "unchanged"
    assert len(harness.releases) == 3


def test_a_target_whose_version_was_pruned_is_refused_with_those_that_exist(harness: DeployHarness) -> None:
    del harness.function.versions["2"]
    with pytest.raises(RefusedError, match="version 2 is gone") as caught:
        roll_back(harness)
    assert "version 1" in caught.value.hint
    assert harness.serves == digest("three")


def test_a_target_whose_image_was_pruned_is_refused(harness: DeployHarness) -> None:
    harness.ecr.gone.add(digest("two"))
    with pytest.raises(RefusedError, match="is gone from ECR") as caught:
        roll_back(harness)
    assert "version 2" not in caught.value.hint


def test_a_version_number_of_a_function_that_was_made_anew_is_refused(harness: DeployHarness) -> None:
    harness.function.versions["2"]["ImageUri"] = harness.function.versions["1"]["ImageUri"]
    with pytest.raises(RefusedError, match="was recreated"):
        roll_back(harness)


def test_configuration_that_returns_is_told_without_the_values_of_variables(harness: DeployHarness) -> None:
    harness.infra_inputs = "changed"
    harness.on_apply = lambda _r: harness.function.configure(
        MemorySize=512, Environment={"Variables": {"TOKEN": "secret-2"}}
    )
    harness.deploy()
    harness.err.truncate(0)
    report = roll_back(harness)
    assert report.differences == ("environment variables that differ: TOKEN", "MemorySize: 512 -> 256")
    assert report.marked_bad == "", "the image is the same, so it isn't the image that is bad"
    assert "secret-2" not in harness.printed
    assert "the next deploy releases it again" in harness.printed


def test_a_dry_run_changes_nothing(harness: DeployHarness) -> None:
    before = repr(harness.table.tables)
    assert roll_back(harness, dry_run=True).result == "dry_run"
    assert repr(harness.table.tables) == before
    assert harness.serves == digest("three")


def test_a_deployment_under_way_is_stopped_and_the_rung_is_where_it_began(harness: DeployHarness) -> None:
    harness.function.versions["4"] = harness.function.versions["3"] | {
        "Version": "4",
        "ImageUri": f"r@{digest('four')}",
    }
    harness.function.point("3", {"4": 0.1})
    harness.codedeploy.active = "d-1"
    harness.codedeploy.on_stop = lambda: harness.function.point("3")
    report = roll_back(harness)
    assert harness.codedeploy.stopped == [("d-1", True)]
    assert (report.version, report.previous_version, report.marked_bad) == ("3", "4", digest("four"))
    assert harness.serves == digest("three")


def test_a_promotion_under_way_is_stopped_and_given_time_to_finish_its_rung(harness: DeployHarness) -> None:
    harness.function.versions["4"] = harness.function.versions["3"] | {
        "Version": "4",
        "ImageUri": f"r@{digest('four')}",
    }
    harness.function.point("3", {"4": 0.1})
    harness.codedeploy.active = "d-1"
    held = {
        "owner": "ann",
        "command": "inv promote",
        "run_id": "execution",
        "expires": int(harness.time.seconds) + 3600,
    }
    fields = {k: {"N": str(v)} if isinstance(v, int) else {"S": v} for k, v in held.items()}
    harness.table.tables[TABLE]["env#staging", "lock"] = {"pk": {"S": "env#staging"}, "sk": {"S": "lock"}, **fields}

    def settles() -> None:
        harness.function.point("3")
        harness.table.tables[TABLE].pop(("env#staging", "lock"))

    harness.table.before("GetItem", lambda: None)
    harness.codedeploy.on_stop = lambda: harness.table.before("GetItem", settles)
    report = roll_back(harness)
    assert (report.version, report.marked_bad, harness.serves) == ("3", digest("four"), digest("three"))


def test_a_deployment_that_is_stopped_without_its_rollback_is_put_right(harness: DeployHarness) -> None:
    harness.function.versions["4"] = harness.function.versions["3"] | {
        "Version": "4",
        "ImageUri": f"r@{digest('four')}",
    }
    harness.function.point("3", {"4": 0.1})
    harness.codedeploy.active = "d-1"
    roll_back(harness)
    assert harness.serves == digest("three")


def test_weights_that_a_stopped_deployment_left_are_cleared(harness: DeployHarness) -> None:
    harness.function.versions["4"] = harness.function.versions["3"] | {
        "Version": "4",
        "ImageUri": f"r@{digest('four')}",
    }
    harness.function.point("3", {"4": 0.1})
    assert roll_back(harness).version == "3"
    assert harness.serves == digest("three")


def test_a_deployment_that_won_t_stop_meets_its_deadline(harness: DeployHarness) -> None:
    harness.codedeploy.active = "d-1"
    harness.codedeploy.ends = ["InProgress"]
    with pytest.raises(StepladderError, match="still under way 300 s after it was stopped"):
        roll_back(harness)
    assert not harness.items("lock")


def test_an_alias_moved_by_hand_meanwhile_is_not_overwritten(harness: DeployHarness) -> None:
    harness.function.before("UpdateAlias", lambda: harness.function.point("1"))
    with pytest.raises(RefusedError, match="changed by somebody else"):
        roll_back(harness)
    assert harness.serves == digest("one")


def test_a_move_that_can_t_be_verified_is_the_loudest_error(harness: DeployHarness) -> None:
    harness.function.fail("GetAlias", DENIED, after=1)
    with pytest.raises(RollbackFailedError, match="isn't verified: AccessDeniedException"):
        roll_back(harness)


def test_a_rollback_that_fails_is_written_down(harness: DeployHarness) -> None:
    harness.function.fail("UpdateAlias", DENIED)
    with pytest.raises(ClientError):
        roll_back(harness)
    last = harness.releases[-1]
    assert (last["kind"], last["result"], last["version"], last["cause"]) == (
        "rollback",
        "failed",
        "2",
        "AccessDeniedException",
    )
    assert not harness.items("lock")
    assert harness.serves == digest("three")


def test_a_rung_that_somebody_is_deploying_is_left_to_them(harness: DeployHarness) -> None:
    other = harness.rung().lock
    other.acquire()
    with pytest.raises(LockedError, match="inv deploy --env staging") as locked:
        roll_back(harness)
    assert "inv promote.stop" not in locked.value.hint
    harness.table.tables[TABLE]["env#staging", "lock"] |= {"host": {"S": PIPELINE_HOST}, "boot_id": {"S": ""}}
    with pytest.raises(LockedError) as locked:
        roll_back(harness)
    assert "`inv promote.stop` ends it and restores what it changed" in locked.value.hint
    other.release()


def test_an_environment_without_a_function_has_nothing_to_roll_back(harness: DeployHarness) -> None:
    harness.function.alias = None
    with pytest.raises(RefusedError, match="nothing is live"):
        roll_back(harness)


def test_an_inactive_target_is_woken_before_it_gets_traffic(harness: DeployHarness) -> None:
    harness.function.version_states = ["Inactive", "Inactive", "Inactive", "Pending", "Active"]
    assert roll_back(harness).version == "2"
    assert "lambda:Invoke" in harness.aws.calls


def test_a_rollback_takes_few_calls(harness: DeployHarness) -> None:
    roll_back(harness)
    assert len([c for c in harness.aws.calls if "GetItem" not in c or "Batch" in c]) <= 12
    assert TABLE in harness.table.tables
