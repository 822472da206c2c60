"""The default answers with a queue, made by `inv new`."""

from __future__ import annotations

import newcomer
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]


def test_every_command_of_the_projects_readme_works(run, tmp_path):
    newcomer.walk(run, tmp_path, "sqs", "inv new")
