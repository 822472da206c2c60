"""`--allow-destroy`: what it names may go, and nothing else."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
from fakes.deploy_harness import DeployHarness
from fakes.terraform import ACCOUNT, project

from stepladder.commands import infra
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, RefusedError
from stepladder.core.step import Step
from stepladder.promotion.roots import review as promoted
from stepladder.releases.adapters import ProjectInfra
from stepladder.terraform import losses, roots, saved_plan
from stepladder.terraform.allowed import AUTO, NEW, REVIEWED, flags, named, names_only
from stepladder.terraform.events import ResourceChange

TABLE = ResourceChange("aws_dynamodb_table.orders", "delete", "aws_dynamodb_table")
FUNCTION = ResourceChange("module.service.aws_lambda_function.this", "replace", "aws_lambda_function")
QUEUE = ResourceChange('aws_sqs_queue.this["a,b"]', "replace", "aws_sqs_queue")
HALF = ResourceChange("aws_s3_bucket.half", "create", "aws_s3_bucket")
ROLE = ResourceChange("aws_iam_role_policy.x", "delete", "aws_iam_role_policy")


@pytest.fixture
def at(tmp_path: Path) -> roots.Root:
    return roots.root(project(tmp_path), "staging", "service")


def test_what_is_named_may_be_destroyed_and_the_rest_is_refused(at: roots.Root) -> None:
    with pytest.raises(RefusedError) as caught:
        losses.check(at, (TABLE, FUNCTION), None, allow_destroy=(TABLE.address,))
    assert caught.value.message.endswith("data or callers: module.service.aws_lambda_function.this (replace)")
    assert f"--allow-destroy {TABLE.address} --allow-destroy {FUNCTION.address}`" in caught.value.hint, (
        "the whole of it"
    )
    losses.check(at, (TABLE, FUNCTION), None, allow_destroy=(FUNCTION.address, TABLE.address))


@pytest.mark.parametrize("name", ["module.service", "aws_lambda_function.this", "this", "*", "aws_dynamodb_table"])
def test_a_part_of_an_address_names_nothing(at: roots.Root, name: str) -> None:
    with pytest.raises(RefusedError, match="would destroy"):
        losses.check(at, (TABLE, FUNCTION), None, allow_destroy=(name,))


MAILER = 'module.functions["mailer"]'
REMOVED = tuple(
    ResourceChange(f"{MAILER}.{kind}.this", "delete", kind)
    for kind in ("aws_lambda_function", "aws_cloudwatch_log_group", "aws_sqs_queue")
)


def test_a_function_that_the_settings_have_lost_is_allowed_by_its_own_name_or_by_all_of_it(at: roots.Root) -> None:
    with pytest.raises(RefusedError) as caught:
        losses.check(at, (TABLE, *REMOVED), None)
    assert f"--allow-destroy {TABLE.address} --allow-destroy '{MAILER}'`" in caught.value.hint
    losses.check(at, REMOVED, None, allow_destroy=(MAILER,))
    losses.check(at, REMOVED, None, allow_destroy=tuple(change.address for change in REMOVED))
    losses.check_names(REMOVED, (MAILER,), "the plan")
    other = ResourceChange('module.functions["poller"].aws_sqs_queue.this', "delete", "aws_sqs_queue")
    with pytest.raises(RefusedError, match=r'destroy what holds data or callers: module\.functions\["poller"\]'):
        losses.check(at, (*REMOVED, other), None, allow_destroy=(MAILER,))


@pytest.mark.parametrize("action", ["delete", "replace"])
def test_a_function_that_stays_names_nothing_of_its_own_that_is_lost(at: roots.Root, action: str) -> None:
    lost = ResourceChange(f"{MAILER}.aws_sqs_queue.this", action, "aws_sqs_queue")
    with pytest.raises(RefusedError, match="would destroy"):
        losses.check(at, (lost,), None, allow_destroy=(MAILER,))
    with pytest.raises(BadInputError):
        losses.check_names((lost,), (MAILER,), "the plan")


def test_a_name_that_destroys_nothing_is_an_error_that_says_what_would_go() -> None:
    with pytest.raises(
        BadInputError, match=r"the plan does not destroy or replace 'aws_dynamodb_table.order'"
    ) as caught:
        losses.check_names((TABLE, FUNCTION), ("aws_dynamodb_table.order",), "the plan")
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert f"it destroys or replaces {TABLE.address}, {FUNCTION.address}" in caught.value.message
    assert f"did you mean `{TABLE.address}`?" in caught.value.hint
    with pytest.raises(BadInputError, match="it destroys and replaces nothing"):
        losses.check_names((), ("aws_x.y",), "the plan")


def test_a_name_may_stand_for_what_is_harmless_or_half_replaced_already() -> None:
    losses.check_names((ROLE, HALF), (ROLE.address, HALF.address), "the plan")


@pytest.mark.parametrize(
    ("typed", "allowed"),
    [
        ([], ()),
        ([""], ()),
        (["a.b,c.d ", "e.f"], ("a.b", "c.d", "e.f")),
        ([QUEUE.address + ",x.y"], (QUEUE.address, "x.y")),
        ([True], True),
        (["a.b", True], True),
    ],
)
def test_names_come_one_a_flag_or_with_commas_and_no_value_is_the_old_spelling(
    typed: list[bool | str], allowed: bool | tuple[str, ...]
) -> None:
    assert named(typed) == allowed


def test_no_flag_at_all_names_nothing() -> None:
    assert names_only(None) == ()


def test_the_flags_of_a_hint_are_quoted_for_a_shell() -> None:
    assert shlex.split(flags([QUEUE.address, TABLE.address])) == [
        *("--allow-destroy", QUEUE.address),
        *("--allow-destroy", TABLE.address),
    ]


def test_the_hint_under_a_plan_names_all_that_it_destroys(at: roots.Root) -> None:
    at.build_dir.mkdir(parents=True)
    at.plan_file.write_bytes(b"a plan")
    inputs = saved_plan.inputs_now(at, account=ACCOUNT, image_uri=None, terraform_version="1.11.4")
    saved = saved_plan.save(
        saved_plan.made(at, inputs, backend="s3", changed=True, changes=(TABLE, ROLE, QUEUE), image_uri=None)
    )
    err = io.StringIO()
    infra.planned(Console(err=err, out=io.StringIO(), live=False), saved, ())
    (command,) = re.findall(r"`(inv tf.apply .*)`", err.getvalue())
    assert shlex.split(command)[-4:] == ["--allow-destroy", TABLE.address, "--allow-destroy", QUEUE.address]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    return harness


def test_a_deployment_checks_the_names_by_the_plans_of_what_it_applies(harness: DeployHarness) -> None:
    harness.infra_inputs = "two"
    harness.deploy(allow_destroy=(TABLE.address,))
    assert harness.allowed_for == [("service",)]
    assert f"{TABLE.address} may be destroyed or replaced" in harness.printed


def test_a_name_of_a_deployment_that_destroys_nothing_ends_it_before_anything_changes(harness: DeployHarness) -> None:
    harness.allow_error = BadInputError("nothing")
    harness.infra_inputs, harness.source, before = "two", "two", list(harness.applied)
    with pytest.raises(BadInputError):
        harness.deploy(allow_destroy=(TABLE.address,))
    assert (harness.applied, harness.pushed, harness.items("lock")) == (before, ["one"], [])
    with pytest.raises(BadInputError):
        harness.deploy(allow_destroy=(TABLE.address,), infra="never")
    assert harness.allowed_for[-1] == (), "also where no Terraform would run"


def test_a_deployment_that_applies_no_terraform_refuses_every_name(harness: DeployHarness) -> None:
    with pytest.raises(BadInputError, match="a deployment that applies no Terraform does not destroy"):
        ProjectInfra(harness.rung(), (TABLE.address,)).check_allowed([], Step("x"))


@pytest.mark.parametrize(
    ("variable", "plan", "changed", "wanted"),
    [
        ("true", AUTO, True, AUTO),
        ("true", AUTO, False, NEW),
        ("true", REVIEWED, False, REVIEWED),
        ("false", AUTO, False, AUTO),
    ],
)
def test_a_deployment_repairs_without_a_review_what_it_has_applied_before(
    harness: DeployHarness, monkeypatch: pytest.MonkeyPatch, variable: str, plan: str, changed: bool, wanted: str
) -> None:
    """The review was of the change that was applied, and not of what somebody did by hand since."""
    monkeypatch.setenv("CI", variable)
    harness.infra_inputs = "two" if changed else "one"
    infrastructure = ProjectInfra(harness.rung(), plan=plan)
    monkeypatch.setattr(ProjectInfra, "inputs_hash", lambda _own, root: harness.inputs_hash(root))
    review = infrastructure.review("service")
    assert review.wanted == wanted
    assert review.anew == "inv deploy --env staging --plan new"


def test_a_promotion_leaves_what_nobody_reviewed_to_commands_that_need_no_file_of_the_job(
    harness: DeployHarness,
) -> None:
    review = promoted(harness.rung(), "service")
    assert review.wanted == AUTO
    where = "--env staging --root service"
    assert review.anew == f"`inv tf.plan {where}`, then `inv tf.apply {where}`"
