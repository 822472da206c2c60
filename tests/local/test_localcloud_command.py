"""The command `localcloud`, and the pytest fixture of the same name."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from asking import until

pytestmark = pytest.mark.cloud

COMMAND = [sys.executable, "-m", "localcloud"]
FIXTURE_TEST = """

def test_a_bucket(localcloud):
    s3 = localcloud.client("s3")
    s3.create_bucket(Bucket="mine")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["mine"]
    assert localcloud.calls() == ["s3:CreateBucket", "s3:ListBuckets"]
    assert localcloud.env["AWS_ENDPOINT_URL"] == localcloud.endpoint
    open("pid", "w").write(str(localcloud.info.pid))

def test_the_same_cloud(localcloud):
    assert [bucket["Name"] for bucket in localcloud.client("s3").list_buckets()["Buckets"]] == ["mine"]
"""

PLACE_ORDER = """
import boto3

def place_order(queue):
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="tea")
"""
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "local-cloud.md"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_command_is_installed_and_so_is_the_fixture() -> None:
    (command,) = entry_points(group="console_scripts", name="localcloud")
    (plugin,) = entry_points(group="pytest11", name="localcloud")
    assert (command.value, plugin.value) == ("localcloud.cli:main", "localcloud.pytest_plugin")


def test_the_cloud_runs_in_the_foreground_until_it_is_ended(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    argv = [*COMMAND, "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            until(ready.exists, bool)
            url = json.loads(ready.read_text())["url"]
            with urllib.request.urlopen(f"{url}/_stepladder/health", timeout=30) as answer:
                assert json.load(answer)["ready"] is True
        finally:
            child.send_signal(signal.SIGINT)
        assert child.stdout.read() == f"ready at {url}\n"
        assert child.wait(30) == 0


def test_help_says_what_it_does_how_to_point_at_it_and_what_it_ends_with() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "Run a local cloud: AWS services on this machine" in done.stdout
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4600" in done.stdout
    assert "6  the port is taken, or Moto is not installed" in done.stdout


def test_a_port_that_is_taken_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert done.returncode == 6
    assert done.stderr.startswith(f"error: the port {port} on 127.0.0.1 can't be used: ")
    assert "hint: `localcloud --port 0` takes a free one" in done.stderr


@pytest.mark.parametrize("speed", ["fast", "-1", "nan", "1e9"])
def test_a_speed_that_no_clock_can_have_is_bad_input(speed: str) -> None:
    done = run("--speed", speed)
    assert done.returncode == 2
    assert "is not a number over 0 and at most 1000000" in done.stderr


def test_a_state_of_somebody_elses_is_refused_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    done = run("--port", "0", "--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("error: others than you may write to ")
    assert "Traceback" not in done.stderr


def test_the_fixture_gives_one_cloud_for_the_session_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(FIXTURE_TEST)
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "test_of_the_guide.py").write_text(f"{PLACE_ORDER}\n{example}")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
