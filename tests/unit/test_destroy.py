"""Destroying: what is refused, how it is confirmed, what a deploy and a promotion make of half an environment."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.errors import DENIED, Scripted, error
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.commands import destroy as command
from stepladder.commands import destroy_all
from stepladder.commands.destroy import DestroyOptions
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.core.step import Step
from stepladder.destroy import network, refusals
from stepladder.destroy.environment import EnvironmentDestroyer
from stepladder.destroy.location import LocationDestroyer
from stepladder.destroy.report import DestroyReport
from stepladder.ledger import destruction, schema
from stepladder.ledger.destruction import Destruction
from stepladder.ledger.snapshot import Holding, Snapshot
from stepladder.releases import half_destroyed
from stepladder.releases.rung import Rung
from stepladder.settings.load import load
from stepladder.terraform import destroying, emptying, guards
from stepladder.terraform.state_file import StateResource

BEGUN = Destruction("ada@laptop", "2026-11-26T10:00:00Z", "inv destroy --env staging")


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """A rung that was released once."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    return harness


def begin(harness: DeployHarness) -> None:
    """Begin to destroy, as a run that is killed at once."""
    rung = harness.rung()
    with rung.locked(None):
        assert rung.lock.holding
        assert destruction.begin(rung.ledger, "staging", BEGUN, rung.lock.holding)


def test_a_deploy_says_that_the_environment_is_half_destroyed_and_applies_everything_again(
    harness: DeployHarness,
) -> None:
    assert harness.deploy().record()["result"] == "unchanged"
    begin(harness)
    applied = len(harness.applied)
    harness.deploy()
    assert "staging is half destroyed: ada@laptop began at 2026-11-26T10:00:00Z" in harness.printed
    assert "`inv destroy --env staging`" in harness.printed
    assert harness.applied[applied:] == ["service"]
    assert harness.rung().ledger.snapshot("staging").destroying is None
    assert harness.deploy().record()["result"] == "unchanged"


def test_a_dry_run_changes_nothing_of_half_an_environment(harness: DeployHarness) -> None:
    begin(harness)
    harness.deploy(dry_run=True)
    assert harness.rung().ledger.snapshot("staging").destroying == BEGUN


def test_nothing_is_promoted_to_half_an_environment() -> None:
    snapshots = {"staging": Snapshot(exists=True), "production": Snapshot(exists=True, destroying=BEGUN)}
    with pytest.raises(RefusedError, match="production is half destroyed") as caught:
        half_destroyed.refuse(snapshots)
    assert "`inv destroy --env production`" in caught.value.hint
    half_destroyed.refuse({"staging": Snapshot(exists=True)})


def test_the_record_is_not_written_by_a_run_that_lost_its_lock(harness: DeployHarness) -> None:
    assert not destruction.begin(harness.rung().ledger, "staging", BEGUN, Holding("staging", "somebody"))
    assert destruction.read(harness.rung().ledger, "staging") is None
    assert harness.rung().ledger.snapshot("staging").infra


def test_only_the_items_of_the_environment_and_its_functions_go(harness: DeployHarness) -> None:
    begin(harness)
    ledger = harness.rung().ledger
    table = harness.table._table(TABLE)
    for pk in ("env#staging-mailer", "env#stagings", "env#staging2-mailer", "command#staging", "digest#x"):
        table[pk, "current"] = {"pk": {"S": pk}, "sk": {"S": "current"}}
    targets = destruction.targets(ledger, "staging")
    assert targets == {"staging", "staging-mailer"}
    destruction.delete(ledger, targets)
    assert {key for key in table if key[0].startswith("env#staging")} == {
        ("env#staging", "destroy"),
        ("env#staging2-mailer", "current"),
        ("env#stagings", "current"),
    }
    assert ("digest#x", "current") in table
    assert ("command#staging", "current") not in table


# what is typed


class Typing(Console):
    """A console at a terminal, where somebody types one line."""

    can_ask = True  # type: ignore[assignment]

    def __init__(self, line: str) -> None:
        super().__init__(err=io.StringIO(), live=False)
        self.line_typed = line


