"""Destroying environments on the local cloud: what goes and what stays, kills at each step, faults, what is refused.

What Terraform would destroy is destroyed through AWS's API, by the same state file: a test of tests/e2e runs Terraform.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloud_images
import everything
import in_process
import pytest
from cloud_project import CloudProject

from stepladder.commands import destroy as command
from stepladder.core.console import Console
from stepladder.core.errors import LockedError, RefusedError
from stepladder.destroy import refusals
from stepladder.destroy.environment import EnvironmentDestroyer
from stepladder.destroy.location import LocationDestroyer
from stepladder.ledger import destruction, schema
from stepladder.releases.rung import Rung
from stepladder.settings.previews import PreviewSettings
from stepladder.terraform import guards, roots, state_file
from stepladder.terraform.destroying import DestroyOutcome
from stepladder.terraform.events import ResourceChange

pytestmark = pytest.mark.cloud

STEPS = ("traffic", "service", "leftovers", "secrets", "images", "ledger", "state")
UPPER = [f"rung{number:02}" for number in range(6)]
SERVICES = ("cloudwatch", "codedeploy", "dynamodb", "lambda", "logs", "s3", "secretsmanager", "sqs", "ssm")
"""What `furnish` makes something of."""
SECRETS = {
    "OWN": "ssm",
    "STORED": "secretsmanager",
    "SHARED": "ssm:/{project}/shared",
    "FOREIGN": "ssm:/{project}/foreign",
}
_numbers = itertools.count()


class Interrupted(BaseException):
    """A kill."""


class Killed(Console):
    """A console at which a run is killed when a step begins."""

    def __init__(self, at: str) -> None:
        self.text = io.StringIO()
        super().__init__(err=self.text, live=False)
        self.at = at

    def step(self, name: str) -> Any:
        if name == self.at:
            raise Interrupted
        return super().step(name)


class Furnished:
    """One project, each of whose upper environments is furnished once, and destroyed by one test."""

    def __init__(self, project: CloudProject) -> None:
        self.project = project
        self.aws = project.rung().aws
        self._once: dict[str, Any] = {}
        names = project.settings.names("staging")
        s3 = project.client("s3")
        s3.create_bucket(Bucket=names.state_bucket)
        for bucket in (names.state_bucket, names.artifacts_bucket):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        environments = dict(project.settings.environments)
        for name in UPPER:
            environment = environments[name]
            given = SECRETS if name == UPPER[0] else {key: SECRETS[key] for key in ("OWN", "STORED", "SHARED")}
            function = replace(environment.function, secrets=given)
            environments[name] = replace(environment, function=function)
        shared = replace(environments["staging"].function, secrets={"SHARED": SECRETS["SHARED"]})
        environments["staging"] = replace(environments["staging"], function=shared)
        self.settings = replace(project.settings, environments=environments)

    def rung(self, environment: str, console: Console | None = None) -> Rung:
        console = console or Console(err=io.StringIO(), live=False)
        return Rung(self.settings, environment, self.aws, console, "test")

    def once(self, service: str) -> Any:
        """Return a client that sends each request once."""
        if service not in self._once:
            names = self.settings.names("staging")
            self._once[service] = self.project.cloud.client(
                service, names.account, names.region, retries={"total_max_attempts": 1}
            )
        return self._once[service]

    def furnish(self, environment: str) -> str:
        """Give an environment what Terraform makes, with data in it, and secrets, a plan and a log."""
        project, name = self.project, f"{self.project.name}-{environment}"
        names, s3 = self.settings.names(environment), project.client("s3")
        project.client("logs").create_log_group(logGroupName=names.log_group)
        project.client("dynamodb").create_table(
            TableName=f"{name}-notes",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            DeletionProtectionEnabled=True,
        )
        s3.create_bucket(Bucket=f"{name}-files")
        s3.put_bucket_versioning(Bucket=f"{name}-files", VersioningConfiguration={"Status": "Enabled"})
        for text in (b"first", b"second"):
            s3.put_object(Bucket=f"{name}-files", Key="a file", Body=text)
        s3.delete_object(Bucket=f"{name}-files", Key="a file")
        s3.put_object(Bucket=names.artifacts_bucket, Key=f"plans/{environment}/service/a.tfplan", Body=b"a plan")
        queue = project.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        queue_arn = f"arn:aws:sqs:{names.region}:{names.account}:{name}"
        project.client("lambda").create_event_source_mapping(FunctionName=f"{name}:live", EventSourceArn=queue_arn)
        tags = {"environment": environment, "managed-by": "stepladder", "project": project.name}
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        ssm = project.client("ssm")
        ssm.put_parameter(Name=f"/{project.name}/{environment}/OWN", Value="s", Type="SecureString", Tags=pairs)
        project.client("secretsmanager").create_secret(
            Name=f"{project.name}/{environment}/STORED", SecretString="s", Tags=pairs
        )
        for shared in ("shared", "foreign"):
            ssm.put_parameter(Name=f"/{project.name}/{shared}", Value="s", Type="SecureString", Overwrite=True)
        self.write_state(
            environment,
            [
                ("aws_lambda_function", {"function_name": name}),
                ("aws_codedeploy_app", {"name": name}),
                ("aws_cloudwatch_log_group", {"name": names.log_group}),
                ("aws_dynamodb_table", {"name": f"{name}-notes", "deletion_protection_enabled": True}),
                ("aws_s3_bucket", {"bucket": f"{name}-files"}),
                ("aws_sqs_queue", {"name": name, "id": queue}),
                *(("aws_cloudwatch_metric_alarm", {"alarm_name": alarm}) for alarm in names.alarms),
            ],
        )
        return name

    def tag(self, uri: str) -> None:
        """Tag an image as a push of ours does."""
        ecr, name = self.project.client("ecr"), self.project.name
        image_id = {"imageDigest": uri.rpartition("@")[2]}
        manifest = ecr.batch_get_image(repositoryName=name, imageIds=[image_id])["images"][0]["imageManifest"]
        ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag=image_id["imageDigest"][7:47])

    def write_state(self, environment: str, resources: list[tuple[str, dict[str, Any]]]) -> None:
        names = self.settings.names(environment)
        kinds = [
            {
                "mode": "managed",
                "module": "module.service",
                "type": kind,
                "name": "this",
                "instances": [{"attributes": a}],
            }
            for kind, a in resources
        ]
        self.project.client("s3").put_object(
            Bucket=names.state_bucket,
            Key=names.state_key("service"),
            Body=json.dumps({"version": 4, "resources": kinds}).encode(),
        )

    def terraform(self, _settings: Any, environment: str, root: str, *, aws: Any, step: Any) -> DestroyOutcome:
        """Destroy what the state has, as Terraform does, and empty it; what isn't there any more is fine."""
        at = roots.root_of(self.settings, environment, root)
        state = state_file.read(aws, at) or ()
        guards.lift(aws, at, state, step)
        for each in state:
            _DELETES[each.type](self.project, each)
        self.write_state(environment, [])
        return DestroyOutcome(tuple(ResourceChange(each.address, "delete", each.type) for each in state))

    def destroy(self, environment: str, console: Console | None = None) -> Any:
        destroyer = EnvironmentDestroyer(self.rung(environment, console), terraform=self.terraform)
        assert destroyer.is_present
        return destroyer.run()


