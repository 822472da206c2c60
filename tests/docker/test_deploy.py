"""`inv deploy` with the docker builder on a local cloud of containers: nothing changed means nothing done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import budgets
import pytest
from docker_project import DockerProject
from live_project import HELD

from stepladder.ledger.lock import EnvironmentLock


@pytest.fixture(scope="module")
def project(functions: Any, architecture: str, engine_host: str, tmp_path_factory: Any) -> DockerProject:
    """A project with one release; each test makes its own changes to it."""
    root = tmp_path_factory.mktemp("deploy") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine_host)
        patch.delenv("CI", raising=False)
        project = DockerProject(functions.cloud, root, architecture, functions.base)
        project.make()
    return project


def test_a_change_costs_what_the_table_says_and_nothing_changed_releases_nothing(
    project: DockerProject, docker_host: str, tmp_path: Path
) -> None:
    project.say("two")
    project.cloud.reset_calls()
    env = {**project.env, "DOCKER_HOST": docker_host}
    changed = budgets.run(project.root, tmp_path / "counts.json", "deploy", "--env", "staging", env=env)
    assert changed.code == 0, changed.err
    changed.cost.calls = Counter(project.cloud.calls())
    assert project.answer() == "two"
    budgets.check("deploy, changed handler, docker", changed.cost)
    version, releases = project.version, len(project.releases)

    project.cloud.reset_calls()
    again = project.inv("deploy", "--env", "staging")
    assert again.code == 0, again.err
    assert (project.version, len(project.releases)) == (version, releases)
    assert not [
        call for call in project.cloud.calls() if call.startswith(("ecr:Put", "lambda:Update", "lambda:Publish"))
    ]

    (project.root / ".stepladder/image.json").unlink()  # a fresh clone
    fresh = project.inv("deploy", "--env", "staging")
    assert fresh.code == 0, fresh.err
    assert (project.version, len(project.releases)) == (version, releases)


def test_a_lock_beside_a_build_refuses_it_and_leaves_no_container(project: DockerProject, docker_client: Any) -> None:
    """Somebody else takes the lock after our reads, when the engine is at work already."""

    def building() -> bool:
        return any("sleep 599" in each["Command"] for each in docker_client.api.containers(all=True))

    version, dockerfile = project.version, project.root / "function/Dockerfile"
    project.say("locked")
    text = dockerfile.read_text()
    dockerfile.write_text(text.replace("CMD", "RUN sleep 599\nCMD"))
    ours = {"service": "dynamodb", "action": "PutItem", "kind": "delay_before", "seconds": HELD, "count": 1}
    project.cloud.info.request("faults", "POST", [ours])
    project.cloud.reset_calls()
    deploy = project.start("deploy", "--env", "staging")
    try:
        project.wait(building)
        with project.inside():
            other = EnvironmentLock(project.rung().ledger, "staging", "inv rollback")
            assert other.acquire()
        project.cloud.info.request("faults", "DELETE")
        done = project.finish(deploy)
        other.release()
    finally:
        deploy.kill()
        project.cloud.info.request("faults", "DELETE")
        dockerfile.write_text(text)
    assert done.code == 7, done.err
    assert "inv rollback" in done.err
    project.wait(lambda: not building())
    assert project.version == version
    assert not [call for call in project.cloud.calls() if call.startswith(("ecr:Put", "ecr:Initiate", "lambda:Update"))]


def test_a_broken_handler_never_gets_traffic(project: DockerProject) -> None:
    version, says = project.version, project.answer()
    project.handler("import nowhere\n\ndef handler(event, context): ...\n")
    done = project.inv("deploy", "--env", "staging")
    assert done.code != 0
    assert (project.version, project.answer()) == (version, says)
    (project.root / "function/app/handler.py").unlink()
    missing = project.inv("deploy", "--env", "staging")
    assert missing.code == 2, missing.err
    assert "doesn't hold the handler" in missing.err


def test_without_an_engine_auto_deploys_from_layers_and_says_so(project: DockerProject) -> None:
    path = project.root / "invoke.yaml"
    path.write_text(path.read_text().replace("builder: docker", "builder: auto"))
    project.say("without")
    done = project.inv("deploy", "--env", "staging", env={"DOCKER_HOST": "tcp://127.0.0.1:1"})
    assert done.code == 0, done.err
    assert "no container engine answers: the image is built without one, from layers" in done.err
    assert project.answer() == "without"
