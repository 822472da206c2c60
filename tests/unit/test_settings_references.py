"""References to the project's own Terraform in the text of a setting: what is one, and where one may stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import project

from stepladder.core.errors import BadInputError
from stepladder.releases import variables
from stepladder.settings import references
from stepladder.terraform import inputs_hash, overrides, roots
from stepladder.terraform import references as explained

TABLE = "${aws_dynamodb_table.orders.name}"
CALL = """
variable "environment_variables" {}

module "service" {
  source = "../modules/service"

  environment_variables = %s
}
"""
ORDERS = 'resource "aws_dynamodb_table" "orders" {\n  name = "orders"\n}\n'


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "https://${aws_lb.front.dns_name}/orders",
        "${local.x}",
        "${var.project}",
        "${module.network.subnets[0]}",
        "${data.aws_region.this.name}",
        '${join(",", [for each in aws_subnet.all : each.id])}',
        '${aws_s3_bucket.by_name["a}b"].arn}/*',
        "$${aws_sqs_queue.a.url} is ${aws_sqs_queue.a.url}",
    ],
)
def test_a_reference_is_an_expression_that_names_something_of_terraform(text: str) -> None:
    assert references.has(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "${aws:username}",
        "${aws:PrincipalTag/team_name.x}",
        "${name}",
        "${request.id}",
        "$${aws_dynamodb_table.orders.name}",
        "${aws_dynamodb_table.orders.name",
        "aws_dynamodb_table.orders.name",
        '${"aws_dynamodb_table.orders.name"}',
    ],
)
def test_policy_variables_escapes_and_other_texts_are_no_references(text: str) -> None:
    assert not references.has(text)


@pytest.mark.parametrize(
    ("text", "template"),
    [
        (f"{TABLE}/${{aws:username}}", f"{TABLE}/$${{aws:username}}"),
        (f"%{{if}} {TABLE}", f"%%{{if}} {TABLE}"),
        ("$${local.a} ${local.a}", "$${local.a} ${local.a}"),
    ],
)
def test_terraform_evaluates_the_reference_and_nothing_else(text: str, template: str) -> None:
    assert references.template(text) == template


def test_an_escaped_reference_means_the_text_itself(tmp_path: Path) -> None:
    settings = project(tmp_path, function={"environment": {"FORMAT": "$${local.a} $${c} ${c}"}})
    at = roots.root(settings, "staging", "service")
    roots.write_inputs(at)
    assert json.loads(at.tfvars.read_text())["environment_variables"] == {"FORMAT": "${local.a} $${c} ${c}"}
    assert variables.of(settings).values == {"FORMAT": "${local.a} $${c} ${c}"}
    assert roots.override(at) == ""


def referring(root: Path, call: str = "var.environment_variables", **environment: str) -> roots.Root:
    settings = project(root, function={"environment": environment})
    (root / "terraform/service/main.tf").write_text(CALL % call + ORDERS)
    return roots.root(settings, "staging", "service")


def test_what_holds_a_reference_goes_to_the_module_and_the_rest_to_the_variables(tmp_path: Path) -> None:
    at = referring(tmp_path, TABLE=TABLE, LEVEL="INFO")
    roots.write_inputs(at)
    roots.snapshot(at, {})
    assert json.loads(at.tfvars.read_text())["environment_variables"] == {"LEVEL": "INFO"}
    written = json.loads((at.snapshot_dir / overrides.FILE).read_text())
    assert written == {"module": {"service": {"environment_variables": {"TABLE": TABLE, "LEVEL": "INFO"}}}}
    modes = {path.stat().st_mode & 0o777 for path in (at.tfvars, at.snapshot_dir / overrides.FILE)}
    assert modes == {0o600}


def test_a_project_without_references_has_no_override(tmp_path: Path) -> None:
    at = referring(tmp_path, LEVEL="INFO")
    roots.snapshot(at, {})
    assert [path.name for path in at.snapshot_dir.iterdir()] == ["main.tf"]


def test_the_hash_changes_with_a_reference(tmp_path: Path) -> None:
    texts = [TABLE, TABLE.replace("name", "arn"), f"${TABLE}"]
    hashes = {inputs_hash(referring(tmp_path, TABLE=text).settings, "staging", "service") for text in texts}
    assert len(hashes) == len(texts)


def test_variables_that_the_root_adds_by_hand_are_kept(tmp_path: Path) -> None:
    by_hand = "merge(\n    var.environment_variables, # ours\n    { QUEUE = aws_sqs_queue.orders.url },\n  )"
    at = referring(tmp_path, by_hand, TABLE=f'a"{TABLE}', LEVEL="INFO")
    (value,) = json.loads(roots.override(at))["module"]["service"].values()
    assert value == (
        '${merge({ "TABLE" = "a\\"${aws_dynamodb_table.orders.name}" }, merge(\n'
        "    var.environment_variables, \n    { QUEUE = aws_sqs_queue.orders.url },\n  ))}"
    )


def test_a_text_beside_a_reference_is_escaped_as_terraform_reads_it(tmp_path: Path) -> None:
    by_hand = "merge(var.environment_variables, { QUEUE = aws_sqs_queue.orders.url })"
    at = referring(tmp_path, by_hand, TABLE=f'\f\b\\b\\\f"%{{x}}{TABLE}')
    (value,) = json.loads(roots.override(at))["module"]["service"].values()
    assert '"\\u000c\\u0008\\\\b\\\\\\u000c\\"%%{x}${aws_dynamodb_table.orders.name}"' in value


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (ORDERS, "to give `stepladder.function.environment` to"),
        (CALL % "<<EOT\nx\nEOT", "which `stepladder.function.environment` would replace"),
    ],
)
def test_a_root_that_leaves_no_place_for_a_reference_is_refused(tmp_path: Path, code: str, problem: str) -> None:
    at = referring(tmp_path, TABLE=TABLE)
    (tmp_path / "terraform/service/main.tf").write_text(code)
    with pytest.raises(BadInputError, match=problem) as caught:
        roots.snapshot(at, {})
    assert caught.value.kind == "reference-not-passed"
    assert "stepladder.function.environment" in caught.value.message


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"promotion": {"rungs": {"production": {"deployment": "${local.x}"}}}}, "promotion.rungs.production"),
        ({"smoke": {"path": "${local.x}"}}, "smoke.path"),
        ({"schedule": "${local.x}"}, "schedule"),
        ({"architecture": "${local.x}"}, "architecture"),
        ({"image": {"context": "${local.x}"}}, "image.context"),
    ],
)
def test_a_reference_is_refused_where_it_can_not_work(tmp_path: Path, raw: dict[str, Any], key: str) -> None:
    with pytest.raises(BadInputError) as caught:
        project(tmp_path, **raw)
    (problem,) = caught.value.problems
    assert f"stepladder.{key}" in problem
    assert "${local.x}" in problem


@pytest.mark.parametrize("arns", ["${aws_sns_topic.all[*].arn}", ["${aws_sns_topic.a.arn}"]])
def test_a_reference_passes_the_check_of_a_shape(tmp_path: Path, arns: Any) -> None:
    settings = project(tmp_path, function={"alarms": {"topic_arns": arns}})
    (tmp_path / "terraform/service/main.tf").write_text(CALL % "var.environment_variables")
    written = json.loads(roots.override(roots.root(settings, "staging", "service")))
    assert written["module"]["service"]["alarms"]["topic_arns"] == arns


def test_an_unknown_resource_is_named_with_its_setting_before_terraform_runs(tmp_path: Path) -> None:
    at = referring(tmp_path, TABLE="${aws_dynamodb_table.order.name}")
    with pytest.raises(BadInputError) as caught:
        explained.checked_hash(at.settings, "staging", "service")  # which a deploy asks for before it does anything
    assert caught.value.kind == "unknown-reference"
    (problem,) = caught.value.problems
    assert problem == (
        "stepladder.function.environment.TABLE is '${aws_dynamodb_table.order.name}': no .tf file of terraform/service "
        "declares aws_dynamodb_table.order; did you mean `aws_dynamodb_table.orders`?"
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("${local.frnt}", "local.frnt; did you mean `local.front`?"),
        ("https://${var.nothing}/", "var.nothing"),
        ("${module.network.vpc}", "module.network; did you mean `module.service`?"),
    ],
)
def test_a_local_a_variable_and_a_module_are_looked_up_before_terraform_runs(
    tmp_path: Path, text: str, name: str
) -> None:
    at = referring(tmp_path, VALUE=text)
    (at.source_dir / "own.tf").write_text('locals {\n  # none = 1\n  port = 1\n  front = { none = "a" }\n}\n')
    with pytest.raises(BadInputError) as caught:
        explained.check(at)
    assert caught.value.problems[0].endswith(f"declares {name}")


def test_what_the_code_declares_passes(tmp_path: Path) -> None:
    at = referring(tmp_path, AA="${local.b}", CC="${local.d.e}", FF="${var.project}", GG="${module.service.role_arn}")
    (at.source_dir / "own.tf").write_text('locals { b = 1 }\nlocals {\n  d = { e = 2 }\n}\nvariable "project" {}\n')
    explained.check(at)


@pytest.mark.parametrize("output", ["function_name", "function_arn", "alias_arn", "function_url"])
def test_a_variable_that_needs_the_function_itself_is_refused_before_anything_is_applied(
    tmp_path: Path, output: str
) -> None:
    at = referring(tmp_path, SELF=f"${{upper(module.service.{output})}}")
    with pytest.raises(BadInputError, match="go round in a circle") as caught:
        explained.checked_hash(at.settings, "staging", "service")
    assert caught.value.kind == "reference-cycle"
    assert f"stepladder.function.environment.SELF is '${{upper(module.service.{output})}}'" in caught.value.problems[0]


@pytest.mark.parametrize("text", ["${aws_dynamodb_table.orders.name", "a ${ local.x", "${b} ${aws_a_b.c[0]"])
def test_a_reference_that_does_not_end_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        project(tmp_path, function={"environment": {"TABLE": text}})
    assert caught.value.problems == (
        f"stepladder.function.environment.TABLE is {text!r}; allowed: a reference that ends with }}, such as {TABLE}",
    )


def test_a_schedule_may_be_a_reference(tmp_path: Path) -> None:
    entry = {"kind": "schedule", "expression": "${local.when}", "timezone": "${local.zone}"}
    settings = project(tmp_path, triggers=[entry])
    (trigger,) = settings.triggers or ()
    assert (trigger.settings.expression, trigger.settings.timezone) == ("${local.when}", "${local.zone}")


def test_here_a_variable_with_a_reference_is_the_deployed_functions(tmp_path: Path) -> None:
    settings = referring(tmp_path, TABLE=TABLE, LEVEL="INFO").settings
    found = variables.of(settings, "", lambda *_: {"TABLE": "orders", "LEVEL": "DEBUG"})
    assert found.values == {"TABLE": "orders", "LEVEL": "INFO"}
    missing = variables.of(settings, "", lambda *_: "staging is not deployed")
    assert (missing.values, missing.missing) == ({"LEVEL": "INFO"}, ("TABLE",))


def test_a_root_that_calls_no_module_takes_what_it_declares(tmp_path: Path) -> None:
    settings = project(tmp_path, function={"memory_mb": 512, "permissions": []})
    (tmp_path / "terraform/service/main.tf").write_text(ORDERS)
    assert roots.override(roots.root(settings, "staging", "service")) == ""


def test_a_root_that_is_older_than_a_setting_gives_it_to_the_module_directly(tmp_path: Path) -> None:
    statement = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::a/*"]}
    settings = project(tmp_path, function={"permissions": [statement]})
    (tmp_path / "terraform/service/main.tf").write_text(CALL % "var.environment_variables")
    module = tmp_path / "terraform/modules/service"
    module.mkdir(parents=True)
    at = roots.root(settings, "staging", "service")
    with pytest.raises(BadInputError, match=r"older than `stepladder\.function\.permissions`") as caught:
        roots.override(at)
    assert caught.value.kind == "old-modules"
    (module / "variables.tf").write_text('variable "permissions" {}\n')
    (given,) = json.loads(roots.override(at))["module"]["service"]["permissions"]
    assert given["actions"] == ["s3:GetObject"]
