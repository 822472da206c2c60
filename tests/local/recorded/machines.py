"""Executions of state machines: their history, event by event."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from asking import until

from recorded import scenario
from recorded.recorder import ECHO, Recorder

BASE = "TestSnfBase::test_"
LAMBDA = "TestTaskServiceLambda::test_"
SDK = "TestTaskServiceAwsSdk::test_"
DYNAMODB = "TestTaskServiceDynamoDB::test_"
FAILURE = {"Type": "Fail", "Error": "SomeFailure", "Cause": "This state machines raises a 'SomeFailure' failure."}


def make(r: Recorder, states: dict[str, Any], **more: Any) -> str:
    """Make a state machine that begins with the first of the states."""
    definition = {"StartAt": next(iter(states)), "States": states, **more}
    made = r.cloud.client("stepfunctions").create_state_machine(
        name=r.name("machine"), roleArn=r.cloud.role, definition=json.dumps(definition)
    )
    return str(made["stateMachineArn"])


def run(r: Recorder, states: dict[str, Any], data: Any, *, describe: bool = False, **more: Any) -> None:
    """Run a machine to its end, and keep its history."""
    client = r.cloud.client("stepfunctions")
    started = client.start_execution(stateMachineArn=make(r, states, **more), input=json.dumps(data))
    execution = {"executionArn": started["executionArn"]}
    until(lambda: client.describe_execution(**execution), lambda row: row["status"] != "RUNNING")
    if describe:
        r.see("describe_execution", "describe_execution", client, **execution)
    r.see("get_execution_history", "get_execution_history", client, **execution)


def task(resource: str, **parameters: str) -> dict[str, Any]:
    given = {key: value.removeprefix("=") for key, value in parameters.items() if value.startswith("=")}
    paths = {f"{key}.$": value for key, value in parameters.items() if not value.startswith("=")}
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": {**paths, **given}}


def last(**more: Any) -> dict[str, Any]:
    return {"Type": "Pass", **more, "End": True}


@scenario(f"{BASE}state_fail", FAILURE, {}, True)
@scenario(f"{BASE}state_fail_empty", {"Type": "Fail"}, {}, True)
@scenario(
    f"{BASE}state_fail_path",
    {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"},
    {"Error": "error string", "Cause": "cause string"},
)
@scenario(
    f"{BASE}state_fail_intrinsic",
    {
        "Type": "Fail",
        "ErrorPath": "States.Format('{}', $.Error)",
        "CausePath": "States.Format('This is a custom error message for {}, caused by {}.', $.Error, $.Cause)",
    },
    {"Error": "error string", "Cause": "cause string"},
)
def failed(r: Recorder, state: dict[str, Any], data: Any, describe: bool = False) -> None:
    run(r, {"FailState": state}, data, describe=describe)


@scenario(f"{BASE}state_pass_result", {"Result": {"Arg1": "argument1"}})
@scenario(f"{BASE}state_pass_result_jsonpaths", {"Result": {"unsupported1.$": "$.jsonpath", "unsupported2.$": "$$"}})
@scenario(f"{BASE}decl_version_1_0", {}, {"Version": "1.0"})
def passed(r: Recorder, state: dict[str, Any], more: dict[str, Any] | None = None) -> None:
    run(r, {"State_1": last(**state)}, {}, **(more or {}))


@scenario(f"{BASE}state_pass_result_null_input_output_paths")
def no_paths(r: Recorder) -> None:
    states = {
        "State0": {"Type": "Pass", "Parameters": {"Arg1": "argument1", "FromInput.$": "$"}, "Next": "State1"},
        "State1": {
            "Type": "Pass",
            "InputPath": None,
            "Parameters": {"Arg2": "argument2", "FromInput.$": "$"},
            "Next": "State2",
        },
        "State2": last(OutputPath=None),
    }
    run(r, states, {"InputValue": 0})


@scenario(f"{BASE}state_pass_regex_json_path_base")
def filtered(r: Recorder) -> None:
    state = last(Parameters={"FromInput.$": "$.users[?(@.status == 0)]"})
    run(r, {"State0": state}, {"users": [{"year": 1997, "status": 0}, {"year": 1998, "status": 1}]})


ITEMS = {"items": [{"item_key": number} for number in range(11)]}
for _path, _data in (
    ("$.items[0]", ITEMS),
    ("$.items[10]", ITEMS),
    *(
        (path, {})
        for path in (
            "$[*]",
            "$.items[*]",
            "$.items[1:]",
            "$.items[:1]",
            "$.item.items[*]",
            "$.item.items[1:]",
            "$.item.items[:1]",
            "$.item.items[1:5]",
            "$.items[*].itemValue",
            "$.items[1:].itemValue",
            "$.items[:1].itemValue",
            "$.item.items[1:5].itemValue",
        )
    ),
):
    _kind = "json_path_array_access" if _data else "json_path_array_wildcard_or_slice_with_no_input"

    @scenario(f"{BASE}{_kind}[{_path}]", _path, _data)
    def array(r: Recorder, path: str, data: Any) -> None:
        run(r, {"EntryState": last(Parameters={"item.$": path})}, data, Comment="JSON_PATH_ARRAY_ACCESS")


@scenario(f"{BASE}query_context_object_values")
def context(r: Recorder) -> None:
    parts = {
        "context_object": "$$",
        "execution": "$$.Execution",
        "execution_id": "$$.Execution.Id",
        "execution_input": "$$.Execution.Input",
        "execution_name": "$$.Execution.Name",
        "execution_rolearn": "$$.Execution.RoleArn",
        "execution_starttime": "$$.Execution.StartTime",
        "state": "$$.State",
        "state_enteredtime": "$$.State.EnteredTime",
        "state_name": "$$.State.Name",
        "statemachine": "$$.StateMachine",
        "statemachine_id": "$$.StateMachine.Id",
        "statemachine_name": "$$.StateMachine.Name",
    }
    values = {f"{key}.$": path for key, path in parts.items()}
    states = {
        "QueryValues1": {
            "Type": "Pass",
            "Next": "QueryValues2",
            "ResultPath": "$.query_values_1",
            "Parameters": values,
        },
        "QueryValues2": last(ResultPath="$.query_values_2", Parameters={"context_object.$": "$$"}),
    }
    run(r, states, {"message": "TestMessage"})


INVOKE = {"FunctionName": "$.FunctionName", "Payload": "$.Payload"}


def invoke(r: Recorder, payload: Any, source: str = ECHO, **more: Any) -> None:
    """Call a function by a task, as the recordings of its service do."""
    parameters = {**INVOKE, **({"LogType": "$.LogType"} if "LogType" in more else {})}
    states = {
        "Start": {**task("lambda:invoke", **parameters), "Next": "EndWithFinal"},
        "EndWithFinal": last(ResultPath="$.final"),
    }
    name = r.furnish(name=r.name("lambda_func"), source=source, Handler="app.handler", Runtime=runtime())
    run(r, states, {"FunctionName": name, "Payload": payload, **more})


def runtime() -> str:
    from functions import PYTHON

    return f"python{PYTHON}"


@scenario(f"{LAMBDA}invoke", None)
@scenario(f"{LAMBDA}invoke_json_values[HelloWorld]", '"HelloWorld"')
@scenario(f"{LAMBDA}invoke_json_values[0.0]", "0.0")
@scenario(f"{LAMBDA}invoke_json_values[0_0]", "0")
@scenario(f"{LAMBDA}invoke_json_values[0_1]", "0")
@scenario(f"{LAMBDA}invoke_json_values[True]", "true")
@scenario(f"{LAMBDA}invoke_json_values[json_value5]", "{}")
@scenario(f"{LAMBDA}invoke_json_values[json_value6]", "[]")
def invoked(r: Recorder, payload: Any) -> None:
    invoke(r, payload)


@scenario(f"{LAMBDA}invoke_bytes_payload")
def bytes_back(r: Recorder) -> None:
    source = "def handler(event, context):\n    return b'\"HelloWorld!\"'\n"
    invoke(r, json.dumps("'{'Hello':'World'}'"), source)


@scenario(f"{LAMBDA}invoke_unsupported_param")
def log_tail(r: Recorder) -> None:
    invoke(r, None, LogType="Tail")


RAISES = 'def handler(event, context):\n    raise Exception("Some exception was raised.")\n'
CUSTOM = """class CustomException(Exception):
    message: str

    def __init__(self):
        self.message = "CustomException message"


