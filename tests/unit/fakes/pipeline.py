"""A small AWS for the pipeline's functions: what their calls read and change, in memory."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

FUNCTION, ALIAS, RELEASE = "orders-production", "live", "20261121T230501Z-a1b2c3"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:orders-promotion:production-c0ffee-bbbbbbbb-1"


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Call"
    )


def release(**changes: Any) -> dict[str, Any]:
    fields = {
        "id": RELEASE,
        "digest": NEW,
        "git_commit": "c0ffee",
        "requested_by": "jo@laptop",
        "input_key": "key",
        "smoke_key": "smoke/cases.json",
        "untested": "",
        "hotfix": False,
        "force": False,
    }
    return fields | changes


def target(**changes: Any) -> dict[str, Any]:
    fields = {
        "environment": "production",
        "function": FUNCTION,
        "alias": ALIAS,
        "application": FUNCTION,
        "deployment_group": ALIAS,
        "deployment_config": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
        "probe_requests": 10,
        "lock_seconds": 7200,
    }
    return fields | changes


class Lambda:
    """Functions with versions and one alias each. `answers` decides what a version answers to a payload."""

    def __init__(self) -> None:
        self.digests = {(FUNCTION, "7"): OLD, (FUNCTION, "8"): NEW, ("orders-staging", "3"): NEW}
        self.aliases: dict[str, dict[str, Any]] = {
            FUNCTION: {"FunctionVersion": "7", "RevisionId": "r1"},
            "orders-staging": {"FunctionVersion": "3", "RevisionId": "s1"},
        }
        self.latest = {
            "Architectures": ["arm64"],
            "PackageType": "Image",
            "Role": "role",
            "LastUpdateStatus": "Successful",
        }
        self.configurations: dict[tuple[str, str], dict[str, Any]] = {}
        self.answers: Any = lambda version, payload: ({"statusCode": 200}, None)
        self.states: list[dict[str, Any]] = []
        self.invoked: list[str] = []
        self.moves: list[dict[str, Any]] = []
        self.before_update: Any = None
        self.provisioned = 0
        self.concurrency = 1000
        self.reserved: int | None = None
        self.pipeline: dict[str, Any] = {}  # functions of the pipeline, and what each answers to an event
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def get_provisioned_concurrency_config(self, FunctionName: str, Qualifier: str) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName, Qualifier) == (FUNCTION, ALIAS)
        if not self.provisioned:
            raise refusal("ProvisionedConcurrencyConfigNotFoundException", 404)
        return {"RequestedProvisionedConcurrentExecutions": self.provisioned}

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, Any]:  # noqa: N803
        return dict(self.aliases[FunctionName])

    def get_account_settings(self) -> dict[str, Any]:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.concurrency}}

    def get_function(self, FunctionName: str, Qualifier: str = "") -> dict[str, Any]:  # noqa: N803
        if not Qualifier:
            return {"Configuration": self.latest} | (
                {} if self.reserved is None else {"Concurrency": {"ReservedConcurrentExecutions": self.reserved}}
            )
        if (FunctionName, Qualifier) not in self.digests:
            raise refusal("ResourceNotFoundException", 404)
        configuration = self.configurations.get((FunctionName, Qualifier), self.latest)
        return {
            "Code": {"ResolvedImageUri": f"r/o@{self.digests[FunctionName, Qualifier]}"},
            "Configuration": configuration,
        }

    def get_function_configuration(self, FunctionName: str, Qualifier: str = "") -> dict[str, Any]:  # noqa: N803
        return dict(self.states.pop(0) if self.states else self.latest)

    def update_alias(self, **request: Any) -> dict[str, Any]:
        if self.before_update:
            self.before_update, act = None, self.before_update
            act()
        alias = self.aliases[request["FunctionName"]]
        if request["RevisionId"] != alias["RevisionId"]:
            raise refusal("PreconditionFailedException", 412)
        self.moves.append(request)
        alias.update(FunctionVersion=request["FunctionVersion"], RevisionId=alias["RevisionId"] + "'")
        alias.pop("RoutingConfig", None)
        if weights := request.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
            alias["RoutingConfig"] = {"AdditionalVersionWeights": weights}
        return alias

    def invoke(self, FunctionName: str, Payload: bytes, Qualifier: str = "") -> dict[str, Any]:  # noqa: N803
        if FunctionName in self.pipeline:
            event = json.loads(Payload)
            self.calls.append((FunctionName, event))
            outcome = self.pipeline[FunctionName](event)
            return {"Payload": io.BytesIO(json.dumps(outcome).encode())} | (
                {"FunctionError": "x"} if "errorType" in outcome else {}
            )
        self.invoked.append(Qualifier)
        version = self.aliases[FunctionName]["FunctionVersion"] if Qualifier == ALIAS else Qualifier
        result, error = self.answers(version, json.loads(Payload))
        body = {"errorType": error, "errorMessage": "no"} if error else result
        answer: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(body).encode()), "ExecutedVersion": version}
        return answer | ({"FunctionError": "Unhandled"} if error else {})

    def route(self, version: str, share: float) -> None:
        self.aliases[FUNCTION]["RoutingConfig"] = {"AdditionalVersionWeights": {version: share}}


class CodeDeploy:
    """Deployments by id; a stopped one ends, and rolls back when `rolls_back` says so."""

    def __init__(self) -> None:
        self.deployments: dict[str, dict[str, Any]] = {}
        self.reported: list[str] = []
        self.shifted = "Succeeded"
        self.stopped: list[str] = []
        self.undone: dict[str, bool] = {}
        self.on_stop: Any = None
        self.failures: list[Exception] = []

    def add(self, name: str, *, status: str = "InProgress", description: str | None = None, **changes: Any) -> None:
        spec = {
            "Resources": [
                {"f": {"Properties": {"Name": FUNCTION, "Alias": ALIAS, "CurrentVersion": "7", "TargetVersion": "8"}}}
            ]
        }
        self.deployments[name] = {
            "deploymentId": name,
            "status": status,
            "description": f"rel={RELEASE} smoke=smoke/cases.json" if description is None else description,
            "revision": {"appSpecContent": {"content": json.dumps(spec)}},
            "creator": "user",
            **changes,
        }

    def list_deployments(self, **request: Any) -> dict[str, Any]:
        wanted = request.get("includeOnlyStatuses")
        return {"deployments": [n for n, d in self.deployments.items() if not wanted or d["status"] in wanted]}

    def get_deployment(self, deploymentId: str) -> dict[str, Any]:  # noqa: N803
        return {"deploymentInfo": self.deployments[deploymentId]}

    def batch_get_deployments(self, deploymentIds: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"deploymentsInfo": [self.deployments[i] for i in deploymentIds]}

    def stop_deployment(self, deploymentId: str, autoRollbackEnabled: bool) -> None:  # noqa: N803
        self.stopped.append(deploymentId)
        self.undone[deploymentId] = autoRollbackEnabled
        self.deployments[deploymentId]["status"] = "Stopped"
        if self.on_stop:
            self.on_stop()

    def list_deployment_targets(self, deploymentId: str) -> dict[str, Any]:  # noqa: N803
        return {"targetIds": ["t"]}

    def get_deployment_target(self, deploymentId: str, targetId: str) -> dict[str, Any]:  # noqa: N803
        events = [{"lifecycleEventName": "AllowTraffic", "status": self.shifted}]
        return {"deploymentTarget": {"lambdaTarget": {"lifecycleEvents": events}}}

    def put_lifecycle_event_hook_execution_status(self, **request: Any) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.reported.append(request["status"])


class DynamoDb:
    """Items by key, with the few conditions that the pipeline writes."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def get_item(self, Key: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        item = self.items.get(self._key(Key))
        return {"Item": item} if item else {}

    def put_item(self, Item: dict[str, Any], ConditionExpression: str = "", **request: Any) -> None:  # noqa: N803
        existing = self.items.get(self._key(Item))
        values = request.get("ExpressionAttributeValues", {})
        if ConditionExpression and existing and not self._holds(existing, values):
            raise refusal("ConditionalCheckFailedException")
        self.items[self._key(Item)] = Item

    def delete_item(self, Key: dict[str, Any], **request: Any) -> None:  # noqa: N803
        existing = self.items.get(self._key(Key))
        if not existing or not self._holds(existing, request["ExpressionAttributeValues"]):
            raise refusal("ConditionalCheckFailedException")
        del self.items[self._key(Key)]

    @staticmethod
    def _holds(existing: dict[str, Any], values: dict[str, Any]) -> bool:
        if ":run" in values:
            return (existing.get("run_id"), existing.get("outcome")) == (values[":run"], values[":outcome"])
        if ":ours" not in values:
            return bool(values) and existing.get("release_id") == values[":was"]
        ours = values[":ours"]
        over = int(values[":over"]["N"]) if ":over" in values else 0
        return (
            ours in (existing.get("run_id"), existing.get("execution_arn"))
            or int(existing.get("expires", {"N": 1})["N"]) < over
        )

    @staticmethod
    def _key(item: dict[str, Any]) -> tuple[str, str]:
        return item["pk"]["S"], item["sk"]["S"]

    def put(self, pk: str, sk: str, **fields: str) -> None:
        self.items[pk, sk] = {"pk": {"S": pk}, "sk": {"S": sk}, **{k: {"S": v} for k, v in fields.items()}}

    def read(self, pk: str, sk: str) -> dict[str, str]:
        return {k: str(next(iter(v.values()))) for k, v in self.items.get((pk, sk), {}).items()}


