"""`inv rollback` in whole processes against the local cloud."""

from __future__ import annotations

import pytest
from live_project import LiveProject

pytestmark = pytest.mark.cloud


@pytest.fixture
def project(live_project: LiveProject) -> LiveProject:
    return live_project


def test_a_rollback_returns_to_the_release_before_and_keeps_the_bad_one_out(project: LiveProject) -> None:
    version, before = project.version, project.answer()
    project.say("regretted")
    assert project.deploy().code == 0
    done = project.inv("rollback", "--env", "staging", "--why", "regret", "--json")
    assert done.code == 0, done.err
    assert (done.json["result"], done.json["version"], project.version) == ("rolled_back", version, version)
    clean = project.inv("status", "--check", "--env", "staging", "--json")
    assert (clean.code, clean.json["drifted"]) == (0, False), clean.err
    assert project.answer() == before
    refused = project.deploy()
    assert refused.code == 4
    assert "regret" in refused.err
    assert project.deploy("--force").code == 0


def test_a_rollback_none_of_whose_answers_arrive_at_once_does_nothing_twice(project: LiveProject) -> None:
    version = project.version
    project.say("lost on the way back")
    assert project.deploy().code == 0
    lost = (("lambda", "UpdateAlias"), *(("dynamodb", a) for a in ("PutItem", "UpdateItem", "TransactWriteItems")))
    project.cloud.faults(*({"kind": "cut_after", "service": service, "action": action} for service, action in lost))
    releases = len(project.releases)
    done = project.inv("rollback", "--env", "staging")
    assert project.cloud.hits() == len(lost)
    assert (done.code, project.version) == (0, version), done.err
    assert len(project.releases) == releases + 1
    assert not project.items("lock")


def test_a_lasting_outage_ends_a_rollback_clearly_and_the_next_one_goes_on(project: LiveProject) -> None:
    version = project.version
    project.say("an outage")
    assert project.deploy().code == 0
    project.cloud.faults({"kind": "access_denied", "service": "dynamodb", "action": "TransactWriteItems", "count": 0})
    done = project.inv("rollback", "--env", "staging")
    assert (done.code, project.version) == (1, version), done.err
    assert "run `inv rollback --env staging` again" in done.err
    assert "was about to serve version" in project.inv("status").err
    project.cloud.faults()
    assert project.inv("rollback", "--env", "staging").code == 0
    assert project.version == version, "it is written down, and goes no further"
    assert project.releases[-1]["kind"] == "rollback"
    assert not project.items("lock")


def test_a_rollback_to_a_version_that_was_deleted_says_what_is_left(project: LiveProject) -> None:
    doomed = project.version
    project.say("later")
    assert project.deploy().code == 0
    project.lambda_.delete_function(FunctionName=project.function, Qualifier=doomed)
    checked = project.inv("status", "--check", "--env", "staging", "--json")
    assert [each["kind"] for each in checked.json["environments"][0]["findings"]] == ["no-rollback"]
    done = project.inv("rollback", "--env", "staging")
    assert done.code == 4
    assert f"version {doomed} is gone" in done.err


def test_a_weighted_alias_is_refused_and_a_rollback_clears_it(project: LiveProject) -> None:
    version = project.version
    other = str(int(version) - 1)
    project.lambda_.update_alias(
        FunctionName=project.function, Name="live", RoutingConfig={"AdditionalVersionWeights": {other: 0.2}}
    )
    project.say("weighted")
    done = project.deploy()
    assert done.code == 4
    assert f"with 20% on version {other}" in done.err
    checked = project.inv("status", "--check", "--env", "staging", "--json")
    assert (checked.code, checked.json["error_kind"]) == (2, "drift")
    assert [each["kind"] for each in checked.json["environments"][0]["findings"]] == ["weights-left"]
    assert project.inv("rollback", "--env", "staging").code == 0
    assert project.version == version
