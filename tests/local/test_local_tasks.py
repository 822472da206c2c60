"""`inv local.*`, as a user calls it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.cloud
TASKS = """
from invoke import Collection
from stepladder.collections import local

ns = Collection(Collection.from_module(local, name="local"))
"""


def inv(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "NO_COLOR": "1", **variables},
    )


def test_a_cloud_is_started_shown_used_and_ended(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    try:
        up = inv(tmp_path, "local.up", "--port", "0", "--data", "kept")
        assert up.returncode == 0, up.stderr
        assert "ready at http://127.0.0.1:" in up.stderr
        assert "runs already" in inv(tmp_path, "local.up", "--port", "0").stderr
        status = inv(tmp_path, "local", "--json")
        assert json.loads(status.stdout)["ready"] is True
        exports = inv(tmp_path, "local.env", "--account", "222222222222").stdout
        shell = f'{exports}\n{sys.executable} -c "{WHO}"'
        who = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
        assert who.stdout.strip() == "222222222222"
        assert "ready at" in inv(tmp_path, "local.logs").stdout
    finally:
        url = re.search(r"AWS_ENDPOINT_URL=(\S+)", exports)
        down = inv(tmp_path, "local.down", AWS_ENDPOINT_URL=url[1] if url else "")
    assert "ended" in down.stderr
    assert "this shell still points at it; to work with AWS, open a new shell, or `unset AWS_END" in down.stderr
    gone = inv(tmp_path, "local.status")
    assert gone.returncode == 6
    assert "inv local.up" in gone.stderr
    assert inv(tmp_path, "local.down").returncode == 0
    assert inv(tmp_path, "local.env").returncode == 6


def test_the_clock_s_speed_is_shown_changed_and_kept_across_a_restart(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    up = ("local.up", "--port", "0", "--data", "kept")
    try:
        assert "speed 1 (real time)" in inv(tmp_path, *up).stderr
        assert inv(tmp_path, "local.speed").stdout == "1 (real time)\n"
        assert inv(tmp_path, "local.speed", "60").stdout == "60 (a canary of 5 minutes takes 5 s)\n"
        assert inv(tmp_path, "local.down").returncode == 0
        assert "speed 60" in inv(tmp_path, *up).stderr
        assert "speed 20" in inv(tmp_path, *up, "--speed", "20").stderr, "a running cloud takes what is asked for"
        assert inv(tmp_path, "local.speed").stdout.startswith("20 ")
        refused = inv(tmp_path, "local.speed", "fast")
        assert (refused.returncode, "'fast' is no speed" in refused.stderr) == (2, True)
    finally:
        inv(tmp_path, "local.down")
    assert inv(tmp_path, "local.speed").returncode == 6


def test_the_strictness_of_iam_is_shown_changed_and_kept_across_a_restart(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    up = ("local.up", "--port", "0", "--data", "kept")
    role = "arn:aws:iam::222222222222:role/missing"
    try:
        assert inv(tmp_path, *up).returncode == 0
        assert inv(tmp_path, "local.iam").stdout == "enforce (what no policy allows is refused)\n"
        sts = botocore.session.get_session().create_client(
            "sts",
            region_name="us-east-1",
            endpoint_url=inv(tmp_path, "local", "--json").stdout.partition('"url": "')[2].partition('"')[0],
            aws_access_key_id="123456789012",
            aws_secret_access_key="local",
        )
        with pytest.raises(ClientError):
            sts.assume_role(RoleArn=role, RoleSessionName="tests")
        shown = inv(tmp_path, "local.iam").stdout
        assert f"sts:AssumeRole on resource: {role} (there is no such role)" in shown
        assert "a statement for the resource-based policy: " in shown
        assert inv(tmp_path, "local.iam", "warn").stdout.startswith("warn (what no policy allows passes")
        assert sts.assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
        assert json.loads(inv(tmp_path, "local.iam", "--json").stdout)["denials"][0]["kind"] == "warning"
        assert inv(tmp_path, "local.down").returncode == 0
        assert inv(tmp_path, *up).returncode == 0
        assert inv(tmp_path, "local.iam").stdout.startswith("warn ")
        assert inv(tmp_path, *up, "--iam", "off").returncode == 0
        assert inv(tmp_path, "local.iam").stdout == "off (no signature and no policy counts)\n"
        refused = inv(tmp_path, "local.iam", "strict")
        assert (refused.returncode, "'strict' is no mode of IAM: enforce, warn, off are" in refused.stderr) == (2, True)
    finally:
        inv(tmp_path, "local.down")


def test_an_optional_value_takes_no_flag_for_itself(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    assert "Show how fast" in inv(tmp_path, "local.speed", "--help").stdout
    text = " ".join(inv(tmp_path, "--help", "local.up").stdout.split())
    assert "with 60 a canary of 5 minutes takes 5 seconds" in text


def test_a_project_acts_as_the_account_and_region_of_its_lowest_rung(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS_OF_A_PROJECT)
    places = {
        "production": {"account": "333333333333", "region": "eu-west-1"},
        "staging": {"account": "222222222222", "region": "ap-south-1"},
    }
    try:
        assert inv(tmp_path, "local.up", "--port", "0").returncode == 0
        assert "123456789012" in inv(tmp_path, "local.env").stdout, "no project is here yet"
        settings = {"stepladder": {"project": "hello", "environments": places}}
        (tmp_path / "invoke.yaml").write_text(json.dumps(settings))
        exports = inv(tmp_path, "local.env").stdout
        assert "222222222222" in exports
        assert "ap-south-1" in exports
        shell = f'{exports}\n{sys.executable} -c "{WHO}"'
        who = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
        assert who.stdout.strip() == "222222222222"
        assert "333333333333" in inv(tmp_path, "local.env", "--account", "333333333333").stdout
    finally:
        inv(tmp_path, "local.down")


TASKS_OF_A_PROJECT = "from stepladder.collections import namespace\n\nns = namespace()\n"
WHO = (
    "import botocore.session; "
    "print(botocore.session.get_session().create_client('sts').get_caller_identity()['Account'])"
)


def test_logs_without_a_cloud_say_how_to_start_one(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    logs = inv(tmp_path, "local.logs")
    assert logs.returncode == 6
    assert "inv local.up" in logs.stderr


def test_every_task_and_flag_has_help(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    for name in ("up", "down", "status", "env", "logs", "run", "speed", "iam"):
        text = inv(tmp_path, "--help", f"local.{name}").stdout
        assert "Docstring:" in text
        options = text.partition("Options:")[2].splitlines()
        for number, line in enumerate(options):
            if line.strip().startswith("-"):
                described = line.strip().split("  ", 1)[1:] or options[number + 1 : number + 2]
                assert described, (name, line)
                assert described[0].strip(), (name, line)