@pytest.mark.parametrize("typed", ["", "Staging", "staging2", "yes", "y", "production"])
def test_any_other_text_than_the_name_destroys_nothing(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    with pytest.raises(RefusedError, match="staging was not destroyed") as caught:
        command.confirm(Typing(typed), "staging", "", "--env staging")
    assert "`inv destroy --env staging --confirm staging`" in caught.value.hint


@pytest.mark.parametrize("typed", ["staging", " staging "])
def test_the_name_that_is_typed_on_a_terminal_confirms(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    command.confirm(Typing(typed), "staging", "", "--env staging")


def test_without_a_terminal_only_the_flag_with_the_name_confirms() -> None:
    console = Console(err=io.StringIO(), live=False)
    command.confirm(console, "staging", "staging", "--env staging")
    for given in ("", "true", "stagin", "staging "):
        with pytest.raises(RefusedError, match="was not destroyed"):
            command.confirm(console, "staging", given, "--env staging")


@pytest.mark.parametrize(("environment", "everything"), [("", False), ("staging", True)])
def test_one_environment_or_everything_is_named(harness: DeployHarness, environment: str, *, everything: bool) -> None:
    with pytest.raises(BadInputError, match="say what to destroy"):
        destroy_all.run(harness.settings, harness.rung().console, DestroyOptions(), environment, everything=everything)


def test_a_preview_can_be_destroyed_after_the_project_makes_none_any_more(harness: DeployHarness) -> None:
    assert command.with_previews(harness.settings, "pr-3").environment("pr-3").name == "pr-3"
    assert command.with_previews(harness.settings, "staging") is harness.settings


def test_an_unknown_environment_is_bad_input_and_proposes_one(harness: DeployHarness) -> None:
    with pytest.raises(BadInputError, match="there is no environment 'stagin'") as caught:
        command.destroy_environment(harness.settings, "stagin", confirmed=True)
    assert "did you mean `staging`?" in caught.value.hint


def test_nothing_is_stopped_where_terraform_could_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"account": ACCOUNT, "region": REGION}
    settings = load({"project": "hello", "environments": {"staging": here, "production": here}}, tmp_path)
    with pytest.raises(BadInputError, match="the project has no Terraform root 'service'"):
        destroying.check_tools(settings, "staging", "service")
    code = tmp_path / "terraform" / "service"
    code.mkdir(parents=True)
    (code / "main.tf").write_text("")
    monkeypatch.setenv("STEPLADDER_TERRAFORM", str(tmp_path / "none"))
    with pytest.raises(NotReadyError):
        destroying.check_tools(settings, "staging", "service")


# who may


@pytest.mark.parametrize(
    ("arn", "refused"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/hello-ci-deploy-staging/job", True),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/hello-ci-preview/job", True),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/hello-ci-admin/ada", False),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/hello-ci-ci-deploy-staging/job", False),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/ada", False),
        (f"arn:aws:iam::{ACCOUNT}:user/hello-ci-deploy-staging", False),
    ],
)
def test_the_role_of_a_job_may_destroy_previews_only(harness: DeployHarness, arn: str, *, refused: bool) -> None:
    harness.sts.get_caller_identity = lambda: {"Account": ACCOUNT, "Arn": arn}  # type: ignore[method-assign]
    refusals.check_caller(harness.rung(), preview=True)
    if not refused:
        refusals.check_caller(harness.rung(), preview=False)
        return
    with pytest.raises(RefusedError, match="no job destroys staging") as caught:
        refusals.check_caller(harness.rung(), preview=False)
    assert caught.value.kind == "ci-may-not-destroy"


def preview_of(harness: DeployHarness) -> Rung:
    """A preview beside two rungs."""
    staging = harness.settings.environments["staging"]
    environments = {"staging": staging, "production": replace(staging, name="production")}
    return replace(harness.rung(), environment="pr-7", settings=replace(harness.settings, environments=environments))


def owned(kind: str, **attributes: str) -> StateResource:
    return StateResource(f"module.service.{kind}.this", kind, attributes)


