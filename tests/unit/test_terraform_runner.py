"""Terraform's commands, exit codes and locks, on an executable that plays a script."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.errors import error
from fakes.terraform import FakeAws, FakeTerraform, change, diagnostic, event, project, state_lock

from stepladder import resources, terraform
from stepladder.errors import LockedError, RefusedError, StepladderError
from stepladder.releases.identity import this_process
from stepladder.settings import Settings
from stepladder.terraform import adopt, local, locks, roots
from stepladder.terraform.local import RunRecord
from stepladder.terraform.runner import TerraformError, opened

IMAGE = f"repository@sha256:{'a' * 64}"
LOCK = "staging/service.tfstate.tflock"


class Bench:
    def __init__(self, root: Path) -> None:
        self.fake = FakeTerraform(root / "fake")
        self.settings: Settings = project(root / "project")
        self.aws = FakeAws()
        self.at = roots.root(self.settings, "staging", "service")

    @property
    def where(self) -> tuple[Settings, str, str]:
        return self.settings, "staging", "service"

    def ensure(self, **options: Any) -> terraform.Outcome:
        return terraform.ensure(*self.where, aws=self.aws, image_uri=IMAGE, **options)  # type: ignore[arg-type]

    def plan(self, **options: Any) -> terraform.SavedPlan:
        return terraform.plan(*self.where, aws=self.aws, image_uri=IMAGE, **options)[0]  # type: ignore[arg-type]

    def apply(self, **options: Any) -> terraform.Outcome:
        return terraform.apply(*self.where, aws=self.aws, **options)  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    for name, value in bench.fake.variables.items():
        monkeypatch.setenv(name, value)
    bench.fake.plays("output", {"out": ["{}"]})
    return bench


def changes(*lines: Any) -> dict[str, Any]:
    return {"code": 2, "out": list(lines)}


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
    assert "terraform -chdir=terraform/service providers lock -platform=linux_amd64 -platform=linux_arm64" in more
    assert bench.at.lock_file.read_text() == "# locked\n"
    assert "terraform/service/.terraform.lock.hcl was written: commit it" in note


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


def test_the_holder_of_the_state_lock_is_read_from_its_object(bench: Bench) -> None:
    bench.aws.objects[LOCK] = state_lock("ann@laptop", "2026-11-21T23:05:01.123456789Z")
    bench.fake.plays("plan", {"code": 1, "out": [diagnostic("Error acquiring the state lock", "ID: no\nWho: nobody")]})
    with pytest.raises(LockedError, match=r"by ann@laptop since 2026-11-21 23:05:01 UTC \(apply, id abc-123\)"):
        bench.ensure()


def test_without_the_object_the_holder_is_read_from_terraforms_words(bench: Bench) -> None:
    words = (
        "Error message: resource temporarily unavailable\nLock Info:\n  ID:        12-34\n  Path:      x\n"
        "  Operation: OperationTypePlan\n  Who:       bob@build\n  Version:   1.11.4\n"
        "  Created:   2026-11-21 23:05:01.789 +0000 UTC\n  Info:      \n"
    )
    bench.fake.plays("plan", {"code": 1, "out": [diagnostic("Error acquiring the state lock", words)]})
    with pytest.raises(LockedError, match=r"by bob@build since 2026-11-21 23:05:01 UTC \(plan, id 12-34\)"):
        bench.ensure()


def record(**changed: Any) -> RunRecord:
    own = this_process()
    dead = type(own)(**{**own.__dict__, "pid": 4_194_304, **changed})  # above the kernel's limit of process ids
    return RunRecord(dead, datetime.now(UTC) - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("case", "stale"),
    [("ours", True), ("another user", False), ("before the run", False), ("no lock", False), ("alive", False)],
)
def test_a_state_lock_is_stale_only_when_all_is_proven(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, case: str, stale: bool
) -> None:
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: False)
    who = "ann@laptop" if case == "another user" else locks._who()
    age = timedelta(minutes=5) if case == "before the run" else timedelta(seconds=5)
    if case != "no lock":
        bench.aws.objects[LOCK] = state_lock(who, (datetime.now(UTC) - age).isoformat())
    run = record(pid=os.getpid()) if case == "alive" else record()
    with opened(bench.at) as runner:
        assert (locks.stale_lock_of(runner, bench.aws, run) is not None) is stale  # type: ignore[arg-type]


def test_a_living_terraform_on_the_same_state_forbids_a_take_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: True)
    bench.aws.objects[LOCK] = state_lock(locks._who(), datetime.now(UTC).isoformat())
    with opened(bench.at) as runner:
        assert locks.stale_lock_of(runner, bench.aws, record()) is None  # type: ignore[arg-type]


def test_a_function_that_the_state_has_lost_is_looked_up_although_nobody_was_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [adopt.Import("aws_lambda_function.this", "sample-staging")]
    monkeypatch.setattr(adopt, "imports", lambda *_, **__: found)
    bench.fake.plays(
        "plan",
        changes(change("aws_lambda_function.this", "create")),
        changes(change("aws_lambda_function.this", "noop", importing={"id": "sample-staging"})),
    )
    bench.fake.plays("show", {"out": ["{}"]})
    outcome = terraform.ensure(*bench.where, aws=bench.aws)  # type: ignore[arg-type]
    assert str(outcome.counts) == "1 to import, 0 to add, 0 to change, 0 to destroy"
    assert any("had lost: aws_lambda_function.this" in note for note in outcome.notes)
    assert "stepladder_imports.tf" in bench.fake.calls[-2]["files"]


def test_an_apply_that_fails_on_what_exists_takes_it_up_and_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [adopt.Import("aws_iam_role.this", "sample")]
    monkeypatch.setattr(adopt, "imports", lambda *_, **__: found)
    failed = event("apply_errored", hook={"resource": {"addr": "aws_iam_role.this"}, "action": "create"})
    bench.fake.plays(
        "plan",
        changes(change("aws_iam_role.this", "create")),
        changes(change("aws_iam_role.this", "create")),
        changes(change("aws_iam_role.this", "noop", importing={"id": "sample"})),
    )
    bench.fake.plays("apply", {"code": 1, "out": [failed, diagnostic("creating IAM Role: it exists")]}, {})
    bench.fake.plays("show", {"out": ["{}"]})
    assert bench.ensure().applied
    assert [verb for verb in bench.fake.verbs if verb != "init"] == [
        "plan",
        "apply",
        "show",
        "plan",
        "show",
        "plan",
        "apply",
    ]


def created(address: str, after: dict[str, Any]) -> dict[str, Any]:
    kind = address.split(".", maxsplit=1)[0]
    return {"address": address, "type": kind, "change": {"actions": ["create"], "after": after}}


TABLE = "aws_dynamodb_table.ledger"


def cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail an apply on the creation of a table, which Terraform therefore taints."""
    monkeypatch.setattr(adopt, "imports", lambda *_, **__: [])
    failed = event("apply_errored", hook={"resource": {"addr": TABLE}, "action": "create"})
    bench.fake.plays("plan", changes(change(TABLE, "create"), change("aws_sqs_queue.done", "create")))
    bench.fake.plays("apply", {"code": 1, "out": [failed, diagnostic("creating the table: cut off")]}, {})
    bench.fake.plays("show", {"out": ["{}"]})
    tainted = {"mode": "managed", "instances": [{"status": "tainted"}]}
    resources = [
        {**tainted, "type": "aws_dynamodb_table", "name": "ledger"},
        {**tainted, "type": "aws_sqs_queue", "name": "done"},
    ]
    bench.fake.plays("state", {"out": [json.dumps({"resources": resources})]})
    with pytest.raises(TerraformError, match="cut off"):
        bench.ensure()
    bench.fake.plays("plan", changes(change(TABLE, "replace", reason="tainted")), changes(change(TABLE, "update")))


