"""The default answers with a signed function URL, made by `inv new`."""

from __future__ import annotations

import json
from pathlib import Path

import newcomer
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]


def test_every_command_of_the_projects_readme_works(run, tmp_path):
    newcomer.walk(run, tmp_path, "url-iam", "inv new")


def test_every_trigger_that_the_template_offers_has_such_a_file():
    offered = json.loads((newcomer.ROOT / "template" / "cookiecutter.json").read_text("utf-8"))["trigger"]
    walked = {path.stem.removeprefix("test_defaults_") for path in Path(__file__).parent.glob("test_defaults_*.py")}
    assert walked == {trigger.replace("-", "_") for trigger in offered}
