"""The default answers with everything that may call the function, made by `inv new` or by `cookiecutter`."""

from __future__ import annotations

import json
import re

import newcomer
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

OFFERED = json.loads((newcomer.ROOT / "template" / "cookiecutter.json").read_text("utf-8"))["trigger"]
MAKER = dict(zip(OFFERED, ["cookiecutter", "inv new"] * len(OFFERED), strict=False))
ELSEWHERE = {
    "url": "tests/faults/test_deploy_first.py",
    "sqs": "tests/support/example_projects.py",
    "schedule": "tests/support/example_projects.py",
    "none": "tests/e2e/test_upgrade.py",
}
APPLIED = "tests/terraform/test_module_apply.py"
ELSEWHERE |= dict.fromkeys(("http-api", "eventbridge", "sns", "dynamodb", "s3"), APPLIED)
"""Where the default run deploys and calls a project of a trigger. tests/e2e/test_readme.py does that of the first."""


@pytest.mark.long("the way is the same for all, and walked in test_readme.py with the one that Enter chooses")
@pytest.mark.parametrize("trigger", OFFERED)
def test_every_command_of_the_projects_readme_works(run, tmp_path, trigger):
    newcomer.walk(run, tmp_path, trigger, MAKER[trigger])


@pytest.mark.parametrize(("trigger", "file"), ELSEWHERE.items())
def test_a_trigger_is_deployed_and_called_elsewhere(trigger, file):
    text = (newcomer.ROOT / file).read_text("utf-8")
    assert re.search(rf"""(trigger"?(=|: "| ){trigger}\b(?!-)|"triggers": {{.*"{trigger}": {{)""", text, re.DOTALL)


def test_every_trigger_is_deployed_somewhere():
    assert set(OFFERED[1:]) == set(ELSEWHERE)