def _ignoring(call: Any, **given: Any) -> None:
    try:
        call(**given)
    except Exception as error:
        if "NotFound" not in error.response["Error"]["Code"] and "NoSuch" not in error.response["Error"]["Code"]:  # type: ignore[attr-defined]
            raise


_DELETES = {
    "aws_cloudwatch_log_group": lambda p, r: _ignoring(p.client("logs").delete_log_group, logGroupName=r.text("name")),
    "aws_cloudwatch_metric_alarm": lambda p, r: p.client("cloudwatch").delete_alarms(AlarmNames=[r.text("alarm_name")]),
    "aws_codedeploy_app": lambda p, r: p.client("codedeploy").delete_application(applicationName=r.text("name")),
    "aws_dynamodb_table": lambda p, r: _ignoring(p.client("dynamodb").delete_table, TableName=r.text("name")),
    "aws_lambda_function": lambda p, r: _ignoring(
        p.client("lambda").delete_function, FunctionName=r.text("function_name")
    ),
    "aws_s3_bucket": lambda p, r: _ignoring(p.client("s3").delete_bucket, Bucket=r.text("bucket")),
    "aws_sqs_queue": lambda p, r: _ignoring(p.client("sqs").delete_queue, QueueUrl=r.text("id")),
}


@pytest.fixture(scope="module")
def furnished(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    runtime = cloud_images.runtime(tmp_path_factory.mktemp("runtime"))
    with in_process.pointed_at(cloud, brief=2.0):
        project = CloudProject(cloud, tmp_path_factory.mktemp("destroy"), runtime=runtime, rungs=["staging", UPPER])
        yield Furnished(project.build())


@pytest.fixture
def environment(cloud: Any, furnished: Furnished) -> Iterator[str]:
    """An environment that nobody has destroyed yet."""
    name = UPPER[next(_numbers)]
    furnished.furnish(name)
    yield name
    cloud.faults()


def left(furnished: Furnished, environment: str) -> list[str]:
    """Return the listings in which anything of an environment is named."""
    project = furnished.project
    names = (f"{project.name}-{environment}", f"{project.name}/{environment}/", f'env#{environment}"')
    listed = everything.read(furnished.once, SERVICES)
    functions = [page["Functions"] for page in listed.pop("lambda:ListFunctions")]
    listed["functions"] = [one["FunctionName"] for page in functions for one in page]  # variables name others
    items = list(destruction.items(furnished.rung(environment).ledger, [environment]))
    listed["ledger"] = items
    bucket = furnished.settings.names(environment)
    for each in (bucket.state_bucket, bucket.artifacts_bucket):
        answer = project.client("s3").list_object_versions(Bucket=each)
        every = [*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())]
        listed[each] = [version["Key"] for version in every if f"{environment}/" in version["Key"]]
    found = [what for what, answer in listed.items() if any(name in json.dumps(answer, default=str) for name in names)]
    return [*found, *(what for what in (bucket.state_bucket, bucket.artifacts_bucket, "ledger") if listed[what])]


