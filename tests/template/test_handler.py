"""The handler that a project starts with, for each trigger: its own tests, and its own smoke cases, pass."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import web_frameworks
from asking import until
from functions import Functions

from stepladder.releases import smoke_case as smoke
from stepladder.releases.smoke_suite import load as load_smoke
from stepladder.settings.load import TRIGGERS

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


TESTS = 'import sys, pytest; code = pytest.main(["-q", "-p", "no:cacheprovider"])'


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_tests_and_the_smoke_cases_of_a_new_project_pass(new_project, packages, trigger):
    """In one process: what costs is the import of the packages."""
    project = new_project(trigger=trigger)
    (project / ".stepladder").mkdir()
    (project / ".stepladder/packages").symlink_to(packages)
    cases = load_smoke(project / "tests/smoke")
    script = f"{TESTS}\n{INVOKE}\nsys.exit(code)"
    path = {"PYTHONPATH": str(project / "function")}
    done = python(project, "-c", script, given=json.dumps([case.payload for case in cases]), env=path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    answers = json.loads(done.stderr.splitlines()[-1])

    for case, (result, error) in zip(cases, answers, strict=True):
        assert not smoke.compare(case, result, error, seconds=0)


@pytest.mark.parametrize("adapter", web_frameworks.ADAPTERS)
def test_a_web_framework_behind_an_adapter_passes_the_smoke_cases_of_a_new_project(new_project, frameworks, adapter):
    """As a user has it who takes the sample handler out and puts an app in: the events must be whole."""
    for trigger in ("url", "url-iam"):
        project = new_project(trigger=trigger, project_slug=f"web-{trigger}")
        cases = load_smoke(project / "tests/smoke")
        shutil.copytree(web_frameworks.FOLDER, project / "function", dirs_exist_ok=True)
        (project / "function/app/handler.py").write_text(f"from {adapter} import handler\n", "utf-8")
        path = {"PYTHONPATH": f"{frameworks}:{project / 'function'}"}
        done = python(project, "-c", INVOKE, given=json.dumps([case.payload for case in cases]), env=path)
        answers = json.loads(done.stderr.splitlines()[-1])
        found = {
            case.name: smoke.compare(case, result, error, seconds=0)
            for case, (result, error) in zip(cases, answers, strict=True)
        }
        assert found == {"says hello": [], "refuses an unknown path": []}


@pytest.mark.parametrize("trigger", ["url", "url-iam"])
def test_the_smoke_cases_of_a_url_hold_the_very_event_that_the_tests_do(new_project, trigger):
    project = new_project(trigger=trigger)
    for case, event in (("answers", "event"), ("refuses", "bad-event")):
        payload = json.loads((project / f"tests/smoke/{case}.json").read_text("utf-8"))["payload"]
        assert payload == json.loads((project / f"tests/events/{event}.json").read_text("utf-8"))
        assert payload["rawPath"] == payload["requestContext"]["http"]["path"]
        assert ("authorizer" in payload["requestContext"]) == (trigger == "url-iam")


def test_every_message_of_a_sample_has_the_digest_of_its_own_body(new_project):
    project = new_project(trigger="sqs")
    events = [json.loads((project / f"tests/events/{name}.json").read_text("utf-8")) for name in ("event", "bad-event")]
    events += [case.payload for case in load_smoke(project / "tests/smoke")]
    records = [record for event in events for record in event["Records"]]

    assert len(records) == 6
    for record in records:
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()


@pytest.mark.cloud
@pytest.mark.parametrize("explicit", [True, False], ids=["with the module's input", "with no input"])
def test_a_tick_of_a_schedule_passes_the_handler_of_a_new_project(new_project, packages, cloud, explicit):
    """The smoke cases bring a time of their own: only a tick shows that a schedule sends one."""
    functions = Functions(cloud, packages)
    handler = new_project(trigger="schedule") / "function/app/handler.py"
    path = {"PYTHONPATH": str(packages), "POWERTOOLS_SERVICE_NAME": "sample"}
    name = functions.create(handler.read_text("utf-8"), Environment={"Variables": path}, Timeout=30)
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    given = {"Input": json.dumps({"time": "<aws.scheduler.scheduled-time>", "source": "aws.scheduler"})}
    scheduler = cloud.client("scheduler")
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression="cron(0 3 1 1 ? 2099)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": functions.role, **(given if explicit else {})},
    )
    functions.order("schedule", name=name)
    said = until(lambda: functions.log(name), lambda lines: any("REPORT" in line for line in lines))
    scheduler.delete_schedule(Name=name)
    (ran,) = (json.loads(line) for line in said if '"running"' in line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ran["due"])


WARNS = """import warnings
warnings.warn("there is no current event loop", DeprecationWarning)
"""


def test_a_warning_of_somebody_elses_package_fails_no_test_and_one_of_the_projects_own_does(new_project, packages):
    project = new_project()
    (project / ".stepladder/packages").mkdir(parents=True)
    for package in packages.iterdir():
        (project / ".stepladder/packages" / package.name).symlink_to(package)
    (project / ".stepladder/packages/apprise.py").write_text(WARNS, "utf-8")  # its name begins as the project's does
    handler = project / "function/app/handler.py"
    handler.write_text(f"import apprise\n{handler.read_text('utf-8')}", "utf-8")
    done = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr

    handler.write_text(f"{WARNS}{handler.read_text('utf-8')}", "utf-8")
    done = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode != 0
    assert "there is no current event loop" in done.stdout


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
