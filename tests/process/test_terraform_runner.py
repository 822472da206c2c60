"""Terraform's commands, exit codes and outputs, on an executable that plays a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.errors import error
from fakes.terraform import FakeAws, change, diagnostic, event, project
from fakes.terraform_harness import IMAGE, TerraformHarness, changes

from stepladder import terraform
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.terraform.failures import TerraformError


def test_a_change_is_planned_into_a_file_and_that_file_is_applied(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", changes(change("aws_x.y", "update")))
    terraform_harness.fake.plays("apply", {"out": [event("outputs", outputs={"url": {"value": "u"}})]})
    outcome = terraform_harness.ensure(lock_timeout=7)
    assert (outcome.applied, outcome.outputs) == (True, {"url": "u"})
    init, plan, apply = terraform_harness.fake.calls
    at = terraform_harness.at
    assert init["argv"] == ["init", "-json", "-input=false", "-reconfigure", f"-backend-config={at.backend}"]
    assert plan["argv"] == [
        "plan",
        "-json",
        "-input=false",
        "-detailed-exitcode",
        f"-out={at.plan_file}",
        f"-var-file={at.tfvars}",
        "-lock-timeout=7s",
    ]
    assert apply["argv"] == ["apply", "-json", "-input=false", "-lock-timeout=7s", str(at.plan_file)]
    for call in (init, plan, apply):
        assert call["cwd"] == str(at.snapshot_dir)
        assert call["env"]["TF_DATA_DIR"] == str(at.data_dir)
        assert (call["env"]["TF_IN_AUTOMATION"], call["env"]["CHECKPOINT_DISABLE"]) == ("1", "1")
    assert not at.plan_file.exists()


def test_no_change_is_not_applied_and_a_second_run_needs_no_init(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", {"code": 0})
    assert not terraform_harness.ensure().applied
    assert not terraform_harness.ensure().applied
    assert terraform_harness.fake.verbs == ["init", "plan", "output", "plan", "output"]


@pytest.mark.parametrize("what", ["code", "backend", "lock", "provider"])
def test_init_runs_again_when_what_it_depends_on_changed(terraform_harness: TerraformHarness, what: str) -> None:
    terraform_harness.fake.plays("plan", {"code": 0})
    terraform_harness.ensure()
    if what == "code":
        (terraform_harness.at.source_dir / "more.tf").write_text("# more")
    elif what == "backend":
        terraform_harness.settings = project(terraform_harness.settings.root, "renamed")
    elif what == "lock":
        terraform_harness.at.lock_file.write_text("# other")
    else:
        link = next((terraform_harness.at.data_dir / "providers").glob("*/*/*/*/*"))
        link.rmdir()
        link.symlink_to("/nowhere")
    terraform_harness.ensure()
    assert terraform_harness.fake.verbs.count("init") == 2


def test_a_lock_file_that_init_wrote_is_carried_to_the_project_and_said(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mirror" / "registry.terraform.io" / "hashicorp" / "aws" / "5.100.0").mkdir(parents=True)
    monkeypatch.setenv("STEPLADDER_TERRAFORM_MIRROR", str(tmp_path / "mirror"))
    terraform_harness.fake.plays("plan", {"code": 0})
    note, more = terraform_harness.ensure().notes
    assert "may name no other platform than this one" in more
    assert "terraform -chdir=terraform/service providers lock -platform=linux_amd64 -platform=linux_arm64" in more
    assert terraform_harness.at.lock_file.read_text() == "# locked\n"
    assert "terraform/service/.terraform.lock.hcl was written: commit it" in note
    terraform_harness.at.lock_file.unlink()
    (again,) = terraform_harness.ensure().notes
    assert "was written: commit it" in again, "what holds for every root's file was said"


def test_a_ci_job_never_changes_a_lock_file(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    terraform_harness.at.lock_file.write_text("# committed")
    terraform_harness.fake.plays("plan", {"code": 0})
    terraform_harness.ensure()
    assert "-lockfile=readonly" in terraform_harness.fake.calls[0]["argv"]


def test_what_the_shell_would_have_terraform_do_does_not_reach_it_and_is_said(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-target=aws_x.y")
    monkeypatch.setenv("TF_VAR_alarms", "{}")
    terraform_harness.fake.plays("plan", {"code": 0})
    notes = terraform_harness.ensure().notes
    assert "kept from Terraform: TF_CLI_ARGS_plan, TF_VAR_alarms; only code and settings decide what it does" in notes
    assert {
        (call["env"]["TF_CLI_ARGS_plan"], call["env"]["TF_VAR_alarms"]) for call in terraform_harness.fake.calls
    } == {(None, None)}


def test_the_image_is_in_the_plan_and_in_its_manifest(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", changes(change("aws_x.y", "update")))
    saved = terraform_harness.plan(lock=False)
    assert json.loads(terraform_harness.at.tfvars.read_text())["image_uri"] == IMAGE
    assert saved.inputs.image_digest == IMAGE.partition("@")[2]
    assert "-lock=false" in terraform_harness.fake.calls[-1]["argv"]
    terraform_harness.apply()
    assert terraform_harness.fake.verbs == ["init", "plan", "apply"]


def test_a_failed_plan_leaves_none_that_could_be_applied(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays(
        "plan", changes(change("aws_x.y", "update")), {"code": 1, "out": [diagnostic("Broken", "In two.")]}
    )
    terraform_harness.plan()
    with pytest.raises(TerraformError, match=r"terraform plan of staging/service failed: Broken: In two$"):
        terraform_harness.plan()
    with pytest.raises(RefusedError, match="there is no saved plan"):
        terraform_harness.apply()


def test_a_failure_without_a_diagnostic_is_told_by_its_last_line(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", {"code": 11, "err": ["panic: runtime error", "", "goroutine 1"]})
    with pytest.raises(TerraformError, match="goroutine 1"):
        terraform_harness.ensure()


def test_a_failed_init_says_where_the_providers_come_from(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = terraform_harness.settings.root / "own.rc"
    config.write_text("")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(config))
    terraform_harness.fake.plays(
        "init", {"code": 1, "out": [diagnostic("Failed to query available provider packages")]}
    )
    with pytest.raises(TerraformError, match="init of staging/service failed") as caught:
        terraform_harness.ensure()
    assert f"providers come as {config} says" in caught.value.hint


def test_warnings_around_the_outputs_are_skipped_and_secrets_left_out(terraform_harness: TerraformHarness) -> None:
    document = json.dumps({"url": {"value": "u"}, "secret": {"value": "s", "sensitive": True}})
    terraform_harness.fake.plays(
        "output", {"out": ["Warning: early", "", document, "Warning: late, {of 1.15}"], "err": ["{noise}"]}
    )
    assert terraform.outputs(*terraform_harness.where, aws=terraform_harness.aws) == {"url": "u"}  # type: ignore[arg-type]
    logs = terraform_harness.settings.build_dir / "logs"
    assert not any("output" in path.name for path in logs.iterdir())


def test_outputs_that_are_no_json_are_an_error(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("output", {"out": ["nothing"]})
    with pytest.raises(StepladderError, match="terraform output of staging/service answered no JSON"):
        terraform.outputs(*terraform_harness.where, aws=terraform_harness.aws)  # type: ignore[arg-type]


def test_a_preview_leaves_the_saved_plan_and_it_alone_can_be_applied(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays(
        "plan", changes(change("aws_x.reviewed", "update")), changes(change("aws_x.other", "update"))
    )
    terraform_harness.plan()
    kept = {path: path.read_bytes() for path in (terraform_harness.at.plan_file, terraform_harness.at.manifest)}
    counts, _ = terraform.preview(*terraform_harness.where, aws=terraform_harness.aws)  # type: ignore[arg-type]
    assert str(counts) == "0 to add, 1 to change, 0 to destroy"
    assert {path: path.read_bytes() for path in kept} == kept
    assert "-lock=false" in terraform_harness.fake.calls[-1]["argv"]
    assert not list(terraform_harness.at.work_dir.glob("*.tfplan"))
    assert [change.address for change in terraform_harness.apply().changes] == ["aws_x.reviewed"]


def test_a_root_whose_bucket_is_not_there_yet_is_told_what_comes_first(terraform_harness: TerraformHarness) -> None:
    terraform_harness.aws.bucket_is_missing = True
    terraform_harness.fake.plays("init", {"code": 1, "out": [diagnostic("Failed to get existing workspaces")]})
    with pytest.raises(RefusedError, match="staging/service has no state yet: its bucket sample-tfstate") as caught:
        terraform_harness.plan()
    assert "begin with `inv deploy --env staging`" in caught.value.hint


def test_only_what_allow_destroy_names_is_destroyed_by_an_apply(terraform_harness: TerraformHarness) -> None:
    table, queue = "aws_dynamodb_table.t", "aws_sqs_queue.q"
    terraform_harness.fake.plays("plan", changes(change(table, "delete"), change(queue, "replace")))
    terraform_harness.plan()
    with pytest.raises(RefusedError, match=rf"{queue} \(replace\)"):
        terraform_harness.apply(allow_destroy=(table,))
    with pytest.raises(BadInputError, match=r"the plan of staging/service does not destroy or replace 'aws_x.y'"):
        terraform_harness.apply(allow_destroy=(table, queue, "aws_x.y"))
    assert terraform_harness.apply(allow_destroy=(table, queue)).counts.destroy == 2
    with pytest.raises(RefusedError, match=rf"{queue} \(replace\)"):
        terraform_harness.ensure(allow_destroy=(table,))
    assert terraform_harness.fake.verbs.count("apply") == 1


def test_the_old_spelling_without_a_name_allows_all_and_says_the_names(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", changes(change("aws_sqs_queue.q", "replace")))
    terraform_harness.plan()
    (note,) = (each for each in terraform_harness.apply(allow_destroy=True).notes if "--allow-destroy" in each)
    assert note.endswith("with names it is: --allow-destroy aws_sqs_queue.q")


def test_a_failure_says_so_when_the_credentials_have_ended_meanwhile(terraform_harness: TerraformHarness) -> None:
    """Terraform words it by provider and backend. That its credentials don't work any more, STS says by a code."""
    terraform_harness.fake.plays("plan", {"code": 1, "out": [diagnostic("Broken", "In two")]})
    with pytest.raises(TerraformError) as kept:
        terraform_harness.ensure()
    assert "credentials" not in kept.value.hint
    answers = iter(["123456789012"])

    def account() -> str:
        for answer in answers:
            return answer
        raise error("ExpiredToken", 403)

    terraform_harness.aws.account = account  # type: ignore[method-assign]
    with pytest.raises(TerraformError, match="terraform plan of staging/service failed: Broken") as ended:
        terraform_harness.ensure()
    assert ended.value.hint.startswith("there are no AWS credentials that work (ExpiredToken): they have expired; ")