class Ecr:
    def __init__(self) -> None:
        self.manifests: dict[str, dict[str, Any]] = {
            NEW: {"mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {"digest": "sha256:c"}}
        }
        self.scan: dict[str, Any] = {
            "imageScanStatus": {"status": "COMPLETE"},
            "imageScanFindings": {"imageScanCompletedAt": "2026-11-21T12:00:00Z", "findingSeverityCounts": {}},
        }
        self.url = ""
        self.referrers: Any = []
        self.listed = 0

    def list_image_referrers(self, nextToken: str = "0", **_: Any) -> dict[str, Any]:  # noqa: N803
        """Two referrers a page, by their types."""
        if isinstance(self.referrers, Exception):
            raise self.referrers
        self.listed += 1
        start = int(nextToken)
        more = {"nextToken": str(start + 2)} if len(self.referrers) > start + 2 else {}
        return {"referrers": [{"artifactType": each} for each in self.referrers[start : start + 2]], **more}

    def batch_get_image(self, imageIds: list[dict[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803
        manifest = self.manifests.get(imageIds[0]["imageDigest"])
        if not manifest:
            return {"images": [], "failures": [{"failureCode": "ImageNotFound"}]}
        return {"images": [{"imageManifest": json.dumps(manifest), "imageManifestMediaType": manifest["mediaType"]}]}

    def get_download_url_for_layer(self, **_: Any) -> dict[str, Any]:
        return {"downloadUrl": self.url}

    def describe_image_scan_findings(self, **_: Any) -> dict[str, Any]:
        if isinstance(self.scan, Exception):
            raise self.scan
        return self.scan


class S3:
    def __init__(self) -> None:
        self.cases = {"hello.json": json.dumps({"name": "says hello", "payload": {"a": 1}, "expect": {"status": 200}})}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(json.dumps(self.cases).encode())}


class CloudWatch:
    """Alarms that fire, and each version's minutes: requests, errors, and how many requests took how many ms."""

    def __init__(self) -> None:
        self.firing: list[str] = []
        self.fired_at: datetime | None = None
        self.updated_at: datetime | None = None
        self.minutes: dict[str, list[tuple[int, int, dict[float, int]]]] = {}
        self.first = datetime(2026, 11, 26, 15, 2, tzinfo=UTC)
        self.failures: list[Exception] = []
        self.status = "Complete"
        self.queries: list[dict[str, Any]] = []

    def describe_alarms(self, AlarmNames: list[str], StateValue: str) -> dict[str, Any]:  # noqa: N803
        assert StateValue == "ALARM"
        since: dict[str, Any] = {"StateTransitionedTimestamp": self.fired_at} if self.fired_at else {}
        since |= {"StateUpdatedTimestamp": self.updated_at} if self.updated_at else {}
        fires = [n for n in AlarmNames if n in self.firing]
        return {"MetricAlarms": [{"AlarmName": n, "StateReason": "too many", **since} for n in fires]}

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        if self.failures:
            raise self.failures.pop(0)
        self.queries.append(request)
        return {"MetricDataResults": [self._result(query) for query in request["MetricDataQueries"]]}

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        stat = query["MetricStat"]
        version = next(d["Value"] for d in stat["Metric"]["Dimensions"] if d["Name"] == "ExecutedVersion")
        minutes = self.minutes.get(version, [])
        if stat["Stat"] in ("p99", "SampleCount"):
            durations = sorted(ms for minute in minutes for ms, count in minute[2].items() for _ in range(count))
            p99 = durations[math.ceil(len(durations) * 0.99) - 1] if durations else 0.0
            values = [float(len(durations)) if stat["Stat"] == "SampleCount" else p99] if durations else []
        elif stat["Stat"].startswith("TC("):
            above = float(stat["Stat"].removeprefix("TC(").removesuffix(":)"))
            values = [sum(count for ms, count in minute[2].items() if ms > above) for minute in minutes]
        else:
            values = [minute[0 if stat["Metric"]["MetricName"] == "Invocations" else 1] for minute in minutes]
        times = [self.first + timedelta(minutes=at) for at in range(len(values))]
        return {"Id": query["Id"], "Timestamps": times, "Values": values, "StatusCode": self.status}


class States:
    def __init__(self) -> None:
        self.execution: dict[str, Any] = {}

        self.executions: dict[str, dict[str, Any]] = {}
        self.started: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.waiting: set[str] = set()
        self.sent: list[tuple[str, str]] = []

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
        if executionArn in self.executions:
            return self.executions[executionArn]
        if not self.execution:
            raise refusal("ExecutionDoesNotExist")
        return self.execution

    def start_execution(self, **request: Any) -> None:
        machine = request["stateMachineArn"].removesuffix(":live").replace(":stateMachine:", ":execution:")
        arn = f"{machine}:{request['name']}"
        if arn in self.executions:
            raise refusal("ExecutionAlreadyExists")
        self.started.append(request)
        self.executions[arn] = {"status": "RUNNING", "input": request["input"]}

    def stop_execution(self, executionArn: str, error: str, cause: str) -> None:  # noqa: N803
        self.stopped.append(executionArn)
        self.executions[executionArn] |= {"status": "ABORTED", "error": error, "cause": cause}

    def _answer(self, token: str, word: str) -> None:
        if token not in self.waiting:
            raise refusal("TaskTimedOut")
        self.sent.append((token, word))

    def send_task_heartbeat(self, taskToken: str) -> None:  # noqa: N803
        self._answer(taskToken, "heartbeat")

    def send_task_success(self, taskToken: str, output: str) -> None:  # noqa: N803
        assert json.loads(output)
        self._answer(taskToken, "keep")

    def send_task_failure(self, taskToken: str, error: str, cause: str) -> None:  # noqa: N803
        self._answer(taskToken, f"{error}: {cause}")


class FakeAws:
    """All services, by the names that boto3 has for them."""

    def __init__(self) -> None:
        self.lambda_, self.codedeploy, self.dynamodb = Lambda(), CodeDeploy(), DynamoDb()
        self.ecr, self.s3, self.cloudwatch, self.states = Ecr(), S3(), CloudWatch(), States()

    def client(self, service: str, *_: Any, **__: Any) -> Any:
        return {
            "lambda": self.lambda_,
            "codedeploy": self.codedeploy,
            "dynamodb": self.dynamodb,
            "ecr": self.ecr,
            "s3": self.s3,
            "cloudwatch": self.cloudwatch,
            "stepfunctions": self.states,
        }[service]


class Context:
    """Lambda's context: how long is left."""

    def __init__(self, seconds: float = 300) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)
