"""The default answers with a public function URL, made by `cookiecutter`."""

from __future__ import annotations

import newcomer
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]


def test_every_command_of_the_projects_readme_works(run, tmp_path):
    newcomer.walk(run, tmp_path, "url", "cookiecutter")