def test_init_refuses_another_account_and_credentials_that_do_not_work_before_terraform_does(
    terraform_harness: TerraformHarness,
) -> None:
    settings = terraform_harness.settings
    terraform_harness.aws = FakeAws(account="999999999999")
    with pytest.raises(RefusedError, match="belong to account 999999999999"):
        terraform.init(settings, "staging", "service", aws=terraform_harness.aws)  # type: ignore[arg-type]
    assert terraform_harness.fake.verbs == []
    terraform.init(settings, "staging", "service", aws=FakeAws())  # type: ignore[arg-type]
    assert terraform_harness.fake.verbs == ["init"]


@pytest.mark.parametrize("how", [terraform.plan, terraform.preview])
def test_a_plan_that_fails_once_the_credentials_have_ended_says_so(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch, how: Callable[..., Any]
) -> None:
    terraform_harness.fake.plays("plan", {"code": 1, "out": [diagnostic("reading the role: who are you?")]})
    before = iter([terraform_harness.aws.account()])

    def account() -> str:
        for known in before:
            return known
        raise NotReadyError("the session has expired", kind="no-credentials", hint="`aws sso login` gets another")

    monkeypatch.setattr(terraform_harness.aws, "account", account)
    with pytest.raises(TerraformError, match="who are you") as caught:
        how(*terraform_harness.where, aws=terraform_harness.aws)
    assert caught.value.hint.startswith("the session has expired; `aws sso login` gets another; ")