@pytest.mark.parametrize(
    "resource",
    [
        owned("aws_lambda_function", function_name="hello-production"),
        owned("aws_lambda_function", id="hello-production-mailer"),
        owned("aws_lambda_alias", id=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello-staging:live"),
        owned("aws_cloudwatch_log_group", id="/aws/lambda/hello-production"),
        owned("aws_secretsmanager_secret", arn=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hello/staging/KEY-x"),
        owned("aws_ssm_parameter", name="/hello/production/KEY"),
        owned("aws_sqs_queue", id=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/hello-production-jobs"),
        owned("aws_dynamodb_table", id="hello-releases"),
        owned("aws_s3_bucket", bucket=f"hello-tfstate-{ACCOUNT}-{REGION}"),
        owned("aws_ecr_repository", id="hello"),
        owned("aws_iam_role", id="hello-ci-deploy-staging"),
        owned("aws_iam_role_policy_attachment", role="hello-production-function"),
        owned("aws_lambda_function", arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello-pipeline-validate"),
    ],
    ids=lambda each: f"{each.type}-{next(iter(each.attributes))}",
)
def test_a_preview_whose_state_names_what_a_rung_has_is_not_destroyed(
    harness: DeployHarness, resource: StateResource
) -> None:
    with pytest.raises(RefusedError, match="which is no preview's") as caught:
        refusals.check_own(preview_of(harness), [resource])
    assert (caught.value.kind, resource.address in caught.value.message) == ("foreign-state", True)
    refusals.check_own(harness.rung(), [resource])


def test_nothing_is_begun_of_a_preview_whose_state_names_what_a_rung_has(harness: DeployHarness) -> None:
    begun: list[str] = []

    class Destroyer(EnvironmentDestroyer):
        is_present = True  # type: ignore[assignment]
        state = (owned("aws_lambda_function", id="hello-production"),)  # type: ignore[assignment]

        def run(self) -> DestroyReport:
            begun.append(self.rung.environment)
            return self.report

    with pytest.raises(RefusedError, match="has hello-production"):
        command._destroyed(Destroyer(preview_of(harness)))
    assert begun == []


def test_what_a_preview_has_itself_or_only_refers_to_is_destroyed(harness: DeployHarness) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:hello-staging-orders:1"
    refusals.check_own(
        preview_of(harness),
        [
            owned("aws_lambda_function", function_name="hello-pr-7", id="hello-pr-7", role="hello-staging-function"),
            owned("aws_lambda_alias", id=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello-pr-7-ci:live", name="live"),
            owned("aws_s3_bucket", bucket="hello-pr-7-staging"),
            owned("aws_s3_bucket", bucket="other-hello-staging"),
            owned("aws_dynamodb_table", name="hello-stagings"),
            owned(
                "aws_secretsmanager_secret", arn=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hello/pr-7/KEY-x"
            ),
            owned("aws_sns_topic_subscription", id=topic, arn=topic),
            owned("aws_iam_role_policy_attachment", id="hello-pr-7-function/hello-staging", role="hello-pr-7-function"),
        ],
    )


def test_a_deployment_under_way_is_refused(harness: DeployHarness) -> None:
    harness.codedeploy.active = "d-1"
    with pytest.raises(RefusedError, match="deployment d-1 is under way"):
        refusals.check_idle(harness.rung(), [harness.rung()])


class FakeStates(Scripted):
    """One promotion under way to an environment."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target

    def list_executions(self, **_: Any) -> dict[str, Any]:
        self.called("ListExecutions")
        return {"executions": [{"executionArn": "arn:x:run", "name": "run", "status": "RUNNING", "startDate": 1}]}

    def describe_execution(self, **_: Any) -> dict[str, Any]:
        rungs = [{"targets": [{"environment": self.target}]}]
        started = SimpleNamespace(timestamp=lambda: 1.0)
        given = json.dumps({"rungs": rungs})
        return {"executionArn": "arn:x:run", "status": "RUNNING", "input": given, "startDate": started}


@pytest.mark.parametrize(
    ("environment", "target", "refused"),
    [
        ("production", "production", True),
        ("production", "production-mailer", True),
        ("production", "canary", False),
        ("staging", "production", True),  # it is promoted from there, and the image is in that registry
    ],
)
def test_a_promotion_under_way_to_the_environment_or_from_it_is_refused(
    harness: DeployHarness, environment: str, target: str, *, refused: bool
) -> None:
    here = {"account": ACCOUNT, "region": REGION}
    settings = load({"project": "hello", "environments": {"staging": here, "production": here}}, harness.root)
    rung = replace(harness.rung(), settings=settings, environment=environment)
    harness.aws.clients["stepfunctions"] = FakeStates(target)
    if not refused:
        refusals.check_idle(rung, [])
        return
    with pytest.raises(RefusedError, match="the promotion run is under way") as caught:
        refusals.check_idle(rung, [])
    assert "`inv promote.stop --name run`" in caught.value.hint


def test_a_lower_rung_is_refused_while_a_higher_one_is_there_or_cannot_be_read(tmp_path: Path) -> None:
    harness = DeployHarness(tmp_path)
    harness.deploy()
    here = {"account": ACCOUNT, "region": REGION}
    settings = load({"project": "hello", "environments": {"staging": here, "production": here}}, tmp_path)
    rung = replace(harness.rung(), settings=settings)
    refusals.check_upper_rungs(rung)
    table = harness.table._table(TABLE)
    table["env#production", "infra"] = table["env#staging", "infra"] | {"pk": {"S": "env#production"}}
    with pytest.raises(RefusedError, match="production stands on staging") as caught:
        refusals.check_upper_rungs(rung)
    assert caught.value.kind == "others-stand-on"
    refusals.check_upper_rungs(replace(rung, environment="production"))
    del table["env#production", "infra"]
    destroy = schema.item(destruction.DESTROY.key(environment="production"), BEGUN)
    table["env#production", "destroy"] = destroy  # half destroyed, and never released
    with pytest.raises(RefusedError, match="production stands on staging"):
        refusals.check_upper_rungs(rung)
    del table["env#production", "destroy"]
    harness.table.fail("BatchGetItem", DENIED)
    with pytest.raises(RefusedError, match="production stands on staging"):
        refusals.check_upper_rungs(rung)


# guards


def test_guards_are_lifted_in_the_copy_of_the_code_however_they_are_written(tmp_path: Path) -> None:
    texts = {
        "a.tf": "lifecycle {\n  prevent_destroy = true\n}\n",
        "modules/b.tf": "lifecycle { prevent_destroy=true }  # prevent_destroy = true: kept\n",
        "c.tf.json": '{"lifecycle": {"prevent_destroy": true}}',
        "d.tf": "prevent_destroyed = true\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    guards.lift_in_code(tmp_path)
    assert (tmp_path / "a.tf").read_text() == "lifecycle {\n  prevent_destroy = false\n}\n"
    assert "prevent_destroy=false" in (tmp_path / "modules/b.tf").read_text()
    assert json.loads((tmp_path / "c.tf.json").read_text()) == {"lifecycle": {"prevent_destroy": False}}
    assert (tmp_path / "d.tf").read_text() == texts["d.tf"]


class Protected:
    """Clients of databases, which note what was changed. `on`: whether AWS protects them, whatever a state says."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.changes: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("describe_"):
            database = {"DeletionProtection": self.on}
            return lambda **_: {
                "Table": {"DeletionProtectionEnabled": self.on},
                "DBInstances": [database],
                "DBClusters": [database],
                "Attributes": [{"Key": "deletion_protection.enabled", "Value": "true" if self.on else "false"}],
                "UserPool": {"DeletionProtection": "ACTIVE" if self.on else "INACTIVE"},
            }
        return lambda **given: self.changes.append((name, given))


@pytest.mark.parametrize("in_state", [True, False])  # somebody turned it on, or off, in the console
def test_protections_that_aws_keeps_are_lifted_where_they_are_on_in_aws(*, in_state: bool) -> None:
    at = SimpleNamespace(environment=SimpleNamespace(account=ACCOUNT))
    names = {"deletion_protection", "deletion_protection_enabled", "enable_deletion_protection"}
    given = dict.fromkeys(names, in_state)
    given |= {"name": "n", "identifier": "i", "cluster_identifier": "c", "arn": "a", "id": "p"}
    kinds = ("aws_dynamodb_table", "aws_db_instance", "aws_rds_cluster", "aws_lb", "aws_cognito_user_pool")
    state = [StateResource(f"{kind}.this", kind, given) for kind in (*kinds, "aws_sqs_queue")]
    changed = {}
    for on in (True, False):
        client = Protected(on=on)
        guards.lift(SimpleNamespace(client=lambda _: client), at, state, Step("service"))  # type: ignore[arg-type]  # noqa: B023
        changed[on] = [name for name, _ in client.changes]
    assert changed[False] == []
    assert changed[True] == [
        "update_table",
        "modify_db_instance",
        "modify_db_cluster",
        "modify_load_balancer_attributes",
        "update_user_pool",
    ]


def test_a_protection_that_cannot_be_read_is_left_to_terraform() -> None:
    """The object may be in another region, by a provider of the user's own."""
    state = [StateResource("aws_lb.this", "aws_lb", {"arn": "a"})]
    for code in ("ValidationError", "AccessDenied"):
        client = Scripted()
        client.describe_load_balancer_attributes = _failing(error(code))  # type: ignore[attr-defined]
        guards.lift(SimpleNamespace(client=lambda _: client), None, state, Step("service"))  # type: ignore[arg-type]  # noqa: B023


def _failing(failure: Exception) -> Any:
    def call(**_: Any) -> Any:
        raise failure

    return call


def test_objects_that_s3_keeps_are_named_and_end_the_emptying() -> None:
    class Locked:
        def list_object_versions(self, **_: Any) -> dict[str, Any]:
            return {"Versions": [{"Key": "a", "VersionId": "1"}]}

        def delete_objects(self, **_: Any) -> dict[str, Any]:
            return {"Errors": [{"Key": "a", "Code": "AccessDenied"}]}

    with pytest.raises(StepladderError, match="S3 keeps 1 objects of files, such as a: AccessDenied"):
        emptying.bucket(SimpleNamespace(client=lambda _: Locked()), "files", ACCOUNT)  # type: ignore[arg-type]


# the network


class FakeEc2:
    """Interfaces that Lambda deletes after some reads."""

    def __init__(self, reads: int) -> None:
        self.reads = reads

    def describe_network_interfaces(self, *, Filters: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's own
        assert Filters == [{"Name": "description", "Values": ["AWS Lambda VPC ENI-hello-staging-????????-*"]}]
        self.reads -= 1
        return {"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}] if self.reads >= 0 else []}


@pytest.mark.parametrize("other", [(), ("subnet-1",)])
def test_the_interfaces_of_a_function_are_waited_for_unless_others_share_them(
    harness: DeployHarness, other: tuple[str, ...]
) -> None:
    deleted: list[str] = []
    shared = {"SubnetIds": list(other), "SecurityGroupIds": ["sg-1"] if other else []}
    harness.aws.clients["lambda"] = SimpleNamespace(
        delete_function=lambda **given: deleted.append(given["FunctionName"]),
        list_functions=lambda **_: {"Functions": [{"FunctionName": "other", "VpcConfig": shared}]},
        calls=[],
    )
    harness.aws.clients["ec2"] = ec2 = FakeEc2(3)
    given = {
        "function_name": "hello-staging",
        "vpc_config": [{"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}],
    }
    state = [
        StateResource("a", "aws_lambda_function", given),
        StateResource("b", "aws_lambda_function", {"function_name": "without", "vpc_config": []}),
    ]
    connected = network.functions(state)
    assert [each.address for each in connected] == ["a"]
    assert network.remove(harness.rung(), connected, Step("network")) == []
    assert deleted == ["hello-staging"]
    assert ec2.reads == (3 if other else -1)


# the identity provider of a forge


@pytest.mark.parametrize(
    ("roles", "kept"),
    [
        ([("hello-ci-deploy-staging", "PROVIDER")], ""),
        ([("hello-ci-plan-staging", "PROVIDER"), ("other-ci", "PROVIDER")], "other-ci trust it"),
        ([("other", "somebody else's")], ""),
        ([("hello-ci-ci-deploy-staging", "PROVIDER")], "hello-ci-ci-deploy-staging trust it"),
        (None, "whether roles of others trust it can't be read"),
    ],
)
def test_an_identity_provider_that_others_trust_or_may_trust_stays(
    harness: DeployHarness, roles: list[tuple[str, str]] | None, kept: str
) -> None:
    class FakeIam:
        def list_roles(self, **_: Any) -> dict[str, Any]:
            if roles is None:
                raise error("AccessDenied")
            return {"Roles": [{"RoleName": name, "AssumeRolePolicyDocument": {"f": who}} for name, who in roles]}

    harness.aws.clients["iam"] = FakeIam()
    state = (StateResource("provider", "aws_iam_openid_connect_provider", {"arn": "PROVIDER"}),)
    shared = LocationDestroyer(harness.rung())._shared_providers(state)
    assert shared == ({"provider": kept} if kept else {})
