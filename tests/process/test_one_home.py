"""A setting of the function is declared in one place, and everything else that must know of it follows."""

from __future__ import annotations

import json
import re

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
OF_THE_IMAGE = """    level: int = setting(6, Whole(1, 9), "how hard layers are compressed")
"""
OF_PROMOTION = """    pause_minutes: int = setting(
        3,
        Whole(0, 60),
        "how long it waits between two rungs",
        module="delivery",
        description="How long a promotion waits between two rungs, in minutes.",
    )
"""
LOAD = """
import json, sys
from pathlib import Path
from stepladder.core.errors import BadInputError
from stepladder.settings.load import load
from stepladder.terraform import roots
places = {"account": "123456789012", "region": "eu-west-1"}
both = {"staging": places | {"function": {"storage_mb": 1024}}, "production": places}
good = load({"project": "a", "environments": both}, Path("."))
print(json.dumps({name: env.function.variables["storage_mb"] for name, env in good.environments.items()}))
print(good.image.level, roots.variables(roots.Root(good, good.environment("staging"), "delivery"))["pause_minutes"])
wrong = {"function": {"storage_mb": 1}, "image": {"level": 10}, "promotion": {"pause_minutes": "x"}}
try:
    load({"project": "a", "environments": both} | wrong, Path("."))
except BadInputError as error:
    print(*error.problems, sep="\\n")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout with one field more in three tables, and what docs/generate.py makes of it."""
    made = checkouts.copy(tmp_path_factory.mktemp("setting"))
    for file, before, field in (
        ("function.py", "    alarms: Alarms = setting(\n", FIELD),
        ("image.py", "    keep: int = setting(\n", OF_THE_IMAGE),
        ("promotion.py", "    scan_threshold: str = setting(\n", OF_PROMOTION),
    ):
        table = made / "stepladder/settings" / file
        head, mark, tail = table.read_text("utf-8").partition(before)
        table.write_text(head + field + mark + tail, "utf-8")
    checkouts.run(made, "docs/generate.py")
    return made


def test_a_new_setting_is_read_and_checked(checkout):
    values, others, *problems = checkouts.run(checkout, "-c", LOAD).stdout.splitlines()
    assert json.loads(values) == {"staging": 1024, "production": 512}
    assert others == "6 3"
    assert problems == [
        "stepladder.function.storage_mb is 1; allowed: a whole number from 512 to 10240",
        "stepladder.image.level is 10; allowed: a whole number from 1 to 9",
        "stepladder.promotion.pause_minutes is 'x'; allowed: a whole number from 0 to 60",
    ]


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
    assert re.search(r"^  storage_mb +?= var\.storage_mb$", (root / "main.tf").read_text("utf-8"), re.MULTILINE)


def test_a_new_setting_of_promotion_is_a_variable_of_the_delivery_module(checkout):
    module = (checkout / "terraform/modules/delivery/variables.tf").read_text("utf-8")
    root = checkout / "template/{{cookiecutter.project_slug}}/terraform/delivery"
    head = 'variable "pause_minutes" {\n  description = "How long a promotion waits between two rungs, in minutes."\n'
    assert f"{head}  type        = number\n  default     = 3\n  nullable    = false\n" in module
    assert f"{head}  type        = number\n  default     = null\n}}\n" in (root / "variables.tf").read_text("utf-8")
    assert re.search(r"^  pause_minutes += var\.pause_minutes$", (root / "main.tf").read_text("utf-8"), re.MULTILINE)


def test_a_new_setting_is_on_every_page(checkout):
    reference = (checkout / "docs/reference/README.md").read_text("utf-8")
    assert "| `function.storage_mb` | `512` | a whole number from 512 to 10240 |" in reference
    assert "`INVOKE_STEPLADDER_FUNCTION_STORAGE_MB` | size of /tmp |" in reference
    assert "| `image.level` | `6` | a whole number from 1 to 9 | `INVOKE_STEPLADDER_IMAGE_LEVEL` |" in reference
    assert "| `promotion.pause_minutes` | `3` | a whole number from 0 to 60 |" in reference
    assert "`storage_mb`" in (checkout / "docs/reference/terraform.md").read_text("utf-8")
    assert "| `storage_mb` | number | `512` |" in (checkout / "terraform/modules/service/README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["ephemeral_storage_mb"])
def test_a_setting_stands_in_its_table_and_where_terraform_or_a_local_run_uses_it(name):
    used = {"stepladder/commands/local_function.py", "terraform/modules/service/function.tf"}
    where = {place for place in places.edits(name) if not place.startswith("docs/guides/")}
    assert where == {"stepladder/settings/function.py", *used}
