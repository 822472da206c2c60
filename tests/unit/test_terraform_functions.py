"""Functions beside the project's own one: what the service root is given for them, and who can't have any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import project

from stepladder.commands import infra
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.settings.load import Settings
from stepladder.terraform import events, functions, inputs_hash, losses, overrides, references, roots
from stepladder.terraform.events import ResourceChange

IMAGE = f"repository@sha256:{'a' * 64}"
NAMED = {
    "mailer": {"function": {"memory_mb": 512, "handler": "app.mailer.handler"}, "triggers": [{"kind": "sqs"}]},
    "report": {"environments": {"production": {"function": {"memory_mb": 1024}}}},
}
CALL = """
module "service" {
  source    = "../modules/service"
  providers = { aws = aws.other }
}
"""
OLD, NEW = 'variable "triggers" {}\n', 'variable "triggers" {}\nvariable "function" {}\n'


def several(root: Path, *, modules: str = NEW, code: str = CALL, **raw: Any) -> Settings:
    settings = project(root, **{"functions": NAMED, **raw})
    with (root / "terraform/service/main.tf").open("a") as file:
        file.write(code)
    folder = root / "terraform/modules/service"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "variables.tf").write_text(modules)
    return settings


def service(settings: Settings, env: str = "staging") -> roots.Root:
    return roots.root(settings, env, "service")


def document(settings: Settings, env: str = "staging") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(roots.generated(service(settings, env))[functions.FILE])
    return made


def test_a_project_with_one_function_has_no_file_no_variable_and_the_same_hash(tmp_path: Path) -> None:
    settings = several(tmp_path, functions={})
    at = service(settings)
    assert roots.generated(at) == {}
    assert functions.IMAGES not in roots.variables(at)
    assert functions.hashed(settings, "staging") == {}
    assert "functions" not in roots.variables(roots.root(settings, "staging", "foundation"))


def test_each_function_is_called_with_its_own_settings_by_the_source_of_the_projects_call(tmp_path: Path) -> None:
    made = document(several(tmp_path))
    call, given = made["module"]["functions"], made["locals"]["stepladder_functions"]
    assert (call["source"], call["providers"]) == ("../modules/service", {"aws": "aws.other"})
    assert call["for_each"] == '${toset(["mailer", "report"])}'
    assert (call["function"], call["memory_mb"]) == ("${each.key}", "${local.stepladder_functions[each.key].memory_mb}")
    assert {name: each["memory_mb"] for name, each in given.items()} == {"mailer": 512, "report": 256}
    assert given["mailer"]["handler"] == "app.mailer.handler"
    assert {name: list(each["triggers"]) for name, each in given.items()} == {"mailer": ["sqs"], "report": []}
    assert made["output"]["functions"]["value"] == "${module.functions}"
    assert document(several(tmp_path), "production")["locals"]["stepladder_functions"]["report"]["memory_mb"] == 1024


def test_a_view_of_one_function_has_the_root_of_all_of_them(tmp_path: Path) -> None:
    settings = several(tmp_path)
    view = settings.of_function("mailer")
    assert roots.generated(service(view)) == roots.generated(service(settings))
    assert inputs_hash(view, "staging", "service") == inputs_hash(settings, "staging", "service")
    assert service(view).state_key == "staging/service.tfstate"


def test_the_hash_of_the_inputs_follows_each_function_and_no_image(tmp_path: Path) -> None:
    def hashed(**changes: Any) -> str:
        return inputs_hash(several(tmp_path, **changes), "staging", "service")

    before = hashed()
    assert hashed(functions={**NAMED, "report": {"function": {"memory_mb": 1024}}}) != before
    assert hashed(functions={"mailer": NAMED["mailer"]}) != before
    assert hashed(main=False) != before
    at = service(several(tmp_path))
    assert roots.planned_variables(at, IMAGE, {}) != roots.planned_variables(at, IMAGE, {"mailer": IMAGE})
    assert hashed() == before


def test_a_function_without_an_image_has_the_placeholder(tmp_path: Path) -> None:
    at = service(several(tmp_path))
    roots.write_inputs(at, IMAGE, {"mailer": IMAGE})
    given = json.loads(at.tfvars.read_text())
    assert given["image_uri"] == given["stepladder_images"]["mailer"] == IMAGE
    assert given["stepladder_images"]["report"].endswith(roots.NO_DIGEST)


def created(address: str) -> ResourceChange:
    return ResourceChange(address, "create", losses.FUNCTION)


@pytest.mark.parametrize(
    ("address", "images", "own", "lacks"),
    [
        ('module.functions["mailer"].aws_lambda_function.this', {}, True, True),
        ('module.functions["mailer"].aws_lambda_function.this', {"mailer": IMAGE}, False, False),
        ("module.service.aws_lambda_function.this", {"mailer": IMAGE}, False, True),
        ("module.service.aws_lambda_function.this", {}, True, False),
        ("aws_lambda_function.second", {}, True, False),
    ],
)
def test_a_function_that_is_created_must_have_its_own_image(
    address: str, images: dict[str, str], own: bool, lacks: bool
) -> None:
    assert losses.may_lack_image([created(address)], images, own=own) is lacks


def test_a_plan_takes_an_image_for_each_function_that_it_creates(tmp_path: Path) -> None:
    settings = several(tmp_path)
    assert infra.images(settings, ()) == {"image_uri": None, "images": {}}
    assert infra.images(settings, (IMAGE, f"mailer={IMAGE}")) == {"image_uri": IMAGE, "images": {"mailer": IMAGE}}
    assert infra.images(settings, (f"main={IMAGE}",)) == {"image_uri": IMAGE, "images": {}}
    with pytest.raises(BadInputError, match="no function 'mailr'"):
        infra.images(settings, (f"mailr={IMAGE}",))
    lost = ResourceChange("aws_dynamodb_table.orders", "delete", "aws_dynamodb_table")
    planned = (lost, created('module.functions["mailer"].aws_lambda_function.this'))
    with pytest.raises(RefusedError) as caught:
        losses.check(service(settings), planned, None, {"mailer": IMAGE, "report": IMAGE})
    assert f"`inv tf.plan --env staging --root service --image mailer={IMAGE}`" in caught.value.hint


def test_references_reach_functions_as_templates_and_plain_texts_as_they_are(tmp_path: Path) -> None:
    named = {"mailer": {"function": {"environment": {"TABLE": "${local.orders}", "ODD": "${c} %{x}"}}}}
    settings = several(tmp_path, functions=named, code=CALL + 'locals {\n  orders = "o"\n}\n')
    references.check(service(settings))
    given = document(settings)["locals"]["stepladder_functions"]["mailer"]["environment_variables"]
    assert given == {"TABLE": "${local.orders}", "ODD": "$${c} %%{x}"}


def test_a_reference_to_nothing_is_named_by_the_function_that_has_it(tmp_path: Path) -> None:
    named = {"mailer": {"function": {"environment": {"TABLE": "${local.order}"}}}}
    settings = several(tmp_path, functions=named, code=CALL + 'locals {\n  orders = "o"\n}\n')
    with pytest.raises(BadInputError) as caught:
        references.check(service(settings))
    assert caught.value.problems[0].startswith("stepladder.functions.mailer.function.environment.TABLE is")
    assert "did you mean `local.orders`?" in caught.value.problems[0]


def test_what_functions_have_from_the_project_is_refused_once_and_there(tmp_path: Path) -> None:
    settings = several(tmp_path, function={"environment": {"TABLE": "${local.orders}"}})
    with pytest.raises(BadInputError) as caught:
        references.check(service(settings))
    assert [problem.partition(" is ")[0] for problem in caught.value.problems] == [
        "stepladder.function.environment.TABLE"
    ]


@pytest.mark.parametrize("where", ["function", "functions"])
def test_a_function_that_needs_another_of_them_is_refused_before_terraform(tmp_path: Path, where: str) -> None:
    needing = {"environment": {"PEER": '${module.functions["report"].function_name}'}}
    raw = {"function": needing} if where == "function" else {"functions": {**NAMED, "mailer": {"function": needing}}}
    with pytest.raises(BadInputError) as caught:
        references.check(service(several(tmp_path, **raw)))
    assert caught.value.kind == "reference-cycle"
    assert "none of these functions can need another" in caught.value.problems[0]
    inherited = ", inherited from stepladder.function.environment.PEER: " in caught.value.problems[0]
    assert inherited == (where == "function")
    assert "`${var.project}-${var.environment}-<name>`" in caught.value.hint


def test_modules_without_the_functions_name_are_refused_with_the_command_for_it(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"modules are older than `stepladder\.functions`") as caught:
        roots.generated(service(several(tmp_path, modules=OLD)))
    assert caught.value.kind == "old-modules"


def test_a_root_without_the_call_of_the_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match='has no `module "service"`') as caught:
        roots.generated(service(several(tmp_path, code="")))
    assert caught.value.kind == "reference-not-passed"


@pytest.mark.parametrize("block", ['output "functions"', 'module "functions"'])
def test_a_root_that_has_taken_the_name_itself_is_refused(tmp_path: Path, block: str) -> None:
    with pytest.raises(BadInputError) as caught:
        roots.generated(service(several(tmp_path, code=f"{CALL}\n{block} {{\n}}\n")))
    assert caught.value.kind == "name-in-use"
    assert block in caught.value.message


def test_a_foundation_and_a_delivery_learn_of_functions_where_there_are_any(tmp_path: Path) -> None:
    settings = several(tmp_path, main=False)
    assert roots.variables(roots.root(settings, "staging", "foundation"))["functions"] is True
    (tmp_path / "terraform/delivery").mkdir()
    (tmp_path / "terraform/delivery/main.tf").write_text("")
    given = roots.variables(roots.root(settings, "staging", "delivery"))["functions"]
    assert given == {"main": False, "names": ["mailer", "report"]}


OUTPUTS = """
output "alias_arn" {
  description = "The alias."
  value       = module.service.alias_arn
}
output "both" { value = "${module.service.function_name} of ${var.project}" }
output "own" { value = var.project }
"""


def test_without_an_own_function_its_module_makes_nothing_and_outputs_are_null(tmp_path: Path) -> None:
    at = service(several(tmp_path, main=False, code=CALL + OUTPUTS))
    made = json.loads(roots.generated(at)[overrides.FILE])
    assert made["module"]["service"] == {"count": 0}
    assert {name: each["value"] for name, each in made["output"].items()} == {
        "alias_arn": "${try(one(module.service[*].alias_arn), null)}",
        "both": '${try("${one(module.service[*].function_name)} of ${var.project}", null)}',
    }
    assert roots.override(service(several(tmp_path, code=CALL + OUTPUTS))) == ""


def test_own_code_that_needs_the_function_which_the_project_lacks_is_refused(tmp_path: Path) -> None:
    needing = 'resource "aws_iam_role_policy" "own" {\n  role = module.service.role_name\n}\n'
    with pytest.raises(BadInputError, match=r"needs module\.service, and the project has no function of its own"):
        roots.override(service(several(tmp_path, main=False, code=CALL + OUTPUTS + needing)))
    commented = "".join(f"# {line}\n" for line in needing.splitlines())
    assert roots.override(service(several(tmp_path, main=False, code=CALL + OUTPUTS + commented)))


def test_buckets_of_two_functions_are_refused_since_a_bucket_has_one_configuration(tmp_path: Path) -> None:
    trigger = {"kind": "s3", "bucket": "uploads"}
    named = {"mailer": {"triggers": [trigger]}, "report": {"triggers": [trigger]}}
    with pytest.raises(BadInputError, match="function mailer and of the function report both own") as caught:
        references.check(service(several(tmp_path, functions=named)))
    assert caught.value.kind == "two-bucket-notifications"
    references.check(service(several(tmp_path, functions={"mailer": {"triggers": [trigger]}})))


def test_an_apply_before_the_first_release_leaves_a_named_functions_concurrency_to_the_next(tmp_path: Path) -> None:
    named = {"mailer": {"function": {"provisioned_concurrency": 1}}}
    at_once = {"rungs": {"production": {"deployment": "AllAtOnce"}}}
    at = service(several(tmp_path, functions=named, promotion=at_once))
    assert roots.awaits_release(
        at, {"provisioned_concurrency": 0, "functions": {"mailer": {"provisioned_concurrency": 0}}}
    )
    assert not roots.awaits_release(at, {"functions": {"mailer": {"provisioned_concurrency": 1}}})


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ('module.functions["mailer"].aws_sqs_queue.this["this"]', False),
        ("module.service.aws_lambda_function.this", False),
        ("module.service[0].aws_lambda_function.this", False),
        ("module.functionsofmine.aws_lambda_function.this", True),
        ("aws_dynamodb_table.orders", True),
    ],
)
def test_what_the_file_calls_is_no_code_of_the_projects_own(address: str, own: bool) -> None:
    assert events.is_own(ResourceChange(address, "create", "x"), "service") is own


def test_a_hundred_functions_take_the_hash_of_inputs_a_matter_of_milliseconds(tmp_path: Path) -> None:
    from time import process_time

    many = {f"function{number:03}": NAMED["mailer"] for number in range(100)}
    settings = several(tmp_path, functions=many)
    began = process_time()
    inputs_hash(settings, "staging", "service")
    assert process_time() - began < 0.5
    assert len(document(settings)["locals"]["stepladder_functions"]) == 100
