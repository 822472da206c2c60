"""`inv function.invoke --local`, in whole processes: both builders, nothing deployed, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import image_project as project

from localcloud import daemon
from stepladder.core.image_facts import ARCHITECTURE, machine

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TASKS = "from stepladder.collections import namespace\n\nns = namespace()\n"
DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY app ${LAMBDA_TASK_ROOT}/app/
CMD ["app.handler.handler"]
"""
HANDLER = """\
import os

def handler(event, context):
    print("working on", event)
    if event.get("fail"):
        raise KeyError("no")
    try:
        open("/var/task/x", "w")
    except OSError:
        writable = False
    else:
        writable = True
    return {
        "event": event,
        "colour": os.environ["COLOUR"],
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "secret": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "shell": os.environ.get("SHELL_THING"),
        "writable": writable,
    }
"""


class Once:
    """A project, and calls of its function."""

    def __init__(self, root: Path, builder: str) -> None:
        self.root, self.builder = root, builder
        settings: dict[str, Any] = {
            "project": "once",
            "architecture": ARCHITECTURE[machine()],
            "python": "3.13" if builder == "docker" else PYTHON,
            "rungs": ["staging", "production"],
            "image": {"builder": builder},
            "function": {"memory_mb": 192, "timeout_seconds": 5, "environment": {"COLOUR": "blue"}},
            "environments": {
                "staging": {"account": project.ACCOUNT, "region": project.REGION},
                "production": {
                    "account": project.ACCOUNT,
                    "region": project.REGION,
                    "function": {"environment": {"COLOUR": "red"}},
                },
            },
        }
        files = {
            "tasks.py": TASKS,
            "invoke.yaml": json.dumps({"stepladder": settings}),
            "function/Dockerfile": DOCKERFILE,
            "function/app/handler.py": HANDLER,
            "event.json": '{"n": 1}',
        }
        project.make(root, files)

    def call(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "invoke", "function.invoke", "--local", *arguments]
        env = {k: v for k, v in os.environ.items() if k not in daemon.UNSET and not k.startswith("AWS_")}
        return subprocess.run(
            argv, cwd=self.root, env={**env, "SHELL_THING": "x", **variables}, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip


@pytest.fixture(params=["docker", "layers"])
def once(request: pytest.FixtureRequest, tmp_path: Path) -> Once:
    return Once(tmp_path / "project", request.param)


def test_the_function_is_built_called_and_gone(once: Once, docker_client: Any) -> None:
    before = {container.id for container in docker_client.containers.list(all=True, ignore_removed=True)}
    done = once.call("--event", "event.json", AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="given")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "event": {"n": 1},
        "colour": "blue",
        "name": "once-staging",
        "memory": "192",
        "secret": "given",
        "shell": None,
        "writable": False,
    }
    assert "working on {'n': 1}" in done.stderr
    assert "REPORT RequestId" not in done.stderr
    assert re.search(r"took \d+ ms after \d+ ms of init, \d+ of 192 MB", done.stderr)
    assert {container.id for container in docker_client.containers.list(all=True, ignore_removed=True)} <= before
    assert not list((once.root / ".stepladder/cache").glob(".local-*"))


def test_another_environments_settings_and_a_failing_function(once: Once) -> None:
    done = once.call("--env", "production", "--payload", "{}")
    assert json.loads(done.stdout)["colour"] == "red"
    failed = once.call("--payload", '{"fail": true}')
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["errorType"] == "KeyError"
    assert "the function failed: KeyError" in failed.stderr
    assert "[ERROR] KeyError: 'no'" in failed.stderr
    assert 'File "' not in failed.stderr, "the answer has the stack"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--event", "nowhere.json"), "the event file nowhere.json can't be read"),
        (("--payload", "{no"), "not JSON"),
        (("--env", "nowhere"), "no environment 'nowhere'"),
        (("--version", "3"), "--local has no versions"),
    ],
)
def test_bad_input_ends_with_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = Once(tmp_path / "project", "layers").call(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