def test_what_our_apply_was_cut_off_in_creating_is_kept_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(bench, monkeypatch)
    outcome = bench.ensure()
    assert f"kept what was cut off in its creation: {TABLE}" in outcome.notes
    assert [call["argv"][-1] for call in bench.fake.calls if call["argv"][0] == "untaint"] == [TABLE]
    assert not (bench.at.work_dir / "creating.json").exists()


def test_a_plan_for_review_only_tells_what_would_be_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(bench, monkeypatch)
    saved, notes = terraform.plan(*bench.where, aws=bench.aws, image_uri=IMAGE)  # type: ignore[arg-type]
    assert f"cut off in its creation, and kept by inv deploy --env staging: {TABLE}" in notes
    assert [change.address for change in saved.destroyed] == [TABLE]
    assert "untaint" not in bench.fake.verbs


def test_a_plan_for_review_that_what_was_cut_off_forbids_says_who_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(bench, monkeypatch)
    bench.fake.plays("plan", {"code": 1, "out": [diagnostic("Instance cannot be destroyed")]})
    with pytest.raises(RefusedError, match=f"cut off in its creation: {TABLE}") as caught:
        bench.plan()
    assert "inv deploy --env staging keeps it" in caught.value.hint
    assert "untaint" not in bench.fake.verbs


def test_what_somebody_tainted_on_purpose_is_left_tainted(bench: Bench) -> None:
    bench.fake.plays("plan", changes(change(TABLE, "replace", reason="tainted")))
    with pytest.raises(RefusedError, match="would destroy") as caught:
        bench.ensure()
    assert f"untaint '{TABLE}'" in caught.value.hint
    assert "untaint" not in bench.fake.verbs


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


@pytest.mark.parametrize("kind", ["plan", "preview"])
def test_only_a_run_that_acts_frees_the_state_lock_of_a_dead_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: False)
    bench.aws.objects[LOCK] = state_lock(locks._who(), datetime.now(UTC).isoformat())
    bench.at.work_dir.mkdir(parents=True)
    local._write(bench.at.work_dir / "run.json", (record(),))
    bench.fake.plays("plan", {"code": 0})
    _, notes = getattr(terraform, kind)(*bench.where, aws=bench.aws)
    assert "our killed run left the state lock abc-123 (apply); tf.apply and inv deploy --env staging free it" in notes
    assert "-lock=false" in bench.fake.calls[-1]["argv"]
    assert "force-unlock" not in bench.fake.verbs
    bench.ensure()
    assert "force-unlock" in bench.fake.verbs


