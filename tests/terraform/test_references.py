"""References in the settings, as the real Terraform evaluates and refuses them, on a root that needs no provider."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import project

from stepladder.commands import check
from stepladder.core import process
from stepladder.core.console import Console
from stepladder.core.errors import StepladderError
from stepladder.settings.load import Settings
from stepladder.terraform import cli, overrides, reference_errors, roots, service_variables
from stepladder.terraform.events import Watch

pytestmark = [pytest.mark.terraform]

ROOT = """
variable "environment_variables" {
  type = map(string)
}

module "service" {
  source = "../modules/service"

  environment_variables = %s
}

resource "terraform_data" "orders" {
  input = "orders"
}

output "variables" { value = module.service.variables }
"""
MODULE = """
variable "environment_variables" {
  type = map(string)
}

resource "terraform_data" "function" {
  input = var.environment_variables
}

output "variables" { value = terraform_data.function.output }
"""
BY_HAND = """merge(
    var.environment_variables, # what invoke.yaml gives
    {
      QUEUE = "of ${terraform_data.orders.output}"
    },
  )"""


class Service:
    """A service root, applied by its snapshot's files alone."""

    def __init__(
        self,
        root: Path,
        call: str = "var.environment_variables",
        more: str = "",
        raw: dict[str, Any] | None = None,
        **environment: str,
    ) -> None:
        self.settings: Settings = project(root, function={"environment": environment}, **(raw or {}))
        self.at = roots.root(self.settings, "staging", "service")
        (root / "terraform/service/main.tf").write_text(ROOT % call + more)
        module = root / "terraform/modules/service"
        module.mkdir(parents=True)
        declared = (
            each for each in (*service_variables.of_function(self.settings, "staging"), "function", "image_uri")
        )
        others = [each for each in declared if each != "environment_variables"] if raw else []
        (module / "main.tf").write_text(
            MODULE + "".join(f'variable "{name}" {{ default = null }}\n' for name in others)
        )
        roots.write_inputs(self.at)
        roots.snapshot(self.at, {})
        self.run("init", "-backend=false")

    def run(self, verb: str, *args: str) -> Watch:
        watch = Watch()
        argv = [str(cli.find(self.settings.root).path), verb, "-json", *args]
        env = cli.environment(self.at.data_dir, {})
        process.run(argv, cwd=self.at.snapshot_dir, env=env, timeout=60, on_line=watch.line)
        return watch

    def outputs(self) -> dict[str, Any]:
        watch = self.run("apply", "-auto-approve", f"-var-file={self.at.tfvars}")
        assert not watch.errors
        return watch.outputs

    def apply(self) -> dict[str, Any]:
        return dict(self.outputs()["variables"])

    def error(self) -> Any:
        watch = self.run("plan", f"-var-file={self.at.tfvars}")
        return reference_errors.explain(self.at, watch.errors, hint="")


def test_the_first_apply_evaluates_references_and_keeps_what_the_root_adds_by_hand(tmp_path: Path) -> None:
    text = 'a "b" ${terraform_data.orders.output}/${aws:username} %{x} $${local.a}'
    assert Service(tmp_path, BY_HAND, TEXT=text, LEVEL="${c}").apply() == {
        "LEVEL": "${c}",
        "QUEUE": "of orders",
        "TEXT": 'a "b" orders/${aws:username} %{x} ${local.a}',
    }


FUNCTIONS = {
    "mailer": {"function": {"environment": {"TABLE": "${terraform_data.orders.output}"}}},
    "report": {"function": {"environment": {"RAW": "${c} %{x}", "OWN": "${module.service.variables.LEVEL}"}}},
}


