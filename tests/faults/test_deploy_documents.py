"""What is attached to an image beside its release, when the registry is slow, says no, or the deploy is killed."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from live_project import HELD, LiveProject

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

ATTACHING = {"service": "registry", "action": "PUT", "body": "/manifests/sha256:"}


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> LiveProject:
    project = LiveProject(cloud, tmp_path_factory.mktemp("documents"))
    project.make()
    return project


def is_complete(project: LiveProject) -> bool:
    return project.inv("image.verify", "--env", "staging").code == 0


def test_the_alias_waits_for_what_is_attached(project: LiveProject) -> None:
    before = project.version
    project.say("slow")
    project.cloud.faults({**ATTACHING, "kind": "delay_before", "seconds": HELD})
    child = project.start("deploy", "--env", "staging")
    published = lambda: len(project.lambda_.list_versions_by_function(FunctionName=project.function)["Versions"])  # noqa: E731
    count = published()
    project.wait(lambda: published() > count)
    assert project.version == before, "a version is live that lacks its SBOM"
    project.cloud.faults()
    done = project.finish(child)
    assert done.code == 0, done.err
    assert project.answer() == "slow"
    assert is_complete(project)


def test_a_deploy_that_is_killed_beside_it_is_completed_by_the_next(project: LiveProject) -> None:
    before = project.version
    project.say("killed")
    project.cloud.faults({**ATTACHING, "kind": "timeout", "seconds": HELD})
    project.cloud.reset_calls()
    child = project.start("deploy", "--env", "staging")
    project.wait(lambda: project.cloud.hits() == 1)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    project.cloud.faults()
    assert project.version == before
    done = project.deploy()
    assert done.code == 0, done.err
    assert project.answer() == "killed"
    assert is_complete(project)


def test_a_registry_that_takes_nothing_keeps_the_release_back_only_where_it_is_required(project: LiveProject) -> None:
    before = project.version
    project.say("refused")
    project.cloud.faults({**ATTACHING, "kind": "access_denied", "count": 0})
    with project.settings_with(promotion={"require": ["sbom"]}):
        refused = project.deploy()
        assert refused.code != 0
        assert project.version == before
        latest = project.lambda_.get_function(FunctionName=project.function)["Code"]["ImageUri"]
        live = project.lambda_.get_function(FunctionName=project.function, Qualifier=before)["Code"]["ImageUri"]
        assert latest == live, "nothing has begun"
    done = project.deploy()
    assert done.code == 0, done.err
    assert "the image has no SBOM and provenance in the registry" in done.err
    assert project.answer() == "refused"
    project.cloud.faults()