def test_an_environment_goes_with_all_data_in_it_and_nothing_of_it_is_left(
    furnished: Furnished, environment: str
) -> None:
    project = furnished.project
    own = project.push("def handler(event, context):\n    return 'its own'\n")
    project.release(environment, own)
    furnished.tag(own)
    assert {"functions", "sqs:ListQueues", "s3:ListBuckets", "ledger"} <= set(left(furnished, environment))
    report = furnished.destroy(environment)
    assert left(furnished, environment) == []
    gone = {(each.what, each.name): each.detail for each in report.gone}
    name = f"{project.name}-{environment}"
    assert gone["function", name] == "2 versions, live is 2"
    assert gone["bucket", f"{name}-files"] == "3 objects and versions"
    assert ("secret in Parameter Store", f"/{project.name}/{environment}/OWN") in gone
    assert ("secret in Secrets Manager", f"{project.name}/{environment}/STORED") in gone
    assert gone["images", project.name].startswith(f"1 that only {environment} has")
    kept = {each.name: each.detail for each in report.kept}
    assert kept[f"/{project.name}/shared"].endswith(" has it too")
    assert "not made by" in kept[f"/{project.name}/foreign"]
    assert kept[project.name] == "1 that other environments need"
    held = {i["imageDigest"] for i in project.client("ecr").list_images(repositoryName=project.name)["imageIds"]}
    assert own.rpartition("@")[2] not in held
    (copied,) = [Path(furnished.settings.root, each) for each in kept if each.endswith(".json")]
    assert {item["sk"] for item in json.loads(copied.read_text())["items"]} >= {"current", "destroy"}
    assert not EnvironmentDestroyer(furnished.rung(environment)).is_present


def test_a_destroy_that_is_killed_before_each_step_in_turn_goes_on_each_time(
    furnished: Furnished, environment: str
) -> None:
    ledger = furnished.rung(environment).ledger
    for step in STEPS:
        console = Killed(step)
        with pytest.raises(Interrupted):
            furnished.destroy(environment, console)
        assert f"`inv destroy --env {environment}` goes on from here" in console.text.getvalue()
        assert ledger.snapshot(environment).destroying is not None
        assert ledger.snapshot(environment).lock is None
    assert furnished.destroy(environment).result == "destroyed"
    assert left(furnished, environment) == []


def test_traffic_that_may_not_be_stopped_is_warned_of_and_all_is_destroyed(
    cloud: Any, furnished: Furnished, environment: str
) -> None:
    cloud.faults({"service": "lambda", "action": "UpdateEventSourceMapping", "kind": "access_denied", "count": 0})
    text = io.StringIO()
    furnished.destroy(environment, Console(err=text, live=False))
    assert "may not call UpdateEventSourceMapping" in text.getvalue()
    assert left(furnished, environment) == []


