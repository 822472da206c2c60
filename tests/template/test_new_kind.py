"""A trigger kind that nobody knew is one folder: a project with it can be made, and passes its own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import checkouts
import pytest
import yaml


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return checkouts.with_the_made_up_kind(tmp_path_factory.mktemp("kind"))


@pytest.fixture(scope="module")
def project(checkout):
    checkouts.run(checkout, "-c", MAKE, "topic")
    return checkout / "out" / "hello-ladder"


LATER = ["http-api", "eventbridge", "sns", "dynamodb", "s3"]
KNOWN = ["url", "url-iam", "sqs", "schedule", *LATER, "topic", "none", "url-iam"]
MAKE = """
import sys
from pathlib import Path
from stepladder.core import resources
from stepladder.scaffold.answers import check
from stepladder.scaffold.generate import generate
template = resources.folder("template")
generate(template, Path("out"), check({"trigger": sys.argv[1], "ci": "both"}, template))
"""


def test_its_tests_pass(project, packages):
    (project / ".stepladder").mkdir()
    (project / ".stepladder/packages").symlink_to(packages)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_files_are_those_of_the_folder(project):
    assert (project / "function/app/handler.py").read_text() == (checkouts.MADE_UP_KIND / "handler.py").read_text()
    assert yaml.safe_load((project / "invoke.yaml").read_text())["stepladder"]["triggers"] == [{"kind": "topic"}]
    readme = (project / "README.md").read_text()
    assert "A container image on AWS Lambda, told of messages by an SNS topic." in readme
    assert "aws sns publish" in readme
    smoke = json.loads((project / "tests/smoke/answers.json").read_text())
    assert smoke["payload"] == json.loads((project / "tests/events/event.json").read_text())


def test_the_settings_the_prompts_and_the_reference_know_it(checkout):
    told = "from stepladder.settings.load import DEFAULT_TRIGGER, TRIGGERS; print(*TRIGGERS, DEFAULT_TRIGGER)"
    assert checkouts.run(checkout, "-c", told).stdout.split() == KNOWN
    declared = json.loads((checkout / "template/cookiecutter.json").read_text())
    assert declared["trigger"] == ["url-iam", "url", "sqs", "schedule", *LATER, "topic", "none"]
    assert declared["__prompts__"]["trigger"]["topic"] == "an SNS topic"
    reference = (checkout / "docs/reference/README.md").read_text()
    assert "s3, topic or none" in reference
    assert "| `topic` | an SNS topic |" in reference


def test_its_settings_are_read_and_reach_terraform(checkout):
    assert checkouts.run(checkout, "-c", LOAD).stdout == "{'topic': {'this': {'display_name': 'Invoices'}}}\n"
    reference = (checkout / "docs/reference/README.md").read_text()
    assert "| `display_name` | `'Orders'` | printable ASCII |" in reference


LOAD = """
from pathlib import Path
from stepladder.settings.load import load
from stepladder.terraform import roots
place = {"account": "123456789012", "region": "eu-west-1"}
triggers = [{"kind": "topic", "display_name": "Invoices"}]
raw = {"project": "a", "environments": {"staging": place}, "rungs": ["staging"], "triggers": triggers}
settings = load(raw, Path("."))
print(roots.variables(roots.Root(settings, settings.environment("staging"), "service"))["triggers"])
"""


def test_cookiecutter_alone_makes_the_same_project(checkout, project, tmp_path):
    argv = [sys.executable, "-m", "cookiecutter", str(checkout / "template"), "--no-input", "-o", str(tmp_path)]
    subprocess.run([*argv, "trigger=topic", "ci=both"], check=True, timeout=60, capture_output=True)
    made = tmp_path / "hello-ladder"
    files = [path.relative_to(made) for path in made.rglob("*") if path.is_file()]
    assert Path("terraform/modules/service/trigger_topic.tf") in files
    for path in files:
        if ".stepladder" not in path.parts:
            assert (made / path).read_text() == (project / path).read_text(), path
