"""What a release tests and waits for before the alias moves: smoke cases, Lambda's errors, other people's changes."""

from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError
from fakes.deploy_harness import REPOSITORY, DeployHarness, digest
from fakes.errors import BROKEN, CONFLICT, DENIED, THROTTLED

from stepladder.core.errors import BadInputError, RefusedError, StepladderError


def test_a_smoke_case_that_fails_leaves_the_alias_and_writes_the_failure_down(live: DeployHarness) -> None:
    live.case("says hello", payload={"a": 1}, expect={"status": 200})
    live.source = "two"
    live.function.handler = lambda image, _p: ({"statusCode": 500 if image == digest("two") else 200}, False)
    with pytest.raises(
        RefusedError, match="version 2 fails 1 of 1 smoke cases: says hello: status: expected 200, got 500"
    ) as caught:
        live.deploy()
    assert "change the cases in tests/smoke" in caught.value.hint
    assert "`inv smoke --env staging --version 2`" in caught.value.hint, "a call with another event tells nothing of it"
    assert live.serves == digest("one")
    assert [(r["result"], r["version"]) for r in live.releases] == [("succeeded", "1"), ("failed", "2")]
    assert "smoke cases" in live.releases[-1]["cause"]
    assert not live.items("lock")
    live.source = "three"
    assert live.deploy().version == "3"


def test_a_release_without_a_smoke_case_is_bad_input_unless_somebody_says_so(live: DeployHarness) -> None:
    live.source = "two"
    with pytest.raises(BadInputError, match="not valid") as caught:
        live.deploy(no_smoke=False)
    assert "tests/smoke is no folder" in caught.value.problems[0]
    (live.root / "tests" / "smoke").mkdir(parents=True)
    with pytest.raises(BadInputError, match="there is no smoke case in tests/smoke"):
        live.deploy()
    assert live.pushed == []
    assert live.deploy(no_smoke=True).version == "2"
    assert "--no-smoke: nothing tests" in live.printed
    assert "untested: released with --no-smoke" in live.printed
    assert live.releases[-1]["cause"] == "untested: released with --no-smoke"