DENIED = [
    {"service": "s3", "action": "DeleteBucket", "kind": "error", "code": "BucketNotEmpty", "status": 409},
    {"service": "ssm", "action": "DeleteParameter", "kind": "access_denied"},
    {"service": "dynamodb", "action": "DeleteItem", "kind": "access_denied", "body": "release#"},
    {"service": "s3", "action": "DeleteObjects", "kind": "access_denied", "body": "service.tfstate"},
]


def test_a_destroy_that_is_denied_one_call_after_the_other_goes_on_each_time(
    cloud: Any, furnished: Furnished, environment: str
) -> None:
    for rule in DENIED:
        cloud.faults(rule | {"count": 0})
        with pytest.raises(Exception, match=r"AccessDenied|BucketNotEmpty"):
            furnished.destroy(environment)
        assert furnished.rung(environment).ledger.snapshot(environment).destroying
    cloud.faults({"service": "ecr", "action": "DescribeImages", "kind": "access_denied", "count": 0})
    kept = furnished.destroy(environment).kept
    assert left(furnished, environment) == []
    assert not any("can't be read" in each.detail for each in kept)  # the ledger's items were gone already


def test_what_somebody_deleted_by_hand_is_in_nobodys_way(furnished: Furnished, environment: str) -> None:
    name, project = f"{furnished.project.name}-{environment}", furnished.project
    project.client("lambda").delete_function(FunctionName=name)
    project.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    project.client("ssm").delete_parameter(Name=f"/{project.name}/{environment}/OWN")
    furnished.destroy(environment)
    assert left(furnished, environment) == []


def test_what_others_do_there_is_waited_for_and_functions_without_a_state_are_refused(
    furnished: Furnished, environment: str
) -> None:
    rung = furnished.rung(environment)
    with rung.locked(None), pytest.raises(LockedError):
        furnished.destroy(environment)
    names = furnished.settings.names(environment)
    furnished.project.client("s3").delete_object(Bucket=names.state_bucket, Key=names.state_key("service"))
    with pytest.raises(RefusedError, match="Terraform's state of"):
        EnvironmentDestroyer(furnished.rung(environment)).check_state()


def test_a_rung_on_which_others_stand_is_refused_and_so_is_what_nobody_confirmed(furnished: Furnished) -> None:
    with pytest.raises(RefusedError, match=r"stands? on staging") as caught:
        refusals.check_upper_rungs(furnished.rung("staging"))
    assert "--skip-ladder" in caught.value.hint
    refusals.check_upper_rungs(furnished.rung(UPPER[-1]))
    with pytest.raises(RefusedError, match="nobody confirmed it"):
        command.destroy_environment(furnished.settings, UPPER[-1], confirmed=False)


def test_a_preview_keeps_what_all_previews_share_and_is_unlisted_last(furnished: Furnished) -> None:
    settings = replace(furnished.settings, previews=PreviewSettings(enabled=True))
    rung = replace(furnished.rung("staging"), settings=settings, environment="pr-7")
    rung.ledger.write_preview("pr-7", schema.Preview("now", "later", "now", "me"))
    report = EnvironmentDestroyer(rung, terraform=furnished.terraform).run()
    assert report.result == "destroyed"
    assert rung.ledger.previews() == {}
    assert not EnvironmentDestroyer(rung).is_present


