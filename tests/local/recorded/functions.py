"""Functions: made, read, changed, deleted."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ParamValidationError

from recorded import scenario
from recorded.recorder import VERSION, Recorder, constraints

FUNCTION = "TestLambdaFunction::test_"


def elsewhere(r: Recorder) -> str:
    return "us-east-1" if r.cloud.region != "us-east-1" else "eu-central-1"


@scenario(f"{FUNCTION}function_lifecycle")
def lifecycle(r: Recorder) -> None:
    name = r.furnish("create_response", MemorySize=256, Timeout=5)
    r.see("get_function_response", "get_function", FunctionName=name)
    r.see(
        "update_func_conf_response",
        "update_function_configuration",
        FunctionName=name,
        Runtime="python3.11",
        Description="Changed-Description",
        MemorySize=512,
        Timeout=10,
        Environment={"Variables": {"ENV_A": "a"}},
    )
    r.updated(name)
    r.see("get_function_response_postupdate", "get_function", FunctionName=name)
    r.see("update_code_response", "update_function_code", FunctionName=name, ZipFile=r.functions.zip(VERSION))
    r.updated(name)
    r.see("get_function_response_postcodeupdate", "get_function", FunctionName=name)
    r.see("delete_response", "delete_function", FunctionName=name)
    r.see("delete_postdelete", "delete_function", FunctionName=name)


@scenario(f"{FUNCTION}redundant_updates")
def redundant(r: Recorder) -> None:
    name = r.furnish("create_response", Description="Initial description")
    change = {"FunctionName": name, "Description": "1st update description"}
    r.see("first_update_result", "update_function_configuration", **change)
    r.updated(name)
    r.see("get_fn_config_result", "get_function_configuration", FunctionName=name)
    r.see("get_fn_result", "get_function", FunctionName=name)
    r.see("redundant_update_result", "update_function_configuration", **change)
    r.updated(name)
    r.see("get_fn_result_after_redundant_update", "get_function", FunctionName=name)


for _action in ("delete_function", "get_function", "get_function_configuration"):

    @scenario(f"{FUNCTION}ops_with_arn_qualifier_mismatch[{_action}]", _action)
    def mismatch(r: Recorder, action: str) -> None:
        arn = r.arn("some-function")
        r.see("not_match_exception", action, FunctionName=f"{arn}:1", Qualifier="$LATEST")
        r.see("match_exception", action, FunctionName=f"{arn}:$LATEST", Qualifier="$LATEST")


for _action in ("get_function", "get_function_configuration", "get_function_event_invoke_config"):

    @scenario(f"{FUNCTION}ops_on_nonexisting_version[{_action}]", _action)
    def no_version(r: Recorder, action: str) -> None:
        r.see("version_not_found_exception", action, FunctionName=r.furnish(), Qualifier="1221")


@scenario(f"{FUNCTION}delete_on_nonexisting_version")
def delete_no_version(r: Recorder) -> None:
    name = r.furnish(Description="Initial description")
    for _ in range(2):
        r.ask("delete_function", FunctionName=name, Qualifier="1233")
    r.ask("delete_function", FunctionName=name)
    r.see("delete_function_response_non_existent", "delete_function", FunctionName=name)
    r.see(
        "delete_function_response_non_existent_with_qualifier", "delete_function", FunctionName=name, Qualifier="1233"
    )


READS = (
    "get_function",
    "get_function_configuration",
    "get_function_url_config",
    "get_function_code_signing_config",
    "get_function_event_invoke_config",
    "get_function_concurrency",
    "delete_function",
)
for _action in READS:

    @scenario(f"{FUNCTION}ops_on_nonexisting_fn[{_action}]", _action)
    def no_function(r: Recorder, action: str) -> None:
        r.see("not_found_exception", action, FunctionName=r.name("i-dont-exist"))


for _action in (*READS, "invoke"):

    @scenario(f"{FUNCTION}get_function_wrong_region[{_action}]", _action)
    def wrong_region(r: Recorder, action: str) -> None:
        r.see("wrong_region_exception", action, FunctionName=r.arn(r.furnish(), elsewhere(r)))


@scenario(f"{FUNCTION}lambda_code_location_zipfile", "create-response-zip-file", "zip")
@scenario(f"{FUNCTION}lambda_code_location_s3", "create_response_s3", "s3")
def location(r: Recorder, label: str, kind: str) -> None:
    def code(source: str) -> dict[str, Any]:
        content = r.functions.zip(source)
        if kind == "zip":
            return {"ZipFile": content}
        s3.put_object(Bucket=bucket, Key="code/f.zip", Body=content)
        return {"S3Bucket": bucket, "S3Key": "code/f.zip"}

    s3, bucket = r.cloud.client("s3"), r.bucket()
    name = r.create(label, Code=code("def handler(event, context):\n    return 1\n"))
    r.see("get-function-response", "get_function", FunctionName=name)
    with r.functions.unsettled():
        r.see("update-function-response", "update_function_code", FunctionName=name, **code(VERSION))
    r.see("get-function-response-updated", "get_function", FunctionName=name)


@scenario(f"{FUNCTION}lambda_code_location_s3_errors")
def s3_errors(r: Recorder) -> None:
    s3, bucket = r.cloud.client("s3"), r.bucket()
    s3.put_object(Bucket=bucket, Key="f.zip", Body=r.functions.zip())
    no_bucket = {"S3Bucket": r.name("some-random-non-existent-bucket"), "S3Key": "f.zip"}
    no_key = {"S3Bucket": bucket, "S3Key": "non/existent.zip"}
    r.create("create-error-wrong-bucket", Code=no_bucket)
    r.create("create-error-wrong-key", Code=no_key)
    name = r.create(Code={"S3Bucket": bucket, "S3Key": "f.zip"})
    r.see("update-error-wrong-bucket", "update_function_code", FunctionName=name, **no_bucket)
    r.see("update-error-wrong-key", "update_function_code", FunctionName=name, **no_key)


@scenario(f"{FUNCTION}function_arns")
def arns(r: Recorder) -> None:
    prefix = r.arn("")
    r.furnish("create-function-arn-response", prefix + r.name("test-function-arn"))
    r.furnish("create-function-partial-arn-response", f"{r.cloud.account}:function:{r.name('test-partial-arn')}")
    r.create("invalid_function_name_exc", "invalid:function:name")
    r.create("long_function_name_exc", "a" * 65)
    r.create("long_function_arn_exc", prefix + "a" * (141 - len(prefix)))
    r.create("function_arn_other_region_exc", r.arn(r.name("test-function-arn"), "ap-southeast-1"))
    r.create(
        "function_arn_other_account_exc", r.arn(r.name("test-function-arn")).replace(r.cloud.account, "210987654321")
    )


NAMES: dict[str, tuple[str, str]] = {
    "invalid_characters_in_function_name": ("my-function!", ""),
    "function_name_is_single_invalid": ("*", ""),
    "invalid_characters_in_qualifier": ("my-function", "invalid!"),
    "qualifier_too_long": ("my-function", "a" * 129),
    "invalid_account_id_in_partial_arn": ("invalid-account:function:my-function", ""),
    "invalid_region_in_arn": ("arn:aws:lambda:invalid-region:{account}:function:my-function", ""),
    "non_lambda_arn": ("arn:aws:ec2:{region}:{account}:instance:i-1234567890abcdef0", ""),
    "function_name_too_long": ("a" * 65, ""),
    "function_name_too_long_and_invalid_region": (
        "arn:aws:lambda:invalid-region:{account}:function:my-function" + "a" * 170,
        "",
    ),
    "full_arn_and_qualifier_too_long_and_invalid_region": (
        "arn:aws:lambda:invalid-region:{account}:function:my-function-" + "a" * 170,
        "a" * 129,
    ),
    "full_arn_with_multiple_qualifiers": ("arn:aws:lambda:{region}:{account}:function:my-function:1:2", ""),
    "incomplete_arn": ("arn:aws:lambda:{region}:{account}:function", ""),
    "partial_arn_with_extra_qualifier": ("function:my-function:$LATEST:extra", ""),
    "latest_version_with_additional_qualifier": ("arn:aws:lambda:{region}:{account}:function:my-function:$LATEST", "1"),
    "lowercase_latest_qualifier": ("arn:aws:lambda:{region}:{account}:function:my-function", "$latest"),
    "missing_region_in_arn": ("arn:aws:lambda::{account}:function:my-function", ""),
    "missing_account_id_in_arn": ("arn:aws:lambda:{region}::function:my-function", ""),
    "misspelled_latest_in_arn": ("arn:aws:lambda:{region}:{account}:function:my-function:$LATES", ""),
}
for _case in NAMES:
    for _action in ("get_function", "delete_function", "invoke", "create_function"):

        @scenario(f"{FUNCTION}function_name_and_qualifier_validation[{_case}-{_action}]", _case, _action)
        def names(r: Recorder, case: str, action: str) -> None:
            name, qualifier = NAMES[case]
            name = name.format(region=r.cloud.region, account=r.cloud.account)
            if action == "create_function":
                r.create("made", f"{name}:{qualifier}" if qualifier else name, wait=False)
                answer = r.answers.pop("made")
            else:
                answer = r.ask(action, FunctionName=name, **({"Qualifier": qualifier} if qualifier else {}))
            if "Error" in answer:
                r.answers[f"{action}_exception"] = constraints(answer)
            else:  # a function named "function" could be made
                r.ask("delete_function", FunctionName=name)


@scenario(f"{FUNCTION}create_lambda_exceptions")
def create_refused(r: Recorder) -> None:
    r.create("invalid_role_arn_exc", Role="r1")
    r.create("invalid_runtime_exc", Runtime="non-existent-runtime")
    r.create("uppercase_runtime_exc", Runtime="PYTHON3.9")
    validating = r.cloud.client("lambda")
    try:
        validating.create_function(FunctionName="f", Role="r", Code={}, Architectures=[])
    except ParamValidationError as error:
        r.answers["empty_architectures"] = str(error)
    r.create("multiple_architectures", Architectures=["x86_64", "arm64"])
    r.create("uppercase_architecture", Architectures=["X86_64"])
    r.create("invalid_zip_exc", Code={"ZipFile": b"this is not a zipfile, just a random string"}, Runtime="python3.9")


@scenario(f"{FUNCTION}update_lambda_exceptions")
def update_refused(r: Recorder) -> None:
    name = r.create()
    for label, change in {
        "invalid_role_arn_exc": {"Role": "r1"},
        "invalid_runtime_exc": {"Runtime": "non-existent-runtime"},
        "uppercase_runtime_exc": {"Runtime": "PYTHON3.9"},
    }.items():
        r.see(label, "update_function_configuration", FunctionName=name, **change)


@scenario(f"{FUNCTION}list_functions")
def listed(r: Recorder) -> None:
    first = r.furnish("create_response_1", r.name("list-fn-1"), Publish=True)
    second = r.furnish("create_response_2", r.name("list-fn-2"))
    r.see("list_functions_invalid_functionversion", "list_functions", FunctionVersion="invalid")
    for label, more in {"list_all": {"FunctionVersion": "ALL"}, "list_default": {}}.items():
        rows = r.client.get_paginator("list_functions").paginate(**more, PaginationConfig={"PageSize": 1})
        every = [row for page in rows for row in page["Functions"] if row["FunctionName"] in (first, second)]
        r.answers[label] = {"Functions": every}


@scenario(f"{FUNCTION}invalid_invoke")
def invalid_invoke(r: Recorder) -> None:
    name = f"arn:aws:lambda:{r.cloud.region}:123400000000@function:myfn"
    r.see("invoke_function_name_pattern_exc", "invoke", FunctionName=name, Payload=b"{}")


@scenario(f"{FUNCTION}lambda_concurrent_code_updates")
def concurrent_code(r: Recorder) -> None:
    name = r.create("create-function-response", Handler="handler.handler")
    with r.functions.unsettled():
        r.ask("update_function_code", FunctionName=name, ZipFile=r.functions.zip(VERSION))
    r.see("update-during-in-progress-update-exc", "update_function_code", FunctionName=name, ZipFile=r.functions.zip())


@scenario(f"{FUNCTION}lambda_concurrent_config_updates")
def concurrent_configuration(r: Recorder) -> None:
    name = r.furnish("create-function-response")
    change = {"FunctionName": name, "Environment": {"Variables": {"TEST": "TEST1"}}}
    with r.functions.unsettled():
        r.ask("update_function_configuration", **change)
    change["Environment"] = {"Variables": {"TEST": "TEST2"}}
    r.see("update-during-in-progress-update-exc", "update_function_configuration", **change)


@scenario("TestPartialARNMatching::test_update_function_configuration_full_arn")
def partial_arns(r: Recorder) -> None:
    name = r.furnish(MemorySize=256, Timeout=5)
    for named in (r.arn(name), name, ":".join(r.arn(name).split(":")[-3:])):
        answer = r.ask("update_function_configuration", FunctionName=named, Description="Changed")
        assert "Error" not in answer, answer
        r.updated(name)


LOGGING = "TestLoggingConfig::test_"


@scenario(f"{LOGGING}function_advanced_logging_configuration")
def advanced_logging(r: Recorder) -> None:
    name = r.furnish("create_response", MemorySize=256, Timeout=5, LoggingConfig={"LogFormat": "JSON"})
    change = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "cool_lambda", "LogFormat": "JSON"}
    _logging(r, name, ("", change))


@scenario(f"{LOGGING}advanced_logging_configuration_format_switch")
def logging_switched(r: Recorder) -> None:
    name = r.furnish("create_response", MemorySize=256, Timeout=5)
    _logging(r, name, ("", {"LogFormat": "JSON"}), ("_v2", {"LogFormat": "Text"}))


for _number, _change in enumerate(
    (
        {"LogFormat": "JSON"},
        {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"},
        {"LogFormat": "JSON", "SystemLogLevel": "DEBUG"},
        {"LogGroup": "cool_lambda"},
    )
):

    @scenario(f"{LOGGING}function_partial_advanced_logging_configuration_update[partial_config{_number}]", _change)
    def logging_partly(r: Recorder, change: dict[str, str]) -> None:
        _logging(r, r.furnish("create_response", MemorySize=256, Timeout=5), ("", change))


def _logging(r: Recorder, name: str, *changes: tuple[str, dict[str, str]]) -> None:
    r.see("get_function_response", "get_function", FunctionName=name)
    r.see("function_config", "get_function_configuration", FunctionName=name)
    for suffix, change in changes:
        r.see(f"updated_config{suffix}", "update_function_configuration", FunctionName=name, LoggingConfig=change)
        r.updated(name)
        r.see(f"received_config{suffix}", "get_function_configuration", FunctionName=name)


@scenario("TestLambdaRecursion::test_put_function_recursion_config_allow")
def recursion(r: Recorder) -> None:
    name = r.furnish()
    r.see("put_recursion_config_response", "put_function_recursion_config", FunctionName=name, RecursiveLoop="Allow")
    r.see("get_recursion_config_response", "get_function_recursion_config", FunctionName=name)


@scenario("TestLambdaRecursion::test_put_function_recursion_config_default_terminate")
def recursion_default(r: Recorder) -> None:
    r.see("get_recursion_default_terminate_response", "get_function_recursion_config", FunctionName=r.furnish())


@scenario("TestLambdaRecursion::test_put_function_recursion_config_invalid_value")
def recursion_invalid(r: Recorder) -> None:
    r.see(
        "put_recursion_invalid_value_error",
        "put_function_recursion_config",
        FunctionName=r.furnish(),
        RecursiveLoop="InvalidValue",
    )
