"""A whole project on a local cloud, made through AWS's API in a second: two rungs, CodeDeploy, the pipeline.

What Terraform makes (terraform/modules) is made here by hand, so that hundreds of climbs can be tested; one test makes
the same with Terraform (tests/e2e).
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import sys
import tarfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from localcloud import daemon
from localcloud.launchers import runtime_client
from stepladder.commands import promote as climb
from stepladder.core.clock import stamp
from stepladder.core.console import Console
from stepladder.core.errors import ExitCode, StepladderError
from stepladder.core.names import partition_of
from stepladder.core.process_identity import release_id
from stepladder.ledger.schema import RELEASE_PREFIX, SUCCEEDED, Current, ReleaseEntry
from stepladder.promotion import definition
from stepladder.promotion.audit import Judged, judge
from stepladder.promotion.contract import child_name
from stepladder.promotion.evidence import read
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.subject import PromotionOptions
from stepladder.releases.rung import Rung, clients
from stepladder.settings import locations
from stepladder.settings.load import Settings, load
from stepladder.terraform import function_packages

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
GOOD = "def handler(event, context):\n    return {'statusCode': 200, 'body': %r}\n"
CASE = {"name": "answers", "payload": {}, "expect": {"status": 200}}
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
)


class Result:
    """How a climb ended, as the command line would tell it."""

    def __init__(self, code: int, record: dict[str, Any], message: str, text: str) -> None:
        self.code, self.record, self.message, self.text = code, record, message, text


class CloudProject:
    """One project. `cloud` is the session's; names are the project's own.

    `away` says which environments are elsewhere, each with account and region. Whatever takes an `environment` works in
    its place; the default of places is home, where the lowest rung is.
    """

    def __init__(
        self,
        cloud: Any,
        root: Path,
        *,
        runtime: Path,
        rungs: Any = None,
        per_rung: dict[str, Any] | None = None,
        away: Mapping[str, tuple[str, str]] | None = None,
        **promotion: Any,
    ) -> None:
        self.cloud, self.root, self.runtime = cloud, root, runtime
        self.name = f"t{uuid4().hex[:8]}"
        rungs = rungs or ["staging", "production"]
        flat = [n for rung in rungs for n in (rung if isinstance(rung, list) else [rung])]
        place = {"account": daemon.ACCOUNT, "region": daemon.REGION}
        environments = {name: dict(place) for name in flat}
        for name, (account, region) in (away or {}).items():
            environments[name] = {"account": account, "region": region}
            if account != daemon.ACCOUNT:
                environments[name]["role_arn"] = f"arn:aws:iam::{account}:role/deployer"
        told: dict[str, Any] = {"project": self.name, "rungs": rungs, "environments": environments}
        told["architecture"] = "x86_64"
        told |= {
            "architecture": "x86_64",
            "promotion": {"deployment": "AllAtOnce", "rungs": per_rung or {}, **promotion},
        }
        self.settings: Settings = load(told, root)
        self._clients: dict[tuple[str, locations.Location], Any] = {}
        self.machines: dict[str, str] = {}
        self.by_hand: set[str] = set()  # environments whose alias a test moved itself
        self._audited: set[str] = set()
        self._found: list[tuple[Execution, tuple[Judged, ...]]] = []
        self._auditor: StateMachine | None = None
        self.case()

    def case(self, **changes: Any) -> None:
        """Write the one smoke case."""
        folder = self.root / "tests" / "smoke"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "answers.json").write_text(json.dumps(CASE | changes), encoding="utf-8")

    def client(self, service: str, environment: str = "") -> Any:
        place = self.place(environment)
        if (service, place) not in self._clients:
            self._clients[service, place] = self.cloud.client(
                service, place.account, place.region, retries={"total_max_attempts": 6}
            )
        return self._clients[service, place]

    def place(self, environment: str = "") -> locations.Location:
        return locations.of(self.settings, environment or self.settings.lowest)

    def role(self, environment: str = "") -> str:
        return f"arn:aws:iam::{self.place(environment).account}:role/{self.name}"

    def function(self, environment: str) -> str:
        return f"{self.name}-{environment}"

    def rung(self, environment: str | None = None, console: Console | None = None) -> Rung:
        name = environment or locations.representatives(self.settings)[0]
        return Rung(self.settings, name, clients(self.settings, name), console or Console(err=io.StringIO()), "test")

    def build(self) -> CloudProject:
        """Make everything; every rung runs the same first image."""
        accounts = {self.place(name).account: name for name in locations.representatives(self.settings)}
        for name in accounts.values():
            self.client("iam", name).create_role(RoleName=self.name, AssumeRolePolicyDocument=TRUST)
        for name, rungs in zip(
            locations.representatives(self.settings), locations.by_location(self.settings).values(), strict=True
        ):
            self._build_place(name, rungs)
        self.machine = self.machines[locations.representatives(self.settings)[0]]
        return self

    def _build_place(self, at: str, rungs: tuple[str, ...]) -> None:
        self.client("dynamodb", at).create_table(
            TableName=f"{self.name}-releases",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        )
        where = {"LocationConstraint": self.place(at).region}
        self.client("s3", at).create_bucket(
            Bucket=self.settings.names(at).artifacts_bucket,
            **({} if where["LocationConstraint"] == "us-east-1" else {"CreateBucketConfiguration": where}),
        )
        self.client("ecr", at).create_repository(
            repositoryName=self.name, imageScanningConfiguration={"scanOnPush": True}
        )
        first = self.push(GOOD % "first", at=at)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: self._rung(name, first), rungs))
            pipeline = dict(pool.map(lambda verb: self._pipeline(verb, at), function_packages.VERBS))
        self._machine(pipeline, at)
        if at != locations.representatives(self.settings)[0]:
            self.client("lambda", at).add_permission(
                FunctionName=f"{self.name}-pipeline-relay",
                StatementId="home",
                Action="lambda:InvokeFunction",
                Principal=self.role(),
            )

    def _rung(self, environment: str, uri: str) -> None:
        name = self.function(environment)
        self.client("lambda", environment).create_function(
            FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, Role=self.role(environment), Timeout=10
        )
        self.release(environment, uri, first=True)
        codedeploy = self.client("codedeploy", environment)
        codedeploy.create_application(applicationName=name, computePlatform="Lambda")
        alarms = [self._alarm(environment, kind) for kind in ("errors", "latency", "throttles")]
        codedeploy.create_deployment_group(
            applicationName=name,
            deploymentGroupName="live",
            serviceRoleArn=self.role(environment),
            deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce",
            deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            alarmConfiguration={"enabled": True, "alarms": [{"name": n} for n in alarms]},
            autoRollbackConfiguration={
                "enabled": True,
                "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
            },
        )

    def _alarm(self, environment: str, kind: str) -> str:
        name = self.function(environment)
        metric, statistic, threshold = {
            "errors": ("Errors", {"Statistic": "Sum"}, 1),
            "latency": ("Duration", {"ExtendedStatistic": "p99"}, 1500),
            "throttles": ("Throttles", {"Statistic": "Sum"}, 1),
        }[kind]
        self.client("cloudwatch", environment).put_metric_alarm(
            AlarmName=f"{name}-{kind}",
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": name}, {"Name": "Resource", "Value": f"{name}:live"}],
            Period=60,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
            **statistic,
        )
        return f"{name}-{kind}"

    def _pipeline(self, verb: str, at: str) -> tuple[str, str]:
        package, told, place = function_packages.build(verb), locations.variables(self.settings, at), self.place(at)
        partition = partition_of(place.region)
        arn = f"arn:{partition}:lambda:%s:%s:function:{self.name}-pipeline-%s"
        here = (place.region, place.account)
        environment = {
            "AWS_MAX_ATTEMPTS": "2",  # the SDK's pauses are in real time; the state machine's follow the cloud's clock
            "ARTIFACTS_BUCKET": self.settings.names(at).artifacts_bucket,
            "ELSEWHERE": json.dumps(
                {
                    name: {"region": p["region"], "relay": arn % (p["region"], p["account"], "relay")}
                    for name, p in told.get("elsewhere", {}).items()
                }
            ),
            "LADDER": json.dumps(self.ladder(told)),
            "LEDGER_TABLE": f"{self.name}-releases",
            "MACHINE": f"arn:{partition}:states:{place.region}:{place.account}:stateMachine:{self.name}-promotion",
            "RELAY": arn % (*here, "relay"),
            "ROLLBACK": arn % (*here, "rollback"),
            "VALIDATE": arn % (*here, "validate"),
            "REPOSITORY": self.name,
            "SCAN_THRESHOLD": self.settings.promotion.scan_threshold,
        }
        name = f"{self.name}-pipeline-{verb}"
        self.client("lambda", at).create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler=f"{verb}.handler",
            Role=self.role(at),
            Code={"ZipFile": package.data},
            Timeout=60 if verb == "validate" else 300,
            MemorySize=512,
            Environment={"Variables": environment},
            Publish=True,
        )
        self.wait(name, at)
        return verb, arn % (*here, verb)

    def ladder(self, told: dict[str, Any]) -> dict[str, Any]:
        below: list[str] = []
        ladder: dict[str, Any] = {}
        for rung in told["rungs"]:
            for name in rung:
                ladder[name] = {"function": self.function(name), "alias": "live", "below": below}
                if name in told.get("elsewhere", {}):
                    ladder[name]["elsewhere"] = True
            below = rung
        return ladder

    def _machine(self, pipeline: dict[str, str], at: str) -> None:
        topic = self.client("sns", at).create_topic(Name=f"{self.name}-promotion")["TopicArn"]
        text = json.dumps(definition.load())
        for name, value in {
            "hook_name": f"{self.name}-pipeline-verify",
            "ledger_table": f"{self.name}-releases",
            "partition": partition_of(self.place(at).region),
            "project": self.name,
            "topic_arn": topic,
            **{f"{verb}_arn": f"{arn}:1" for verb, arn in pipeline.items()},
        }.items():
            text = text.replace(f"${{{name}}}", value)
        states = self.client("stepfunctions", at)
        made = states.create_state_machine(
            name=f"{self.name}-promotion", definition=text, roleArn=self.role(at), type="STANDARD", publish=True
        )
        states.create_state_machine_alias(
            name="live",
            routingConfiguration=[{"stateMachineVersionArn": made["stateMachineVersionArn"], "weight": 100}],
        )
        self.machines[at] = made["stateMachineArn"]
        self._net(pipeline["rollback"], at)

    def _net(self, rollback: str, at: str) -> None:
        """Have the rollback function called when an execution was cut off."""
        pattern = {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"stateMachineArn": [self.machines[at]], "status": ["ABORTED", "FAILED", "TIMED_OUT"]},
        }
        events, name = self.client("events", at), f"{self.name}-promotion-ended"
        rule = events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]
        events.put_targets(Rule=name, Targets=[{"Id": "settle", "Arn": rollback}])
        self.client("lambda", at).add_permission(
            FunctionName=rollback,
            StatementId="ended",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )

    # images

    def push(self, source: str, labels: dict[str, str] | None = None, *, at: str = "") -> str:
        """Push an image of one handler; return its URI by digest."""
        layers = [_tree(self.runtime), _layer({"var/task/app.py": source.encode()})]
        config = {
            "Entrypoint": ["/lambda-entrypoint.sh"],
            "Cmd": ["app.handler"],
            "WorkingDir": "/var/task",
            "Env": ["LAMBDA_TASK_ROOT=/var/task"],
            "Labels": {"dev.stepladder.base": f"host-python:{PYTHON}", **(labels or {})},
        }
        image = {"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers"}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self._blob(json.dumps(image).encode(), "application/vnd.oci.image.config.v1+json", at),
            "layers": [self._blob(layer, "application/vnd.oci.image.layer.v1.tar+gzip", at) for layer in layers],
        }
        answer = self.client("ecr", at).put_image(
            repositoryName=self.name,
            imageManifest=json.dumps(manifest),
            imageManifestMediaType=manifest["mediaType"],
        )
        names = self.settings.names(at or self.settings.lowest)
        return f"{names.registry}/{self.name}@{answer['image']['imageId']['imageDigest']}"

    def _blob(self, data: bytes, media_type: str, at: str) -> dict[str, Any]:
        ecr, repository = self.client("ecr", at), self.name
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        have = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])["layers"]
        if not have or have[0]["layerAvailability"] != "AVAILABLE":
            upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
            ecr.upload_layer_part(
                repositoryName=repository,
                uploadId=upload,
                partFirstByte=0,
                partLastByte=len(data) - 1,
                layerPartBlob=data,
            )
            ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    # releases

    def wait(self, name: str, at: str = "", **qualifier: str) -> dict[str, Any]:
        for _ in range(1000):
            config = self.client("lambda", at).get_function_configuration(FunctionName=name, **qualifier)
            if config["State"] != "Pending" and config.get("LastUpdateStatus") != "InProgress":
                return dict(config)
            time.sleep(0.01)
        raise AssertionError(f"{name} does not settle")

    def release(self, environment: str, uri: str, *, first: bool = False) -> str:
        """Put an image straight on a rung, as `inv deploy` would."""
        client, name = self.client("lambda", environment), self.function(environment)
        self.wait(name, environment)
        if not first:
            client.update_function_code(FunctionName=name, ImageUri=uri)
            self.wait(name, environment)
        version: str = client.publish_version(
            FunctionName=name, Description=f"rel=by-hand git=c0ffee img={uri[-64:][:12]}"
        )["Version"]
        self.wait(name, environment, Qualifier=version)
        move = client.create_alias if first else client.update_alias
        move(FunctionName=name, Name="live", FunctionVersion=version)
        self._write_down(environment, version, uri.rpartition("@")[2])
        return version

    def _write_down(self, environment: str, version: str, digest: str) -> None:
        """Write what a rung serves into its ledger, as `inv deploy` would."""
        ledger = self.rung(environment).ledger
        was = ledger.snapshot(environment).current
        now = time.time()
        entry = ReleaseEntry(
            release_id=release_id(now, was.release_id if was else ""),
            environment=environment,
            kind="deploy",
            version=version,
            previous_version=was.version if was else "",
            digest=digest,
            git_commit="c0ffee",
            requested_by="the test",
            result=SUCCEEDED,
            started_at=stamp(now),
            ended_at=stamp(now),
        )
        ledger.write(entry)
        ledger.set_current(environment, Current(entry.release_id, version, digest, "", "", ""), was=was)

    def forget(self, environment: str = "production") -> None:
        """Bring a rung to where Terraform makes it: a service that was never released, of which the ledger is empty."""
        self._found = self.audits()
        self.client("lambda", environment).update_alias(
            FunctionName=self.function(environment),
            Name="live",
            FunctionVersion="$LATEST",
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
        entries = self.ledger(environment).history(environment, limit=1000)
        for sort_key in ("current", *(f"{RELEASE_PREFIX}{entry.release_id}" for entry in entries)):
            self.client("dynamodb", environment).delete_item(
                TableName=f"{self.name}-releases", Key={"pk": {"S": f"env#{environment}"}, "sk": {"S": sort_key}}
            )

    def ship(self, source: str, labels: dict[str, str] | None = None) -> str:
        """Push an image and put it on the lowest rung; return its digest."""
        uri = self.push(source, labels)
        for environment in self.settings.rungs[0]:
            self.release(environment, uri)
        return uri.rpartition("@")[2]

    # the climb

    def state_machine(self, console: Console | None = None) -> StateMachine:
        return StateMachine(self.rung(console=console))

    def promote(self, **request: Any) -> Result:
        """Promote as the command line does, the delivery root aside."""
        return self.run(lambda machine: climb.promote(machine, PromotionOptions(**request)))

    def run(self, act: Any) -> Result:
        text = io.StringIO()
        machine = self.state_machine(Console(err=text, live=False))
        try:
            return Result(int(ExitCode.OK), act(machine), "", text.getvalue())
        except StepladderError as error:
            return Result(int(error.exit_code), dict(error.record), error.message, text.getvalue())

    def fire(self, environment: str = "production", kind: str = "errors") -> None:
        """Make an alarm fire, whatever its metric says."""
        self.client("cloudwatch", environment).put_metric_alarm(
            AlarmName=f"{self.function(environment)}-{kind}",
            Namespace="Test",
            MetricName="nothing",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="breaching",
        )

    def calm(self, environment: str = "production", kind: str = "errors") -> None:
        """Let an alarm watch the function again."""
        self.client("cloudwatch", environment).delete_alarms(AlarmNames=[f"{self.function(environment)}-{kind}"])
        self._alarm(environment, kind)

    def alarm_state(self, environment: str = "production", kind: str = "errors") -> str:
        found = self.client("cloudwatch", environment).describe_alarms(
            AlarmNames=[f"{self.function(environment)}-{kind}"]
        )
        return str(found["MetricAlarms"][0]["StateValue"])

    def in_background(self, **request: Any) -> Climbing:
        return Climbing(lambda: self.promote(**request))

    # what is true

    def audits(self) -> list[tuple[Execution, tuple[Judged, ...]]]:
        """Audit every promotion that was not audited before; what `by_hand` names was moved by the test itself."""
        self._auditor = machine = self._auditor or self.state_machine()
        found, self._found = self._found, []
        for listed in machine.executions(limit=20, may_be_missing=True):
            if listed["executionArn"] in self._audited:
                continue
            self._audited.add(listed["executionArn"])
            if execution := machine.describe(listed["executionArn"]):
                found.append((execution, judge(read(machine, execution), frozenset(self.by_hand))))
        return found

    def alias(self, environment: str = "production") -> tuple[str, dict[str, float]]:
        answer = self.client("lambda", environment).get_alias(FunctionName=self.function(environment), Name="live")
        weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        return answer["FunctionVersion"], weights

    def digest(self, environment: str = "production") -> str:
        answer = self.client("lambda", environment).get_function(
            FunctionName=self.function(environment), Qualifier=self.alias(environment)[0]
        )
        return str(answer["Code"]["ResolvedImageUri"]).rpartition("@")[2]

    def active_deployments(self, environment: str = "production") -> list[str]:
        found: list[str] = self.client("codedeploy", environment).list_deployments(
            applicationName=self.function(environment),
            deploymentGroupName="live",
            includeOnlyStatuses=["Created", "Queued", "InProgress", "Ready"],
        )["deployments"]
        return found

    def running(self) -> list[str]:
        """The climbs that are under way, in any place."""
        return [
            execution["executionArn"]
            for at, machine in self.machines.items()
            for execution in self.client("stepfunctions", at).list_executions(
                stateMachineArn=machine, statusFilter="RUNNING"
            )["executions"]
        ]

    def child(self, parent: str, environment: str) -> str:
        """The ARN of the climb by which another place releases an environment."""
        machine = next(arn for at, arn in self.machines.items() if self.place(at) == self.place(environment))
        return f"{machine.replace(':stateMachine:', ':execution:')}:{child_name(parent, environment)}"

    def entered(self, execution: str, at: str = "") -> list[str]:
        """The states that an execution came to, in order."""
        client, found, more = self.client("stepfunctions", at), [], {}
        while True:
            answer = client.get_execution_history(executionArn=execution, **more)
            found += [
                e["stateEnteredEventDetails"]["name"] for e in answer["events"] if "stateEnteredEventDetails" in e
            ]
            if "nextToken" not in answer:
                return found
            more = {"nextToken": answer["nextToken"]}

    def ledger(self, environment: str | None = None) -> Any:
        return self.rung(environment).ledger


class Climbing:
    """A climb in a thread; `result` waits for it."""

    def __init__(self, act: Any) -> None:
        self._result: list[Result] = []
        self._thread = threading.Thread(target=lambda: self._result.append(act()), daemon=True)
        self._thread.start()

    def result(self, timeout: float = 60) -> Result:
        self._thread.join(timeout)
        assert self._result, "the climb has not ended"
        return self._result[0]


@functools.cache
def _tree(folder: Path) -> bytes:
    return _layer(
        {f"var/runtime/{p.relative_to(folder)}": p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    )


def _layer(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), 1, mtime=0)


def runtime(folder: Path) -> Path:
    """Make the runtime client that an image on the host's Python carries."""
    return runtime_client.client(Path(sys.executable), PYTHON, folder)