def test_a_preview_that_waits_to_be_deployed_again_stays_listed(
    furnished: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(furnished.settings, previews=PreviewSettings(enabled=True))
    rung = replace(furnished.rung("staging"), settings=settings, environment="pr-8")
    before = schema.Preview("now", "later", "now", "me")
    rung.ledger.write_preview("pr-8", before)
    again = replace(before, deployed_at="then")
    monkeypatch.setattr(EnvironmentDestroyer, "_verify", lambda _: rung.ledger.write_preview("pr-8", again))
    EnvironmentDestroyer(rung, terraform=furnished.terraform).run()
    assert rung.ledger.previews() == {"pr-8": again}
    rung.ledger.forget_preview("pr-8", again)
    assert rung.ledger.previews() == {}


class Foundation:
    """What a project shares in a location, made by API, with the state that Terraform would have of it."""

    def __init__(self, furnished: Furnished, name: str) -> None:
        self.client, self.aws = furnished.project.client, furnished.aws
        self.settings = replace(furnished.project.settings, project=name)
        self.names = names = self.settings.names("staging")
        s3 = self.client("s3")
        for bucket in (names.state_bucket, names.artifacts_bucket):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            s3.put_object(Bucket=bucket, Key="anything", Body=b"one")
            s3.put_object(Bucket=bucket, Key="anything", Body=b"two")
        self.client("dynamodb").create_table(
            TableName=names.ledger_table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk")],
            DeletionProtectionEnabled=True,
        )
        item = {"pk": {"S": "digest#x"}, "sk": {"S": "bad"}}
        self.client("dynamodb").put_item(TableName=names.ledger_table, Item=item)
        self.client("ecr").create_repository(repositoryName=names.repository)
        for function in (
            "pipeline-verify",
            "pipeline-staging",
        ):  # the second is another project's
            self.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}-{function}")
        self.write(
            "foundation",
            [
                ("aws_s3_bucket", {"bucket": names.state_bucket}),
                ("aws_s3_bucket_versioning", {"bucket": names.state_bucket}),
                ("aws_s3_bucket", {"bucket": names.artifacts_bucket}),
                ("aws_dynamodb_table", {"name": names.ledger_table, "deletion_protection_enabled": True}),
                ("aws_ecr_repository", {"name": names.repository}),
            ],
        )

    def write(self, root: str, resources: list[tuple[str, dict[str, Any]]]) -> None:
        kinds = [
            {"mode": "managed", "type": kind, "name": f"this{number}", "instances": [{"attributes": given}]}
            for number, (kind, given) in enumerate(resources)
        ]
        body = json.dumps({"version": 4, "resources": kinds}).encode()
        self.client("s3").put_object(Bucket=self.names.state_bucket, Key=self.names.state_key(root), Body=body)

    def terraform(self, _settings: Any, env: str, root: str, *, aws: Any, step: Any, leave: Any) -> DestroyOutcome:
        at = roots.root_of(self.settings, env, root)
        state = state_file.read(aws, at) or ()
        owned = [each for each in state if not leave(each)]
        guards.lift(aws, at, owned, step)
        for each in owned:
            if each.type == "aws_ecr_repository":
                self.client("ecr").delete_repository(repositoryName=each.text("name"))
            else:
                _DELETES[each.type](self, each)
        self.write(root, [])
        return DestroyOutcome((), tuple(each.address for each in state if leave(each)))

    def destroy(self, console: Console | None = None) -> Any:
        rung = Rung(self.settings, "staging", self.aws, console or Console(err=io.StringIO(), live=False), "test")
        return LocationDestroyer(rung, terraform=self.terraform).run()

    def left(self, furnished: Furnished) -> set[str]:
        listed = everything.read(furnished.once, ("dynamodb", "ecr", "logs", "s3"))
        return {what for what, answer in listed.items() if self.names.project in json.dumps(answer, default=str)}


def test_what_a_location_shares_goes_with_the_bucket_of_its_own_state_last_wherever_it_is_killed(
    furnished: Furnished,
) -> None:
    foundation = Foundation(furnished, f"{furnished.project.name}f")
    for step in ("delivery", "log groups", "foundation", "state bucket"):
        with pytest.raises(Interrupted):
            foundation.destroy(Killed(step))
        assert "s3:ListBuckets" in foundation.left(furnished)
    report = foundation.destroy()
    assert [(each.what, each.name) for each in report.gone] == [("bucket", foundation.names.state_bucket)]
    foreign = f"/aws/lambda/{foundation.names.project}-pipeline-staging"
    groups = foundation.client("logs").describe_log_groups(logGroupNamePrefix=f"{foreign[:-8]}")["logGroups"]
    assert [each["logGroupName"] for each in groups] == [foreign]
    foundation.client("logs").delete_log_group(logGroupName=foreign)
    assert foundation.left(furnished) == set()
    assert foundation.destroy().result == "unchanged"


def test_a_bucket_that_has_lost_its_state_goes_and_a_ledger_without_a_state_is_refused(furnished: Furnished) -> None:
    foundation = Foundation(furnished, f"{furnished.project.name}g")
    names, s3 = foundation.names, foundation.client("s3")
    s3.delete_object(Bucket=names.state_bucket, Key=names.state_key("foundation"))
    console = Console(err=io.StringIO(), live=False)
    destroyer = LocationDestroyer(Rung(foundation.settings, "staging", foundation.aws, console, "test"))
    assert destroyer.is_present
    with pytest.raises(RefusedError, match="the foundation's state is not"):
        destroyer.check_state()
    foundation.client("dynamodb").update_table(TableName=names.ledger_table, DeletionProtectionEnabled=False)
    foundation.client("dynamodb").delete_table(TableName=names.ledger_table)
    destroyer.check_state()
    destroyer.run()
    assert not destroyer.has_bucket
