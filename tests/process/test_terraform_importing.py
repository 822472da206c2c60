"""What exists and the state has lost, or a killed run was creating, is taken up when it is ours."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fakes.errors import error
from fakes.terraform import change, diagnostic, event
from fakes.terraform_harness import IMAGE, TerraformHarness, changes

from stepladder import terraform
from stepladder.core import resources
from stepladder.core.errors import RefusedError
from stepladder.terraform import importing
from stepladder.terraform.failures import TerraformError


def test_a_function_that_the_state_has_lost_is_looked_up_although_nobody_was_killed(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [importing.Import("aws_lambda_function.this", "sample-staging")]
    monkeypatch.setattr(importing, "imports", lambda *_, **__: found)
    terraform_harness.fake.plays(
        "plan",
        changes(change("aws_lambda_function.this", "create")),
        changes(change("aws_lambda_function.this", "noop", importing={"id": "sample-staging"})),
    )
    terraform_harness.fake.plays("show", {"out": ["{}"]})
    outcome = terraform.ensure(*terraform_harness.where, aws=terraform_harness.aws)  # type: ignore[arg-type]
    assert str(outcome.counts) == "1 to import, 0 to add, 0 to change, 0 to destroy"
    assert any("had lost: aws_lambda_function.this" in note for note in outcome.notes)
    assert "stepladder_imports.tf" in terraform_harness.fake.calls[-2]["files"]


def test_an_apply_that_fails_on_what_exists_takes_it_up_and_goes_on(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [importing.Import("aws_iam_role.this", "sample")]
    monkeypatch.setattr(importing, "imports", lambda *_, **__: found)
    failed = event("apply_errored", hook={"resource": {"addr": "aws_iam_role.this"}, "action": "create"})
    terraform_harness.fake.plays(
        "plan",
        changes(change("aws_iam_role.this", "create")),
        changes(change("aws_iam_role.this", "create")),
        changes(change("aws_iam_role.this", "noop", importing={"id": "sample"})),
    )
    terraform_harness.fake.plays("apply", {"code": 1, "out": [failed, diagnostic("creating IAM Role: it exists")]}, {})
    terraform_harness.fake.plays("show", {"out": ["{}"]})
    assert terraform_harness.ensure().applied
    assert [verb for verb in terraform_harness.fake.verbs if verb != "init"] == [
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


def cut_off(terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail an apply on the creation of a table, which Terraform therefore taints."""
    monkeypatch.setattr(importing, "imports", lambda *_, **__: [])
    failed = event("apply_errored", hook={"resource": {"addr": TABLE}, "action": "create"})
    terraform_harness.fake.plays("plan", changes(change(TABLE, "create"), change("aws_sqs_queue.done", "create")))
    terraform_harness.fake.plays("apply", {"code": 1, "out": [failed, diagnostic("creating the table: cut off")]}, {})
    terraform_harness.fake.plays("show", {"out": ["{}"]})
    tainted = {"mode": "managed", "instances": [{"status": "tainted"}]}
    resources = [
        {**tainted, "type": "aws_dynamodb_table", "name": "ledger"},
        {**tainted, "type": "aws_sqs_queue", "name": "done"},
    ]
    terraform_harness.fake.plays("state", {"out": [json.dumps({"resources": resources})]})
    with pytest.raises(TerraformError, match="cut off"):
        terraform_harness.ensure()
    terraform_harness.fake.plays(
        "plan", changes(change(TABLE, "replace", reason="tainted")), changes(change(TABLE, "update"))
    )


