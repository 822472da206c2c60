"""Aliases and their weights."""

from __future__ import annotations

from typing import Any

from recorded import scenario
from recorded.recorder import Recorder

ALIAS = "TestLambdaAlias::test_"
STAGING = {"Environment": {"Variables": {"testenv": "staging"}}}
PRODUCTION = {"Environment": {"Variables": {"testenv": "prod"}}}


def weights(**values: Any) -> dict[str, Any]:
    return {"RoutingConfig": {"AdditionalVersionWeights": {key.lstrip("v"): value for key, value in values.items()}}}


def two_versions(r: Recorder, **settings: Any) -> str:
    name = r.create("create_response", r.name("alias-fn"), **STAGING, **settings)
    r.see("publish_v1", "publish_version", FunctionName=name)
    r.ask("update_function_configuration", FunctionName=name, **PRODUCTION)
    r.updated(name)
    r.see("publish_v2", "publish_version", FunctionName=name)
    return name


@scenario(f"{ALIAS}alias_lifecycle")
def lifecycle(r: Recorder) -> None:
    name = two_versions(r)
    named, described = {"FunctionName": name}, {"Description": "custom-alias"}
    first = {**named, "Name": "aliasname1_1"}
    made = r.see("create_alias_1_1", "create_alias", **first, FunctionVersion="1", **described, **weights(v2=0.2))
    r.see("get_alias_1_1", "get_alias", **first)
    r.see("get_function_alias_1_1", "get_function", **named, Qualifier="aliasname1_1")
    r.see("get_function_byarn_alias_1_1", "get_function", FunctionName=made["AliasArn"])
    r.see("get_function_alias_notfound_exc", "get_function", **named, Qualifier="aliasdoesnotexist")
    unknown = made["AliasArn"].replace("aliasname1_1", "aliasdoesnotexist")
    r.see("get_function_alias_byarn_notfound_exc", "get_function", FunctionName=unknown)
    for suffix, version, more in (("1_2", "1", described), ("1_3", "1", {}), ("2", "2", described)):
        alias = {**named, "Name": f"aliasname{suffix}"}
        r.see(f"create_alias_{suffix}", "create_alias", **alias, FunctionVersion=version, **more)
        r.see(f"get_alias_{suffix}", "get_alias", **alias)
    pages = r.client.get_paginator("list_aliases").paginate(**named, PaginationConfig={"PageSize": 1})
    r.answers["list_aliases_for_fnname"] = {"Aliases": [row for page in pages for row in page["Aliases"]]}
    r.see("update_alias_1_1", "update_alias", **first, **weights())
    r.see("get_alias_1_1_after_update", "get_alias", **first)
    r.see("list_aliases_for_fnname_after_update", "list_aliases", **named)
    second = {**named, "Name": "aliasname1_2"}
    r.see("update_alias_1_2", "update_alias", **second)
    r.see("get_alias_1_2_after_update", "get_alias", **second)
    r.see("list_aliases_for_fnname_after_update_2", "list_aliases", **named)
    r.see("list_aliases_for_version", "list_aliases", **named, FunctionVersion="1")
    r.see("delete_alias_response", "delete_alias", **first)
    r.see("list_aliases_for_fnname_afterdelete", "list_aliases", **named)


@scenario(f"{ALIAS}notfound_and_invalid_routingconfigs")
def refused(r: Recorder) -> None:
    name = two_versions(r, Publish=True)
    alias = {"FunctionName": name, "Name": "custom", "FunctionVersion": "1"}
    r.see("routing_config_exc_toomany", "create_alias", **alias, **weights(v1=0.8, v2=0.2))
    r.see("routing_config_exc_toohigh", "create_alias", **alias, **weights(v2=2))
    r.see("routing_config_exc_subzero", "create_alias", **alias, **weights(v2=-1))
    r.see("routing_config_exc_sameversion", "create_alias", **alias, **weights(v1=0.5))
    unknown = {**alias, "FunctionVersion": "10"}
    r.see("target_version_doesnotexist", "create_alias", **unknown, **weights(v2=0.5))
    r.see("routing_config_exc_version_doesnotexist", "create_alias", **alias, **weights(v10=0.5))
    latest = {**alias, "FunctionVersion": "$LATEST"}
    r.see("target_version_exc_version_latest", "create_alias", **latest, **weights(v1=0.5))
    onto = {"RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}}
    r.see("routing_config_exc_version_latest", "create_alias", **alias, **onto)
    r.see("create-alias-latest", "create_alias", **{**latest, "Name": "custom-latest"})
    nothing = {**alias, "FunctionName": f"{name}-unknown"}
    r.see("routing_config_exc_fn_doesnotexist", "create_alias", **nothing, **weights(v2=0.5))
    empty = {**alias, "Name": "custom-empty-routingconfig"}
    r.see("create_alias_empty_routingconfig", "create_alias", **empty, **weights())
    r.see("create_alias_response", "create_alias", **alias, **weights(v2=0.5))
    r.see("routing_config_exc_already_exist", "create_alias", **alias, **weights(v2=0.5))
    r.see("alias_does_not_exist_esc", "get_alias", FunctionName=name, Name="non-existent")


@scenario(f"{ALIAS}alias_naming")
def naming(r: Recorder) -> None:
    name = r.create("create_response", r.name("alias-fn"), **STAGING)
    r.see("publish_v1", "publish_version", FunctionName=name)
    alias = {"FunctionName": name, "FunctionVersion": "1", "Description": "custom-alias"}
    r.see("create_alias_date", "create_alias", **alias, Name="2024-01-02")
    r.see("get_alias_date", "get_alias", FunctionName=name, Name="2024-01-02")
    r.see("create_alias_number_exception", "create_alias", **alias, Name="2024")


@scenario(f"{ALIAS}non_existent_alias_deletion", "delete_alias")
@scenario(f"{ALIAS}non_existent_alias_update", "update_alias")
def missing(r: Recorder, action: str) -> None:
    name = r.create("create_response", r.name("alias-fn"), **STAGING)
    r.see(f"{action}_response", action, FunctionName=name, Name="non-existent")
