"""What exists and the state has lost, or a killed run was creating, is taken up when it is ours."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fakes.bench import IMAGE, Bench, changes
from fakes.errors import error
from fakes.terraform import change, diagnostic, event

from stepladder import resources, terraform
from stepladder.errors import RefusedError
from stepladder.terraform import adopt
from stepladder.terraform.runner import TerraformError


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
    assert f"cut off in its creation, and kept by `inv deploy --env staging`: {TABLE}" in notes
    assert [change.address for change in saved.destroyed] == [TABLE]
    assert "untaint" not in bench.fake.verbs


def test_a_plan_for_review_that_what_was_cut_off_forbids_says_who_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(bench, monkeypatch)
    bench.fake.plays("plan", {"code": 1, "out": [diagnostic("Instance cannot be destroyed")]})
    with pytest.raises(RefusedError, match=f"cut off in its creation: {TABLE}") as caught:
        bench.plan()
    assert "`inv deploy --env staging` keeps it" in caught.value.hint
    assert "untaint" not in bench.fake.verbs


def test_what_somebody_tainted_on_purpose_is_left_tainted(bench: Bench) -> None:
    bench.fake.plays("plan", changes(change(TABLE, "replace", reason="tainted")))
    with pytest.raises(RefusedError, match="would destroy") as caught:
        bench.ensure()
    assert f"untaint '{TABLE}'" in caught.value.hint
    assert "untaint" not in bench.fake.verbs


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


def test_every_kind_in_our_modules_can_be_taken_up_or_created_again() -> None:
    modules = resources.folder("terraform") / "modules"
    code = "\n".join(path.read_text(encoding="utf-8") for path in modules.rglob("*.tf"))
    kinds = {k for k in re.findall(r'^resource "(\w+)"', code, re.MULTILINE) if not k.startswith("aws_s3_bucket_")}
    assert kinds - PUT_AGAIN - adopt.FINDERS.keys() == set()