def handler(event, context):
    raise CustomException()
"""


def catching(*catches: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """Return the states of a task that catches errors: what, where to, the path of the result."""
    handlers = {state: last(ResultPath=f"$.{path}") for _, state, path in catches}
    return {
        "Start": {
            **task("lambda:invoke", **INVOKE),
            "Catch": [{"ErrorEquals": [error], "Next": state} for error, state, _ in catches],
            "Next": "EndWithFinal",
            **more,
        },
        **handlers,
        "EndWithFinal": last(ResultPath="$.final"),
    }


UNKNOWN = (("Lambda.Unknown", "EndWithHandler", "error"),)
RELEVANT = (
    ("Lambda.Unknown", "EndWithLambdaUnknownHandler", "lambda_unknown"),
    ("States.TaskFailed", "EndWithStateTaskFailedHandler", "task_failed_error"),
    ("States.ALL", "EndWithAllHandler", "all_error"),
)


def raising(r: Recorder, source: str = RAISES) -> str:
    code = {"ZipFile": handler_zip(source)}
    return r.furnish(name=r.name("lambda_func"), Code=code, Runtime=runtime())


def handler_zip(source: str) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", source)
    return buffer.getvalue()


@scenario(f"{LAMBDA}raise_exception", UNKNOWN, "")
@scenario(f"{LAMBDA}raise_exception_catch", RELEVANT, "")
@scenario(f"{LAMBDA}no_such_function", UNKNOWN, "no_such_")
@scenario(f"{LAMBDA}no_such_function_catch", RELEVANT, "no_such_")
def raised(r: Recorder, catches: tuple[tuple[str, str, str], ...], prefix: str) -> None:
    run(r, catching(*catches), {"FunctionName": prefix + raising(r), "Payload": None})


@scenario(f"{LAMBDA}raise_custom_exception")
def custom(r: Recorder) -> None:
    catch = [{"ErrorEquals": ["CustomException"], "Next": "ErrorMatched"}]
    states = {
        "InvokeLambda": {**task("lambda:invoke", **INVOKE), "Next": "ProcessResult", "Catch": catch},
        "ProcessResult": last(),
        "ErrorMatched": last(),
    }
    run(r, states, {"FunctionName": raising(r, CUSTOM), "Payload": None})


for _path in (None, "$.Payload", "$.no.such.path"):

    @scenario(f"{LAMBDA}raise_exception_catch_output_path[{_path}]", _path)
    def caught(r: Recorder, path: str | None) -> None:
        states = {
            "InvokeLambda": {
                **task("lambda:invoke", **INVOKE),
                "ResultPath": "$.Payload",
                "OutputPath": path,
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "HandleGeneralError"}],
                "Next": "ProcessResult",
            },
            "ProcessResult": last(),
            "HandleGeneralError": last(Parameters={"InputValue.$": "$"}),
        }
        run(r, states, {"FunctionName": raising(r), "Payload": {"payload_input_value_0": 0}})


@scenario(f"{LAMBDA}invoke_timeout")
def timeout(r: Recorder) -> None:
    source = "import time\n\ndef handler(event, context):\n    time.sleep(60)\n"
    name = r.furnish(name=r.name("lambda_1_func"), source=source, Handler="app.handler", Runtime=runtime(), Timeout=70)
    states = catching(("States.Timeout", "EndWithHandler", "error"), TimeoutSeconds=5)
    run(r, states, {"FunctionName": name, "Payload": None})


TABLE = {"Item": {"data": {"S": "HelloWorld"}, "id": {"S": "id1"}}, "Key": {"id": {"S": "id1"}}}
UPDATE = {"UpdateExpression": "set S=:r", "ExpressionAttributeValues": {":r": {"S": "HelloWorldUpdated"}}}


def items(r: Recorder, prefix: str, kind: str, data: dict[str, Any]) -> None:
    """Write, change, read and delete an item."""
    table = r.name("sfn_test_table")
    r.cloud.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"TableName": "$.TableName", "Key": "$.Key"}
    change = {"UpdateExpression": "$.UpdateExpression", "ExpressionAttributeValues": "$.ExpressionAttributeValues"}
    every = {
        "put": ("PutItem", task(f"{prefix}:putItem", TableName="$.TableName", Item="$.Item")),
        "update": ("UpdateItem", task(f"{prefix}:updateItem", **key, **change, ReturnValues="=UPDATED_NEW")),
        "get": ("GetItem", task(f"{prefix}:getItem", **key)),
        "delete": ("DeleteItem", task(f"{prefix}:deleteItem", **key)),
        "query": ("QueryItems", task("aws-sdk:dynamodb:query", TableName="$.TableName")),
    }
    every["query"][1]["Parameters"] |= {
        "KeyConditionExpression": "id = :id",
        "ExpressionAttributeValues": {":id.$": "$.Item.id"},
    }
    chosen = [every[name] for name in kind.lower().split("_") if name in every]
    states = {}
    for (name, state), after in zip(chosen, [*chosen[1:], None], strict=True):
        path = f"$.{'query' if name == 'QueryItems' else name[0].lower() + name[1:]}Output"
        states[name] = {**state, "ResultPath": path, **({"Next": after[0]} if after else {"End": True})}
    run(r, states, {"TableName": table, **data})


for _kind in ("put_get", "put_delete", "put_update_get"):

    @scenario(f"{SDK}dynamodb_{_kind}_item", _kind)
    def sdk_items(r: Recorder, kind: str) -> None:
        items(r, "aws-sdk:dynamodb", kind, {**TABLE, **(UPDATE if "update" in kind else {})})


for _kind in ("PUT_GET_ITEM", "PUT_DELETE_ITEM", "PUT_UPDATE_GET_ITEM", "PUT_QUERY"):

    @scenario(f"{DYNAMODB}base_integrations[DYNAMODB_{_kind}]", _kind)
    def optimised_items(r: Recorder, kind: str) -> None:
        items(r, "dynamodb", kind, {**TABLE, **UPDATE})


@scenario(f"{DYNAMODB}invalid_integration")
def invalid(r: Recorder) -> None:
    refusal(r, lambda: make(r, {"Query": {**task("dynamodb:query", TableName="=t"), "End": True}}))


def refusal(r: Recorder, call: Callable[[], Any]) -> None:
    """Keep how a call was refused, as the suite wrote it down."""
    try:
        call()
    except r.cloud.client("stepfunctions").exceptions.ClientError as error:
        r.answers["exception"] = {
            "exception_typename": type(error).__name__,
            "exception_value": re.sub(r" \(reached max retries: \d\)", "", str(error)),
        }


API = "TestSnfApi::test_"


@scenario(f"{API}describe_invalid_arn_sm", "describe_state_machine", {"stateMachineArn": "not_a_valid_arn"})
@scenario(f"{API}list_execution_invalid_arn", "list_executions", {"stateMachineArn": "invalid_state_machine_arn"})
@scenario(f"{API}describe_execution_invalid_arn", "describe_execution", {"executionArn": "invalid_state_machine_arn"})
@scenario(
    f"{API}get_execution_history_invalid_arn", "get_execution_history", {"executionArn": "invalid_state_machine_arn"}
)
def no_arn(r: Recorder, action: str, given: dict[str, str]) -> None:
    refusal(r, lambda: getattr(r.cloud.client("stepfunctions"), action)(**given))


@scenario(f"{API}list_execution_no_such_state_machine", "list_executions", "stateMachineArn", "ssm_nonexistent_arn")
@scenario(
    f"{API}describe_execution_no_such_state_machine", "describe_execution", "executionArn", "invalid_execution_arn"
)
@scenario(
    f"{API}get_execution_history_no_such_execution", "get_execution_history", "executionArn", "invalid_execution_arn"
)
def unknown_arn(r: Recorder, action: str, parameter: str, placeholder: str) -> None:
    arn = make(r, {"State_1": last()}) + "-nonexistent"
    if parameter == "executionArn":
        arn = arn.replace(":stateMachine:", ":execution:") + ":0000"
    refusal(r, lambda: getattr(r.cloud.client("stepfunctions"), action)(**{parameter: arn}))
    refused = r.answers["exception"]
    refused["exception_value"] = refused["exception_value"].replace(arn, placeholder)


LIMIT = "TestStatesErrors::test_"


@scenario(f"{LIMIT}service_task_lambada_data_limit_exceeded_on_large_utf8_response", "HandleDataLimitExceeded")
@scenario(
    f"{LIMIT}service_task_lambada_catch_state_all_data_limit_exceeded_on_large_utf8_response", "HandleGeneralError"
)
def too_large(r: Recorder, handler: str) -> None:
    source = 'def handler(event, context):\n    return ("a" * 257 * 1024).encode()\n'
    caught = "States.DataLimitExceeded" if handler == "HandleDataLimitExceeded" else "States.ALL"
    states = {
        "InvokeLambda": {
            **task("lambda:invoke", **INVOKE),
            "Next": "ProcessResult",
            "Catch": [{"ErrorEquals": [caught], "Next": handler}],
        },
        "ProcessResult": last(),
        handler: last(),
    }
    run(r, states, {"FunctionName": raising(r, source), "Payload": None})


@scenario(f"{LIMIT}start_large_input")
def large_result(r: Recorder) -> None:
    run(r, {"State_1": last(Result={"Arg1": "a" * 257 * 1024})}, {})


for _number, _outcome in enumerate(("sendTaskSuccess", "sendTaskFailure")):

    @scenario(f"{SDK}sfn_send_task_outcome_with_no_such_token[state_machine_template{_number}]", _outcome)
    def no_token(r: Recorder, outcome: str) -> None:
        more = {"Output": "=ParameterOutput"} if outcome == "sendTaskSuccess" else {}
        state = task(f"aws-sdk:sfn:{outcome}", TaskToken="$$.Execution.Input.TaskToken", **more)
        run(r, {"StartExecution": {**state, "End": True}}, {"TaskToken": "NoSuchTaskToken"})


@scenario(f"{SDK}sfn_start_execution")
def started(r: Recorder) -> None:
    target = make(r, {"FailState": FAILURE})
    state = task("aws-sdk:sfn:startExecution", StateMachineArn="$.StateMachineArn", Input="$.Input", Name="$.Name")
    data = {"StateMachineArn": target, "Input": None, "Name": "TestStartTarget"}
    run(r, {"StartExecution": {**state, "End": True}}, data)


@scenario(f"{SDK}sfn_start_execution_implicit_json_serialisation")
def started_with_an_object(r: Recorder) -> None:
    target = make(r, {"State_1": last(Result={"Arg1": "argument1"})})
    states = {
        "SetupVariables": {"Type": "Pass", "Parameters": {"Input": {"key": "value"}}, "Next": "StartTarget"},
        "StartTarget": {
            **task("aws-sdk:sfn:startExecution", StateMachineArn=f"={target}", Input="$.Input"),
            "End": True,
        },
    }
    run(r, states, {})


BODIES = {"empty_str": b"", "str": b"text data", "empty_binary": b"", "binary": b"binary data"}
for _kind, _body in {**BODIES, "bytearray": b"byte array data"}.items():

    @scenario(f"{SDK}s3_get_object[{_kind}]", _body)
    def s3_read(r: Recorder, body: bytes) -> None:
        where = {"Bucket": r.bucket(), "Key": "file_key"}
        r.cloud.client("s3").put_object(**where, Body=body)
        state = task("aws-sdk:s3:getObject", Bucket="$.Bucket", Key="$.Key")
        run(r, {"S3GetObject": {**state, "End": True}}, where)


for _kind, _value in {
    "str": "text data",
    "dict": {"Dict": "Value"},
    "list": ["List", "Data"],
    "bool": False,
    "num": 0,
}.items():

    @scenario(f"{SDK}s3_put_object[{_kind}]", _value)
    def s3_written(r: Recorder, body: Any) -> None:
        where = {"Bucket": r.bucket(), "Key": r.name("file-key")}
        state = task("aws-sdk:s3:putObject", Bucket="$.Bucket", Key="$.Key", Body="$.Body")
        run(r, {"S3PutObject": {**state, "End": True}}, {**where, "Body": body})
        client = r.cloud.client("s3")
        answer = client.get_object(**where)
        answer["Body"] = answer["Body"].read().decode()
        r.answers["get-s3-object"] = answer