def test_functions_get_their_own_settings_and_the_projects_own_one_may_be_none(tmp_path: Path) -> None:
    given = Service(tmp_path, raw={"functions": FUNCTIONS}, LEVEL="INFO").outputs()
    assert given["variables"] == {"LEVEL": "INFO"}
    assert {name: each["variables"] for name, each in given["functions"].items()} == {
        "mailer": {"LEVEL": "INFO", "TABLE": "orders"},
        "report": {"LEVEL": "INFO", "OWN": "INFO", "RAW": "${c} %{x}"},
    }
    named = {"functions": {"mailer": FUNCTIONS["mailer"]}, "main": False}
    again = Service(tmp_path / "again", raw=named, LEVEL="INFO")
    given = again.outputs()
    assert given.get("variables") is None
    assert list(given["functions"]) == ["mailer"]


def test_a_circle_through_a_function_names_the_own_resource_that_needs_it(tmp_path: Path) -> None:
    more = 'resource "terraform_data" "round" {\n  input = module.functions["mailer"].variables\n}\n'
    needing = {"mailer": {"function": {"environment": {"TABLE": "${terraform_data.round.output}"}}}}
    error = Service(tmp_path, more=more, raw={"functions": needing}).error()
    assert (error.kind, error.exit_code) == ("reference-cycle", 2)
    assert "terraform_data.round" in error.message


def test_what_terraform_can_not_evaluate_is_told_by_the_functions_key(tmp_path: Path) -> None:
    needing = {**FUNCTIONS, "mailer": {"function": {"environment": {"TABLE": "${terraform_data.orders.nothing}"}}}}
    error = Service(tmp_path, raw={"functions": needing}, LEVEL="INFO").error()
    assert error.message.startswith("stepladder.functions.mailer.function.environment.TABLE of staging holds")


def test_what_terraform_can_not_evaluate_is_told_by_the_settings_key(tmp_path: Path) -> None:
    error = Service(tmp_path, LEVEL="INFO", TABLE="${terraform_data.orders.nothing}").error()
    assert (error.kind, error.exit_code) == ("unknown-reference", 2)
    assert error.message.startswith("stepladder.function.environment.TABLE of staging holds a reference that can't be")
    assert '"nothing"' in error.message
    assert overrides.FILE not in error.message


@pytest.mark.parametrize(
    ("more", "text", "kind"),
    [
        ("", "${terraform_data.orders.nothing}", "unknown-reference"),
        (
            'resource "terraform_data" "round" {\n  input = module.service.variables\n}\n',
            "${terraform_data.round.output}",
            "reference-cycle",
        ),
    ],
)
def test_a_check_says_the_same_as_a_plan(tmp_path: Path, more: str, text: str, kind: str) -> None:
    service = Service(tmp_path, more=more, TABLE=text)
    (service.at.source_dir / "versions.tf").write_text("terraform {}\n")
    with pytest.raises(StepladderError) as caught:
        check.validate(service.settings, Console(err=io.StringIO(), live=False))
    assert (caught.value.kind, caught.value.message) == (kind, service.error().message)


def test_a_circle_of_own_resources_alone_is_left_to_terraform(tmp_path: Path) -> None:
    more = 'resource "terraform_data" "a" {{\n  input = terraform_data.{}\n}}\n'
    own = more.format("b") + more.replace('"a"', '"b"').format("a")
    assert Service(tmp_path, more=own, TABLE="x").error() is None


def test_a_whole_resource_in_place_of_a_text_is_told_by_the_settings_key(tmp_path: Path) -> None:
    error = Service(tmp_path, TABLE="${terraform_data.orders}").error()
    assert error.message.startswith("stepladder.function.environment of staging holds a reference that can't be evalu")
    assert "string required" in error.message


def test_a_cycle_names_the_own_resource_that_needs_the_function(tmp_path: Path) -> None:
    more = 'resource "terraform_data" "round" {\n  input = module.service.variables\n}\n'
    error = Service(tmp_path, more=more, TABLE="${terraform_data.round.output}").error()
    assert (error.kind, error.exit_code) == ("reference-cycle", 2)
    assert error.message == (
        "terraform/service goes round in a circle: terraform_data.round needs the function, and the function needs it"
    )
