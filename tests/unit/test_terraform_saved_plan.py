"""When a saved plan may be applied: every reason against it, one by one; and what Terraform's events tell."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import ACCOUNT, FakeAws, change, diagnostic, event, project

from stepladder.commands import infra
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, RefusedError
from stepladder.core.step import Step
from stepladder.terraform import events, losses, roots, saved_plan
from stepladder.terraform.events import ResourceChange

IMAGE = f"repository@sha256:{'a' * 64}"


@pytest.fixture
def at(tmp_path: Path) -> roots.Root:
    at = roots.root(project(tmp_path), "staging", "service")
    at.build_dir.mkdir(parents=True)
    at.plan_file.write_bytes(b"a plan")
    return at


def now(at: roots.Root, **changed: Any) -> saved_plan.Inputs:
    return replace(saved_plan.inputs_now(at, account=ACCOUNT, image_uri=IMAGE, terraform_version="1.11.4"), **changed)


def saved(at: roots.Root, *changes: ResourceChange, image_uri: str | None = IMAGE) -> saved_plan.SavedPlan:
    inputs = saved_plan.inputs_now(at, account=ACCOUNT, image_uri=image_uri, terraform_version="1.11.4")
    return saved_plan.save(
        saved_plan.made(at, inputs, backend="s3", changed=bool(changes), changes=changes, image_uri=image_uri)
    )


def test_a_plan_holds_while_nothing_has_changed_and_survives_being_read_back(at: roots.Root) -> None:
    made = saved(at, ResourceChange("aws_x.y", "create", "aws_x"))
    assert saved_plan.load(at) == made
    saved_plan.check(saved_plan.load(at), now(at))


STALE = {
    "schema": 2,
    "project": "other",
    "environment": "production",
    "root": "foundation",
    "account": "999999999999",
    "region": "eu-west-1",
    "git_commit": "b" * 40,
    "git_dirty": "terraform/service/main.tf",
    "code": "c" * 64,
    "modules": "d" * 64,
    "lock": "e" * 64,
    "variables": "f" * 64,
    "image_digest": "sha256:" + "b" * 64,
    "terraform_version": "1.12.0",
}


def test_every_input_of_a_plan_has_its_stale_case(at: roots.Root) -> None:
    assert set(STALE) == set(now(at).__dict__)


@pytest.mark.parametrize("field", STALE)
def test_a_plan_is_refused_when_this_changed(at: roots.Root, field: str) -> None:
    made = saved(at)
    with pytest.raises(RefusedError, match="no longer holds") as caught:
        saved_plan.check(made, now(at, **{field: STALE[field]}))
    assert caught.value.exit_code is ExitCode.REFUSED
    assert f"{saved_plan._WORDS[field]} changed from " in caught.value.message
    assert f" to {saved_plan._short(STALE[field])}" in caught.value.message
    assert ";" not in caught.value.message, "one thing changed, one is told"


def test_a_plan_file_that_is_not_the_one_of_the_manifest_is_refused(at: roots.Root) -> None:
    made = saved(at)
    at.plan_file.write_bytes(b"another plan")
    with pytest.raises(RefusedError, match=r"the plan file changed from [0-9a-f]+ to"):
        saved_plan.check(made, now(at))


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": 1}'])
def test_a_manifest_that_cannot_be_read_is_refused(at: roots.Root, content: str) -> None:
    at.manifest.write_text(content)
    with pytest.raises(RefusedError, match=r"no saved plan|can't be read"):
        saved_plan.load(at)


@pytest.mark.parametrize(
    ("kind", "action", "asks"),
    [
        ("aws_lambda_alias", "replace", True),
        ("aws_lambda_function", "delete", True),
        ("aws_dynamodb_table", "delete", True),
        ("aws_s3_bucket", "replace", True),
        ("aws_s3_bucket_object", "delete", True),
        ("aws_lambda_function_url", "replace", True),
        ("aws_thing_that_nobody_knows", "delete", True),
        ("aws_s3_bucket_versioning", "replace", True),
        ("aws_s3_bucket_public_access_block", "delete", True),
        ("aws_lambda_permission", "delete", True),
        ("aws_cloudformation_stack", "replace", True),
        ("aws_scheduler_schedule", "replace", True),
        ("aws_s3_bucket_lifecycle_configuration", "replace", False),
        ("aws_iam_role_policy", "replace", False),
        ("aws_lambda_function", "update", False),
    ],
)
def test_what_holds_data_or_callers_is_only_destroyed_when_that_is_allowed(
    at: roots.Root, kind: str, action: str, asks: bool
) -> None:
    plan = saved(at, ResourceChange(f"{kind}.this", action, kind))
    saved_plan.check_destroys(plan, allow_destroy=True)
    if asks:
        with pytest.raises(RefusedError, match=rf"{kind}\.this \({action}\)"):
            saved_plan.check_destroys(plan, allow_destroy=False)
    else:
        saved_plan.check_destroys(plan, allow_destroy=False)


@pytest.mark.parametrize(
    ("kind", "asks"), [("aws_lambda_permission", False), ("aws_cloudformation_stack", False), ("aws_sqs_queue", True)]
)
def test_a_tainted_object_is_made_anew_unless_it_holds_data_or_callers_of_its_own(
    at: roots.Root, kind: str, asks: bool
) -> None:
    plan = saved(at, ResourceChange(f"{kind}.this", "replace", kind, reason="tainted"))
    assert bool(plan.destroyed) is asks


def test_a_plan_lists_the_projects_own_resources_apart_other_functions_among_them(at: roots.Root) -> None:
    plan = saved(
        at,
        ResourceChange("aws_dynamodb_table.orders", "create", "aws_dynamodb_table"),
        ResourceChange("aws_lambda_function.worker", "delete", "aws_lambda_function"),
        ResourceChange("module.service.aws_lambda_function.this", "update", "aws_lambda_function"),
        ResourceChange("module.service_extra.aws_sqs_queue.q", "create", "aws_sqs_queue"),
    )
    out = io.StringIO()
    infra.planned(Console(err=io.StringIO(), out=out, live=False), plan, ())
    assert out.getvalue().splitlines() == [
        "  ~ module.service.aws_lambda_function.this",
        "your own, in terraform/service:",
        "  + aws_dynamodb_table.orders",
        "  + module.service_extra.aws_sqs_queue.q",
        "  - aws_lambda_function.worker",
    ]
    out = io.StringIO()
    infra.planned(Console(err=io.StringIO(), out=out, live=False, as_json=True), plan, ())
    assert json.loads(out.getvalue())["own"] == [
        "aws_dynamodb_table.orders",
        "aws_lambda_function.worker",
        "module.service_extra.aws_sqs_queue.q",
    ]


def shown(address: str, image_uri: str | None) -> dict[str, Any]:
    """A function that a plan would create, as `terraform show -json` tells it."""
    made = {"function_name": "f", "image_uri": image_uri}
    return {"address": address, "type": "aws_lambda_function", "change": {"actions": ["create"], "after": made}}


def test_only_functions_from_the_project_s_own_image_need_one() -> None:
    placeholder = f"repository@{roots.NO_DIGEST}"
    document = {
        "resource_changes": [
            shown("module.service.aws_lambda_function.this", placeholder),
            shown("module.second.aws_lambda_function.this", placeholder),
            shown("aws_lambda_function.of_another_image", "elsewhere@sha256:" + "b" * 64),
            shown("aws_lambda_function.from_a_zip", None),
            {"address": "aws_s3_bucket.b", "type": "aws_s3_bucket", "change": {"actions": ["create"], "after": {}}},
        ]
    }
    assert losses.imageless(document) == (
        "module.second.aws_lambda_function.this",
        "module.service.aws_lambda_function.this",
    )


def test_a_function_is_never_created_from_no_image(at: roots.Root) -> None:
    address = "module.service.aws_lambda_function.this"
    plan = replace(
        saved(at, ResourceChange(address, "create", "aws_lambda_function"), image_uri=None), needs_image=(address,)
    )
    with pytest.raises(RefusedError, match=rf"creates {re.escape(address)} .* was made without an image") as caught:
        saved_plan.check_destroys(plan, allow_destroy=True)
    assert caught.value.hint.endswith("`inv deploy --env staging`")


def test_a_function_of_one_s_own_needs_no_image(at: roots.Root) -> None:
    saved_plan.check_destroys(
        saved(at, ResourceChange("aws_lambda_function.mine", "create", "aws_lambda_function"), image_uri=None),
        allow_destroy=False,
    )


def test_the_hint_for_what_would_be_destroyed_is_two_commands_that_exist(at: roots.Root) -> None:
    with pytest.raises(RefusedError) as caught:
        saved_plan.check_destroys(
            saved(at, ResourceChange("aws_s3_bucket.mine", "delete", "aws_s3_bucket")), allow_destroy=False
        )
    where = "--env staging --root service"
    allow = "--allow-destroy aws_s3_bucket.mine"
    assert f"`inv tf.plan {where}`; when it is meant: `inv tf.apply {where} {allow}`" in caught.value.hint


def test_credentials_of_another_account_are_refused(at: roots.Root) -> None:
    with pytest.raises(RefusedError, match=f"belong to account 999999999999, but staging is in {ACCOUNT}"):
        saved_plan.check_account(FakeAws("999999999999"), at)  # type: ignore[arg-type]


def feed(*lines: Any, total: int = 0, verb: str = "") -> tuple[events.Watch, list[str]]:
    step = Step("x")
    shown: list[str] = []
    step.progress = shown.append  # type: ignore[method-assign]
    watch = events.Watch(step, total=total, verb=verb)
    for line in lines:
        watch.line(line if isinstance(line, str) else json.dumps(line))
    return watch, shown


def test_the_planned_changes_are_read_from_terraforms_events() -> None:
    watch, _ = feed(
        change("aws_a.x", "create"),
        change("module.m.aws_b.x", "replace", reason="cannot_update"),
        change("aws_c.x", "delete"),
        change("data.aws_d.x", "read"),
        change("aws_e.x", "noop"),
        change("aws_f.x", "update", importing={"id": "f"}),
    )
    assert [(c.address, c.action) for c in watch.changes] == [
        ("aws_a.x", "create"),
        ("module.m.aws_b.x", "replace"),
        ("aws_c.x", "delete"),
        ("data.aws_d.x", "read"),
        ("aws_f.x", "import"),
        ("aws_f.x", "update"),
    ]
    changes = tuple(watch.changes)
    assert str(events.count(changes)) == "1 to import, 2 to add, 1 to change, 2 to destroy"
    assert events.operations(changes) == 5


def hook(address: str, action: str = "create", **rest: Any) -> dict[str, Any]:
    return {"resource": {"addr": address}, "action": action, **rest}


def test_an_apply_is_shown_resource_by_resource() -> None:
    watch, shown = feed(
        event("apply_start", hook=hook("aws_a.x")),
        event("apply_progress", hook=hook("aws_a.x", elapsed_seconds=10)),
        event("apply_complete", hook=hook("aws_a.x")),
        event("apply_start", hook=hook("aws_b.x", "delete")),
        event("apply_errored", hook=hook("aws_b.x", "delete")),
        total=2,
    )
    assert shown == [
        "1 of 2: creating aws_a.x",
        "1 of 2: creating aws_a.x (10 s)",
        "2 of 2: destroying aws_b.x",
    ]
    assert watch.failed == {"aws_b.x"}


def test_an_apply_says_how_many_of_its_changes_are_made() -> None:
    """Many are under way at once: what is done counts, also while no other begins."""
    _, shown = feed(
        *(event("apply_start", hook=hook(f"aws_a.{n}")) for n in range(3)),
        *(event("apply_complete", hook=hook(f"aws_a.{n}")) for n in range(2)),
        event("apply_errored", hook=hook("aws_a.2")),
        total=3,
        verb="applying",
    )
    assert shown == [
        "applying 1 of 3: creating aws_a.0",
        "applying 1 of 3: creating aws_a.1",
        "applying 1 of 3: creating aws_a.2",
        "applying 2 of 3: done with aws_a.0",
        "applying 3 of 3: done with aws_a.1",
        "applying 3 of 3: failed at aws_a.2",
    ]


def test_a_plan_says_how_much_it_has_read() -> None:
    _, shown = feed(
        event("refresh_start", hook=hook("aws_a.x")),
        event("refresh_complete", hook=hook("aws_a.x")),
        event("apply_start", hook=hook("data.aws_b.x", "read")),
        event("apply_complete", hook=hook("data.aws_b.x", "read")),
        event("refresh_start", hook=hook("aws_c.x")),
        verb="planning",
    )
    assert shown == [
        "planning: reading aws_a.x",
        "planning, 1 read: reading data.aws_b.x",
        "planning, 2 read: reading aws_c.x",
    ]


def test_sensitive_outputs_are_not_kept() -> None:
    values = {"url": {"value": "u"}, "secret": {"value": "s", "sensitive": True}, "later": {"action": "create"}}
    watch, _ = feed(event("outputs", outputs=values))
    assert watch.outputs == {"url": "u"}


def test_a_diagnostic_is_told_in_one_line() -> None:
    watch, _ = feed(
        diagnostic("Bad thing", "It is bad.\nVery.\n\nAnd a long story.", address="aws_a.x"),
        diagnostic("Odd", "", range={"filename": "main.tf", "start": {"line": 7}}),
        "╷",
        "│ Error: Failed in words",
        '{"not": "an event"}',
        "{broken",
    )
    assert [d.brief for d in watch.errors] == [
        "Bad thing: It is bad. Very (aws_a.x)",
        "Odd (main.tf:7)",
        "Failed in words",
    ]


@pytest.mark.parametrize(
    "name", [".", "/", "..", "a" * 300, "a/" * 3000, "/etc/passwd/x", "\udcff"], ids=lambda n: ascii(n)[:9]
)
def test_a_path_that_can_be_no_plan_file_is_bad_input(at: roots.Root, name: str) -> None:
    with pytest.raises(BadInputError, match="there is no plan file") as caught:
        saved_plan.take(at, Path(name))
    assert len(caught.value.message) < 250
