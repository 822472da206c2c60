"""The function's environment variables, for running it here: which there are, and who could say their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stepladder.releases import variables
from stepladder.settings import load
from stepladder.terraform import made_variables

MODULE = """module "service" {{
  source = "../modules/service"

  environment_variables = {}
  image_uri             = var.image_uri
}}
"""
SETTINGS = {
    "project": "sample",
    "rungs": ["staging", "production"],
    "function": {"environment": {"LOG_LEVEL": "INFO", "TABLE": "none"}},
    "environments": {name: {"account": "123456789012", "region": "eu-west-1"} for name in ("staging", "production")},
}


@pytest.fixture
def project(tmp_path: Path) -> Any:
    def make(expression: str, **files: str) -> load.Settings:
        folder = tmp_path / "terraform/service"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.tf").write_text(MODULE.format(expression))
        for name, code in files.items():
            (folder / f"{name}.tf").write_text(code)
        return load.load(SETTINGS, tmp_path)

    return make


@pytest.mark.parametrize(
    ("expression", "names", "others"),
    [
        ("var.environment_variables", set(), False),
        ("var.environment_variables # merge(x, { A = 1 })", set(), False),
        ("merge(var.environment_variables, { TABLE = aws_dynamodb_table.orders.name })", {"TABLE"}, False),
        (
            'merge(\n    var.environment_variables,\n    {\n      TABLE = "a"\n      "QUEUE" : b.c\n    },\n  )',
            {"TABLE", "QUEUE"},
            False,
        ),
        ("merge(var.environment_variables, { A = x }, { B = y, C = z })", {"A", "B", "C"}, False),
        (
            'merge(var.environment_variables, { A = jsonencode({ inner = "}", B = [1, 2] }), C = x == y ? "d" : "e" })',
            {"A", "C"},
            False,
        ),
        ('merge(var.environment_variables, { A = "}, D = 1", /* E = 2, */ B = 1 } # F = 3\n )', {"A", "B"}, False),
        ("merge(var.environment_variables, local.more)", set(), True),
        ("merge(var.environment_variables, local.more, { A = 1 })", {"A"}, True),
        ("merge(var.environment_variables, { for k, v in local.more : k => v })", set(), True),
        ("local.variables", set(), True),
    ],
)
def test_the_names_that_terraform_makes_are_read(project: Any, expression: str, names: set[str], others: bool) -> None:
    made = made_variables.read(project(expression).root)
    assert made.others is others
    assert made.names >= names if others else made.names == names


def test_a_project_without_such_names_asks_nobody(project: Any) -> None:
    def fails(*_: Any) -> str:
        raise AssertionError

    found = variables.of(project("var.environment_variables"), "", fails)
    assert (found.values, found.hint("staging")) == ({"LOG_LEVEL": "INFO", "TABLE": "none"}, "")


def test_what_the_root_merges_in_by_hand_is_none_of_a_function_beside_the_projects_own(project: Any) -> None:
    def fails(*_: Any) -> str:
        raise AssertionError

    root = project("merge(var.environment_variables, { TABLE = a.b, QUEUE = c.d })").root
    settings = load.load({**SETTINGS, "functions": {"mailer": {}}}, root)
    found = variables.of(settings.of_function("mailer"), "", fails)
    assert (found.values, found.missing) == ({"LOG_LEVEL": "INFO", "TABLE": "none"}, ())


def test_what_terraform_makes_comes_from_the_deployed_function_and_wins(project: Any) -> None:
    asked: list[str] = []

    def deployed(_settings: Any, environment: str) -> dict[str, str]:
        asked.append(environment)
        return {"LOG_LEVEL": "DEBUG", "TABLE": "orders", "QUEUE": "q", "OLD": "x"}

    where = project("merge(var.environment_variables, { TABLE = a.b, QUEUE = c.d, NEW = e.f })")
    found = variables.of(where, "production", deployed)
    assert found.values == {"LOG_LEVEL": "INFO", "TABLE": "orders", "QUEUE": "q"}
    assert asked == ["production"]
    assert found.missing == ("NEW",)
    assert "NEW" in found.hint("production")
    assert "orders" not in found.hint("production")


def test_names_that_stand_elsewhere_are_taken_from_the_deployed_function(project: Any) -> None:
    where = project("merge(var.environment_variables, local.more)", locals="locals {\n  more = { TABLE = a.b }\n}\n")
    found = variables.of(where, "", lambda *_: {"LOG_LEVEL": "DEBUG", "QUEUE": "q"})
    assert found.values == {"LOG_LEVEL": "INFO", "TABLE": "none", "QUEUE": "q"}


def test_without_a_deployment_only_names_that_nobody_gave_are_missing(project: Any) -> None:
    where = project("merge(var.environment_variables, { TABLE = a.b, QUEUE = c.d })")
    found = variables.of(where, "", lambda *_: "staging is not deployed")
    assert found.values == {"LOG_LEVEL": "INFO", "TABLE": "none"}
    assert found.missing == ("QUEUE",)
    assert "staging is not deployed" in found.hint("staging")
    assert "`inv deploy --env staging`" in found.hint("staging")