def test_a_handler_that_can_t_be_imported_is_told_in_its_own_words(live: DeployHarness) -> None:
    live.case("says hello")
    live.source = "two"
    failure = {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'app'"}
    live.function.handler = lambda image, _p: (failure, True)
    with pytest.raises(RefusedError, match=r"Runtime\.ImportModuleError: No module named 'app'"):
        live.deploy()


def test_a_bad_smoke_case_is_bad_input_before_anything_is_done(live: DeployHarness) -> None:
    live.case("x", repeat=0)
    live.source = "two"
    with pytest.raises(BadInputError) as caught:
        live.deploy()
    assert "x.json: repeat is 0" in caught.value.problems[0]
    assert live.pushed == []


def test_an_image_that_lambda_can_t_take_is_explained_and_latest_is_put_back(live: DeployHarness) -> None:
    live.source = "two"
    live.function.outcome = lambda uri: "Failed" if uri.endswith(digest("two")) else "Successful"
    with pytest.raises(StepladderError, match=r"not an image \(InvalidImage\)") as caught:
        live.deploy()
    assert "was restored" in caught.value.hint
    assert live.function.latest
    assert live.function.latest["ImageUri"] == f"{REPOSITORY}@{digest('one')}"
    assert live.serves == digest("one")
    live.function.outcome = lambda _uri: "Successful"
    assert live.deploy().version == "2"


def test_an_update_that_never_ends_meets_its_deadline(live: DeployHarness) -> None:
    live.source = "two"
    live.function.polls = 100_000
    with pytest.raises(StepladderError, match="still being updated after 300 s"):
        live.deploy()
    assert live.time.slept[:2] == [0.07, pytest.approx(0.105)]


ACTIONS = ("UpdateFunctionCode", "PublishVersion", "UpdateAlias")
STORMS = [
    *((action, failure) for action in ACTIONS for failure in (CONFLICT, THROTTLED, BROKEN)),
    ("Invoke", CONFLICT),
    ("Invoke", THROTTLED),
]


@pytest.mark.parametrize(("action", "failure"), STORMS, ids=str)
def test_a_storm_of_passing_errors_is_ridden_out(live: DeployHarness, action: str, failure: Exception) -> None:
    live.case("says hello")
    live.source = "two"
    live.function.fail(action, failure, times=6)
    assert live.deploy().version == "2"
    assert live.serves == digest("two")


@pytest.mark.parametrize("action", ["UpdateFunctionCode", "PublishVersion", "UpdateAlias"])
def test_an_error_that_doesn_t_pass_is_raised_at_once_and_the_alias_stays(live: DeployHarness, action: str) -> None:
    live.source = "two"
    live.function.fail(action, DENIED, times=1000)
    with pytest.raises(Exception, match="AccessDenied"):
        live.deploy()
    assert live.aws.calls.count(f"lambda:{action}") == 1
    assert live.serves == digest("one")
    assert live.releases[-1]["result"] == "failed"
    assert not live.items("lock")


def test_a_conflict_that_stays_ends_at_the_deadline(live: DeployHarness) -> None:
    live.source = "two"
    live.function.fail("UpdateFunctionCode", CONFLICT, times=10_000)
    with pytest.raises(Exception, match="ResourceConflict"):
        live.deploy()


def test_somebody_who_changes_the_code_before_our_update_is_not_overwritten(live: DeployHarness) -> None:
    live.source = "two"
    live.function.before("UpdateFunctionCode", lambda: live.function.give(f"{REPOSITORY}@{digest('theirs')}"))
    with pytest.raises(RefusedError, match="changed by somebody else"):
        live.deploy()
    assert live.serves == digest("one")


def test_somebody_s_code_is_never_published_as_ours(live: DeployHarness) -> None:
    live.source = "two"
    live.function.before("PublishVersion", lambda: live.function.give(f"{REPOSITORY}@{digest('theirs')}"))
    with pytest.raises(RefusedError, match="PublishVersion found other code"):
        live.deploy()
    assert list(live.function.versions) == ["1"]


def test_somebody_s_configuration_is_never_published_as_ours(live: DeployHarness) -> None:
    live.source = "two"
    live.function.before("PublishVersion", lambda: live.function.configure(MemorySize=10240))
    with pytest.raises(RefusedError, match="configuration is not what was read"):
        live.deploy()


def test_a_revision_that_moved_on_without_a_change_is_no_obstacle(live: DeployHarness) -> None:
    live.source = "two"
    live.function.before("PublishVersion", live.function.configure)
    live.function.before("UpdateFunctionCode", live.function.configure)
    assert live.deploy().version == "2"


@pytest.mark.parametrize("failure", [BROKEN, ReadTimeoutError(endpoint_url="x")], ids=["500", "no answer"])
def test_a_smoke_case_of_which_nobody_knows_whether_it_ran_is_not_sent_again(
    live: DeployHarness, failure: Exception
) -> None:
    live.case("books an order")
    live.source = "two"
    live.function.fail("Invoke", failure)
    with pytest.raises(type(failure)):
        live.deploy()
    assert live.function.calls.count("Invoke") == 1
    assert (live.releases[-1]["result"], live.serves) == ("failed", digest("one"))


def test_a_version_that_isn_t_ready_at_once_is_waited_for(live: DeployHarness) -> None:
    live.source = "two"
    live.function.version_states = ["Pending", "Pending", "Inactive", "Pending", "Active"]
    assert live.deploy().version == "2"


def test_a_version_that_can_t_be_started_stops_the_release(live: DeployHarness) -> None:
    live.source = "two"
    live.function.version_states = ["Pending", "Failed"]
    with pytest.raises(StepladderError, match="version 2 of hello-staging can't be started"):
        live.deploy()
    assert live.serves == digest("one")


def test_a_zip_function_is_refused(live: DeployHarness) -> None:
    live.source = "two"
    live.function.configure(PackageType="Zip")
    with pytest.raises(RefusedError, match="is a Zip function"):
        live.deploy()


def test_a_function_of_the_other_architecture_is_refused(live: DeployHarness) -> None:
    live.source = "two"
    live.function.configure(Architectures=["x86_64"])
    with pytest.raises(RefusedError, match="runs x86_64, the image is arm64"):
        live.deploy()
