"""Carry out Task states: lambda:invoke, aws-sdk:*, the optimised integrations that stepladder uses, task tokens.

A task's calls go the way of every request: they are counted and meet faults.
https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud, ServiceError
from localcloud.faults import CallHangs
from localcloud.http.server import ConnectionCut
from localcloud.protocol import codec
from localcloud.services.stepfunctions import sdk_words
from localcloud.services.stepfunctions.asl.errors import Aborted, StateError, runtime_error
from localcloud.services.stepfunctions.asl.interpreter import Interpreter
from localcloud.services.stepfunctions.asl.states import NO_TIMEOUT, Task, check_size
from localcloud.services.stepfunctions.shapes import from_response, pascal, to_request

SDK_NAMES = {  # how the AWS SDK for Java names a service in error names, where it isn't the plain title
    "codedeploy": "CodeDeploy",
    "cloudwatch": "CloudWatch",
    "cloudwatchlogs": "CloudWatchLogs",
    "dynamodb": "DynamoDb",
    "eventbridge": "EventBridge",
    "sfn": "Sfn",
    "codebuild": "CodeBuild",
}
SERVICES = {"sfn": "stepfunctions", "cloudwatchlogs": "logs", "eventbridge": "events"}  # SDK for Java -> botocore
OPTIMISED = {"dynamodb": "DynamoDB", "sns": "SNS", "sqs": "SQS", "lambda": "Lambda", "states": "StepFunctions"}
RUNNING = ("RUNNING", "PENDING_REDRIVE")


@dataclass
class Callback:
    """A task that waits for its token."""

    outcome: Any = None
    error: StateError | None = None
    beat: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)


class Tasks:
    """Carries out the tasks of all executions."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.callbacks: dict[str, Callback] = {}

    def run(self, run: Interpreter, task: Task) -> Any:
        """Carry out one try of a task, with its events in the history."""
        resource, pattern = _resource(task.resource)
        kind, _, action = resource.rpartition(":")
        label = {"resourceType": kind, "resource": f"{action}{pattern}"}
        _check_partition(task)
        if _is_function(task):
            label = {"resourceType": "lambda", "resource": "invoke"}
        task.previous = run.note(
            "TaskScheduled",
            task.previous,
            **label,
            region=_region(task),
            parameters=task.parameters,
            timeoutInSeconds=None if task.timeout == NO_TIMEOUT else int(task.timeout),
        )
        task.previous = run.note("TaskStarted", task.previous, **label)
        try:
            result = self._with_token(run, task, label) if pattern == ".waitForTaskToken" else self._call(run, task)
            if pattern.startswith(".sync"):
                result = self._until_ended(run, task, result, as_json=pattern.endswith(":2"))
            check_size(result, task.resource if _is_function(task) else kind)
        except StateError as error:
            failed = "TaskTimedOut" if error.error == "States.Timeout" else "TaskFailed"
            task.previous = run.note(failed, task.previous, **label, **error.details)
            raise
        task.previous = run.note("TaskSucceeded", task.previous, **label, output=result)
        return result

    # -- calls

    def _call(self, run: Interpreter, task: Task) -> Any:
        """Make the call on a thread of its own, so that an abort or a timeout isn't kept waiting.

        A call takes the time it takes, so its deadline is real time. One that a fault lets hang, the clock's.
        """
        box: list[Any] = []
        done = threading.Event()

        def work() -> None:
            try:
                box.append(self._request(task))
            except BaseException as error:  # noqa: BLE001 - handed over to the waiting thread
                box.append(error)
            done.set()

        threading.Thread(target=work, daemon=True, name=f"task-{task.name}").start()
        waited = 0.0
        while not done.wait(0.25 if waited else 0.05):
            waited += 0.25
            if task.abort.is_set():
                raise Aborted
            if waited >= task.timeout:
                raise StateError("States.Timeout", "")
        outcome = box[0]
        if isinstance(outcome, CallHangs):
            if not run.clock.sleep(task.timeout, cancel=task.abort):
                raise Aborted
            raise StateError("States.Timeout", "")
        if isinstance(outcome, StateError):
            raise outcome
        if isinstance(outcome, BaseException):
            traceback.print_exception(outcome, file=sys.stderr)
            raise runtime_error(f"the local cloud broke: {outcome}")
        return outcome

    def _request(self, task: Task) -> Any:
        resource, pattern = _resource(task.resource)
        parameters = task.parameters
        if _is_function(task):
            return self._invoke(task, {"FunctionName": task.resource, "Payload": parameters})["Payload"]
        if not isinstance(parameters, dict):
            raise runtime_error(f"The Parameters of {task.name} must be an object")
        if resource == "lambda:invoke":
            return self._invoke(task, parameters)
        sdk = resource.startswith("aws-sdk:")
        service, _, action = resource.removeprefix("aws-sdk:").partition(":")
        name = SERVICES.get(service, {"states": "stepfunctions"}.get(service, service))
        title = SDK_NAMES.get(service, service.capitalize()) if sdk else OPTIMISED.get(service, service.capitalize())
        if not codec.is_known(name) or codec.operation_model(name, pascal(action)) is None:
            raise runtime_error(f"The resource {task.resource} is not offered")
        if resource == "states:startExecution" and not pattern:
            parameters = {k: v for k, v in parameters.items() if k != "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"}
        operation = codec.operation_model(name, pascal(action))
        params = to_request(parameters, operation.input_shape, task.name)
        answer = self._send(task, name, pascal(action), params, title)
        if "ReturnConsumedCapacity" not in params:
            answer.pop("ConsumedCapacity", None)  # Moto's UpdateItem shows it unasked
        result = from_response(answer, operation.output_shape)
        if service == "dynamodb" and not sdk:
            length = len(json.dumps(answer, separators=(",", ":"), default=str))
            result |= sdk_words.metadata(sdk_words.DYNAMODB, length)
        return result

    def _send(
        self, task: Task, service: str, action: str, params: dict[str, Any], title: str, general: str = ""
    ) -> dict[str, Any]:
        account = str(task.context["Execution"]["Id"].split(":")[4])
        try:
            caller = self._caller(task)
            return self._cloud.request(service, action, params, region=_region(task), account=account, caller=caller)
        except ConnectionCut:
            raise StateError(f"{title}.SdkClientException", "Unable to execute HTTP request") from None
        except ServiceError as error:
            first = bool(general)  # Lambda's own integration words errors as the first SDK did
            cause = sdk_words.cause(
                error.message, "AWSLambda" if first else title, error.status, error.code, sdk=not first
            )
            raise StateError(
                f"{title}.{_error_name(service, error.code) or general or f'{title}Exception'}", cause
            ) from None

    @staticmethod
    def _caller(task: Task) -> ServiceCaller:
        """Return the machine's role, with which an execution calls."""
        machine, role = str(task.context["StateMachine"]["Id"]), str(task.context["Execution"]["RoleArn"])
        return ServiceCaller("states.amazonaws.com", machine, machine.split(":")[4], role)

    def _invoke(self, task: Task, parameters: Mapping[str, Any]) -> dict[str, Any]:
        operation = codec.operation_model("lambda", "Invoke")
        arguments = dict(parameters)
        payload = arguments.pop("Payload", {})
        params = to_request(arguments, operation.input_shape, task.name)
        params["Payload"] = payload if isinstance(payload, bytes) else _event({} if payload is None else payload)
        answer = self._send(task, "lambda", "Invoke", params, "Lambda", "AWSLambdaException")
        body = answer.get("Payload") or b""
        text = (body.read() if hasattr(body, "read") else body).decode()
        if answer.get("FunctionError"):
            raise _function_error(text)
        try:
            parsed = json.loads(text) if text else None
        except ValueError:
            check_size(text, "lambda")  # recorded on AWS: what is too large isn't read
            raise StateError("States.Runtime", f"The function's answer is not JSON: {text[:200]}") from None
        version, status = answer.get("ExecutedVersion", "$LATEST"), answer.get("StatusCode", 200)
        headers = {**sdk_words.LAMBDA, "X-Amz-Executed-Version": version, "X-Amzn-Trace-Id": sdk_words.trace_id()}
        tail = {"LogResult": answer["LogResult"]} if answer.get("LogResult") else {}
        if tail:
            headers["X-Amz-Log-Result"] = answer["LogResult"]
        return {
            "ExecutedVersion": version,
            **tail,
            "Payload": parsed,
            **sdk_words.metadata(headers, len(text.encode()), status),
            "StatusCode": status,
        }

    # -- callbacks and children

    def _with_token(self, run: Interpreter, task: Task, label: Mapping[str, str]) -> Any:
        token = task.context["Task"]["Token"]
        callback = self.callbacks[token] = Callback(beat=run.clock.now())
        began = run.clock.now()
        try:
            output = self._call(run, task)
            task.previous = run.note("TaskSubmitted", task.previous, **label, output=output)
            while not callback.ended.is_set():
                now = run.clock.now()
                if now - began >= task.timeout:
                    raise StateError("States.Timeout", "")
                if task.heartbeat and now - callback.beat >= task.heartbeat:
                    raise StateError("States.HeartbeatTimeout", "")
                if task.abort.is_set():
                    raise Aborted
                callback.ended.wait(min(0.05, max(0.002, (began + task.timeout - now) / run.clock.speed)))
        finally:
            del self.callbacks[token]
        if callback.error:
            raise callback.error
        return callback.outcome

    def _until_ended(self, run: Interpreter, task: Task, started: Mapping[str, Any], *, as_json: bool) -> Any:
        arn = started["ExecutionArn"]
        account = arn.split(":")[4]
        while True:
            shown = self._cloud.call_as(
                self._caller(task),
                "stepfunctions",
                "DescribeExecution",
                {"executionArn": arn},
                region=_region(task),
                account=account,
            )
            if shown["status"] not in RUNNING:
                break
            if not run.clock.sleep(min(1.0, 0.02 * run.clock.speed), cancel=task.abort):
                raise Aborted
        operation = codec.operation_model("stepfunctions", "DescribeExecution")
        described = from_response(shown, operation.output_shape)
        if as_json:
            for key in ("Input", "Output"):
                if key in described:
                    described[key] = json.loads(described[key])
        if shown["status"] != "SUCCEEDED":
            raise StateError("States.TaskFailed", json.dumps(described))
        return described


