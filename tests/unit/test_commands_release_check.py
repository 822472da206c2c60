"""`inv status --check` on fake AWS: each way in which what serves can differ from what a release left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from fakes.deploy_harness import REPOSITORY, DeployHarness, digest
from fakes.errors import DENIED

from stepladder.commands import drift_report, release_check
from stepladder.commands.drift_report import DriftFinding
from stepladder.core.console import Console
from stepladder.core.errors import DriftError, ExitCode, NotReadyError, StepladderError
from stepladder.releases.rung import Rung


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """A rung with two releases: version 2 serves, version 1 is what a rollback returns to."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    harness.source = "two"
    harness.deploy()
    assert harness.serves == digest("two")
    return harness


def check(harness: DeployHarness, *, as_json: bool = False) -> None:
    harness.err.truncate(0)
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    rung = Rung(harness.settings, "staging", harness.aws, console, "inv status --check", harness.time.clock())  # type: ignore[arg-type]
    release_check.check([rung])


def findings(harness: DeployHarness) -> list[DriftFinding]:
    """Check, and return what is not as it should be; none must be no error."""
    try:
        check(harness)
    except DriftError as error:
        (record,) = error.record["environments"]  # type: ignore[attr-defined]
        return [DriftFinding(**each) for each in record["findings"]]
    return []


def test_what_releases_left_is_no_drift(harness: DeployHarness) -> None:
    assert findings(harness) == []
    assert "staging: serves what the ledger says" in harness.printed


def delete_function(harness: DeployHarness) -> None:
    harness.function.latest = harness.function.alias = None
    harness.function.versions.clear()


def by_hand(harness: DeployHarness) -> None:
    harness.function.give(f"{REPOSITORY}@{digest('three')}")


