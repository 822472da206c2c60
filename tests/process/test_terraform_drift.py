"""How `inv tf.drift` runs Terraform: without a lock, without a file that is left, and who may be at work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.terraform import diagnostic, state_lock
from fakes.terraform_harness import TerraformHarness

from stepladder import terraform
from stepladder.core.errors import RefusedError
from stepladder.terraform import drift
from stepladder.terraform.drift import RootDrift
from stepladder.terraform.failures import TerraformError

KEY = "staging/service.tfstate"
LOG_GROUP = {"address": "aws_cloudwatch_log_group.this", "mode": "managed", "type": "aws_cloudwatch_log_group"}
STATE = {"values": {"root_module": {"child_modules": [{"resources": [LOG_GROUP]}]}}}
UPDATE = {"actions": ["update"], "before": {"retention_in_days": 7}, "after": {"retention_in_days": 30}}


def find(harness: TerraformHarness, document: dict[str, Any], **options: Any) -> RootDrift:
    harness.fake.plays("plan", {"code": 2})
    harness.fake.plays("show", {"out": [document]})
    return drift.find(*harness.where, aws=harness.aws, **options)  # type: ignore[arg-type]


def document(*changes: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"prior_state": STATE, "resource_changes": [LOG_GROUP | {"change": change} for change in changes], **rest}


def test_the_check_takes_no_lock_and_leaves_no_plan(terraform_harness: TerraformHarness) -> None:
    found = find(terraform_harness, document())
    assert (found.outside, found.pending, found.applied, found.busy) == ((), (), True, "")
    init, plan, show = terraform_harness.fake.calls
    assert init["argv"][0] == "init"
    assert "-lock=false" in plan["argv"]
    assert show["argv"][:2] == ["show", "-json"]
    assert not list(terraform_harness.settings.build_dir.rglob("*.tfplan"))


def test_a_saved_plan_is_still_there_after_the_check(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", {"code": 2})
    saved = terraform_harness.plan()
    find(terraform_harness, document())
    assert terraform_harness.at.plan_file.exists()
    assert saved.at.manifest.exists()


def test_the_hash_of_the_last_apply_tells_a_change_from_outside_from_one_of_the_code(
    terraform_harness: TerraformHarness,
) -> None:
    found = find(terraform_harness, document(UPDATE))
    assert (len(found.outside), len(found.pending)) == (0, 1)
    applied = terraform.inputs_hash(*terraform_harness.where)
    found = find(terraform_harness, document(UPDATE), recorded=applied)
    assert [(each.path, each.before, each.after) for each in found.outside[0].attributes] == [
        ("retention_in_days", "30", "7")
    ]
    assert not found.pending


@pytest.mark.parametrize("hours", [0, 3], ids=["a living lock", "one that outlasts every apply"])
def test_a_state_lock_says_that_somebody_may_be_at_work_until_no_apply_can_last_so_long(
    terraform_harness: TerraformHarness, hours: int
) -> None:
    created = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    terraform_harness.aws.objects[f"{KEY}.tflock"] = state_lock("ann@laptop", created)
    found = find(terraform_harness, document(UPDATE))
    assert found.busy.startswith("ann@laptop since ") is (hours == 0)


def test_a_state_without_a_resource_was_never_applied_or_is_gone(terraform_harness: TerraformHarness) -> None:
    create = {"actions": ["create"], "before": None, "after": {"name": "x"}}
    assert not find(terraform_harness, document(create, prior_state=None)).applied
    gone = LOG_GROUP | {"change": {"actions": ["delete"], "before": {"name": "x"}, "after": None}}
    found = find(terraform_harness, document(create, prior_state=None, resource_drift=[gone]))
    assert found.applied
    assert [each.how for each in found.outside] == ["deleted"]


def test_a_check_that_fails_leaves_no_plan_and_says_why(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", {"code": 1, "out": [diagnostic("Broken", "In two.")]})
    with pytest.raises(TerraformError, match="Broken"):
        drift.find(*terraform_harness.where, aws=terraform_harness.aws)  # type: ignore[arg-type]
    assert not list(terraform_harness.settings.build_dir.rglob("*.tfplan"))


def test_another_accounts_credentials_are_refused_before_terraform_runs(terraform_harness: TerraformHarness) -> None:
    terraform_harness.aws._account = "999999999999"
    with pytest.raises(RefusedError, match="the credentials belong to account 999999999999"):
        find(terraform_harness, document())
    assert terraform_harness.fake.verbs == []
