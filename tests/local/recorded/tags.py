"""Tags of functions and of what calls them."""

from __future__ import annotations

from uuid import uuid4

from asking import until

from recorded import scenario
from recorded.options import make_queue
from recorded.recorder import Recorder

TAG = "TestLambdaTag::test_"
TAGS = "TestLambdaTags::test_"


def mapping(r: Recorder, **more: object) -> dict[str, str]:
    made = r.ask(
        "create_event_source_mapping", EventSourceArn=make_queue(r), FunctionName=r.furnish(), BatchSize=1, **more
    )
    until(lambda: r.client.get_event_source_mapping(UUID=made["UUID"]), lambda row: row["State"] != "Creating")
    return dict(made)


@scenario(f"{TAG}create_tag_on_fn_create")
def at_creation(r: Recorder) -> None:
    name = r.furnish(Tags={"testtag": r.name("tag")})
    r.see("get_function_result", "get_function", FunctionName=name)
    r.see("list_tags_result", "list_tags", Resource=r.arn(name))


@scenario(f"{TAG}create_tag_on_esm_create")
def of_a_mapping(r: Recorder) -> None:
    made = mapping(r, Tags={"testtag": r.name("tag")})
    r.answers["get_event_source_mapping_with_tag"] = True
    r.see("list_tags_result", "list_tags", Resource=made["EventSourceMappingArn"])


@scenario(f"{TAG}tag_lifecycle", "function")
@scenario(f"{TAG}tag_lifecycle[lambda_function]", "function")
@scenario(f"{TAG}tag_lifecycle[event_source_mapping]", "mapping")
def lifecycle(r: Recorder, kind: str) -> None:
    resource = r.arn(r.furnish()) if kind == "function" else mapping(r)["EventSourceMappingArn"]
    for label, tags in {
        "single": {"A": "tag-a"},
        "multiple": {"B": "tag-b", "C": "tag-c"},
        "overlap": {"C": "tag-c-newsuffix", "D": "tag-d"},
    }.items():
        r.see(f"tag_{label}_response", "tag_resource", Resource=resource, Tags=tags)
        r.see(f"tag_{label}_response_listtags", "list_tags", Resource=resource)
    for label, keys in {
        "single": ["A"],
        "multiple": ["B", "C"],
        "nonexisting": ["F"],
        "existing_and_nonexisting": ["D", "F"],
    }.items():
        r.see(f"untag_{label}_response", "untag_resource", Resource=resource, TagKeys=keys)
        r.see(f"untag_{label}_response_listtags", "list_tags", Resource=resource)


@scenario(f"{TAG}tag_exceptions[lambda_function]", "function")
@scenario(f"{TAG}tag_exceptions[event_source_mapping]", "event-source-mapping")
@scenario(f"{TAG}tag_exceptions[capacity_provider]", "capacity-provider")
def unknown(r: Recorder, kind: str) -> None:
    resource = r.arn(str(uuid4())).replace(":function:", f":{kind}:")
    missing(r, resource)
    r.see("aliased_arn_exception", "list_tags", Resource=f"{resource}:alias")
    r.see("invalid_arn_exception", "list_tags", Resource=resource.replace(f":{kind}:", ":foobar:"))


@scenario(f"{TAG}tag_nonexisting_resource")
def deleted(r: Recorder) -> None:
    arn = r.arn(r.furnish())
    r.see("pre_delete_get_function", "get_function", FunctionName=arn)
    r.ask("delete_function", FunctionName=arn)
    missing(r, arn)


def missing(r: Recorder, resource: str) -> None:
    r.see("not_found_exception_tag", "tag_resource", Resource=resource, Tags={"A": "B"})
    r.see("not_found_exception_untag", "untag_resource", Resource=resource, TagKeys=["A"])
    r.see("not_found_exception_list", "list_tags", Resource=resource)


@scenario(f"{TAGS}tag_exceptions")
def refused(r: Recorder) -> None:
    arn, tags = r.arn(r.furnish(name=r.name("fn-tag"))), {"key_a": "value_a"}
    r.see("tag_lambda_invalidarn", "tag_resource", Resource="arn:aws:something", Tags=tags)
    r.see("tag_lambda_doesnotexist", "tag_resource", Resource=r.arn("doesnotexist"), Tags=tags)
    r.see("tag_lambda_qualifier_doesnotexist", "tag_resource", Resource=f"{arn}:v1", Tags=tags)
    r.see("list_tag_lambda_empty", "list_tags", Resource=arn)
    r.see("untag_nomatch", "untag_resource", Resource=arn, TagKeys=["somekey"])
    r.see("untag_empty_keys", "untag_resource", Resource=arn, TagKeys=[])
    r.see("tag_empty_tags", "tag_resource", Resource=arn, Tags={})


@scenario(f"{TAGS}tag_limits")
def limits(r: Recorder) -> None:
    def many(number: int) -> dict[str, str]:
        return {f"{key}_key": f"{key}_value" for key in range(number)}

    name = r.furnish(name=r.name("fn-tag"))
    arn = r.arn(name)
    r.see("tag_lambda_too_many_tags", "tag_resource", Resource=arn, Tags=many(51))
    r.see("tag_response", "tag_resource", Resource=arn, Tags=many(50))
    r.see("list_tags_response", "list_tags", Resource=arn)
    r.see("get_fn_response", "get_function", FunctionName=name)
    r.see("tag_lambda_too_many_tags_additional", "tag_resource", Resource=arn, Tags={"a_key": "a_value"})
    r.create("create_function_invalid_tags", r.name("fn-tag"), Tags=many(51))


@scenario(f"{TAGS}tag_versions")
def versions(r: Recorder) -> None:
    name = r.furnish(name=r.name("fn-tag"), Tags={"key_a": "value_a"})
    version = r.ask("publish_version", FunctionName=name)["FunctionArn"]
    tags = {f"key_{letter}": f"value_{letter}" for letter in "bcde"}
    r.see("tag_resource_exception", "tag_resource", Resource=version, Tags=tags)
    r.see("tag_resource_latest_exception", "tag_resource", Resource=f"{r.arn(name)}:$LATEST", Tags=tags)


@scenario(f"{TAGS}tag_lifecycle")
def whole_lifecycle(r: Recorder) -> None:
    name = r.furnish(name=r.name("fn-tag"), Tags={"key_a": "value_a"})
    arn = r.arn(name)

    def both(suffix: str) -> None:
        r.see(f"list_tags_response_{suffix}", "list_tags", Resource=arn)
        r.see(f"get_fn_response_{suffix}", "get_function", FunctionName=arn)

    both("postfncreate")
    tags = {f"key_{letter}": f"value_{letter}" for letter in "bcde"}
    r.see("tag_resource_response", "tag_resource", Resource=arn, Tags=tags)
    both("postaddtags")
    changed = {"key_b": "value_b", "key_c": "value_x"}
    r.see("tag_resource_overwrite", "tag_resource", Resource=arn, Tags=changed)
    both("overwrite")
    r.ask("untag_resource", Resource=arn, TagKeys=["key_c", "key_d"])
    both("postuntag")
    r.ask("untag_resource", Resource=arn, TagKeys=["key_a", "key_b", "key_e"])
    both("postuntagall")
    r.ask("delete_function", FunctionName=name)
    r.see("list_tags_postdelete", "list_tags", Resource=arn)
