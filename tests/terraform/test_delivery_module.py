"""What the delivery module plans, with the real provider and no cloud."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from stepladder.names import Names
from stepladder.promotion import definition, packages

pytestmark = pytest.mark.terraform

INVENTORY = Path(__file__).with_name("delivery.yaml")
PACKAGES = {
    verb: {"key": f"pipeline/{verb}-0.zip", "sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
    for verb in packages.VERBS
}
RUNGS = [["staging"], ["prodeu", "produs"]]
NAMES = Names("sample", "staging", "123456789012", "eu-west-1")
WILDCARDS = {
    "CallThePipeline": "a version of one of the three functions",
    "CallWhatIsUnderTest": "a version or alias of a rung's function",
    "ReadAlarms": "DescribeAlarms is authorised against the list of the account's alarms",
    "ReadDeploymentConfigurations": "AWS's own for Lambda, and each rung's, which the service module names by its pace",
    "ReadExecutions": "executions of the one state machine",
    "ReadTheSmokeCases": "bundles are named by their content",
    "ReadWhatServes": "versions and aliases of a rung's function",
    "WriteLogsAndTraces": "log deliveries and traces have no resources to name",
    "WriteOwnLog": "the streams of the function's own log group; Lambda names them",
}


@pytest.fixture(scope="module")
def planned(runner, make_root, write) -> dict[str, dict[str, Any]]:
    call = write.call("it", "delivery", {"packages": PACKAGES, "rungs": RUNGS, "notify": ["ops@example.com"]})
    test = runner.test(make_root({"main.tf": write.provider + call}))
    test.setup(upgrade=False)
    plan = test.plan(output=True, refresh=False)
    (module,) = plan.root_module.child_modules.values()
    return {
        resource["address"].removeprefix("module.it."): resource.get("values", {})
        for resource in module["resources"]
        if resource["mode"] == "managed"
    }


def readable(value: Any) -> Any:
    """Drop what says nothing, and read JSON in strings."""
    if isinstance(value, dict):
        kept = {key: readable(item) for key, item in value.items() if key not in ("tags_all", "timeouts")}
        return {key: item for key, item in kept.items() if item not in (None, [], {}, "")}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        return readable(json.loads(value))
    return value


def test_it_plans_what_the_inventory_says(planned, regenerate, regenerate_hint):
    now = {
        "counts": dict(sorted(Counter(address.split(".")[0] for address in planned).items())),
        "values": {address: readable(value) for address, value in sorted(planned.items())},
    }
    if regenerate:
        INVENTORY.write_text(yaml.safe_dump(now, width=120, sort_keys=True), encoding="utf-8")
    expected = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))
    assert now["counts"] == expected["counts"], regenerate_hint
    for address, value in expected["values"].items():
        assert now["values"][address] == value, f"{address}: {regenerate_hint}"


def test_everything_is_named_as_the_tasks_name_it(planned):
    assert planned["aws_sfn_state_machine.promotion"]["name"] == NAMES.state_machine
    for verb in packages.VERBS:
        function = planned[f'aws_lambda_function.pipeline["{verb}"]']
        assert function["function_name"] == NAMES.pipeline_function(verb)
        assert function["handler"] == f"{verb}.handler"
        assert function["s3_bucket"] == NAMES.artifacts_bucket
        assert (function["s3_key"], function["source_code_hash"]) == tuple(PACKAGES[verb].values())


def test_functions_and_state_machine_publish_versions(planned):
    assert planned["aws_sfn_state_machine.promotion"]["publish"] is True
    assert planned["aws_sfn_state_machine.promotion"]["type"] == "STANDARD"
    assert all(planned[f'aws_lambda_function.pipeline["{verb}"]']["publish"] for verb in packages.VERBS)
    assert planned["aws_sfn_alias.live"]["routing_configuration"][0]["weight"] == 100


def test_validate_knows_the_ladder_from_terraform(planned):
    variables = planned['aws_lambda_function.pipeline["validate"]']["environment"][0]["variables"]
    ladder = json.loads(variables["LADDER"])
    assert ladder["staging"] == {"alias": "live", "below": [], "function": "sample-staging"}
    assert {name: rung["below"] for name, rung in ladder.items()} == {
        "staging": [],
        "prodeu": ["staging"],
        "produs": ["staging"],
    }


def statements(planned, address):
    return json.loads(planned[address]["policy"])["Statement"]


def actions(planned, address):
    found = [s["Action"] for s in statements(planned, address)]
    return {action for each in found for action in ([each] if isinstance(each, str) else each)}


def policies(planned):
    return [address for address in planned if address.startswith("aws_iam_role_policy.")]


def test_only_rollback_may_move_an_alias_and_nobody_may_pass_roles(planned):
    movers = {address for address in policies(planned) if "lambda:UpdateAlias" in actions(planned, address)}
    assert movers == {'aws_iam_role_policy.pipeline["rollback"]'}
    assert not any("iam:PassRole" in actions(planned, address) for address in policies(planned))


def test_no_statement_allows_every_action_and_wildcards_have_a_reason(planned):
    for address in policies(planned):
        for statement in statements(planned, address):
            assert "*" not in json.dumps(statement["Action"])
            if "*" in json.dumps(statement["Resource"]):
                assert statement["Sid"] in WILDCARDS


def test_the_ladder_s_functions_are_named_one_by_one(planned):
    (moves,) = (
        s for s in statements(planned, 'aws_iam_role_policy.pipeline["rollback"]') if s["Sid"] == "MoveTheAliasBack"
    )
    prefix = "arn:aws:lambda:eu-west-1:123456789012:function:sample-"
    expected = {f"{prefix}{rung}{suffix}" for rung in ("staging", "prodeu", "produs") for suffix in ("", ":live")}
    assert set(moves["Resource"]) == expected


ENVIRONMENTS = {"env#staging", "env#prodeu", "env#produs"}
LEDGER = {  # the partition keys under which each may do what
    'pipeline["validate"]': {
        "GetItem": {"digest#*", *ENVIRONMENTS},
        "PutItem": ENVIRONMENTS,
        "DeleteItem": ENVIRONMENTS,
    },
    'pipeline["verify"]': {"PutItem": {"deployment#*"}},
    'pipeline["rollback"]': {
        "GetItem": {"deployment#*", *ENVIRONMENTS},
        "PutItem": ENVIRONMENTS,
        "DeleteItem": ENVIRONMENTS,
    },
    "promotion": {"PutItem": {"climb#*", "digest#*", *ENVIRONMENTS}, "DeleteItem": ENVIRONMENTS},
}


@pytest.mark.parametrize("role", LEDGER)
def test_each_role_may_touch_its_own_items_of_the_ledger_and_no_others(planned, role):
    found = {}
    for statement in statements(planned, f"aws_iam_role_policy.{role}"):
        if "dynamodb" not in json.dumps(statement["Action"]):
            continue
        (keys,) = (v for test, v in statement["Condition"].items() if test.startswith("ForAllValues:"))
        assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}, "a request without keys would pass"
        told = keys["dynamodb:LeadingKeys"]
        for action in [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]:
            found[action.removeprefix("dynamodb:")] = {told} if isinstance(told, str) else set(told)
    assert found == LEDGER[role]


def test_the_keys_that_the_definition_writes_are_those_that_its_role_may(planned):
    written = {
        item["pk"]["S.$"].split("'")[1].removesuffix("{}")
        for state in definition.states(definition.load())
        if state.kind == "Task"
        for item in _items(state.body["Parameters"])
    }
    allowed = {key.partition("#")[0] + "#" for key in LEDGER["promotion"]["PutItem"]}
    assert written == allowed


def _items(parameters):
    if "Item" in parameters:
        yield parameters["Item"]
    for action in parameters.get("TransactItems", ()):
        yield action["Put"]["Item"]


CALLS = {  # what the state machine calls directly, and the permission that it takes
    "lambda:updateFunctionCode": "lambda:UpdateFunctionCode",
    "lambda:publishVersion": "lambda:PublishVersion",
    "codedeploy:createDeployment": "codedeploy:CreateDeployment",
    "codedeploy:getDeployment": "codedeploy:GetDeployment",
    "codedeploy:listDeployments": "codedeploy:ListDeployments",
    "dynamodb:putItem": "dynamodb:PutItem",
    "dynamodb:transactWriteItems": "dynamodb:PutItem",
    "dynamodb:deleteItem": "dynamodb:DeleteItem",
    "sns:publish": "sns:Publish",
    "lambda:invoke": "lambda:InvokeFunction",
}


def test_the_state_machine_may_do_what_its_definition_does_and_no_more(planned):
    used = set()
    for state in definition.states(definition.load()):
        if state.kind == "Task":
            call = state.body["Resource"].split(":::")[1].removeprefix("aws-sdk:").removesuffix(".waitForTaskToken")
            used.add(CALLS[call])
    extra = {a for a in actions(planned, "aws_iam_role_policy.promotion") if a.partition(":")[0] in ("logs", "xray")}
    by_the_way = {
        "codedeploy:GetDeploymentConfig",
        "codedeploy:GetApplicationRevision",
        "codedeploy:RegisterApplicationRevision",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetRepositoryPolicy",
    }
    assert actions(planned, "aws_iam_role_policy.promotion") == used | extra | by_the_way


def test_the_net_catches_executions_that_were_cut_off(planned):
    pattern = json.loads(planned["aws_cloudwatch_event_rule.ended"].get("event_pattern") or "null")
    assert pattern is None or set(pattern["detail"]["status"]) == {"ABORTED", "FAILED", "TIMED_OUT"}
    assert planned["aws_lambda_permission.settle"]["principal"] == "events.amazonaws.com"


BAD = {
    "account": ({"account": "1234"}, "account must be 12 digits"),
    "retention": ({"log_retention_days": 31}, "log_retention_days must be a number of days"),
    "notify": ({"notify": ["nobody"]}, "notify must be e-mail addresses"),
    "packages": ({"packages": {"validate": PACKAGES["validate"]}}, "packages must hold rollback, validate and verify"),
    "hash": ({"packages": PACKAGES | {"verify": {"key": "k", "sha256": "x"}}}, "packages must have a SHA-256"),
    "project": ({"project": "Sample"}, "project must be at most 24"),
    "region": ({"region": "Ireland"}, "region must be an AWS region"),
    "norungs": ({"rungs": []}, "rungs must hold at least one environment each"),
    "emptyrung": ({"rungs": [["staging"], []]}, "rungs must hold at least one environment each"),
    "twice": ({"rungs": [["staging"], ["staging"]]}, "rungs must name each environment once"),
    "rungname": ({"rungs": [["Staging"]]}, "rungs must be environments"),
    "threshold": ({"scan_threshold": "SEVERE"}, "scan_threshold must be CRITICAL"),
}


@pytest.fixture(scope="module")
def refusals(runner, make_root, write) -> str:
    """All bad calls in one run: Terraform reports every one."""
    code = "".join(
        write.call(f"bad{name}", "delivery", {"packages": PACKAGES, "rungs": RUNGS, **variables})
        for name, (variables, _) in BAD.items()
    )
    root = make_root({"main.tf": write.provider + code})
    test = runner.test(root)  # it cleans up when it is let go
    test.setup(upgrade=False)
    done = runner.run(root, "plan", "-input=false", "-no-color", "-refresh=false")
    assert done.code == 1
    del test
    return " ".join((done.out + done.err).replace("│", " ").replace("\n", " ").split())


@pytest.mark.parametrize(("name", "message"), [(name, bad[1]) for name, bad in BAD.items()], ids=BAD)
def test_a_wrong_variable_is_refused_and_named(refusals, name, message):
    assert message in refusals
    assert f'module "bad{name}"' in refusals
