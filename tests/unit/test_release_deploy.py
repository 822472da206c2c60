"""`inv deploy` from the first deployment on, on fake AWS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from fakes.errors import BROKEN, CONFLICT, DENIED, THROTTLED, error
from fakes.world import REPOSITORY, TABLE, World, digest

from stepladder.errors import (
    BadInputError,
    LockedError,
    RefusedError,
    RollbackFailedError,
    RolledBackError,
    StepladderError,
)
from stepladder.releases import byhand
from stepladder.releases.records import Bad


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("CI", raising=False)
    return World(tmp_path)


@pytest.fixture
def live(world: World) -> World:
    """A world that was deployed once."""
    world.deploy()
    world.applied.clear()
    world.pushed.clear()
    return world


def test_the_first_deployment_goes_from_nothing_to_a_released_version(world: World) -> None:
    report = world.deploy()
    assert world.applied == ["foundation", "service"]
    assert (report.result, report.version, report.digest) == ("released", "1", digest("one"))
    assert world.serves == digest("one")
    assert [r["result"] for r in world.releases] == ["succeeded"]
    assert not world.items("lock")
    assert "staging: version 1 is live" in world.said
    assert "https://abc.lambda-url/" in world.said
    assert world.said.count("foundation") == 1


def test_with_nothing_changed_deploy_makes_two_calls_and_does_nothing(live: World) -> None:
    report = live.deploy()
    assert sorted(live.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]
    assert (report.result, report.version) == ("unchanged", "1")
    assert (live.applied, live.pushed) == ([], [])
    assert "nothing to do, version 1 is live" in live.said


def test_a_new_handler_is_released_with_thirteen_calls_and_its_waits(live: World) -> None:
    live.source = "two"
    report = live.deploy()
    assert (report.previous_version, report.version) == ("1", "2")
    assert live.serves == digest("two")
    polls = live.aws.calls.count("lambda:GetFunctionConfiguration")
    assert sorted(call for call in live.aws.calls if call != "lambda:GetFunctionConfiguration") == [
        "codedeploy:ListDeployments",
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:TransactWriteItems",
        "lambda:GetAlias",
        "lambda:GetAlias",
        "lambda:GetFunction",
        "lambda:GetFunction",
        "lambda:PublishVersion",
        "lambda:UpdateAlias",
        "lambda:UpdateFunctionCode",
    ]
    assert polls == 2
    assert live.applied == []


def test_the_version_s_description_can_rebuild_the_ledger(live: World) -> None:
    live.source = "two"
    report = live.deploy()
    said = live.function.versions["2"]["Description"]
    assert said == f"rel={report.release_id} git=none img={digest('two')[7:19]}"


def test_a_change_of_configuration_alone_is_applied_and_released_with_the_same_image(live: World) -> None:
    live.infra_inputs = "more memory"
    live.on_apply = lambda _root: live.function.configure(MemorySize=512)
    report = live.deploy()
    assert (live.applied, live.pushed) == (["service"], [])
    assert (report.result, report.version, report.digest) == ("released", "2", digest("one"))
    assert live.function.versions["2"]["MemorySize"] == 512
    assert "version 1 -> 2 (same image)" in live.said
    assert live.deploy().result == "unchanged"


def test_infrastructure_that_doesn_t_touch_the_function_is_applied_without_a_release(live: World) -> None:
    live.infra_inputs = "another alarm"
    report = live.deploy()
    assert live.applied == ["service"]
    assert (report.result, report.version) == ("applied", "1")
    assert len(live.releases) == 1
    live.deploy()
    assert sorted(live.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_a_changed_foundation_is_applied_alone(live: World) -> None:
    live.foundation_inputs = "more images kept"
    assert live.deploy().result == "applied"
    assert live.applied == ["foundation"]


def test_a_kill_between_apply_and_release_is_continued_by_the_next_run(live: World) -> None:
    live.infra_inputs = "more memory"

    def die(_root: str) -> None:
        live.function.configure(MemorySize=512)

    live.on_apply = die
    live.function.fail("PublishVersion", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        live.deploy()
    live.on_apply = None
    report = live.deploy()
    assert live.applied == ["service"], "the apply was recorded and isn't repeated"
    assert (report.result, report.version) == ("released", "2")


def test_infra_never_leaves_terraform_alone_and_still_releases_code(live: World) -> None:
    live.infra_inputs, live.source = "changed", "two"
    report = live.deploy(infra="never")
    assert (live.applied, report.version) == ([], "2")
    assert "left (--infra never)" in live.said
    assert live.deploy(infra="never").result == "unchanged"


def test_infra_never_refuses_an_environment_that_was_never_applied(world: World) -> None:
    with pytest.raises(RefusedError, match="has not been applied"):
        world.deploy(infra="never")


def test_infra_always_applies_each_time(live: World) -> None:
    live.deploy(infra="always")
    assert live.applied == ["foundation", "service"]


def test_an_infra_that_isn_t_known_is_bad_input(live: World) -> None:
    with pytest.raises(BadInputError, match="sometimes"):
        live.deploy(infra="sometimes")


def test_a_dry_run_tells_every_step_and_changes_nothing(live: World) -> None:
    live.source, live.infra_inputs = "two", "more memory"
    before = repr(live.table.tables)
    report = live.deploy(dry_run=True)
    assert report.result == "dry_run"
    assert (live.applied, live.pushed, repr(live.table.tables)) == ([], [], before)
    assert "would apply: 0 to add, 1 to change" in live.said
    assert "would build and push" in live.said
    assert "would publish, test and move the alias" in live.said


def test_a_function_that_somebody_deleted_is_made_again_from_an_image(live: World) -> None:
    live.function.latest, live.function.alias = None, None
    live.function.versions.clear()
    report = live.deploy()
    assert live.applied == ["service"]
    assert (report.version, live.serves) == ("1", digest("one"))


def test_a_function_that_is_made_again_by_a_run_that_dies_is_released_by_the_next(live: World) -> None:
    live.function.latest, live.function.alias = None, None
    live.function.versions.clear()
    live.function.fail("PublishVersion", DENIED)
    with pytest.raises(ClientError):
        live.deploy()
    assert live.deploy().version == "1"
    assert live.serves == digest("one")


def test_an_alias_that_somebody_moved_is_brought_back(live: World) -> None:
    live.source = "two"
    live.deploy()
    live.function.point("1")
    report = live.deploy()
    assert (report.previous_version, report.version, live.serves) == ("1", "2", digest("two"))


def test_an_alias_that_somebody_put_on_latest_is_refused(live: World) -> None:
    live.function.point("$LATEST")
    live.source = "two"
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        live.deploy()
    assert live.pushed == []
    assert live.function.latest
    assert live.function.latest["ImageUri"].endswith(digest("one"))


def test_an_alias_that_was_put_on_latest_during_the_apply_is_refused(live: World) -> None:
    live.infra_inputs, live.source = "other", "two"
    live.on_apply = lambda _root: live.function.point("$LATEST")
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        live.deploy()
    assert live.function.calls.count("UpdateFunctionCode") == 0


def test_a_release_by_hand_refuses_an_alias_that_somebody_put_on_latest(live: World) -> None:
    live.function.point("$LATEST")
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        byhand.release(live.rung(), digest=digest("two"))


def test_a_first_release_that_fails_can_be_mended(world: World) -> None:
    world.case("works", expect={"status": 200})
    world.function.handler = lambda image, _p: ({"statusCode": 500 if image == digest("one") else 200}, False)
    with pytest.raises(RefusedError, match="fails 1 of 1"):
        world.deploy()
    world.source = "two"
    assert world.deploy().version == "2"
    assert world.serves == digest("two")


def test_an_alias_that_was_touched_but_serves_the_wanted_version_is_adopted(live: World) -> None:
    live.function.point("1")
    assert live.deploy().result == "unchanged"
    live.deploy()
    assert sorted(live.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_another_account_is_refused_before_anything_moves(live: World) -> None:
    assert live.function.alias
    live.function.alias["AliasArn"] = live.function.alias["AliasArn"].replace("123456789012", "999999999999")
    live.source = "two"
    with pytest.raises(RefusedError, match="reach account 999999999999, but staging is account 123456789012"):
        live.deploy()
    assert live.pushed == []


def test_another_account_is_refused_before_the_first_apply(world: World) -> None:
    world.sts.account = "999999999999"
    with pytest.raises(RefusedError, match="999999999999"):
        world.deploy()
    assert world.applied == []


def test_a_weighted_alias_is_refused(live: World) -> None:
    live.source = "two"
    live.function.point("1", {"7": 0.1})
    with pytest.raises(RefusedError, match=r"serves version 1 with 10% on version 7"):
        live.deploy()


def test_an_active_codedeploy_deployment_is_refused_by_its_id(live: World) -> None:
    live.source = "two"
    live.codedeploy.active = "d-ABC123"
    with pytest.raises(RefusedError, match="d-ABC123 is under way"):
        live.deploy()
    assert live.aws.calls.count("lambda:UpdateFunctionCode") == 0


def test_a_function_without_codedeploy_is_released(live: World) -> None:
    live.codedeploy.exists = False
    live.source = "two"
    assert live.deploy().version == "2"


def test_a_digest_that_was_marked_bad_is_refused_unless_forced(live: World) -> None:
    live.source = "two"
    live.rung().ledger.mark_bad(digest("two"), Bad("2026-11-21T00:00:00Z", "ann@host", "rolled back"))
    with pytest.raises(RefusedError, match="was marked bad by ann@host"):
        live.deploy()
    assert live.serves == digest("one")
    assert live.deploy(force=True).version == "2"


def test_ci_refuses_files_that_no_commit_holds(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    live.source = "two"
    with pytest.raises(RefusedError, match="only what is committed"):
        live.deploy()
    assert live.deploy(allow_dirty=True).version == "2"


def test_a_smoke_case_that_fails_leaves_the_alias_and_writes_the_failure_down(live: World) -> None:
    live.case("says hello", payload={"a": 1}, expect={"status": 200})
    live.source = "two"
    live.function.handler = lambda image, _p: ({"statusCode": 500 if image == digest("two") else 200}, False)
    with pytest.raises(
        RefusedError, match="version 2 fails 1 of 1 smoke cases: says hello: status: expected 200, got 500"
    ):
        live.deploy()
    assert live.serves == digest("one")
    assert [(r["result"], r["version"]) for r in live.releases] == [("succeeded", "1"), ("failed", "2")]
    assert "smoke cases" in live.releases[-1]["cause"]
    assert not live.items("lock")
    live.source = "three"
    assert live.deploy().version == "3"


def test_a_release_without_a_smoke_case_is_bad_input_unless_somebody_says_so(live: World) -> None:
    live.source = "two"
    with pytest.raises(BadInputError, match="not valid") as caught:
        live.deploy(no_smoke=False)
    assert "tests/smoke is no folder" in caught.value.problems[0]
    (live.root / "tests" / "smoke").mkdir(parents=True)
    with pytest.raises(BadInputError, match="there is no smoke case in tests/smoke"):
        live.deploy()
    assert live.pushed == []
    assert live.deploy(no_smoke=True).version == "2"
    assert "--no-smoke: nothing tests" in live.said
    assert "untested: released with --no-smoke" in live.said
    assert live.releases[-1]["cause"] == "untested: released with --no-smoke"


def test_a_handler_that_can_t_be_imported_is_told_in_its_own_words(live: World) -> None:
    live.case("says hello")
    live.source = "two"
    failure = {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'app'"}
    live.function.handler = lambda image, _p: (failure, True)
    with pytest.raises(RefusedError, match=r"Runtime\.ImportModuleError: No module named 'app'"):
        live.deploy()


def test_a_bad_smoke_case_is_bad_input_before_anything_is_done(live: World) -> None:
    live.case("x", repeat=0)
    live.source = "two"
    with pytest.raises(BadInputError) as caught:
        live.deploy()
    assert "x.json: repeat is 0" in caught.value.problems[0]
    assert live.pushed == []


def test_an_image_that_lambda_can_t_take_is_explained_and_latest_is_put_back(live: World) -> None:
    live.source = "two"
    live.function.outcome = lambda uri: "Failed" if uri.endswith(digest("two")) else "Successful"
    with pytest.raises(StepladderError, match=r"not an image \(InvalidImage\)") as caught:
        live.deploy()
    assert "was put back" in caught.value.hint
    assert live.function.latest
    assert live.function.latest["ImageUri"] == f"{REPOSITORY}@{digest('one')}"
    assert live.serves == digest("one")
    live.function.outcome = lambda _uri: "Successful"
    assert live.deploy().version == "2"


def test_an_update_that_never_ends_meets_its_deadline(live: World) -> None:
    live.source = "two"
    live.function.polls = 100_000
    with pytest.raises(StepladderError, match="still being updated after 300 s"):
        live.deploy()
    assert live.time.slept[:2] == [0.1, pytest.approx(0.15)]


ACTIONS = ("UpdateFunctionCode", "PublishVersion", "UpdateAlias")
STORMS = [
    *((action, failure) for action in ACTIONS for failure in (CONFLICT, THROTTLED, BROKEN)),
    ("Invoke", CONFLICT),
    ("Invoke", THROTTLED),
]


@pytest.mark.parametrize(("action", "failure"), STORMS, ids=str)
def test_a_storm_of_passing_errors_is_ridden_out(live: World, action: str, failure: Exception) -> None:
    live.case("says hello")
    live.source = "two"
    live.function.fail(action, failure, times=6)
    assert live.deploy().version == "2"
    assert live.serves == digest("two")


@pytest.mark.parametrize("action", ["UpdateFunctionCode", "PublishVersion", "UpdateAlias"])
def test_an_error_that_doesn_t_pass_is_raised_at_once_and_the_alias_stays(live: World, action: str) -> None:
    live.source = "two"
    live.function.fail(action, DENIED, times=1000)
    with pytest.raises(Exception, match="AccessDenied"):
        live.deploy()
    assert live.aws.calls.count(f"lambda:{action}") == 1
    assert live.serves == digest("one")
    assert live.releases[-1]["result"] == "failed"
    assert not live.items("lock")


def test_a_conflict_that_stays_ends_at_the_deadline(live: World) -> None:
    live.source = "two"
    live.function.fail("UpdateFunctionCode", CONFLICT, times=10_000)
    with pytest.raises(Exception, match="ResourceConflict"):
        live.deploy()


def test_somebody_who_changes_the_code_before_our_update_is_not_overwritten(live: World) -> None:
    live.source = "two"
    live.function.before("UpdateFunctionCode", lambda: live.function.give(f"{REPOSITORY}@{digest('theirs')}"))
    with pytest.raises(RefusedError, match="changed by somebody else"):
        live.deploy()
    assert live.serves == digest("one")


def test_somebody_s_code_is_never_published_as_ours(live: World) -> None:
    live.source = "two"
    live.function.before("PublishVersion", lambda: live.function.give(f"{REPOSITORY}@{digest('theirs')}"))
    with pytest.raises(RefusedError, match="PublishVersion found other code"):
        live.deploy()
    assert list(live.function.versions) == ["1"]


def test_somebody_s_configuration_is_never_published_as_ours(live: World) -> None:
    live.source = "two"
    live.function.before("PublishVersion", lambda: live.function.configure(MemorySize=10240))
    with pytest.raises(RefusedError, match="configuration is not what was read"):
        live.deploy()


def test_a_revision_that_moved_on_without_a_change_is_no_obstacle(live: World) -> None:
    live.source = "two"
    live.function.before("PublishVersion", live.function.configure)
    live.function.before("UpdateFunctionCode", live.function.configure)
    assert live.deploy().version == "2"


@pytest.mark.parametrize("failure", [BROKEN, ReadTimeoutError(endpoint_url="x")], ids=["500", "no answer"])
def test_a_smoke_case_of_which_nobody_knows_whether_it_ran_is_not_sent_again(live: World, failure: Exception) -> None:
    live.case("books an order")
    live.source = "two"
    live.function.fail("Invoke", failure)
    with pytest.raises(type(failure)):
        live.deploy()
    assert live.function.calls.count("Invoke") == 1
    assert (live.releases[-1]["result"], live.serves) == ("failed", digest("one"))


CUT = ReadTimeoutError(endpoint_url="https://lambda")


def raiser(failure: Exception) -> Callable[[], None]:
    def act() -> None:
        raise failure

    return act


def test_an_alias_that_moved_though_its_answer_was_lost_is_a_release(live: World) -> None:
    live.source = "two"
    live.function.after("UpdateAlias", raiser(CUT))
    live.function.fail("GetAlias", CUT, times=3, after=1)
    assert live.deploy().version == "2"
    assert (live.releases[-1]["result"], live.serves) == ("succeeded", digest("two"))


def test_an_alias_that_did_not_move_in_an_outage_is_a_failure(live: World) -> None:
    live.source = "two"
    live.function.fail("UpdateAlias", CUT)
    with pytest.raises(ReadTimeoutError):
        live.deploy()
    assert (live.releases[-1]["result"], live.serves) == ("failed", digest("one"))


def test_an_alias_of_which_nobody_can_tell_whether_it_moved_is_the_loudest_error(live: World) -> None:
    live.source = "two"
    live.function.after("UpdateAlias", raiser(CUT))
    live.function.fail("GetAlias", CUT, times=1000, after=1)
    with pytest.raises(RollbackFailedError, match="may serve version 2 or 1"):
        live.deploy()
    assert live.releases[-1]["result"] == "rollback_failed"


def test_an_alias_that_was_moved_away_during_a_build_is_not_taken_for_served(live: World) -> None:
    live.source = "two"
    live.deploy()
    live.source, live.infra_inputs = "one", "other"
    live.function.versions["3"] = live.function.versions["1"] | {"Version": "3"}
    live.function.point("3")  # so that publishing gives the version that serves already
    live.function.give(f"{REPOSITORY}@{digest('one')}")
    live.on_prepare = None
    live.function.before("PublishVersion", lambda: live.function.point("2"))
    with pytest.raises(RefusedError, match="now serves version 2"):
        live.deploy(infra="never")
    assert live.releases[-1]["result"] == "failed"


@pytest.mark.parametrize("action", ["UpdateFunctionCode", "UpdateAlias"])
def test_a_request_that_was_sent_twice_is_recognised_as_our_own(live: World, action: str) -> None:
    live.source = "two"

    def lost() -> None:
        raise error("ServiceException", 500)

    live.function.after(action, lost)
    assert live.deploy().version == "2"
    assert live.serves == digest("two")


def test_an_alias_moved_by_hand_during_the_release_is_not_overwritten(live: World) -> None:
    live.source = "two"
    live.deploy()
    live.source = "three"
    live.function.before("UpdateAlias", lambda: live.function.point("1"))
    with pytest.raises(RefusedError, match="changed by somebody else during this release and now serves version 1"):
        live.deploy()
    assert live.serves == digest("one")
    assert live.releases[-1]["result"] == "failed"


def test_an_alias_that_can_t_be_verified_is_put_back(live: World) -> None:
    live.source = "two"
    live.function.versions["9"] = live.function.versions["1"]
    live.function.after("UpdateAlias", lambda: live.function.point("9"))
    with pytest.raises(RolledBackError, match="serves version 1 again, verified"):
        live.deploy()
    assert live.serves == digest("one")
    assert live.releases[-1]["result"] == "rolled_back"


def test_a_return_that_fails_is_the_loudest_error(live: World) -> None:
    live.source = "two"
    live.function.versions["9"] = live.function.versions["1"]
    live.function.after("UpdateAlias", lambda: live.function.point("9"))
    live.function.fail("UpdateAlias", DENIED, times=5, after=1)
    with pytest.raises(RollbackFailedError, match="putting it back to 1 failed: AccessDeniedException"):
        live.deploy()
    assert live.releases[-1]["result"] == "rollback_failed"


def test_a_version_that_isn_t_ready_at_once_is_waited_for(live: World) -> None:
    live.source = "two"
    live.function.version_states = ["Pending", "Pending", "Inactive", "Pending", "Active"]
    assert live.deploy().version == "2"


def test_a_version_that_can_t_be_started_stops_the_release(live: World) -> None:
    live.source = "two"
    live.function.version_states = ["Pending", "Failed"]
    with pytest.raises(StepladderError, match="version 2 of hello-staging can't be started"):
        live.deploy()
    assert live.serves == digest("one")


def test_a_zip_function_is_refused(live: World) -> None:
    live.source = "two"
    live.function.configure(PackageType="Zip")
    with pytest.raises(RefusedError, match="is a Zip function"):
        live.deploy()


def test_a_function_of_the_other_architecture_is_refused(live: World) -> None:
    live.source = "two"
    live.function.configure(Architectures=["x86_64"])
    with pytest.raises(RefusedError, match="runs x86_64, the image is arm64"):
        live.deploy()


def test_a_ledger_that_can_t_be_written_is_said_and_the_next_run_writes_it(live: World) -> None:
    live.source = "two"
    live.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(StepladderError, match="version 2 serves staging, verified, but the ledger"):
        live.deploy()
    assert live.serves == digest("two")
    report = live.deploy()
    assert (report.result, report.version, len(live.releases)) == ("released", "2", 2)


def cancelled(reason: str) -> Exception:
    reasons = [{"Code": code} for code in ("None", "None", reason)]
    return error("TransactionCanceledException", CancellationReasons=reasons)


def test_a_throttled_ledger_is_written_with_patience(live: World) -> None:
    live.source = "two"
    live.table.fail("TransactWriteItems", cancelled("ThrottlingError"), times=4)
    assert live.deploy().version == "2"
    assert len(live.releases) == 2


@pytest.mark.parametrize("reason", ["ThrottlingError", "ValidationError"])
def test_a_ledger_that_stays_unwritten_is_not_told_as_a_lost_lock(live: World, reason: str) -> None:
    live.source = "two"
    live.table.fail("TransactWriteItems", cancelled(reason), times=1000)
    with pytest.raises(StepladderError, match="version 2 serves staging, verified, but the ledger") as caught:
        live.deploy()
    assert not isinstance(caught.value, LockedError)


def test_a_lock_that_was_lost_at_the_very_end_is_told_as_such(live: World) -> None:
    live.source = "two"

    def steal() -> None:
        live.table.tables[TABLE]["env#staging", "lock"]["run_id"] = {"S": "somebody else"}

    live.function.after("UpdateAlias", steal)
    with pytest.raises(LockedError, match="before the ledger could be written"):
        live.deploy()


def test_a_ledger_write_whose_answer_was_lost_is_not_written_twice(live: World) -> None:
    live.source = "two"

    def lost() -> None:
        raise error(
            "TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}]
        )

    live.table.after("TransactWriteItems", lost)
    assert live.deploy().version == "2"
    assert len(live.releases) == 2


def test_an_interrupt_in_mid_release_gives_the_lock_back(live: World) -> None:
    live.source = "two"

    def interrupt() -> None:
        raise KeyboardInterrupt

    live.function.before("PublishVersion", interrupt)
    with pytest.raises(KeyboardInterrupt):
        live.deploy()
    assert not live.items("lock")
    assert live.releases[-1]["cause"] == "interrupted"
    assert live.deploy().version == "2"


def test_two_deploys_at_once_are_kept_apart_by_the_lock(live: World) -> None:
    live.source = "two"
    seen: list[str] = []

    def second() -> None:
        live.on_prepare = None
        with pytest.raises(LockedError) as caught:
            live.rung().lock.acquire()
        seen.append(caught.value.message)

    live.on_prepare = second
    live.deploy()
    assert "is held by" in seen[0]
    assert "for: inv deploy --env staging" in seen[0]


def held(owner: str = "ann", expires: float = 4e9, pid: int = 1, **process: str) -> dict[str, dict[str, str]]:
    """The lock of another run as an item."""
    text = {"owner": owner, "command": "inv deploy", "run_id": "theirs", "since": "2026-11-21T00:00:00Z", **process}
    numbers = {"expires": {"N": str(int(expires))}, "pid": {"N": str(pid)}}
    return {"pk": {"S": "env#staging"}, "sk": {"S": "lock"}, **{k: {"S": v} for k, v in text.items()}, **numbers}


def test_a_wait_for_a_lock_that_came_after_the_first_read_is_followed_by_another_read(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.source = "two"
    table = live.table.tables[TABLE]
    live.table.before("PutItem", lambda: table.update({("env#staging", "lock"): held()}))

    sleep, theirs = live.time.sleep, [None]

    def they_finish(seconds: float) -> None:
        sleep(seconds)
        if theirs:
            theirs.pop()
            table.pop(("env#staging", "lock"))
            assert live.deploy().version == "2", "the other run releases the same code"

    monkeypatch.setattr(live.time, "sleep", they_finish)
    assert live.deploy(wait=True).result == "unchanged"
    assert (len(live.releases), live.serves) == (2, digest("two"))


def test_a_lock_that_a_run_left_after_the_first_read_is_taken_over_with_its_state_locks(live: World) -> None:
    live.source = "two"
    table = live.table.tables[TABLE]
    live.table.before("PutItem", lambda: table.update({("env#staging", "lock"): held(expires=0)}))
    assert live.deploy().version == "2"
    assert [holder.owner for holder in live.freed] == ["ann"]


def test_a_lock_that_can_t_be_given_back_doesn_t_hide_what_went_wrong(live: World) -> None:
    live.table.fail("DeleteItem", DENIED, times=5)
    live.infra_inputs = "other"
    live.on_apply = lambda _root: live.function.point("$LATEST")
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        live.deploy()
    assert "the lock could not be given back (AccessDeniedException)" in live.said


def test_a_bad_digest_that_is_known_is_refused_before_the_service_is_applied(live: World) -> None:
    live.infra_inputs = "other"
    live.rung().ledger.mark_bad(digest("one"), Bad("2026-11-21T00:00:00Z", "ann@host", "rolled back elsewhere"))
    with pytest.raises(RefusedError, match="marked bad"):
        live.deploy()
    assert live.applied == []


def test_a_lost_lock_stops_the_release_before_the_next_change(live: World) -> None:
    live.source = "two"

    def steal() -> None:
        live.table.tables[TABLE]["env#staging", "lock"]["run_id"] = {"S": "somebody else"}

    live.function.before("GetFunctionConfiguration", steal)
    with pytest.raises(LockedError, match="was lost"):
        live.deploy()
    assert live.releases[-1]["version"] == "2"
