"""A setting of the function is declared in one place, and everything else that must know of it follows."""

from __future__ import annotations

import json

import checkouts
import places
import pytest

FIELD = """    storage_mb: int = setting(
        512,
        Whole(512, 10240),
        "size of /tmp",
        description="The size of /tmp, in MB.",
    )
"""
LOAD = """
import json, sys
from pathlib import Path
from stepladder.core.errors import BadInputError
from stepladder.settings.load import load
places = {"account": "123456789012", "region": "eu-west-1"}
both = {"staging": places | {"function": {"storage_mb": 1024}}, "production": places}
good = load({"project": "a", "environments": both}, Path("."))
print(json.dumps({name: env.function.variables["storage_mb"] for name, env in good.environments.items()}))
try:
    load({"project": "a", "environments": both, "function": {"storage_mb": 1}}, Path("."))
except BadInputError as error:
    print(*error.problems)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout with one field more in the table, and what docs/generate.py makes of it."""
    made = checkouts.copy(tmp_path_factory.mktemp("setting"))
    table = made / "stepladder/settings/function.py"
    before, alarms, after = table.read_text("utf-8").partition("    alarms: Alarms = setting(\n")
    table.write_text(before + FIELD + alarms + after, "utf-8")
    checkouts.run(made, "docs/generate.py")
    return made


def test_a_new_setting_is_read_and_checked(checkout):
    values, problems = checkouts.run(checkout, "-c", LOAD).stdout.splitlines()
    assert json.loads(values) == {"staging": 1024, "production": 512}
    assert problems == "stepladder.function.storage_mb is 1; allowed: a whole number from 512 to 10240"


def test_a_new_setting_is_a_variable_of_the_module_that_the_root_passes_on(checkout):
    module = checkout / "terraform/modules/service"
    root = checkout / "template/{{cookiecutter.project_slug}}/terraform/service"
    variable = """variable "storage_mb" {
  description = "The size of /tmp, in MB."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.storage_mb >= 512 && var.storage_mb <= 10240 && floor(var.storage_mb) == var.storage_mb
    error_message = "storage_mb must be a whole number from 512 to 10240."
  }
}
"""
    assert variable in (module / "variables.tf").read_text("utf-8")
    passed = 'variable "storage_mb" {\n  description = "The size of /tmp, in MB."\n  type        = number\n'
    assert f"{passed}  default     = null\n}}\n" in (root / "variables.tf").read_text("utf-8")
    assert "\n  storage_mb            = var.storage_mb\n" in (root / "main.tf").read_text("utf-8")


def test_a_new_setting_is_on_every_page(checkout):
    reference = (checkout / "docs/reference/README.md").read_text("utf-8")
    assert "| `function.storage_mb` | `512` | a whole number from 512 to 10240 |" in reference
    assert "`INVOKE_STEPLADDER_FUNCTION_STORAGE_MB` | size of /tmp |" in reference
    assert "`storage_mb`" in (checkout / "docs/concepts/architecture.md").read_text("utf-8")
    assert "| `storage_mb` | number | `512` |" in (checkout / "terraform/modules/service/README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["reserved_concurrency", "log_level"])
def test_a_setting_stands_in_its_table_and_where_terraform_uses_it(name):
    assert set(places.places(name)) == {"stepladder/settings/function.py", "terraform/modules/service/function.tf"}