def test_a_root_whose_bucket_is_not_there_yet_is_told_what_comes_first(bench: Bench) -> None:
    bench.aws.bucket_is_missing = True
    bench.fake.plays("init", {"code": 1, "out": [diagnostic("Failed to get existing workspaces")]})
    with pytest.raises(RefusedError, match="staging/service has no state yet: its bucket sample-tfstate") as caught:
        bench.plan()
    assert "begin with inv deploy --env staging" in caught.value.hint


class FakeEcr:
    def __init__(self, tags: dict[str, str] | None) -> None:
        self.tags = tags

    def describe_repositories(self, repositoryNames: list[str]) -> dict[str, Any]:  # noqa: N803 - botocore's name
        if self.tags is None:
            raise error("RepositoryNotFoundException")
        return {"repositories": [{"repositoryArn": repositoryNames[0]}]}

    def list_tags_for_resource(self, resourceArn: str) -> dict[str, Any]:  # noqa: N803 - botocore's name
        return {"tags": [{"Key": key, "Value": value} for key, value in (self.tags or {}).items()]}


class FakeBuckets:
    def __init__(self, code: str) -> None:
        self.code = code

    def head_bucket(self, **_: Any) -> None:
        if self.code:
            raise error(self.code)


def imports(bench: Bench, client: Any, *resources: dict[str, Any]) -> list[adopt.Import]:
    class One:
        def client(self, _service: str) -> Any:
            return client

    return adopt.imports(One(), bench.at.names, {"resource_changes": resources})  # type: ignore[arg-type]


OURS = {"managed-by": "stepladder", "project": "sample"}


def test_what_exists_with_our_tags_is_imported_by_its_address(bench: Bench) -> None:
    planned = created("aws_ecr_repository.this", {"name": "sample", "tags_all": OURS})
    (found,) = imports(bench, FakeEcr({**OURS, "more": "x"}), planned)
    assert found.block() == 'import {\n  to = aws_ecr_repository.this\n  id = "sample"\n}\n'
    assert imports(bench, FakeEcr(None), planned) == []


@pytest.mark.parametrize("tags", [{}, {"project": "sample"}, {**OURS, "project": "other"}])
def test_what_exists_without_our_tags_is_left_alone(bench: Bench, tags: dict[str, str]) -> None:
    planned = created("aws_ecr_repository.this", {"name": "sample", "tags_all": OURS})
    with pytest.raises(RefusedError, match="sample exists already, and isn't this project's"):
        imports(bench, FakeEcr(tags), planned)


def test_what_can_not_be_told_ours_because_nothing_is_tagged_is_left_alone(bench: Bench) -> None:
    with pytest.raises(RefusedError, match="any tags that say so"):
        imports(bench, FakeEcr({}), created("aws_ecr_repository.this", {"name": "sample"}))


def test_a_bucket_of_our_account_is_ours_and_one_of_another_is_explained(bench: Bench) -> None:
    planned = created('aws_s3_bucket.this["state"]', {"bucket": "b"})
    assert imports(bench, FakeBuckets(""), planned) == [adopt.Import('aws_s3_bucket.this["state"]', "b")]
    assert imports(bench, FakeBuckets("404"), planned) == []
    with pytest.raises(RefusedError, match="the S3 bucket b belongs to another account"):
        imports(bench, FakeBuckets("403"), planned)


def test_what_is_not_created_or_has_no_name_yet_is_not_looked_up(bench: Bench) -> None:
    update = {**created("aws_s3_bucket.x", {"bucket": "b"}), "change": {"actions": ["update"], "after": {}}}
    assert imports(bench, FakeBuckets("500"), update, created("aws_s3_bucket.x", {}), created("aws_other.x", {})) == []


PUT_AGAIN = {
    "aws_cloudwatch_event_rule",
    "aws_cloudwatch_event_target",
    "aws_cloudwatch_metric_alarm",
    "aws_ecr_lifecycle_policy",
    "aws_ecr_repository_policy",
    "aws_iam_role_policy",
    "aws_s3_object",
    "aws_sns_topic",
    "aws_sns_topic_policy",
    "aws_sns_topic_subscription",
    "aws_sqs_queue_policy",
    "aws_sqs_queue_redrive_allow_policy",
}
"""Kinds whose creation AWS takes twice: a put, or a create that answers with what is there."""


def test_every_kind_in_our_modules_can_be_taken_up_or_created_again() -> None:
    modules = resources.folder("terraform") / "modules"
    code = "\n".join(path.read_text(encoding="utf-8") for path in modules.rglob("*.tf"))
    kinds = {k for k in re.findall(r'^resource "(\w+)"', code, re.MULTILINE) if not k.startswith("aws_s3_bucket_")}
    assert kinds - PUT_AGAIN - adopt.FINDERS.keys() == set()
