"""Settings beside a function: asynchronous calls, concurrency, URLs, sources of events."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from asking import until

from recorded import scenario
from recorded.aliases import STAGING
from recorded.recorder import Recorder

PUT, UPDATE, GET, DELETE, LIST = (
    f"{verb}_function_event_invoke_config{plural}"
    for verb, plural in (("put", ""), ("update", ""), ("get", ""), ("delete", ""), ("list", "s"))
)


@scenario("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_lifecycle")
def asynchronous(r: Recorder) -> None:
    name = r.furnish(name=r.name("fn-eventinvoke"))
    named = {"FunctionName": name}
    r.see("put_invokeconfig_retries_0", PUT, **named, MaximumRetryAttempts=0)
    r.see("put_invokeconfig_eventage_60", PUT, **named, MaximumEventAgeInSeconds=60)
    r.see("update_invokeconfig_eventage_nochange", UPDATE, **named, MaximumEventAgeInSeconds=60)
    r.see("update_invokeconfig_retries", UPDATE, **named, MaximumRetryAttempts=1)
    r.see("get_invokeconfig", GET, **named)
    r.see("get_invokeconfig_latest", GET, **named, Qualifier="$LATEST")
    r.see("list_single_invokeconfig", LIST, **named)
    made = r.see("publish_version_result", "publish_version", **named)
    version = {**named, "Qualifier": made["Version"]}
    r.see("get_invokeconfig_postpublish", GET, **version)
    r.see("put_published_invokeconfig", PUT, **version, MaximumEventAgeInSeconds=120)
    r.see("get_published_invokeconfig", GET, **version)
    r.ask(DELETE, **named)
    r.see("list_paging_nolimit_postdelete", LIST, **named)


@scenario("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_exceptions")
def asynchronous_refused(r: Recorder) -> None:  # noqa: PLR0915 - as many calls as are recorded
    name, other = r.furnish(name=r.name("fn-eventinvoke")), r.furnish(name=r.name("fn-eventinvoke-2"))
    arn, unknown = r.arn(name), r.arn("doesnotexist")
    version = r.see("fn_version_result", "publish_version", FunctionName=name)["Version"]
    alias = {"Name": "eventinvokealias", "FunctionVersion": version}
    alias_arn = r.see("fn_alias_result", "create_alias", FunctionName=name, **alias)["AliasArn"]
    no_alias = "eventinvokealiasdoesnotexist"

    def put(label: str, named: str = name, **given: Any) -> None:
        r.see(label, PUT, FunctionName=named, **(given or {"MaximumRetryAttempts": 1}))

    def retry(label: str, named: str, qualifier: str = "") -> None:
        put(label, named, MaximumRetryAttempts=1, **({"Qualifier": qualifier} if qualifier else {}))

    def destination(label: str, when: str, where: str) -> None:
        put(label, DestinationConfig={when: {"Destination": where} if where else {}})

    put("put_functionname_name_notfound", "doesnotexist")
    put("put_functionname_arn_notfound", unknown)
    r.see("put_functionname_nootherargs", PUT, FunctionName="doesnotexist")
    destination("put_destination_lambda_doesntexist", "OnSuccess", unknown)
    destination("put_destination_recursive", "OnSuccess", arn)
    destination("put_destination_other_lambda", "OnSuccess", r.arn(other))
    destination("put_destination_invalid_service_arn", "OnSuccess", arn.replace(":lambda:", ":iam:"))
    destination("put_destination_success_no_destination_arn", "OnSuccess", "")
    destination("put_destination_failure_no_destination_arn", "OnFailure", "")
    destination("put_destination_invalid_arn_pattern", "OnFailure", arn.replace(":lambda:", ":_-/!lambda:"))
    retry("put_destination_latest", name)
    retry("put_destination_latest_explicit_qualifier", name, "$LATEST")
    retry("put_destination_version", name, version)
    retry("put_alias_functionname_qualifier", name, "eventinvokealias")
    retry("put_alias_doesnotexist", name, no_alias)
    retry("put_alias_qualifiedarn", alias_arn)
    retry("put_alias_qualifiedarn_qualifier", alias_arn, "eventinvokealias")
    retry("put_alias_qualifiedarn_qualifierconflict", alias_arn, no_alias)
    retry("put_alias_shorthand", f"{name}:eventinvokealias")
    retry("put_alias_shorthand_qualifier", f"{name}:eventinvokealias", "eventinvokealias")
    retry("put_alias_shorthand_qualifierconflict", f"{name}:eventinvokealias", no_alias)
    retry("put_version_shorthand", f"{name}:{version}")
    retry("put_shorthand_qualifier_match", f"{name}:$LATEST", "$LATEST")
    retry("put_shorthand_qualifier_mismatch_1", f"{name}:{version}", "$LATEST")
    retry("put_shorthand_qualifier_mismatch_2", f"{name}:$LATEST", version)
    retry("put_shorthand_qualifier_mismatch_3", f"{name}:{version}", "eventinvokealias")
    put("put_maxevent_maxvalue_result", MaximumRetryAttempts=2, MaximumEventAgeInSeconds=21600)
    put("put_pre_overwrite", MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60)
    put("put_post_overwrite", MaximumRetryAttempts=0)
    put("second_overwrite_existing_response", MaximumRetryAttempts=0)
    r.see("get_post_overwrite", GET, FunctionName=name)
    put("pre_update_response", MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60)
    for label in ("update_response", "update_response_existing"):
        r.see(label, UPDATE, FunctionName=name, MaximumRetryAttempts=0)
    r.see("list_configs", LIST, FunctionName=name)
    r.see("delete_latest", DELETE, FunctionName=name, Qualifier="$LATEST")
    r.see("delete_version", DELETE, FunctionName=name, Qualifier=version)
    r.see("delete_alias", DELETE, FunctionName=name, Qualifier="eventinvokealias")
    r.see("list_configs_postdelete", LIST, FunctionName=name)
    r.see("delete_function_not_found", DELETE, FunctionName=name)
    r.see("delete_function_doesnotexist", DELETE, FunctionName="doesnotexist")
    r.see("list_function_doesnotexist", LIST, FunctionName="doesnotexist")
    r.see("get_function_doesnotexist", GET, FunctionName="doesnotexist")
    r.see("get_qualifier_doesnotexist", GET, FunctionName=name, Qualifier="doesnotexist")
    again = {"MaximumRetryAttempts": 0}
    r.see("update_eventinvokeconfig_function_doesnotexist", UPDATE, FunctionName="doesnotexist", **again)
    r.see("get_eventinvokeconfig_doesnotexist", GET, FunctionName=alias_arn)
    r.see("update_eventinvokeconfig_config_doesnotexist_with_qualifier", UPDATE, FunctionName=alias_arn, **again)
    r.see("update_eventinvokeconfig_config_doesnotexist_without_qualifier", UPDATE, FunctionName=arn, **again)


RESERVED = "TestLambdaReservedConcurrency::test_function_concurrency"


@scenario(RESERVED)
def reserved(r: Recorder) -> None:
    name = r.furnish(name=r.name("lambda_func"))
    for number in (0, 1):
        label = f"put_function_concurrency_with_reserved_{number}"
        r.see(label, "put_function_concurrency", FunctionName=name, ReservedConcurrentExecutions=number)
    r.see("get_function_concurrency", "get_function_concurrency", FunctionName=name)
    r.see("delete_response", "delete_function_concurrency", FunctionName=name)
    r.see("get_function_concurrency_after_delete", "get_function_concurrency", FunctionName=name)


@scenario(f"{RESERVED}_exceptions")
def reserved_refused(r: Recorder) -> None:
    prefix = "put_function_concurrency_with_"
    for label, name, number in (
        ("function_name_doesnotexist", "doesnotexist", 1),
        ("function_name_doesnotexist_and_invalid_concurrency", "doesnotexist", 0),
        ("qualified_arn", r.arn(r.furnish(name=r.name("lambda_func"))) + ":$LATEST", 0),
    ):
        r.see(prefix + label, "put_function_concurrency", FunctionName=name, ReservedConcurrentExecutions=number)


@scenario(f"{RESERVED}_limits")
def reserved_limits(r: Recorder) -> None:
    name = r.furnish(name=r.name("lambda_func"))
    limit = r.ask("get_account_settings")["AccountLimit"]["ConcurrentExecutions"]
    for label, number in {"account_limit_exceeded": limit + 1, "below_unreserved_min_value": limit}.items():
        r.see(
            f"put_function_concurrency_{label}",
            "put_function_concurrency",
            FunctionName=name,
            ReservedConcurrentExecutions=number,
        )


PROVISIONED = "TestLambdaProvisionedConcurrency::test_"


@scenario(f"{PROVISIONED}provisioned_concurrency_exceptions")
def provisioned_refused(r: Recorder) -> None:
    name = r.furnish(name=r.name("lambda_func"))
    r.see("publish_version_result", "publish_version", FunctionName=name)

    def see(label: str, action: str, named: str = name, qualifier: str = "", **more: Any) -> None:
        which = {"Qualifier": qualifier} if qualifier else {}
        r.see(label, f"{action}_provisioned_concurrency_config", FunctionName=named, **which, **more)

    see("get_provisioned_config_doesnotexist", "get", qualifier="1")
    see("get_provisioned_functionname_doesnotexist", "get", "doesnotexist", "noalias")
    see("get_provisioned_qualifier_doesnotexist", "get", qualifier="noalias")
    see("get_provisioned_version_doesnotexist", "get", qualifier="10")
    see("get_provisioned_latest", "get", qualifier="$LATEST")
    every = "list_provisioned_concurrency_configs"
    r.see("list_provisioned_noconfigs", every, FunctionName=name)
    r.see("list_provisioned_functionname_doesnotexist", every, FunctionName="doesnotexist")
    see("delete_provisioned_functionname_doesnotexist", "delete", "doesnotexist", "1")
    see("delete_provisioned_qualifier_doesnotexist", "delete", qualifier="noalias")
    see("delete_provisioned_version_doesnotexist", "delete", qualifier="10")
    see("delete_provisioned_latest", "delete", qualifier="$LATEST")
    see("delete_provisioned_config_doesnotexist", "delete", qualifier="1")
    see("put_provisioned_invalid_param_0", "put", qualifier="1", ProvisionedConcurrentExecutions=0)
    one = {"ProvisionedConcurrentExecutions": 1}
    see("put_provisioned_functionname_doesnotexist_alias", "put", "doesnotexist", "noalias", **one)
    see("put_provisioned_functionname_doesnotexist_version", "put", "doesnotexist", "1", **one)
    see("put_provisioned_qualifier_doesnotexist", "put", qualifier="doesnotexist", **one)
    see("put_provisioned_version_doesnotexist", "put", qualifier="10", **one)
    see("put_provisioned_latest", "put", qualifier="$LATEST", **one)


@scenario(f"{PROVISIONED}lambda_provisioned_lifecycle")
def provisioned(r: Recorder) -> None:
    name, alias = r.furnish(name=r.name("lambda_func")), r.name("alias")
    r.see("publish_version_result", "publish_version", FunctionName=name)
    r.see("create_alias_result", "create_alias", FunctionName=name, Name=alias, FunctionVersion="1")

    def see(label: str, action: str, qualifier: str) -> None:
        more = {"ProvisionedConcurrentExecutions": 1} if action == "put" else {}
        r.see(label, f"{action}_provisioned_concurrency_config", FunctionName=name, Qualifier=qualifier, **more)

    see("put_provisioned_on_version", "put", "1")
    see("put_provisioned_on_alias_versionconflict", "put", alias)
    see("delete_provisioned_version", "delete", "1")
    see("get_provisioned_version_postdelete", "get", "1")
    see("put_provisioned_on_alias", "put", alias)
    see("put_provisioned_on_version_conflict", "put", "1")
    r.see("delete_alias_result", "delete_alias", FunctionName=name, Name=alias)
    see("get_provisioned_alias_postaliasdelete", "get", alias)
    r.see("list_response_postdeletes", "list_provisioned_concurrency_configs", FunctionName=name)


@scenario(f"{PROVISIONED}provisioned_concurrency_limits")
def provisioned_limits(r: Recorder) -> None:
    name = r.furnish(name=r.name("lambda_func"))
    r.ask("publish_version", FunctionName=name)
    limit = r.ask("get_account_settings")["AccountLimit"]["ConcurrentExecutions"]
    for label, number in {"account_limit_exceeded": limit + 1, "below_unreserved_min_value": limit}.items():
        r.see(
            f"put_provisioned_concurrency_{label}",
            "put_provisioned_concurrency_config",
            FunctionName=name,
            Qualifier="1",
            ProvisionedConcurrentExecutions=number,
        )


URL = "TestLambdaUrl::test_url_config_"


def with_alias(r: Recorder) -> tuple[str, str]:
    name = r.furnish(name=r.name("test-function"), Handler="lambda_handler.handler")
    version = r.see("fn_version_result", "publish_version", FunctionName=name)["Version"]
    r.see("create_alias_result", "create_alias", FunctionName=name, Name="urlalias", FunctionVersion=version)
    return name, "urlalias"


@scenario(f"{URL}exceptions")
def url_refused(r: Recorder) -> None:
    name, alias = with_alias(r)
    cases: dict[str, tuple[str, str]] = {
        "name_doesnotexist": ("doesnotexist", ""),
        "arn_doesnotexist": (r.arn("doesnotexist"), ""),
        "name_doesnotexist_qualifier": ("doesnotexist", "1"),
        "qualifier_version": (name, "1"),
        "qualifier_version_doesnotexist": (name, "2"),
        "qualifier_alias_doesnotexist": (name, "v1"),
        "qualifier_alias_doesnotmatch_arn": (f"{name}:{alias}-doesnotmatch", alias),
        "qualifier_latest": (name, "$LATEST"),
        "config_doesnotexist": (name, ""),
    }
    for verb, more in {
        "create": {"AuthType": "NONE"},
        "get": {},
        "delete": {},
        "update": {"AuthType": "AWS_IAM"},
    }.items():
        for case, (named, qualifier) in cases.items():
            if (verb, case) == ("create", "config_doesnotexist"):
                continue
            which = {"Qualifier": qualifier} if qualifier else {}
            action = f"{verb}_function_url_config"
            r.see(f"{action}_{case}", action, FunctionName=named, **which, **more)


@scenario(f"{URL}list_paging")
def url_list(r: Recorder) -> None:
    name, alias = with_alias(r)
    r.see("list_function_notfound", "list_function_url_configs", FunctionName="doesnotexist")
    r.see("list_all_empty", "list_function_url_configs", FunctionName=name)
    r.see("url_config_fn", "create_function_url_config", FunctionName=name, AuthType="NONE")
    which = {"FunctionName": f"{name}:{alias}", "Qualifier": alias}
    r.see("url_config_alias", "create_function_url_config", **which, AuthType="NONE")
    r.see("list_all", "list_function_url_configs", FunctionName=name)


@scenario(f"{URL}lifecycle")
def url(r: Recorder) -> None:
    name = r.furnish(name=r.name("test-function"))
    for label in ("url_creation", "failed_duplication"):
        r.see(label, "create_function_url_config", FunctionName=name, AuthType="NONE")
    r.see("get_url_config", "get_function_url_config", FunctionName=name)
    r.see("updated_url_config", "update_function_url_config", FunctionName=name, AuthType="AWS_IAM")
    r.ask("delete_function_url_config", FunctionName=name)
    r.see("failed_getter", "get_function_url_config", FunctionName=name)


@scenario(f"{URL}deletion_without_qualifier")
def url_deleted(r: Recorder) -> None:
    name = r.create(name=r.name("alias-fn"), **STAGING)
    r.ask("publish_version", FunctionName=name)
    r.ask("create_alias", FunctionName=name, Name="test-alias", FunctionVersion="1")
    which: dict[str, dict[str, str]] = {"": {}, "_with_alias": {"Qualifier": "test-alias"}}
    for suffix, qualifier in which.items():
        label = f"url{suffix}_creation"
        r.see(label, "create_function_url_config", FunctionName=name, AuthType="NONE", **qualifier)
    for suffix, qualifier in which.items():
        r.see(f"get_url_config{suffix}", "get_function_url_config", FunctionName=name, **qualifier)
    r.see("delete_function_url_config", "delete_function_url_config", FunctionName=name)
    for suffix, qualifier in which.items():
        label = f"get_url_config{suffix}_after_deletion"
        r.see(label, "get_function_url_config", FunctionName=name, **qualifier)


SOURCES = "TestLambdaEventSourceMappings::test_"


@scenario(f"{SOURCES}event_source_mapping_exceptions")
def sources_refused(r: Recorder) -> None:
    r.see("get_unknown_uuid", "get_event_source_mapping", UUID=str(uuid4()))
    r.see("delete_unknown_uuid", "delete_event_source_mapping", UUID=str(uuid4()))
    r.see("update_unknown_uuid", "update_event_source_mapping", UUID=str(uuid4()), Enabled=False)
    queue = f"arn:aws:sqs:{r.cloud.region}:111111111111:"
    create = "create_event_source_mapping"
    r.see("create_no_event_source_arn", create, FunctionName="doesnotexist")
    given = {"FunctionName": "doesnotexist", "EventSourceArn": f"{queue}somequeue"}
    r.see("create_unknown_params", create, **given)
    where = {"DestinationConfig": {"OnSuccess": {"Destination": f"{queue}someotherqueue"}}}
    r.see("destination_config_failure", create, **given, **where)


def make_queue(r: Recorder) -> str:
    sqs = r.cloud.client("sqs")
    made = sqs.create_queue(QueueName=r.name("queue"))["QueueUrl"]
    return str(sqs.get_queue_attributes(QueueUrl=made, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


@scenario(f"{SOURCES}function_name_variations")
def sources_named(r: Recorder) -> None:
    name, queue = r.furnish(name=r.name("lambda_func")), make_queue(r)
    made = r.ask("publish_version", FunctionName=name)
    alias = r.ask("create_alias", FunctionName=name, Name="myalias", FunctionVersion="1")
    for label, named in {
        "name_only": name,
        "partial_arn_latest": f"{name}:$LATEST",
        "partial_arn_version": f"{name}:1",
        "partial_arn_alias": f"{name}:myalias",
        "full_arn_latest": r.arn(name),
        "full_arn_version": made["FunctionArn"],
        "full_arn_alias": alias["AliasArn"],
    }.items():
        answer = r.see(f"{label}_create_esm", "create_event_source_mapping", FunctionName=named, EventSourceArn=queue)
        if "UUID" in answer:
            until(
                lambda uuid=answer["UUID"]: r.client.get_event_source_mapping(UUID=uuid),
                lambda row: row["State"] == "Enabled",
            )
            r.ask("delete_event_source_mapping", UUID=answer["UUID"])
            until(lambda uuid=answer["UUID"]: r.ask("get_event_source_mapping", UUID=uuid), lambda row: "Error" in row)


@scenario("TestLambdaAccountSettings::test_account_settings")
def account(r: Recorder) -> None:
    answer = r.see("acc_settings_modded", "get_account_settings")
    for part in ("AccountLimit", "AccountUsage"):
        answer[part] = sorted(answer[part])
