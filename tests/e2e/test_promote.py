"""The promotion as a person takes it, to an account of its own: Terraform's state machines, processes, exit codes."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
import sys
import urllib.request

import botocore.session
import pytest
import roles
import yaml

from localcloud import daemon
from stepladder.collections.local import FOLDER

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(900)]

ACCOUNT, REGION = "123456789012", "eu-west-1"
PRODUCTION = {"account": "222222222222", "region": REGION, "role_arn": "arn:aws:iam::222222222222:role/deployer"}
ANSWERS = {
    "project_name": "climber",
    "aws_account": ACCOUNT,
    "aws_region": REGION,
    "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
    "architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
    "trigger": "schedule",
}
BROKEN = """

_handler = handler


def handler(event, context):
    if context.invoked_function_arn.endswith("-production:live"):
        raise ValueError("broken behind the alias")
    return _handler(event, context)
"""


class Shell:
    """A person in the project's folder."""

    def __init__(self, folder, env):
        self.folder, self.env = folder, env

    def inv(self, command, code=0):
        argv = [sys.executable, "-m", "invoke", *shlex.split(command)]
        done = subprocess.run(
            argv, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == code, f"inv {command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def record(self, command, code=0):
        return json.loads(self.inv(f"{command} --json", code).stdout)

    def edit(self, change):
        path = self.folder / "function" / "app" / "handler.py"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A project on both rungs, production in another account, on a local cloud of its own."""
    work = tmp_path_factory.mktemp("promote")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "INVOKE_", "TF_VAR_"))}
    project = Shell(work, kept | {"INVOKE_STEPLADDER_PROMOTION_DEPLOYMENT": "Canary10Percent5Minutes"})
    (work / "answers.json").write_text(json.dumps(ANSWERS), encoding="utf-8")
    (work / "tasks.py").write_text(
        "from stepladder.collections import namespace\n\nns = namespace()\n", encoding="utf-8"
    )
    project.inv(f"new --no-input --answers answers.json --output {work}")
    project.folder = work / "climber"
    settings = yaml.safe_load((project.folder / "invoke.yaml").read_text(encoding="utf-8"))
    settings["stepladder"]["environments"]["production"] = PRODUCTION
    (project.folder / "invoke.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    project.inv("local.up --port 0 --speed 100")
    try:
        for line in project.inv(f"local.env --account {ACCOUNT} --region {REGION}").stdout.splitlines():
            verb, *words = shlex.split(line)
            if verb == "export":
                project.env |= dict(word.split("=", 1) for word in words)
        roles.make_deployer(iam(project.env["AWS_ENDPOINT_URL"], PRODUCTION["account"]), ACCOUNT)
        yield project
    finally:
        daemon.down(project.folder / FOLDER)


def iam(url, account):
    return botocore.session.Session().create_client(
        "iam", region_name=REGION, endpoint_url=url, aws_access_key_id=account, aws_secret_access_key="local"
    )


def calls(shell, method="GET"):
    request = urllib.request.Request(f"{shell.env['AWS_ENDPOINT_URL']}/_stepladder/calls", method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return json.loads(answer.read() or b"{}")


def test_an_account_that_has_nothing_yet_gets_all_that_a_release_needs(shell):
    digest = shell.record("deploy --env staging")["digest"]
    shell.inv("function.invoke --env staging --event tests/events/event.json")
    promoted = shell.inv("promote")
    planned, _, applied = promoted.stderr.partition("foundation   production: ")
    for root in ("staging/delivery: 25 to add", "production/foundation: 15 to add"):
        name, _, counts = root.partition(": ")
        assert re.search(rf"plan {name} +{counts}", planned)
    assert all(word in applied for word in ("delivery     production: ", "service      production: "))
    assert "its first release goes live at once, with no canary" in applied
    statuses = {row["environment"]: row for row in shell.record("status")}
    assert statuses["production"]["digest"] == digest
    assert statuses["production"]["version"] == "1"


def test_a_change_is_promoted_and_the_second_time_nothing_is_done(shell):
    shell.edit(lambda text: text + "\n# a change\n")
    deployed = shell.record("deploy --env staging")
    promoted = shell.record("promote")
    assert promoted["outcome"] == "promoted"
    assert [t["outcome"] for t in promoted["targets"]] == ["unchanged", "succeeded"]
    assert promoted["digest"] == deployed["digest"]
    calls(shell, "DELETE")
    again = shell.record("promote")
    assert again["outcome"] == "unchanged"
    assert "stepfunctions:StartExecution" not in calls(shell)["calls"]


@pytest.mark.parametrize("env", ["staging", "production"])
def test_a_plan_after_the_apply_is_empty(shell, env):
    assert "nothing to change" in shell.inv(f"tf.plan --env {env} --root delivery").stderr


def test_a_version_that_fails_behind_the_alias_is_rolled_back_with_exit_code_3(shell):
    shell.edit(lambda text: text + BROKEN)
    shell.inv("deploy --env staging")
    ended = shell.inv("promote", code=3)
    assert "the promotion was rolled back: production" in ended.stderr
    assert "verified to serve what it did before" in ended.stderr
    statuses = json.loads(shell.inv("status --json").stdout)
    rows = {row["environment"]: row for row in (statuses if isinstance(statuses, list) else statuses["rungs"])}
    assert rows["production"]["digest"] != rows["staging"]["digest"]
    assert rows["production"]["weights"] == {}
    assert rows["production"]["lock"] == ""


def test_watching_an_ended_promotion_tells_the_same_end(shell):
    assert "rolled back" in shell.inv("promote.watch", code=3).stderr
    assert "no promotion is under way" in shell.inv("promote.stop", code=2).stderr


def test_an_audit_of_it_reads_both_accounts_and_finds_every_promise_held(shell):
    audited = shell.record("promote.audit")
    assert (audited["end"], audited["environments"]) == ("rolled_back", ["staging", "production"])
    assert {promise["state"] for promise in audited["promises"]} == {"held"}
    assert audited["steps"] > 10
    assert "there is no promotion 'nothing'" in shell.inv("promote.audit nothing", code=2).stderr
