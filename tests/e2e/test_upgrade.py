"""A project of an earlier release goes on with this code: its files, state, ledger, promotions under way."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import released

pytestmark = [pytest.mark.cloud, pytest.mark.e2e, pytest.mark.terraform]

ROOT = Path(__file__).resolve().parents[2]
SLUG = "carried-on"
TASKS = "from stepladder.collections import namespace\n\nns = namespace()\n"
FAST, SLOW = 200, 5  # a canary of five minutes takes 1.5 s, or a minute
UPDATED = {
    "module.delivery.aws_iam_role_policy.pipeline",  # verify reads and writes the records of release commands
    "module.delivery.aws_lambda_function.pipeline",
    "module.delivery.aws_sfn_alias.live",
    "module.delivery.aws_sfn_state_machine.promotion",
}
"""What this code updates in place, all in the delivery. A new package is an object of its own in the artifacts bucket,
made without Terraform."""


class Project:
    """A project whose tasks run one stepladder or another, as its dependency would name it."""

    def __init__(self, folder: Path, code: Path, env: dict[str, str]) -> None:
        self.folder, self.code, self.env = folder, code, env
        self.shapes: dict[str, Any] = {}

    def inv(self, command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "invoke", *shlex.split(command)],
            cwd=self.folder,
            env=self.env | {"PYTHONPATH": str(self.code)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"inv {command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def record(self, command: str, code: int = 0) -> Any:
        """Run a task with --json. A key that a stepladder before has answered to the same task must be there again."""
        value = json.loads(self.inv(f"{command} --json", code).stdout)
        before = self.shapes.setdefault(command.split(maxsplit=1)[0], _shape(value))
        assert _lost(before, _shape(value)) == [], command
        return value

    def rungs(self) -> dict[str, Any]:
        return {row["environment"]: row for row in self.record("status")}

    def change(self, word: str) -> None:
        with (self.folder / "function" / "app" / "handler.py").open("a") as handler:
            handler.write(f"\n# {word}\n")

    def set(self, **promotion: Any) -> None:
        """Write the settings of promotion below the others."""
        path = self.folder / "invoke.yaml"
        others = path.read_text().partition("  promotion:")[0]
        path.write_text(f"{others}  promotion: {json.dumps(promotion)}\n")

    def commit(self) -> None:
        git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", "add", "-A"], cwd=self.folder, check=True, timeout=30)
        subprocess.run([*git, "commit", "-q", "-m", "a change"], cwd=self.folder, check=True, timeout=30)

    def upgrade(self) -> None:
        """Upgrade to this code: what the project changed in its modules is merged."""
        alarms = self.folder / "terraform" / "modules" / "service" / "alarms.tf"
        alarms.write_text(f"{alarms.read_text()}# of the project's own\n")
        self.commit()
        changed = self.record(f"project.upgrade --to {ROOT}")
        assert changed["conflicts"] == []
        assert alarms.read_text().endswith("# of the project's own\n")
        assert _modules(self.folder) == _modules(ROOT) | {"service/alarms.tf": alarms.read_text()}
        again = self.inv(f"project.upgrade --to {ROOT}")
        assert "nothing to change" in again.stderr


def _shape(value: Any) -> Any:
    """Return the keys of a JSON document, down to its records; lists count by the keys that all their members have.

    A number is no key but a version.
    """
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items() if not key.isdigit()}
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return {"[]": {key: _shape(value[0][key]) for key in value[0] if all(key in each for each in value)}}
    return None


def _lost(before: Any, now: Any, path: str = "") -> list[str]:
    """Name the keys of one shape that another lacks; where either has none, there is nothing to compare."""
    if before is None or now is None:
        return []
    lost = [f"{path}{key}" for key in before if key not in now]
    return lost + [name for key in before if key in now for name in _lost(before[key], now[key], f"{path}{key}.")]


def _modules(folder: Path) -> dict[str, str]:
    modules = folder / "terraform" / "modules"
    files = (path for path in modules.rglob("*") if path.suffix in {".tf", ".json"} and ".terraform" not in path.parts)
    return {path.relative_to(modules).as_posix(): path.read_text() for path in files if path.name != ".origin.json"}


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)


@pytest.fixture(params=released.COMMITS)
def project(request, cloud, tmp_path):
    """A project made, deployed and promoted by a release; the cloud's clock runs fast."""
    old = released.clone(request.param, tmp_path / request.param)
    alien = ("AWS_", "INVOKE_", "TF_VAR_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(alien)} | cloud.env
    (tmp_path / "tasks.py").write_text(TASKS)
    project = Project(tmp_path, old, env)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    answers = f"--aws-account {cloud.account} --aws-region {cloud.region} --python-version {python}"
    project.inv(f"new --no-input --project-name {SLUG} {answers} --trigger none --image-builder layers --ci none")
    project.folder = tmp_path / SLUG
    subprocess.run(["git", "init", "-q"], cwd=project.folder, check=True, timeout=30)
    cloud.speed(FAST)
    try:
        project.record("deploy --env staging")
        assert project.record("promote")["outcome"] == "promoted"
        project.rungs()
        yield project
    finally:
        cloud.speed(1)


def test_a_project_of_a_release_is_upgraded_and_goes_on_where_it_is(project, cloud):
    old, releases = project.code, {name: project.record(f"ledger --env {name}") for name in ("staging", "production")}
    alias = lambda: cloud.client("lambda").get_alias(FunctionName=f"{SLUG}-production", Name="live")  # noqa: E731

    # A canary that the release began is stopped by this code, with nothing applied.
    project.set(deployment="Canary10Percent5Minutes")
    project.change("a canary")
    project.inv("deploy --env staging")
    cloud.speed(SLOW)
    project.inv("promote --detach")
    _eventually(lambda: bool((alias().get("RoutingConfig") or {}).get("AdditionalVersionWeights")))
    project.code = ROOT
    assert project.rungs()["production"]["weights"] != {}
    stopped = project.record("promote.stop --why upgraded")
    cloud.speed(FAST)
    assert "upgraded" in json.dumps(stopped)
    assert project.rungs()["production"]["version"] == releases["production"][0]["version"]

    # One that waits for approval is there while the new code's Terraform is applied.
    project.code = old
    project.set(deployment="Canary10Percent5Minutes", rungs={"production": {"approval": True}})
    project.change("an approval")
    digest = project.record("deploy --env staging")["digest"]
    project.inv("promote --detach")
    project.code = ROOT
    project.upgrade()
    foretold = project.inv("deploy --env staging --dry-run").stderr
    for root in ("foundation", "service"):
        assert re.search(rf"{root} +(nothing to do|would apply: \d+ to add, 0 to change, 0 to destroy)", foretold), (
            foretold
        )
    plan = project.record("tf.plan --env staging --root delivery")
    changes = {(change["action"], change["address"].partition("[")[0]) for change in plan["changes"]}
    assert {action for action, _ in changes} <= {"create", "update"}, changes
    assert {address for action, address in changes if action == "update"} <= UPDATED
    project.inv("tf.apply --env staging --root delivery")
    project.inv("promote.approve --why upgraded")
    project.inv("promote.watch")
    assert project.rungs()["production"]["digest"] == digest

    # From here on nothing of the release runs.
    for name, before in releases.items():
        kept = [{key: entry[key] for key in before[0]} for entry in project.record(f"ledger --env {name}")]
        assert [entry for entry in kept if entry in before] == before, f"{name}'s old entries are read as before"
    project.change("the new code alone")
    digest = project.record("deploy --env staging")["digest"]
    project.set(deployment="AllAtOnce")
    assert project.record("promote")["outcome"] == "promoted"
    assert project.rungs()["production"]["digest"] == digest
    project.inv("rollback --env production --keep-image")