CASES: dict[str, tuple[Callable[[DeployHarness], Any], str, str, str]] = {
    "the alias was moved": (
        lambda h: h.function.point("1"),
        "alias-moved",
        "the alias serves version 1, the ledger says 2",
        "inv rollback --env staging --to ",
    ),
    "the alias was put on $LATEST": (
        lambda h: h.function.point("$LATEST"),
        "alias-moved",
        "the alias serves version $LATEST, the ledger says 2",
        "inv rollback --env staging --to ",
    ),
    "weights were left": (
        lambda h: h.function.point("2", {"1": 0.1}),
        "weights-left",
        "weights were left without a deployment: version 2 with 10% on version 1",
        "inv rollback --env staging",
    ),
    "the alias was deleted": (
        lambda h: setattr(h.function, "alias", None),
        "alias-missing",
        "the alias live of hello-staging is gone, and the ledger says that it serves version 2",
        "inv deploy --env staging",
    ),
    "the function was deleted": (
        delete_function,
        "function-missing",
        "the function hello-staging is gone, and the ledger says that it serves version 2",
        "inv deploy --env staging",
    ),
    "the version was deleted": (
        lambda h: h.function.versions.pop("2"),
        "version-missing",
        "version 2 of hello-staging is gone, and the ledger says that it serves version 2",
        "inv deploy --env staging",
    ),
    "the function was recreated from another image": (
        lambda h: h.function.versions["2"].update(ImageUri=f"{REPOSITORY}@{digest('three')}"),
        "version-changed",
        f"version 2 has image {digest('three')[7:19]}, the ledger says {digest('two')[7:19]}",
        "inv deploy --env staging",
    ),
    "the image is gone": (
        lambda h: h.ecr.gone.add(digest("two")),
        "image-missing",
        f"image {digest('two')[7:19]} of version 2, which serves, is gone from the registry",
        "inv deploy --env staging --force",
    ),
    "the code of $LATEST was edited": (
        by_hand,
        "latest-code",
        f"the image of $LATEST is {digest('three')[7:19]}, which no release gave it",
        f"inv function.release --env staging --digest {digest('two')[7:19]}",
    ),
    "the configuration of $LATEST was edited": (
        lambda h: h.function.configure(MemorySize=512),
        "latest-configuration",
        "the configuration of $LATEST was changed by hand",
        "inv tf.plan --env staging --root service",
    ),
    "the version to return to was deleted": (
        lambda h: h.function.versions.pop("1"),
        "no-rollback",
        "a rollback has nothing to return to: release ",
        "inv ledger --env staging",
    ),
    "the image to return to is gone": (
        lambda h: h.ecr.gone.add(digest("one")),
        "no-rollback",
        "a rollback has nothing to return to: release ",
        "inv ledger --env staging",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_somebody_did_since_is_drift_with_the_command_that_helps(harness: DeployHarness, case: str) -> None:
    act, kind, text, command = CASES[case]
    act(harness)
    (finding,) = findings(harness)
    assert finding.kind == kind
    assert finding.text.startswith(text)
    assert finding.command.startswith(command)
    assert f"staging: {finding.text}" in harness.out.getvalue()
    assert f"`{finding.command}`" in harness.printed


def test_an_edited_configuration_names_attributes_and_of_variables_the_names_only(harness: DeployHarness) -> None:
    harness.function.configure(MemorySize=512, Environment={"Variables": {"TOKEN": "hunter2"}})
    (finding,) = findings(harness)
    assert finding.details == ("environment variables that differ: TOKEN", "MemorySize: 256 -> 512")
    assert "hunter2" not in harness.out.getvalue() + harness.printed


def test_the_image_of_a_release_that_failed_may_stay_on_latest(harness: DeployHarness) -> None:
    harness.case("works", expect={"status": 201})
    harness.source = "three"
    with pytest.raises(StepladderError, match="fails 1 of 1"):
        harness.deploy()
    assert findings(harness) == []
    harness.function.give(f"{REPOSITORY}@{digest('one')}")
    assert [each.kind for each in findings(harness)] == ["latest-code"], "an older release's image is by hand"


def test_a_first_release_has_nothing_to_return_to_and_that_is_no_drift(tmp_path: Path) -> None:
    harness = DeployHarness(tmp_path)
    harness.deploy()
    assert findings(harness) == []


def test_what_was_never_released_is_no_drift(tmp_path: Path) -> None:
    harness = DeployHarness(tmp_path)
    assert findings(harness) == []
    assert "staging: nothing is released yet" in harness.printed
    harness.function.create(f"{REPOSITORY}@{digest('one')}")
    assert findings(harness) == []


def test_a_version_that_serves_and_that_the_ledger_lost_is_drift(harness: DeployHarness) -> None:
    harness.table.tables["hello-releases"].clear()
    (finding,) = findings(harness)
    assert (finding.kind, finding.command) == ("unrecorded", "inv ledger.rebuild --env staging")
    harness.table.tables.clear()
    (finding,) = findings(harness)
    assert finding.command == "inv tf.plan --env staging --root foundation"


def test_a_deployment_under_way_is_said_and_what_it_changes_is_no_drift(harness: DeployHarness) -> None:
    harness.codedeploy.active = "d-1"
    harness.function.point("2", {"3": 0.1})
    by_hand(harness)
    assert findings(harness) == []
    assert "staging: under way: CodeDeploy deployment d-1; what it changes is no drift" in harness.printed


def test_a_run_that_holds_the_lock_explains_latest_and_only_the_versions_that_it_is_about(
    harness: DeployHarness,
) -> None:
    lock = harness.rung().lock
    lock.acquire()
    by_hand(harness)
    harness.function.configure(MemorySize=512)
    assert findings(harness) == []
    assert "under way: inv deploy --env staging by " in harness.printed
    harness.function.versions["9"] = harness.function.versions["2"] | {"Version": "9"}
    harness.function.point("9")
    assert [each.kind for each in findings(harness)] == ["alias-moved"]
    lock.note("9", "2", "")
    assert findings(harness) == []
    lock.release()


def test_a_run_that_ends_between_two_readings_is_no_drift(harness: DeployHarness) -> None:
    harness.function.point("1")
    harness.function.before("GetAlias", lambda: None)
    harness.function.before("GetAlias", lambda: harness.function.point("2"))
    assert findings(harness) == []


@pytest.mark.parametrize(
    ("provisioned", "text"),
    [
        pytest.param(None, "provisioned concurrency is off, the settings say 2", id="off"),
        pytest.param((1, "READY"), "provisioned concurrency is 1, the settings say 2", id="another number"),
        pytest.param((2, "FAILED"), "provisioned concurrency of 2 failed: no room", id="failed"),
        pytest.param((2, "READY"), "", id="ready"),
        pytest.param((2, "IN_PROGRESS"), "", id="beginning"),
    ],
)
def test_provisioned_concurrency_is_compared_with_the_settings(
    harness: DeployHarness, provisioned: tuple[int, str] | None, text: str
) -> None:
    environment = harness.settings.environment("staging")
    function = replace(environment.function, provisioned_concurrency=2)
    environments = {"staging": replace(environment, function=function)}
    harness.settings = replace(harness.settings, environments=environments)
    if provisioned:
        number, status = provisioned
        answer = {"RequestedProvisionedConcurrentExecutions": number, "Status": status, "StatusReason": "no room"}
        harness.function.provisioned = answer
    assert [each.text for each in findings(harness)] == ([text] if text else [])


def test_json_is_one_document_with_and_without_drift(harness: DeployHarness) -> None:
    check(harness, as_json=True)
    document = json.loads(harness.out.getvalue())
    assert (document["drifted"], document["environments"][0]["findings"]) == (False, [])
    harness.function.point("1")
    with pytest.raises(DriftError) as caught:
        check(harness, as_json=True)
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.DRIFT, "drift")
    assert caught.value.record["drifted"] is True
    assert json.loads(harness.out.getvalue()) == document, "the error carries the record"


def test_a_rung_that_can_t_be_read_is_neither_clean_nor_drift(harness: DeployHarness) -> None:
    harness.function.fail("GetAlias", DENIED)
    with pytest.raises(StepladderError, match="1 of 1 rungs can't be read: staging") as caught:
        check(harness)
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.FAILED, "status-incomplete")
    assert "staging wasn't checked: these credentials may not call" in harness.printed


def test_without_credentials_nothing_is_ready(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    harness.function.fail("GetAlias", NoCredentialsError())
    with pytest.raises(NotReadyError, match="no AWS credentials that work"):
        check(harness)
    report = drift_report.read(harness.settings, "staging")["releases"]
    assert report.problem.startswith("there are no AWS credentials that work")


def test_a_ci_job_leaves_what_it_found_for_the_issue(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    check(harness)
    assert drift_report.read(harness.settings, "staging")["releases"].is_clean
    harness.function.point("1")
    with pytest.raises(DriftError):
        check(harness)
    (finding,) = drift_report.read(harness.settings, "staging")["releases"].findings
    assert finding.kind == "alias-moved"
