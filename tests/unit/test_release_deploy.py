"""`inv deploy` from the first deployment on, on fake AWS: what it does, leaves and refuses."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Event

import pytest
from botocore.exceptions import ClientError
from fakes.deploy_harness import DeployHarness, digest
from fakes.errors import DENIED

from stepladder.commands import release_existing
from stepladder.core.errors import BadInputError, LockedError, RefusedError
from stepladder.core.step import Step
from stepladder.ledger.schema import Bad
from stepladder.releases.early_work import EarlyWork


def test_the_first_deployment_goes_from_nothing_to_a_released_version(harness: DeployHarness) -> None:
    report = harness.deploy()
    assert harness.applied == ["foundation", "service"]
    assert (report.result, report.version, report.digest) == ("released", "1", digest("one"))
    assert harness.serves == digest("one")
    assert [r["result"] for r in harness.releases] == ["succeeded"]
    assert not harness.items("lock")
    assert "staging: version 1 is live" in harness.printed
    assert "https://abc.lambda-url/" in harness.printed
    assert harness.printed.count("foundation") == 1


def test_beside_its_foundation_the_first_deployment_builds_and_plans(harness: DeployHarness) -> None:
    harness.deploy()
    early = ["install foundation", "install service", "build", f"plan service with {digest('one')}"]
    assert sorted(harness.began) == sorted(early)
    harness.began.clear()
    harness.source = "two"
    harness.infra_inputs = harness.foundation_inputs = "two"
    harness.deploy()
    assert harness.began == []


@pytest.mark.parametrize("what", ["build", "install", "plan_early"])
def test_what_fails_beside_the_foundation_is_done_in_its_turn(harness: DeployHarness, what: str) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError(what)

    setattr(harness, what, broken)
    assert harness.deploy().result == "released"
    assert harness.pushed == ["one"]


def test_a_foundation_that_fails_ends_what_runs_beside_it(
    harness: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def install(_root: str, over: Event) -> None:
        ended.append(over.wait(20))

    def fail(root: str) -> None:
        raise RefusedError(f"no {root}", kind="foreign-resource")

    monkeypatch.setattr(harness, "install", install)
    monkeypatch.setattr(EarlyWork, "finish", lambda *_: None)
    harness.on_apply = fail
    with pytest.raises(RefusedError, match="no foundation"):
        harness.deploy()
    assert ended == [True], "the service's installation was not begun any more"
    assert harness.pushed == []


def test_a_foundation_that_fails_waits_for_no_image(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, never = Event(), Event()

    def build(_step: Step) -> str:
        begun.set()
        never.wait(20)
        return ""

    def fail(root: str) -> None:
        assert begun.wait(20)
        raise RefusedError(f"no {root}", kind="foreign-resource")

    monkeypatch.setattr(harness, "build", build)
    harness.on_apply = fail
    started = time.monotonic()
    with pytest.raises(RefusedError, match="no foundation"):
        harness.deploy()
    never.set()
    assert time.monotonic() - started < 10


def test_files_that_change_after_they_were_read_are_recorded_as_what_they_are(harness: DeployHarness) -> None:
    harness.on_apply = lambda _root: setattr(harness, "source", "two")
    harness.deploy()
    assert harness.serves == digest("two")
    harness.source = "one"
    harness.on_apply = None
    assert harness.deploy().result == "released"
    assert harness.serves == digest("one")


def test_a_dry_run_begins_nothing(harness: DeployHarness) -> None:
    harness.deploy(dry_run=True)
    assert harness.began == []


def test_an_image_is_begun_before_the_lock_when_it_is_all_that_changes(live: DeployHarness) -> None:
    live.began.clear()
    live.source = "two"
    calls: list[list[str]] = []
    live.on_begin = lambda: calls.append(list(live.aws.calls))
    live.deploy()
    assert live.began == ["image"]
    assert [sorted(made) for made in calls] == [["dynamodb:BatchGetItem", "lambda:GetAlias"]]
    live.source = live.infra_inputs = "three"
    live.deploy()
    live.deploy()
    assert live.began == ["image"], "a root is applied first, and nothing has changed"


def test_a_run_that_is_refused_pushes_nothing_of_what_it_began(live: DeployHarness) -> None:
    live.began.clear()
    live.source = "two"
    pushed = list(live.pushed)
    live.on_begin = live.rung().lock.acquire
    with pytest.raises(LockedError):
        live.deploy()
    assert (live.began, live.pushed, live.serves) == (["image"], pushed, digest("one"))


def test_with_nothing_changed_deploy_makes_two_calls_and_does_nothing(live: DeployHarness) -> None:
    report = live.deploy()
    assert sorted(live.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]
    assert (report.result, report.version) == ("unchanged", "1")
    assert (live.applied, live.pushed) == ([], [])
    assert "nothing to do, version 1 is live" in live.printed


def test_a_new_handler_is_released_with_fourteen_calls_and_its_waits(live: DeployHarness) -> None:
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
        "dynamodb:UpdateItem",
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


def test_the_version_s_description_can_rebuild_the_ledger(live: DeployHarness) -> None:
    live.source = "two"
    report = live.deploy()
    said = live.function.versions["2"]["Description"]
    assert said == f"rel={report.release_id} git=none img={digest('two')[7:19]}"


def test_a_change_of_configuration_alone_is_applied_and_released_with_the_same_image(live: DeployHarness) -> None:
    live.infra_inputs = "more memory"
    live.on_apply = lambda _root: live.function.configure(MemorySize=512)
    report = live.deploy()
    assert (live.applied, live.pushed) == (["service"], [])
    assert (report.result, report.version, report.digest) == ("released", "2", digest("one"))
    assert live.function.versions["2"]["MemorySize"] == 512
    assert "version 1 -> 2 (same image)" in live.printed
    assert live.deploy().result == "unchanged"


def test_infrastructure_that_doesn_t_touch_the_function_is_applied_without_a_release(live: DeployHarness) -> None:
    live.infra_inputs = "another alarm"
    report = live.deploy()
    assert live.applied == ["service"]
    assert (report.result, report.version) == ("applied", "1")
    assert len(live.releases) == 1
    live.deploy()
    assert sorted(live.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_a_changed_foundation_is_applied_alone(live: DeployHarness) -> None:
    live.foundation_inputs = "more images kept"
    assert live.deploy().result == "applied"
    assert live.applied == ["foundation"]


def in_a_job_with_a_role(live: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    github = replace(live.settings.ci.github, repository="acme/hello")
    live.settings = replace(live.settings, ci=replace(live.settings.ci, github=github))


def test_a_job_with_a_role_leaves_a_changed_foundation_to_a_person_and_goes_on(
    live: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_job_with_a_role(live, monkeypatch)
    live.foundation_inputs, live.source = "another role", "two"
    report = live.deploy(allow_dirty=True)
    assert (live.applied, report.result, report.version) == ([], "released", "2")
    assert "0 to add, 1 to change, 0 to destroy, left to a person" in live.printed
    assert (
        "`inv tf.plan --env staging --root foundation`, then `inv tf.apply --env staging --root foundation`"
        in live.printed
    )


def test_a_job_that_only_leaves_the_foundation_has_applied_nothing(
    live: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_job_with_a_role(live, monkeypatch)
    live.foundation_inputs = "another role"
    assert (live.deploy(allow_dirty=True).result, live.applied) == ("unchanged", [])
    assert "a person applies it" in live.printed
    live.deploy(dry_run=True, allow_dirty=True)
    assert (live.applied, "left to a person" in live.printed) == ([], True)


def test_a_job_may_be_asked_to_apply_the_foundation_by_infra_always(
    live: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_job_with_a_role(live, monkeypatch)
    live.deploy(infra="always", allow_dirty=True)
    assert live.applied == ["foundation", "service"]


def test_a_kill_between_apply_and_release_is_continued_by_the_next_run(live: DeployHarness) -> None:
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


def test_infra_never_leaves_terraform_alone_and_still_releases_code(live: DeployHarness) -> None:
    live.infra_inputs, live.source = "changed", "two"
    report = live.deploy(infra="never")
    assert (live.applied, report.version) == ([], "2")
    assert "left (--infra never)" in live.printed
    assert live.deploy(infra="never").result == "unchanged"


def test_infra_never_refuses_an_environment_that_was_never_applied(harness: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="has not been applied"):
        harness.deploy(infra="never")


def test_infra_always_applies_each_time(live: DeployHarness) -> None:
    live.deploy(infra="always")
    assert live.applied == ["foundation", "service"]


def test_an_infra_that_isn_t_known_is_bad_input(live: DeployHarness) -> None:
    with pytest.raises(BadInputError, match="sometimes"):
        live.deploy(infra="sometimes")


def test_a_dry_run_tells_every_step_and_changes_nothing(live: DeployHarness) -> None:
    live.source, live.infra_inputs = "two", "more memory"
    before = repr(live.table.tables)
    report = live.deploy(dry_run=True)
    assert report.result == "dry_run"
    assert (live.applied, live.pushed, repr(live.table.tables)) == ([], [], before)
    assert "would apply: 0 to add, 1 to change" in live.printed
    assert "would build and push" in live.printed
    assert "would publish, test and move the alias" in live.printed


def test_a_function_that_somebody_deleted_is_made_again_from_an_image(live: DeployHarness) -> None:
    live.function.latest, live.function.alias = None, None
    live.function.versions.clear()
    report = live.deploy()
    assert live.applied == ["service"]
    assert (report.version, live.serves) == ("1", digest("one"))


def test_a_function_that_is_made_again_by_a_run_that_dies_is_released_by_the_next(live: DeployHarness) -> None:
    live.function.latest, live.function.alias = None, None
    live.function.versions.clear()
    live.function.fail("PublishVersion", DENIED)
    with pytest.raises(ClientError):
        live.deploy()
    assert live.deploy().version == "1"
    assert live.serves == digest("one")


def test_an_alias_that_somebody_moved_is_brought_back(live: DeployHarness) -> None:
    live.source = "two"
    live.deploy()
    live.function.point("1")
    report = live.deploy()
    assert (report.previous_version, report.version, live.serves) == ("1", "2", digest("two"))


def test_an_alias_that_somebody_put_on_latest_is_refused(live: DeployHarness) -> None:
    live.function.point("$LATEST")
    live.source = "two"
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        live.deploy()
    assert live.pushed == []
    assert live.function.latest
    assert live.function.latest["ImageUri"].endswith(digest("one"))


def test_an_alias_that_was_put_on_latest_during_the_apply_is_refused(live: DeployHarness) -> None:
    live.infra_inputs, live.source = "other", "two"
    live.on_apply = lambda _root: live.function.point("$LATEST")
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        live.deploy()
    assert live.function.calls.count("UpdateFunctionCode") == 0


def test_a_release_by_hand_refuses_an_alias_that_somebody_put_on_latest(live: DeployHarness) -> None:
    live.function.point("$LATEST")
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        release_existing.release(live.rung(), digest=digest("two"))


def test_a_first_release_that_fails_can_be_mended(harness: DeployHarness) -> None:
    harness.case("works", expect={"status": 200})
    harness.function.handler = lambda image, _p: ({"statusCode": 500 if image == digest("one") else 200}, False)
    with pytest.raises(RefusedError, match="fails 1 of 1"):
        harness.deploy()
    harness.source = "two"
    assert harness.deploy().version == "2"
    assert harness.serves == digest("two")


def test_an_alias_that_was_touched_but_serves_the_wanted_version_is_adopted(live: DeployHarness) -> None:
    live.function.point("1")
    assert live.deploy().result == "unchanged"
    live.deploy()
    assert sorted(live.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_another_account_is_refused_before_anything_moves(live: DeployHarness) -> None:
    assert live.function.alias
    live.function.alias["AliasArn"] = live.function.alias["AliasArn"].replace("123456789012", "999999999999")
    live.source = "two"
    with pytest.raises(RefusedError, match="reach account 999999999999, but staging is account 123456789012"):
        live.deploy()
    assert live.pushed == []


def test_another_account_is_refused_before_the_first_apply(harness: DeployHarness) -> None:
    harness.sts.account = "999999999999"
    with pytest.raises(RefusedError, match="999999999999"):
        harness.deploy()
    assert harness.applied == []


def test_a_weighted_alias_is_refused(live: DeployHarness) -> None:
    live.source = "two"
    live.function.point("1", {"7": 0.1})
    with pytest.raises(RefusedError, match=r"serves version 1 with 10% on version 7"):
        live.deploy()


def test_an_active_codedeploy_deployment_is_refused_by_its_id(live: DeployHarness) -> None:
    live.source = "two"
    live.codedeploy.active = "d-ABC123"
    with pytest.raises(RefusedError, match="d-ABC123 is under way"):
        live.deploy()
    assert live.aws.calls.count("lambda:UpdateFunctionCode") == 0


def test_a_function_without_codedeploy_is_released(live: DeployHarness) -> None:
    live.codedeploy.exists = False
    live.source = "two"
    assert live.deploy().version == "2"


def test_a_digest_that_was_marked_bad_is_refused_unless_forced(live: DeployHarness) -> None:
    live.source = "two"
    live.rung().ledger.mark_bad(digest("two"), Bad("2026-11-21T00:00:00Z", "ann@host", "rolled back"))
    with pytest.raises(RefusedError, match="was marked bad by ann@host"):
        live.deploy()
    assert live.serves == digest("one")
    assert live.deploy(force=True).version == "2"


def test_ci_refuses_files_that_no_commit_holds(live: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    live.source = "two"
    with pytest.raises(RefusedError, match="only what is committed"):
        live.deploy()
    assert live.deploy(allow_dirty=True).version == "2"
