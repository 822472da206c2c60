"""The default answers with everything that may call the function, made by `inv new` or by `cookiecutter`."""

from __future__ import annotations

import json

import newcomer
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]

OFFERED = json.loads((newcomer.ROOT / "template" / "cookiecutter.json").read_text("utf-8"))["trigger"]
WALKED = OFFERED[0]
"""The one that Enter chooses. The way from `uv sync` to the rollback is walked with it."""
MAKER = dict(zip(OFFERED, ["inv new", "cookiecutter"] * len(OFFERED), strict=False))
IN_ITS_PLACE = pytest.mark.long("its own project is deployed and called; the way from there is the same for all")


@pytest.mark.parametrize(
    "trigger", [pytest.param(each, marks=() if each == WALKED else IN_ITS_PLACE) for each in OFFERED]
)
def test_every_command_of_the_projects_readme_works(run, tmp_path, trigger):
    newcomer.walk(run, tmp_path, trigger, MAKER[trigger])


# A project that nothing calls is promoted, rolled back and more in test_promote.py.
@pytest.mark.parametrize("trigger", [each for each in OFFERED if each not in (WALKED, "none")])
def test_a_project_with_another_trigger_is_tested_deployed_and_called(run, tmp_path, trigger):
    newcomer.deploy(run, tmp_path, trigger, MAKER[trigger])
