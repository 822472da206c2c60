"""Who may call a function."""

from __future__ import annotations

from typing import Any

from recorded import scenario
from recorded.recorder import Recorder

PERMISSIONS = "TestLambdaPermissions::test_"
BUCKET = {"SourceArn": "arn:aws:s3:::test-bucket"}
INVOKE = {"Action": "lambda:InvokeFunction"}
S3 = {**INVOKE, "StatementId": "s3", "Principal": "s3.amazonaws.com", **BUCKET}


def furnish(r: Recorder, label: str = "") -> str:
    return r.furnish(label, r.name("lambda_func"))


@scenario(f"{PERMISSIONS}permission_exceptions")
def refused(r: Recorder) -> None:
    name = furnish(r)

    def add(label: str, named: str = name, **given: Any) -> None:
        r.see(label, "add_permission", **{"FunctionName": named, **S3, **given})

    bare = {key: value for key, value in S3.items() if key != "SourceArn"}
    wrong = {**bare, "StatementId": "example.com"}
    r.see("add_permission_invalid_statement_id", "add_permission", FunctionName=name, **wrong)
    add("add_permission_fn_qualifier_mismatch", f"{name}:alias-not-42", Qualifier="42")
    add("add_permission_fn_qualifier_latest", f"{name}:$LATEST", Qualifier="$LATEST")
    invalid = {**INVOKE, "StatementId": "lambda", "Principal": "invalid.nonaws.com", "SourceAccount": r.cloud.account}
    r.see("add_permission_principal_invalid", "add_permission", FunctionName=name, **invalid)
    r.see("get_policy_fn_doesnotexist", "get_policy", FunctionName="doesnotexist")
    r.see("get_policy_fn_version_doesnotexist", "get_policy", FunctionName=name, Qualifier="77")
    add("add_permission_fn_doesnotexist", "doesnotexist")
    r.see("remove_permission_policy_doesnotexist", "remove_permission", FunctionName=name, StatementId="s3")
    add("add_permission_fn_alias_doesnotexist", f"{name}:alias-doesnotexist")
    add("add_permission_fn_version_doesnotexist", Qualifier="42")
    add("add_permission_fn_qualifier_invalid", Qualifier="invalid-qualifier-with-?-char")
    add("add_permission_fn_qualifier_valid_doesnotexist", Qualifier="valid-with-$-but-doesnotexist")
    r.ask("add_permission", FunctionName=name, **S3)
    add("add_permission_conflicting_statement_id")
    r.see("remove_permission_fn_doesnotexist", "remove_permission", FunctionName="doesnotexist", StatementId="s3")
    which = {"FunctionName": name, "Qualifier": "alias-doesnotexist"}
    r.see("remove_permission_fn_alias_doesnotexist", "remove_permission", **which, StatementId="s3")


@scenario(f"{PERMISSIONS}add_lambda_permission_aws")
def added(r: Recorder) -> None:
    name = furnish(r, "create_lambda")
    r.see("add_permission", "add_permission", FunctionName=name, **S3)
    r.see("get_policy", "get_policy", FunctionName=name)


@scenario(f"{PERMISSIONS}lambda_permission_fn_versioning")
def versioned(r: Recorder) -> None:
    name = furnish(r)
    named = {"FunctionName": name}
    r.see("add_permission", "add_permission", **named, **S3)
    r.see("get_policy", "get_policy", **named)
    version = r.see("publish_version_result", "publish_version", **named)["Version"]
    r.see("get_function_result_after_publishing", "get_function", **named)
    r.see("get_policy_after_publishing_latest", "get_policy", **named)
    r.see("get_policy_after_publishing_new_version", "get_policy", **named, Qualifier=version)
    r.ask("add_permission", FunctionName=f"{name}:{version}", Qualifier=version, **S3)
    r.see("get_policy_version", "get_policy", **named, Qualifier=version)
    alias = {**named, "Name": "permission-alias"}
    made = r.see("create_alias_response", "create_alias", **alias, FunctionVersion=version)
    r.see("get_alias", "get_alias", **alias)
    onto = {"Qualifier": "permission-alias", **S3}
    r.see("add_permission_alias_revision_exception", "add_permission", **named, **onto, RevisionId="wrong")
    r.ask("add_permission", FunctionName=f"{name}:permission-alias", **onto, RevisionId=made["RevisionId"])
    r.see("get_policy_alias", "get_policy", **named, Qualifier="permission-alias")
    before = r.see("get_policy_after_adding_to_new_version", "get_policy", **named)
    r.ask("add_permission", **named, **{**S3, "StatementId": "s3_2"}, RevisionId=before.get("RevisionId", ""))
    r.see("get_policy_after_adding_2", "get_policy", **named)


@scenario(f"{PERMISSIONS}add_lambda_permission_fields")
def fields(r: Recorder) -> None:
    name, account = furnish(r), r.cloud.account
    user = str(r.cloud.client("sts").get_caller_identity()["Arn"])
    of_account = {"SourceAccount": account}
    for label, given in {
        "principal_wildcard": {"StatementId": "wilcard", "Principal": "*", **of_account},
        "principal_service": {"StatementId": "lambda", "Principal": "lambda.amazonaws.com", **of_account},
        "principal_account": {"StatementId": "account-id", "Principal": account},
        "principal_arn": {"StatementId": "user-arn", "Principal": user, **of_account},
        "optional_fields": {
            "StatementId": "urlPermission",
            "Action": "lambda:InvokeFunctionUrl",
            "Principal": "*",
            **BUCKET,
            **of_account,
            "PrincipalOrgID": "o-1234567890",
            "FunctionUrlAuthType": "NONE",
        },
        "alexa_skill": {
            "StatementId": "alexaSkill",
            "Principal": "*",
            "EventSourceToken": "amzn1.ask.skill.xxxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        },
    }.items():
        r.see(f"add_permission_{label}", "add_permission", FunctionName=name, **{**INVOKE, **given})


@scenario(f"{PERMISSIONS}remove_multi_permissions")
def removed(r: Recorder) -> None:
    named = {"FunctionName": furnish(r)}
    first = {**INVOKE, "StatementId": "s3", "Principal": "s3.amazonaws.com"}
    second = {**INVOKE, "StatementId": "sqs", "Principal": "sqs.amazonaws.com", **BUCKET}
    r.see("add_permission_1", "add_permission", **named, **first)
    r.see("add_permission_2", "add_permission", **named, **second)
    r.see("policy_after_2_add", "get_policy", **named)
    missing = "remove_permission_exception_nonexisting_sid"
    r.see(missing, "remove_permission", **named, StatementId="non-existent")
    r.ask("remove_permission", **named, StatementId="sqs")
    r.see("policy_after_removal", "get_policy", **named)
    last = r.see("policy_after_removal_attempt", "get_policy", **named)
    r.ask("remove_permission", **named, StatementId="s3", RevisionId=last["RevisionId"])
    r.see("get_policy_exception_removed_all", "get_policy", **named)


@scenario(f"{PERMISSIONS}create_multiple_lambda_permissions")
def two(r: Recorder) -> None:
    name = r.furnish(name=r.name("test-function"))
    for number, service in ((1, "logs"), (2, "kinesis")):
        given = {**INVOKE, "StatementId": service, "Principal": f"{service}.amazonaws.com"}
        r.see(f"add_permission_response_{number}", "add_permission", FunctionName=name, **given)
    r.see("policy_after_2_add", "get_policy", FunctionName=name)
