"""`inv deploy` and `inv rollback` of several functions in whole processes against the local cloud."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from live_project import HELD
from many_functions import ManyFunctions

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> ManyFunctions:
    project = ManyFunctions(cloud, tmp_path_factory.mktemp("functions"), count=3)
    project.make()
    return project


def says(project: ManyFunctions) -> dict[str, str]:
    return {name: project.served(name) for name in ("", *project.names)}


def test_several_functions_are_deployed_changed_refused_and_rolled_back(project: ManyFunctions) -> None:
    assert says(project) == {"": "one", "f001": "one", "f002": "one", "solo": "one"}
    project.cloud.reset_calls()
    done = project.deploy()
    assert sorted(project.cloud.calls()) == ["dynamodb:BatchGetItem", *["lambda:GetAlias"] * 4]
    assert "staging: nothing to do, 4 functions are live" in done.err

    project.say_solo("two")
    record = project.deploy("--json").json
    results = {one["name"]: one["result"] for one in record["functions"]}
    assert results == {"": "unchanged", "f001": "unchanged", "f002": "unchanged", "solo": "released"}
    assert says(project) == {"": "one", "f001": "one", "f002": "one", "solo": "two"}

    project.say("two")
    text = (project.root / "function/app/handler.py").read_text()
    broken = text.replace('f002 = _answer("f002")', "def f002(event, context):\n    raise ValueError('no')")
    project.handler(broken)
    refused = project.deploy()
    assert refused.code == 4, refused.err
    assert "staging-f002" in refused.err
    assert says(project) == {"": "one", "f001": "one", "f002": "one", "solo": "two"}, "none moved"

    project.say("two")
    done = project.deploy()
    assert (done.code, says(project)["f002"]) == (0, "two"), done.err
    assert "staging: 3 released, 1 unchanged" in done.err
    record = project.inv("rollback", "--env", "staging", "--json").json
    assert [one["name"] for one in record["functions"]] == ["", "f001", "f002"]
    assert says(project) == {"": "one", "f001": "one", "f002": "one", "solo": "two"}
    project.cloud.reset_calls()
    shown = {each["function"]: each for each in project.inv("status", "--env", "staging", "--json").json}
    assert project.cloud.calls().count("lambda:GetAlias") == len(shown) == 4
    assert {shown[name]["digest"] == shown[""]["digest"] for name in ("f001", "f002")} == {True}
    assert shown["solo"]["digest"] != shown[""]["digest"]
    assert {each["drift"] for each in shown.values()} == {""}


def test_a_killed_deploy_of_several_functions_is_finished_by_the_next(project: ManyFunctions) -> None:
    project.say("killed")
    project.cloud.faults({"kind": "delay_before", "service": "lambda", "action": "UpdateAlias", "seconds": HELD})
    child = project.start("deploy", "--env", "staging")
    project.wait(lambda: project.cloud.hits() >= 1 or child.poll() is not None)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    project.cloud.faults()
    done = project.deploy("--force")
    assert done.code == 0, done.err
    assert {text for name, text in says(project).items() if name != "solo"} == {"killed"}
    assert not locks(project)
    assert "nothing to do" in project.deploy().err


def locks(project: ManyFunctions) -> list[str]:
    items = project.cloud.client("dynamodb").scan(TableName=f"{project.name}-releases")["Items"]
    return [json.dumps(item) for item in items if item["sk"]["S"] == "lock"]


def test_throttled_calls_are_made_again_without_losing_the_run(project: ManyFunctions) -> None:
    project.say("throttled")
    throttle = {"kind": "throttle", "service": "lambda", "rate": 2}
    project.cloud.faults(*({**throttle, "action": action} for action in ("GetAlias", "UpdateFunctionCode")))
    done = project.deploy()
    project.cloud.faults()
    assert done.code == 0, done.err
    assert says(project)["f001"] == "throttled"
