"""The handler that a project starts with, for each trigger: its own tests, and its own smoke cases, pass."""

import json
import os
import subprocess
import sys

import pytest

from stepladder.releases import smoke
from stepladder.releases.cases import load as load_smoke
from stepladder.settings import TRIGGERS

INVOKE = """
import json, sys, time
from app.handler import handler
sys.path.insert(0, "tests")
from conftest import Context
answers = []
for payload in json.load(sys.stdin):
    try:
        answers.append([handler(payload, Context()), None])
    except Exception as error:
        answers.append([{"errorMessage": str(error)}, type(error).__name__])
print(json.dumps(answers), file=sys.stderr)
"""


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_tests_of_a_new_project_pass(new_project, packages, trigger):
    project = new_project(trigger=trigger)
    (project / ".stepladder").mkdir()
    (project / ".stepladder/packages").symlink_to(packages)
    done = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_smoke_cases_of_a_new_project_pass(new_project, packages, trigger):
    project = new_project(trigger=trigger)
    cases = load_smoke(project / "tests/smoke")
    path = {"PYTHONPATH": f"{packages}:{project / 'function'}", "POWERTOOLS_SERVICE_NAME": "sample"}
    done = python(project, "-c", INVOKE, given=json.dumps([case.payload for case in cases]), env=path)
    answers = json.loads(done.stderr.splitlines()[-1])

    for case, (result, error) in zip(cases, answers, strict=True):
        assert not smoke.compare(case, result, error, seconds=0)


def python(folder, *arguments, given="", env=None):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
