"""The AWS resources of a project on a local cloud, made through AWS's API in a second.

Terraform makes the same (terraform/modules); a test of tests/e2e runs it. Here they are made by hand, so that hundreds
of promotions can be tested.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import cloud_alarms
import cloud_images
import cloud_ledger
import machines_of_many
import roles

from localcloud import daemon
from stepladder.core.console import Console
from stepladder.core.names import partition_of, split_target, target_key
from stepladder.promotion import definition
from stepladder.releases.rung import Rung, clients
from stepladder.settings import locations, rung_gates
from stepladder.settings.load import Settings, load
from stepladder.terraform import function_packages

GOOD = "def handler(event, context):\n    return {'statusCode': 200, 'body': %r}\n"
CASE = {"name": "answers", "payload": {}, "expect": {"status": 200}}


class CloudResources:
    """One project's resources. `cloud` is the session's; names are the project's own.

    `remote` names the environments in other locations, each with account and region. Whatever takes an `environment`
    works in its location; the default is the primary one, where the lowest rung is. Where one environment has several
    functions, it takes a target's key.
    """

    def __init__(  # noqa: PLR0913 - the settings that tests vary
        self,
        cloud: Any,
        root: Path,
        *,
        runtime: Path,
        rungs: Any = None,
        per_rung: dict[str, Any] | None = None,
        remote: Mapping[str, tuple[str, str]] | None = None,
        release_command: dict[str, Any] | None = None,
        functions: Sequence[str] = (),
        distributed: bool = False,
        **promotion: Any,
    ) -> None:
        self.cloud, self.root, self.runtime = cloud, root, runtime
        self.name = f"t{uuid4().hex[:8]}"
        rungs = rungs or ["staging", "production"]
        flat = [n for rung in rungs for n in (rung if isinstance(rung, list) else [rung])]
        location = {"account": daemon.ACCOUNT, "region": daemon.REGION}
        environments = {name: dict(location) for name in flat}
        for name, (account, region) in (remote or {}).items():
            environments[name] = {"account": account, "region": region}
            if account != daemon.ACCOUNT:
                environments[name]["role_arn"] = f"arn:aws:iam::{account}:role/deployer"
        given: dict[str, Any] = {"project": self.name, "rungs": rungs, "environments": environments}
        given |= {
            "architecture": "x86_64",
            "release_command": release_command or {},
            "promotion": {"deployment": "AllAtOnce", "rungs": per_rung or {}, **promotion},
        }
        if functions:
            given |= {"functions": {name: {"smoke": {"path": "tests/smoke"}} for name in functions}}
        self.distributed = distributed
        self.given = given
        self.settings: Settings = load(given, root)
        self._clients: dict[tuple[str, locations.Location], Any] = {}
        self.machines: dict[str, str] = {}
        self.case()

    def case(self, **changes: Any) -> None:
        """Write the one smoke case."""
        folder = self.root / "tests" / "smoke"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "answers.json").write_text(json.dumps(CASE | changes), encoding="utf-8")

    def client(self, service: str, environment: str = "") -> Any:
        location = self.location(environment)
        if (service, location) not in self._clients:
            self._clients[service, location] = self.cloud.client(
                service, location.account, location.region, retries={"total_max_attempts": 6}
            )
        return self._clients[service, location]

    def location(self, environment: str = "") -> locations.Location:
        return locations.of(self.settings, split_target(environment or self.settings.lowest)[0])

    def role(self, environment: str = "") -> str:
        at = self.location(environment)
        return f"arn:{partition_of(at.region)}:iam::{at.account}:role/{self.name}"

    def function(self, environment: str) -> str:
        return f"{self.name}-{environment}"

    def rung(self, environment: str | None = None, console: Console | None = None) -> Rung:
        name, function = split_target(environment or locations.representatives(self.settings)[0])
        settings = self.settings.of_function(function)
        return Rung(settings, name, clients(self.settings, name), console or Console(err=io.StringIO()), "test")

    def build(self) -> Self:
        """Make everything; every rung runs the same first image."""
        accounts = {self.location(name).account: name for name in locations.representatives(self.settings)}
        for name in accounts.values():
            iam = self.client("iam", name)
            roles.make(iam, self.name)
            if self.location(name).account != daemon.ACCOUNT:
                roles.make_deployer(iam, daemon.ACCOUNT)
        for name, rungs in zip(
            locations.representatives(self.settings), locations.by_location(self.settings).values(), strict=True
        ):
            self._build_location(name, rungs)
        self.machine = self.machines[locations.representatives(self.settings)[0]]
        return self

    def _build_location(self, at: str, rungs: tuple[str, ...]) -> None:
        self.client("dynamodb", at).create_table(
            TableName=f"{self.name}-releases",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        )
        where = {"LocationConstraint": self.location(at).region}
        self.client("s3", at).create_bucket(
            Bucket=self.settings.names(at).artifacts_bucket,
            **({} if where["LocationConstraint"] == "us-east-1" else {"CreateBucketConfiguration": where}),
        )
        self.client("ecr", at).create_repository(
            repositoryName=self.name, imageScanningConfiguration={"scanOnPush": True}
        )
        first = self.push(GOOD % "first", at=at)
        targets = [target_key(name, function) for name in rungs for function in self.settings.function_names]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda key: self._rung(key, first), targets))
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
        cloudwatch = self.client("cloudwatch", environment)
        alarms = [cloud_alarms.put(cloudwatch, name, kind) for kind in cloud_alarms.KINDS]
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

    def _pipeline(self, verb: str, at: str) -> tuple[str, str]:
        variables, location = locations.variables(self.settings, at), self.location(at)
        partition = partition_of(location.region)
        arn = f"arn:{partition}:lambda:%s:%s:function:{self.name}-pipeline-%s"
        local = (location.region, location.account)
        environment = {
            "AWS_MAX_ATTEMPTS": "2",  # the SDK's pauses are in real time; the state machine's follow the cloud's clock
            "ARTIFACTS_BUCKET": self.settings.names(at).artifacts_bucket,
            "ELSEWHERE": json.dumps(
                {
                    name: {"region": p["region"], "relay": arn % (p["region"], p["account"], "relay")}
                    for name, p in variables.get("elsewhere", {}).items()
                }
            ),
            "LADDER": json.dumps(self.ladder(variables)),
            "LEDGER_TABLE": f"{self.name}-releases",
            **({"FUNCTIONS": "all"} if self.settings.functions else {}),
            "MACHINE": f"arn:{partition}:states:{':'.join(local)}:stateMachine:{self.name}-promotion",
            "RELAY": arn % (*local, "relay"),
            "ROLLBACK": arn % (*local, "rollback"),
            "VALIDATE": arn % (*local, "validate"),
            "REPOSITORY": self.name,
            "SCAN_THRESHOLD": self.settings.promotion.scan_threshold,
            **self._gates(at),
        }
        name = f"{self.name}-pipeline-{verb}"
        self.client("lambda", at).create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler=f"{verb}.handler",
            Role=self.role(at),
            Code={"ZipFile": function_packages.build(verb).data},
            Timeout=60 if verb == "validate" else 300,
            MemorySize=512,
            Environment={"Variables": environment},
            Publish=True,
        )
        self.wait(name, at)
        return verb, arn % (*local, verb)

    def _gates(self, at: str) -> dict[str, str]:
        """Return the variables that the delivery module makes of freezes and alarms."""
        gates = rung_gates.delivery(self.settings, at)
        alarms = {"GATE_ALARMS": json.dumps(gates["gate_alarms"])} if "gate_alarms" in gates else {}
        required = {"REQUIRE": ",".join(gates["require"])} if "require" in gates else {}
        return alarms | required | ({"FREEZES": gates["freezes"]} if "freezes" in gates else {})

    def ladder(self, variables: dict[str, Any]) -> dict[str, Any]:
        below: list[str] = []
        ladder: dict[str, Any] = {}
        for rung in variables["rungs"]:
            for name in rung:
                ladder[name] = {"function": self.function(name), "alias": "live", "below": below}
                if name in variables.get("elsewhere", {}):
                    ladder[name]["elsewhere"] = True
            below = rung
        return ladder

    def _machine(self, pipeline: dict[str, str], at: str) -> None:
        topic = self.client("sns", at).create_topic(Name=f"{self.name}-promotion")["TopicArn"]
        text = json.dumps(machines_of_many.distributed(definition.load()) if self.distributed else definition.load())
        for name, value in {
            "hook_name": f"{self.name}-pipeline-verify",
            "ledger_table": f"{self.name}-releases",
            "partition": partition_of(self.location(at).region),
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

    def push(self, source: str, labels: dict[str, str] | None = None, *, at: str = "") -> str:
        """Push an image of one handler; return its URI by digest."""
        names = self.settings.names(at or self.settings.lowest)
        digest = cloud_images.push(self.client("ecr", at), self.name, self.runtime, source, labels)
        return f"{names.registry}/{self.name}@{digest}"

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
        cloud_ledger.write_release(self.rung(environment).ledger, environment, version, uri.rpartition("@")[2])
        return version
