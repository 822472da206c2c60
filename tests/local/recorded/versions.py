"""Published versions, and the revisions that guard what changes."""

from __future__ import annotations

from recorded import scenario
from recorded.recorder import VERSION, Recorder

VERSIONS = "TestLambdaVersions::test_"


@scenario(f"{VERSIONS}publish_version_on_create")
def on_create(r: Recorder) -> None:
    name = r.create("create_response", Publish=True)
    r.see("get_function_result", "get_function", FunctionName=name)
    r.see("get_function_version_result", "get_function", FunctionName=name, Qualifier="1")
    r.see("get_function_latest_result", "get_function", FunctionName=name, Qualifier="$LATEST")
    r.see("list_versions_result", "list_versions_by_function", FunctionName=name)
    repeated = {"FunctionName": name, "Description": "Repeated version description :)"}
    r.see("repeated_publish_response", "publish_version", **repeated)
    r.see("list_versions_result_after_publish", "list_versions_by_function", FunctionName=name)


@scenario(f"{VERSIONS}version_lifecycle")
def lifecycle(r: Recorder) -> None:
    name = r.create("create_response", Description="No version :(")
    named = {"FunctionName": name}
    r.see("get_function_result", "get_function", **named)
    r.see("list_versions_result", "list_versions_by_function", **named)
    r.see("first_update_response", "update_function_configuration", **named, Description="First version :)")
    r.updated(name)
    r.see("first_update_get_function", "get_function", **named)
    first = r.see("first_publish_response", "publish_version", **named, Description="First version description :)")
    version = {"Qualifier": first["Version"]}
    r.see("first_publish_get_function", "get_function", **named, **version)
    r.see("first_publish_get_function_config", "get_function_configuration", **named, **version)
    r.see("second_update_response", "update_function_configuration", **named, Description="Second version :))")
    r.updated(name)
    r.see("first_publish_get_function_after_update", "get_function", **named, **version)
    r.see("second_publish_response", "publish_version", **named)
    r.see("third_publish_response", "publish_version", **named, Description="Third version description :)))")
    r.see("list_versions_result_after_third_publish", "list_versions_by_function", **named)
    r.ask("delete_function", FunctionName=f"{name}:{first['Version']}")
    r.see("list_versions_result_after_deletion_of_first_version", "list_versions_by_function", **named)


@scenario(f"{VERSIONS}publish_with_wrong_sha256")
def wrong_sha256(r: Recorder) -> None:
    name = r.create("create_response")
    made = r.see("get_fn_response", "get_function", FunctionName=name)
    r.see("publish_wrong_sha256_exc", "publish_version", FunctionName=name, CodeSha256="somenonexistentsha256")
    right = made["Configuration"]["CodeSha256"]
    r.see("publish_result", "publish_version", FunctionName=name, CodeSha256=right)


@scenario(f"{VERSIONS}publish_with_update")
def with_update(r: Recorder) -> None:
    name = r.create("create_response")
    r.see("get_function_result", "get_function", FunctionName=name)
    change = {"FunctionName": name, "ZipFile": r.functions.zip(VERSION), "Publish": True}
    with r.functions.unsettled():
        r.see("update_function_code_result", "update_function_code", **change)
    r.see("get_function_version_result", "get_function", FunctionName=name, Qualifier="1")
    r.see("get_function_latest_result", "get_function", FunctionName=name, Qualifier="$LATEST")


@scenario("TestLambdaRevisions::test_function_revisions_basic")
def revisions(r: Recorder) -> None:
    code = r.functions.zip()
    name = r.furnish("create_function_response_rev1", Handler="index.handler", Code={"ZipFile": code})
    before = r.see("get_function_response_rev2", "get_function", FunctionName=name)["Configuration"]["RevisionId"]
    change = {"FunctionName": name, "ZipFile": code}
    r.see("update_function_revision_exception", "update_function_code", **change, RevisionId="wrong")
    r.see("update_function_code_response_rev3", "update_function_code", **change, RevisionId=before)
    r.updated(name)
    before = r.see("get_function_response_rev4", "get_function", FunctionName=name)["Configuration"]["RevisionId"]
    change = {"FunctionName": name, "Runtime": "python3.8"}
    refused = "update_function_configuration_revision_exception"
    r.see(refused, "update_function_configuration", **change, RevisionId="wrong")
    taken = "update_function_configuration_response_rev5"
    r.see(taken, "update_function_configuration", **change, RevisionId=before)
    r.updated(name)
    r.see("get_function_response_rev6", "get_function", FunctionName=name)


@scenario("TestLambdaRevisions::test_function_revisions_version_and_alias")
def revisions_of_versions_and_aliases(r: Recorder) -> None:
    name = r.furnish("create_function_response_rev1")
    named, alias = {"FunctionName": name}, {"FunctionName": name, "Name": "revision_alias"}
    before = r.see("get_function_active_rev2", "get_function", **named)["Configuration"]["RevisionId"]
    r.see("publish_version_revision_exception", "publish_version", **named, RevisionId="wrong")
    made = r.see("publish_version_response_rev_v1", "publish_version", **named, RevisionId=before)
    version = {"Qualifier": made["Version"]}
    r.see("get_function_published_version_rev_v2", "get_function", **named, **version)
    r.see("get_function_latest_rev3", "get_function", **named)
    kept = r.see("create_alias_response_rev_a1", "create_alias", **alias, FunctionVersion=made["Version"])
    r.see("get_function_latest_rev4", "get_function", **named)
    r.see("get_function_published_version_rev_v3", "get_function", **named, **version)
    r.see("update_alias_revision_exception", "update_alias", **alias, RevisionId="wrong")
    change = {"Description": "something changed", "RevisionId": kept["RevisionId"]}
    r.see("update_alias_response_rev_a2", "update_alias", **alias, **change)