def test_what_our_apply_was_cut_off_in_creating_is_kept_and_nothing_else(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(terraform_harness, monkeypatch)
    outcome = terraform_harness.ensure()
    assert f"kept what was cut off in its creation: {TABLE}" in outcome.notes
    assert [call["argv"][-1] for call in terraform_harness.fake.calls if call["argv"][0] == "untaint"] == [TABLE]
    assert not (terraform_harness.at.work_dir / "creating.json").exists()


def test_a_plan_for_review_only_tells_what_would_be_kept(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(terraform_harness, monkeypatch)
    saved, notes = terraform.plan(*terraform_harness.where, aws=terraform_harness.aws, image_uri=IMAGE)  # type: ignore[arg-type]
    assert f"cut off in its creation, and kept by `inv deploy --env staging`: {TABLE}" in notes
    assert [change.address for change in saved.destroyed] == [TABLE]
    assert "untaint" not in terraform_harness.fake.verbs


def test_a_plan_for_review_that_what_was_cut_off_forbids_says_who_goes_on(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(terraform_harness, monkeypatch)
    terraform_harness.fake.plays("plan", {"code": 1, "out": [diagnostic("Instance cannot be destroyed")]})
    with pytest.raises(RefusedError, match=f"cut off in its creation: {TABLE}") as caught:
        terraform_harness.plan()
    assert "`inv deploy --env staging` keeps it" in caught.value.hint
    assert "untaint" not in terraform_harness.fake.verbs


def test_what_somebody_tainted_on_purpose_is_left_tainted(terraform_harness: TerraformHarness) -> None:
    terraform_harness.fake.plays("plan", changes(change(TABLE, "replace", reason="tainted")))
    with pytest.raises(RefusedError, match="would destroy") as caught:
        terraform_harness.ensure()
    assert f"untaint '{TABLE}'" in caught.value.hint
    assert "untaint" not in terraform_harness.fake.verbs


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


def imports(terraform_harness: TerraformHarness, client: Any, *resources: dict[str, Any]) -> list[importing.Import]:
    class One:
        def client(self, _service: str) -> Any:
            return client

    return importing.imports(One(), terraform_harness.at.names, {"resource_changes": resources})  # type: ignore[arg-type]


OURS = {"managed-by": "stepladder", "project": "sample"}


def test_what_exists_with_our_tags_is_imported_by_its_address(terraform_harness: TerraformHarness) -> None:
    planned = created("aws_ecr_repository.this", {"name": "sample", "tags_all": OURS})
    (found,) = imports(terraform_harness, FakeEcr({**OURS, "more": "x"}), planned)
    assert found.block() == 'import {\n  to = aws_ecr_repository.this\n  id = "sample"\n}\n'
    assert imports(terraform_harness, FakeEcr(None), planned) == []


@pytest.mark.parametrize("tags", [{}, {"project": "sample"}, {**OURS, "project": "other"}])
def test_what_exists_without_our_tags_is_left_alone(terraform_harness: TerraformHarness, tags: dict[str, str]) -> None:
    planned = created("aws_ecr_repository.this", {"name": "sample", "tags_all": OURS})
    with pytest.raises(RefusedError, match="sample exists already, and isn't this project's"):
        imports(terraform_harness, FakeEcr(tags), planned)


def test_what_can_not_be_told_ours_because_nothing_is_tagged_is_left_alone(terraform_harness: TerraformHarness) -> None:
    with pytest.raises(RefusedError, match="any tags that say so"):
        imports(terraform_harness, FakeEcr({}), created("aws_ecr_repository.this", {"name": "sample"}))


class FakeIam:
    def get_open_id_connect_provider(self, OpenIDConnectProviderArn: str) -> dict[str, Any]:  # noqa: N803 - botocore's name
        return {"Url": OpenIDConnectProviderArn, "Tags": []}


def test_a_provider_that_another_project_made_is_to_be_used_as_it_is(terraform_harness: TerraformHarness) -> None:
    url = "https://token.actions.githubusercontent.com"
    planned = created('aws_iam_openid_connect_provider.ci["github"]', {"url": url, "tags_all": OURS})
    with pytest.raises(RefusedError, match="has an identity provider arn:aws:iam::") as caught:
        imports(terraform_harness, FakeIam(), planned)
    assert "let `stepladder.ci.github.provider` say existing" in caught.value.hint


class FakePipelines:
    """CodeBuild, CodePipeline and CodeConnections of an account, which have one thing each with these tags."""

    def __init__(self, **tags: str) -> None:
        self.tags = tags

    def batch_get_projects(self, names: list[str]) -> dict[str, Any]:
        tags = [{"key": key, "value": value} for key, value in self.tags.items()]
        return {"projects": [{"name": names[0], "tags": tags}]}

    def get_pipeline(self, name: str) -> dict[str, Any]:
        return {"metadata": {"pipelineArn": f"arn:{name}"}}

    def list_connections(self) -> dict[str, Any]:
        return {"Connections": [{"ConnectionName": "sample", "ConnectionArn": "arn:connection"}]}

    def list_tags_for_resource(self, **_: str) -> dict[str, Any]:
        return {
            "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("aws_codebuild_project", "sample"),
        ("aws_codepipeline", "sample"),
        ("aws_codeconnections_connection", "arn:connection"),
    ],
)
def test_what_a_killed_run_made_of_the_pipeline_is_taken_up(
    terraform_harness: TerraformHarness, kind: str, found: str
) -> None:
    planned = created(f"{kind}.this", {"name": "sample", "tags_all": OURS})
    assert [each.id for each in imports(terraform_harness, FakePipelines(**OURS), planned)] == [found]


def test_another_projects_connection_of_our_name_is_no_reason_not_to_make_one(
    terraform_harness: TerraformHarness,
) -> None:
    planned = created("aws_codeconnections_connection.this", {"name": "sample", "tags_all": OURS})
    assert imports(terraform_harness, FakePipelines(project="other"), planned) == []


def test_a_bucket_of_our_account_is_ours_and_one_of_another_is_explained(terraform_harness: TerraformHarness) -> None:
    planned = created('aws_s3_bucket.this["state"]', {"bucket": "b"})
    assert imports(terraform_harness, FakeBuckets(""), planned) == [
        importing.Import('aws_s3_bucket.this["state"]', "b")
    ]
    assert imports(terraform_harness, FakeBuckets("404"), planned) == []
    with pytest.raises(RefusedError, match="the S3 bucket b belongs to another account"):
        imports(terraform_harness, FakeBuckets("403"), planned)


def test_what_is_not_created_or_has_no_name_yet_is_not_looked_up(terraform_harness: TerraformHarness) -> None:
    update = {**created("aws_s3_bucket.x", {"bucket": "b"}), "change": {"actions": ["update"], "after": {}}}
    assert (
        imports(
            terraform_harness, FakeBuckets("500"), update, created("aws_s3_bucket.x", {}), created("aws_other.x", {})
        )
        == []
    )


class FakeMappings:
    """Lambda with a mapping of each of these queues."""

    def __init__(self, *queues: str) -> None:
        self.queues = queues

    def list_event_source_mappings(self, FunctionName: str, EventSourceArn: str) -> dict[str, Any]:  # noqa: N803
        assert FunctionName.endswith(":live")
        queue = EventSourceArn.rpartition(":")[2]
        return {"EventSourceMappings": [{"UUID": f"of {queue}"}] if queue in self.queues else []}


def mapping(key: str, name: str = "queue", **after: Any) -> dict[str, Any]:
    address = f'module.service.aws_lambda_event_source_mapping.{name}["{key}"]'
    change = {"actions": ["create"], "after": after}
    return {
        "address": address,
        "type": "aws_lambda_event_source_mapping",
        "name": name,
        "index": key,
        "change": change,
    }


def test_a_mapping_is_found_by_its_own_queue_and_never_that_of_another_trigger(
    terraform_harness: TerraformHarness,
) -> None:
    function = terraform_harness.at.names.function
    one = FakeMappings(function)
    (found,) = imports(terraform_harness, one, mapping("this"), mapping("orders"), mapping("this", "dynamodb"))
    assert found == importing.Import('module.service.aws_lambda_event_source_mapping.queue["this"]', f"of {function}")
    (found,) = imports(terraform_harness, FakeMappings(f"{function}-orders"), mapping("this"), mapping("orders"))
    assert found.id == f"of {function}-orders"
    (found,) = imports(terraform_harness, FakeMappings("theirs"), mapping("x", event_source_arn="arn:aws:sqs:::theirs"))
    assert found.id == "of theirs"


def test_a_mapping_of_one_of_several_functions_is_found_by_that_functions_queue_and_alias(
    terraform_harness: TerraformHarness,
) -> None:
    own = terraform_harness.at.names.function
    wanted = mapping("this")
    wanted["address"] = wanted["address"].replace("module.service", 'module.functions["mailer"]')
    assert imports(terraform_harness, FakeMappings(own), wanted) == []
    (found,) = imports(terraform_harness, FakeMappings(own, f"{own}-mailer"), wanted)
    assert found == importing.Import(wanted["address"], f"of {own}-mailer")
    assert 'to = module.functions["mailer"].aws_lambda_event_source_mapping.queue["this"]' in found.block()


class FakeApis:
    """API Gateway with one API, on two pages."""

    def get_apis(self, NextToken: str = "") -> dict[str, Any]:  # noqa: N803
        if not NextToken:
            return {"Items": [{"ApiId": "other", "Name": "sample-staging", "Tags": {}}], "NextToken": "more"}
        return {"Items": [{"ApiId": "a1", "Name": "sample-staging", "Tags": {**OURS, "more": "x"}}]}

    def get_routes(self, ApiId: str) -> dict[str, Any]:  # noqa: N803
        if ApiId != "a1":
            raise error("NotFoundException")
        return {"Items": [{"RouteId": "r1", "RouteKey": "GET /"}, {"RouteId": "r2", "RouteKey": "$default"}]}

    def get_stages(self, ApiId: str) -> dict[str, Any]:  # noqa: N803
        return {"Items": [{"StageName": "$default"}]}

    def get_integrations(self, ApiId: str) -> dict[str, Any]:  # noqa: N803
        return {"Items": [{"IntegrationId": "i1", "IntegrationUri": "uri"}]}


@pytest.mark.parametrize(
    ("kind", "after", "found"),
    [
        ("api", {"name": "sample-staging", "tags_all": OURS}, ["a1"]),
        ("api", {"name": "sample-staging", "tags_all": {**OURS, "project": "other"}}, []),
        ("api", {"name": "another", "tags_all": OURS}, []),
        ("route", {"api_id": "a1", "route_key": "$default"}, ["a1/r2"]),
        ("route", {"api_id": "a1", "route_key": "PUT /"}, []),
        ("route", {"api_id": "gone", "route_key": "$default"}, []),
        ("route", {"route_key": "$default"}, []),
        ("stage", {"api_id": "a1", "name": "$default"}, ["a1/$default"]),
        ("integration", {"api_id": "a1", "integration_uri": "uri"}, ["a1/i1"]),
        ("integration", {"api_id": "a1", "integration_uri": "other"}, []),
    ],
)
def test_an_http_api_and_what_it_has_are_found(
    terraform_harness: TerraformHarness, kind: str, after: dict[str, Any], found: list[str]
) -> None:
    made = imports(terraform_harness, FakeApis(), created(f"aws_apigatewayv2_{kind}.this", after))
    assert [each.id for each in made] == found


PUT_AGAIN = {
    "aws_cloudwatch_event_rule",
    "aws_cloudwatch_event_target",
    "aws_cloudwatch_metric_alarm",
    "aws_ecr_lifecycle_policy",
    "aws_ecr_repository_policy",
    "aws_iam_role_policy",
    "aws_iam_role_policy_attachment",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_provisioned_concurrency_config",
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
    assert kinds - PUT_AGAIN - importing.FINDERS.keys() == set()