def _event(payload: Any) -> bytes:
    """Write a Payload. A text that is JSON is the event itself.

    Recorded on AWS by LocalStack's tests (test_lambda_task_service.py, test_invoke_json_values).
    """
    if isinstance(payload, str):
        with contextlib.suppress(ValueError):
            json.loads(payload)
            return payload.encode()
    return json.dumps(payload).encode()


def _resource(arn: str) -> tuple[str, str]:
    """Split a resource's ARN: `lambda:invoke` and `.waitForTaskToken`, `.sync` or `.sync:2`."""
    name = arn.split(":", 5)[5] if arn.count(":") >= 5 else arn  # noqa: PLR2004 - arn:partition:states:::name
    bare, dot, pattern = name.partition(".")
    return bare, dot + pattern


def _check_partition(task: Task) -> None:
    """Refuse a task of another partition, in AWS's words (https://github.com/aws/aws-cdk/issues/4597)."""
    own, other = (arn.split(":")[1] for arn in (str(task.context["Execution"]["Id"]), task.resource))
    if own != other:
        raise runtime_error(
            f"The resource belongs to a different partition from the running execution. Expected '{own}', was '{other}'"
        )


def _is_function(task: Task) -> bool:
    """Say whether a task names a function's ARN as its resource."""
    return task.resource.split(":")[2] == "lambda"


def _region(task: Task) -> str:
    return str(task.context["Execution"]["Id"].split(":")[3])


def _error_name(service: str, code: str) -> str:
    """Return a modelled error's class in the SDK for Java. Others have none: they get the service's general one."""
    codes = set()
    for shape in codec.service_model(service).error_shapes:
        codes |= {shape.name, str(shape.error_code)}
    if code not in codes:
        return ""
    return code if code.endswith("Exception") else f"{code}Exception"


def _function_error(text: str) -> StateError:
    try:
        raw = json.loads(text)
        kind = str(raw.get("errorType") or "")
        text = json.dumps(
            raw, separators=(",", ":"), ensure_ascii=False
        )  # recorded on AWS: without the runtime's spaces
    except (ValueError, AttributeError):
        kind = ""
    return StateError(kind or "Lambda.Unknown", text)
