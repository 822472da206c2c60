"""Terraform's commands, exit codes and outputs, on an executable that plays a script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.bench import IMAGE, Bench, changes
from fakes.terraform import change, diagnostic, event, project

from stepladder import terraform
from stepladder.errors import RefusedError, StepladderError
from stepladder.terraform.runner import TerraformError


def test_a_change_is_planned_into_a_file_and_that_file_is_applied(bench: Bench) -> None:
    bench.fake.plays("plan", changes(change("aws_x.y", "update")))
    bench.fake.plays("apply", {"out": [event("outputs", outputs={"url": {"value": "u"}})]})
    outcome = bench.ensure(lock_timeout=7)
    assert (outcome.applied, outcome.outputs) == (True, {"url": "u"})
    init, plan, apply = bench.fake.calls
    at = bench.at
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


def test_no_change_is_not_applied_and_a_second_run_needs_no_init(bench: Bench) -> None:
    bench.fake.plays("plan", {"code": 0})
    assert not bench.ensure().applied
    assert not bench.ensure().applied
    assert bench.fake.verbs == ["init", "plan", "output", "plan", "output"]


@pytest.mark.parametrize("what", ["code", "backend", "lock", "provider"])
def test_init_runs_again_when_what_it_depends_on_changed(bench: Bench, what: str) -> None:
    bench.fake.plays("plan", {"code": 0})
    bench.ensure()
    if what == "code":
        (bench.at.source_dir / "more.tf").write_text("# more")
    elif what == "backend":
        bench.settings = project(bench.settings.root, "renamed")
    elif what == "lock":
        bench.at.lock_file.write_text("# other")
    else:
        link = next((bench.at.data_dir / "providers").glob("*/*/*/*/*"))
        link.rmdir()
        link.symlink_to("/nowhere")
    bench.ensure()
    assert bench.fake.verbs.count("init") == 2


def test_a_lock_file_that_init_wrote_is_carried_to_the_project_and_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mirror" / "registry.terraform.io" / "hashicorp" / "aws" / "5.100.0").mkdir(parents=True)
    monkeypatch.setenv("STEPLADDER_TERRAFORM_MIRROR", str(tmp_path / "mirror"))
    bench.fake.plays("plan", {"code": 0})
    note, more = bench.ensure().notes
    assert "may name no other platform than this one" in more
    assert "terraform -chdir=terraform/service providers lock -platform=linux_amd64 -platform=linux_arm64" in more
    assert bench.at.lock_file.read_text() == "# locked\n"
    assert "terraform/service/.terraform.lock.hcl was written: commit it" in note
    bench.at.lock_file.unlink()
    (again,) = bench.ensure().notes
    assert "was written: commit it" in again, "what holds for every root's file was said"


def test_a_ci_job_never_changes_a_lock_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    bench.at.lock_file.write_text("# committed")
    bench.fake.plays("plan", {"code": 0})
    bench.ensure()
    assert "-lockfile=readonly" in bench.fake.calls[0]["argv"]


def test_what_the_shell_would_have_terraform_do_does_not_reach_it_and_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-target=aws_x.y")
    monkeypatch.setenv("TF_VAR_alarms", "{}")
    bench.fake.plays("plan", {"code": 0})
    notes = bench.ensure().notes
    assert "kept from Terraform: TF_CLI_ARGS_plan, TF_VAR_alarms; only code and settings decide what it does" in notes
    assert {(call["env"]["TF_CLI_ARGS_plan"], call["env"]["TF_VAR_alarms"]) for call in bench.fake.calls} == {
        (None, None)
    }


def test_the_image_is_in_the_plan_and_in_its_manifest(bench: Bench) -> None:
    bench.fake.plays("plan", changes(change("aws_x.y", "update")))
    saved = bench.plan(lock=False)
    assert json.loads(bench.at.tfvars.read_text())["image_uri"] == IMAGE
    assert saved.inputs.image_digest == IMAGE.partition("@")[2]
    assert "-lock=false" in bench.fake.calls[-1]["argv"]
    bench.apply()
    assert bench.fake.verbs == ["init", "plan", "apply"]


def test_a_failed_plan_leaves_none_that_could_be_applied(bench: Bench) -> None:
    bench.fake.plays(
        "plan", changes(change("aws_x.y", "update")), {"code": 1, "out": [diagnostic("Broken", "In two.")]}
    )
    bench.plan()
    with pytest.raises(TerraformError, match=r"terraform plan of staging/service failed: Broken: In two$"):
        bench.plan()
    with pytest.raises(RefusedError, match="there is no saved plan"):
        bench.apply()


def test_a_failure_without_a_diagnostic_is_told_by_its_last_line(bench: Bench) -> None:
    bench.fake.plays("plan", {"code": 11, "err": ["panic: runtime error", "", "goroutine 1"]})
    with pytest.raises(TerraformError, match="goroutine 1"):
        bench.ensure()


def test_a_failed_init_says_where_the_providers_come_from(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    config = bench.settings.root / "own.rc"
    config.write_text("")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(config))
    bench.fake.plays("init", {"code": 1, "out": [diagnostic("Failed to query available provider packages")]})
    with pytest.raises(TerraformError, match="init of staging/service failed") as caught:
        bench.ensure()
    assert f"providers come as {config} says" in caught.value.hint


def test_warnings_around_the_outputs_are_skipped_and_secrets_left_out(bench: Bench) -> None:
    document = json.dumps({"url": {"value": "u"}, "secret": {"value": "s", "sensitive": True}})
    bench.fake.plays(
        "output", {"out": ["Warning: early", "", document, "Warning: late, {of 1.15}"], "err": ["{noise}"]}
    )
    assert terraform.outputs(*bench.where, aws=bench.aws) == {"url": "u"}  # type: ignore[arg-type]
    logs = bench.settings.build_dir / "logs"
    assert not any("output" in path.name for path in logs.iterdir())


def test_outputs_that_are_no_json_are_an_error(bench: Bench) -> None:
    bench.fake.plays("output", {"out": ["nothing"]})
    with pytest.raises(StepladderError, match="terraform output of staging/service answered no JSON"):
        terraform.outputs(*bench.where, aws=bench.aws)  # type: ignore[arg-type]


def test_a_preview_leaves_the_saved_plan_and_it_alone_can_be_applied(bench: Bench) -> None:
    bench.fake.plays("plan", changes(change("aws_x.reviewed", "update")), changes(change("aws_x.other", "update")))
    bench.plan()
    kept = {path: path.read_bytes() for path in (bench.at.plan_file, bench.at.manifest)}
    counts, _ = terraform.preview(*bench.where, aws=bench.aws)  # type: ignore[arg-type]
    assert str(counts) == "0 to add, 1 to change, 0 to destroy"
    assert {path: path.read_bytes() for path in kept} == kept
    assert "-lock=false" in bench.fake.calls[-1]["argv"]
    assert not list(bench.at.work_dir.glob("*.tfplan"))
    assert [change.address for change in bench.apply().changes] == ["aws_x.reviewed"]


def test_a_root_whose_bucket_is_not_there_yet_is_told_what_comes_first(bench: Bench) -> None:
    bench.aws.bucket_is_missing = True
    bench.fake.plays("init", {"code": 1, "out": [diagnostic("Failed to get existing workspaces")]})
    with pytest.raises(RefusedError, match="staging/service has no state yet: its bucket sample-tfstate") as caught:
        bench.plan()
    assert "begin with `inv deploy --env staging`" in caught.value.hint
