"""What the delivery module plans, with the real provider and no cloud."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import machines_of_many
import pytest
import yaml

from stepladder.core.names import Names
from stepladder.promotion import definition, ladder
from stepladder.settings import codepipeline, load
from stepladder.terraform import function_packages

pytestmark = pytest.mark.terraform

MODULE = Path(__file__).parents[2] / "terraform" / "modules" / "delivery"
INVENTORY = Path(__file__).with_name("delivery.yaml")
PACKAGES = {
    verb: {"key": f"pipeline/{verb}-0.zip", "sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
    for verb in function_packages.VERBS
}
WITH_CHECK = PACKAGES | {"check": {"key": "pipeline/check-0.zip", "sha256": PACKAGES["verify"]["sha256"]}}
RUNGS = [["staging"], ["prodeu", "produs"]]
NAMES = Names("sample", "staging", "123456789012", "eu-west-1")
AWAY = {"account": "222222222222", "region": "eu-central-1"}
PLACES: dict[str, dict[str, Any]] = {  # the same ladder with one environment in another place: both sides
    "home": {"rungs": RUNGS, "elsewhere": {"produs": AWAY}},
    "guest": {"rungs": [["produs"]], "home": {"account": "123456789012", "region": "eu-west-1"}, **AWAY},
}
CONNECTION = "arn:aws:codeconnections:eu-west-1:123456789012:connection/0d7a5b6c-1111-4222-8333-444455556666"
PIPELINE = codepipeline.variable(
    load.load(
        {
            "project": "sample",
            "rungs": ["staging", ["prodeu", "produs"]],
            "environments": {
                name: {"account": NAMES.account, "region": NAMES.region} for name in ("staging", "prodeu", "produs")
            },
            "codepipeline": {"enabled": True, "repository": "acme/orders", "connection_arn": CONNECTION},
        },
        Path(),
    )
)
"""What the settings make of a project that enables AWS's own pipeline."""
FREEZES = '{"rungs":{"produs":[{"text":"sat 00:00 - mon 00:00","week":[7200,0],"zone":"UTC"}]},"zones":{}}'
ALARMS = {"produs": ["checkout", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:edge"]}
LARGE: dict[str, Any] = {"rungs": [[f"production{n:02}"] for n in range(12)], "project": "p" * 24}
"""Twelve environments with the longest names that settings take."""
WILDCARDS = {
    "AnswerHooks": "AWS's own pages differ on whether the action has a resource",
    "CallThePipeline": "a version of one of the four functions",
    "EndChildren": "executions of the one state machine, and of its Maps",
    "RedriveChildren": "executions of the one state machine's Maps",
    "CallWhatIsUnderTest": "a version or alias of a rung's function",
    "ReadAlarms": "DescribeAlarms is authorised against the list of the account's alarms",
    "ReadDeploymentConfigurations": "AWS's own for Lambda, and each rung's, which the service module names by its pace",
    "ReadExecutions": "executions of the one state machine",
    "ReadMapRuns": "executions of the one state machine, and the runs of its Maps",
    "ReadInspectorsFindings": "Inspector's findings have no resource to name",
    "ReadTheAccountsConcurrency": "an account's settings have no resource to name",
    "ReadTheSmokeCases": "bundles are named by their content",
    "ReadWhatServes": "versions and aliases of a rung's function",
    "GiveTheWord": "a task token has no resource to name; the ledger's items that hold one are limited",
    "StopDeployments": "AWS's own pages differ on whether the actions have a resource",
    "StopClimbs": "executions of the one state machine",
    "WatchClimbs": "executions of the one state machine",
    "WriteLogsAndTraces": "log deliveries and traces have no resources to name",
    "WriteOwnLog": "the streams of the function's own log group; Lambda names them",
}


@pytest.fixture(scope="module")
def modules(runner, make_root, write) -> dict[str, dict[str, dict[str, Any]]]:
    """The module as most have it (`it`), both sides of a ladder over two places, and a large one: one plan."""
    calls = {
        "it": {"rungs": RUNGS, "notify": ["ops@example.com"]},
        "large": LARGE,
        "pipeline": {"rungs": RUNGS, "codepipeline": PIPELINE},
        "gitlab": {
            "rungs": RUNGS,
            "codepipeline": PIPELINE | {"provider": "gitlab", "docker": True, "arm": True},
        },
        "guestpipeline": {**PLACES["guest"], "codepipeline": PIPELINE},
        "many": {"rungs": RUNGS, "functions": {"names": ["mailer", "orders"]}, "notify": ["ops@example.com"]},
        "named": {"rungs": RUNGS, "functions": {"main": False, "names": ["mailer"]}},
        "judging": {"rungs": RUNGS, "judges_versions": True},
        "checks": {"rungs": RUNGS, "notify": ["ops@example.com"], "packages": WITH_CHECK},
        "gated": {"rungs": RUNGS, "freezes": FREEZES, "gate_alarms": ALARMS, "require": ["sbom", "signature"]},
        **PLACES,
    }
    code = "".join(write.call(name, "delivery", {"packages": PACKAGES, **given}) for name, given in calls.items())
    test = runner.test(make_root({"main.tf": write.provider + code, "definition.tf": the_definition_of_many()}))
    test.setup(upgrade=False)
    plan = test.plan(output=True, refresh=False)
    return {"outputs": dict(plan.outputs)} | {
        address.removeprefix("module."): {
            resource["address"].removeprefix(f"{address}."): resource.get("values", {})
            for resource in module["resources"]
            if resource["mode"] == "managed"
        }
        for address, module in plan.root_module.child_modules.items()
    }


def the_definition_of_many() -> str:
    """The expression by which the module makes both Maps over targets distributed: its ARNs are unknown in a plan."""
    text = (MODULE / "machine.tf").read_text("utf-8")
    expression = re.search(r"^  distributed = .*?^  \)$", text, re.MULTILINE | re.DOTALL)
    assert expression
    file = 'file("${path.module}/modules/delivery/promotion.asl.json")'
    outputs = 'output "distributed" {\n  value = local.distributed\n}\n'
    return f"locals {{\n  definition = {file}\n{expression[0]}\n}}\n{outputs}"


def test_of_many_targets_each_is_an_execution_of_its_own_by_the_same_states(modules):
    made = json.loads(modules["outputs"]["distributed"])
    assert made == machines_of_many.distributed(definition.load())
    assert '"version": 0.0' in modules["outputs"]["distributed"], "CodeDeploy wants the AppSpec's version so"


def test_python_and_terraform_agree_from_how_many_targets_on_each_is_an_execution_of_its_own():
    text = (MODULE / "machine.tf").read_text("utf-8")
    (number,) = re.findall(r"inline_targets = (\d+)$", text, re.MULTILINE)
    assert int(number) == ladder.INLINE_TARGETS
    at = {"account": NAMES.account, "region": NAMES.region}
    given = {"project": "sample", "rungs": RUNGS, "environments": {name: at for rung in RUNGS for name in rung}}
    for functions, is_distributed in ((4, False), (5, True)):
        names = {f"fn{n}": {} for n in range(functions)}
        assert ladder.is_distributed(load.load(given | {"functions": names}, Path())) is is_distributed


def test_a_project_with_one_function_keeps_its_state_machine_however_wide_a_rung_is():
    at = {"account": NAMES.account, "region": NAMES.region}
    wide = [f"env{n}" for n in range(ladder.INLINE_TARGETS + 1)]
    given = {"project": "sample", "rungs": [wide], "environments": dict.fromkeys(wide, at)}
    assert not ladder.is_distributed(load.load(given, Path()))
    assert ladder.is_distributed(load.load(given | {"functions": {"mailer": {}}, "main": False}, Path()))
    text = (MODULE / "machine.tf").read_text("utf-8")
    assert re.search(r"^  is_distributed = local\.many && ", text, re.MULTILINE), "only then its role may start any"


@pytest.fixture(scope="module")
def planned(modules) -> dict[str, dict[str, Any]]:
    return modules["it"]


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


def test_it_plans_what_the_inventory_says(planned, modules, regenerate, regenerate_hint):
    now = {
        "counts": dict(sorted(Counter(address.split(".")[0] for address in planned).items())),
        "pipeline": {
            address: readable(value)
            for address, value in sorted(modules["pipeline"].items())
            if address not in planned or address == 'aws_lambda_function.pipeline["relay"]'
        },
        "gitlab": {
            address: readable(modules["gitlab"][address]) for address in ('aws_codebuild_project.build["deploy"]',)
        },
        "places": {
            name: {
                address: readable(value)
                for address, value in sorted(modules[name].items())
                if "relay" in address or address == "aws_lambda_permission.home[0]"
            }
            for name in PLACES
        },
        "values": {address: readable(value) for address, value in sorted(planned.items())},
    }
    if regenerate:
        INVENTORY.write_text(yaml.safe_dump(now, width=120, sort_keys=True), encoding="utf-8")
    expected = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))
    assert now["counts"] == expected["counts"], regenerate_hint
    for address, value in expected["values"].items():
        assert now["values"][address] == value, f"{address}: {regenerate_hint}"
    assert now["places"] == expected["places"], regenerate_hint
    assert (now["pipeline"], now["gitlab"]) == (expected["pipeline"], expected["gitlab"]), regenerate_hint


def test_checks_of_smoke_cases_run_in_a_function_that_may_do_nothing_and_that_only_verify_calls(planned, modules):
    checks = modules["checks"]
    kinds = ("cloudwatch_log_group", "iam_role", "iam_role_policy", "lambda_function")
    assert checks.keys() - planned.keys() == {f"aws_{kind}.smoke_check[0]" for kind in kinds}
    verify = ('aws_lambda_function.pipeline["verify"]', 'aws_iam_role_policy.pipeline["verify"]')
    assert {address for address in planned if checks[address] != planned[address]} == set(verify)
    (own,) = statements(checks, "aws_iam_role_policy.smoke_check[0]")
    assert (own["Sid"], set(own["Action"])) == ("WriteOwnLog", {"logs:CreateLogStream", "logs:PutLogEvents"})
    (call,) = [one for one in statements(checks, verify[1]) if one["Sid"] == "RunChecks"]
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:sample-pipeline-smoke-check"
    assert (call["Action"], call["Resource"]) == ("lambda:InvokeFunction", arn)
    assert checks[verify[0]]["environment"][0]["variables"]["CHECK"] == arn


def test_a_pipeline_of_codepipeline_changes_nothing_else_but_what_the_relay_knows(planned, modules):
    common = planned.keys() & modules["pipeline"].keys()
    changed = {address for address in common if modules["pipeline"][address] != planned[address]}
    assert changed == {'aws_lambda_function.pipeline["relay"]'}
    assert planned.keys() - common == {'aws_sns_topic_subscription.email["ops@example.com"]'}


def test_the_pipeline_is_where_the_lowest_rung_is_and_in_no_other_place(modules):
    assert 'aws_codepipeline.promotion["it"]' in modules["pipeline"]
    assert modules["guestpipeline"] == modules["guest"]


def test_everything_is_named_as_the_tasks_name_it(planned):
    assert planned["aws_sfn_state_machine.promotion"]["name"] == NAMES.state_machine
    for verb in function_packages.VERBS:
        function = planned[f'aws_lambda_function.pipeline["{verb}"]']
        assert function["function_name"] == NAMES.pipeline_function(verb)
        assert function["handler"] == f"{verb}.handler"
        assert function["s3_bucket"] == NAMES.artifacts_bucket
        assert (function["s3_key"], function["source_code_hash"]) == tuple(PACKAGES[verb].values())


def test_functions_and_state_machine_publish_versions(planned):
    assert planned["aws_sfn_state_machine.promotion"]["publish"] is True
    assert planned["aws_sfn_state_machine.promotion"]["type"] == "STANDARD"
    assert all(planned[f'aws_lambda_function.pipeline["{verb}"]']["publish"] for verb in function_packages.VERBS)
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


def test_only_validate_may_give_a_function_code_and_on_the_ladder_s_functions_alone(planned):
    changing = {"lambda:UpdateFunctionCode", "lambda:PublishVersion"}
    changers = {address for address in policies(planned) if changing & actions(planned, address)}
    assert changers == {'aws_iam_role_policy.pipeline["validate"]'}
    (statement,) = (s for s in statements(planned, *changers) if changing & set(s["Action"]))
    prefix = "arn:aws:lambda:eu-west-1:123456789012:function:sample-"
    assert set(statement["Resource"]) == {f"{prefix}{rung}" for rung in ("staging", "prodeu", "produs")}
    assert {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy"} <= actions(planned, *changers)


def test_only_a_location_that_the_primary_asks_lets_its_relay_start_stop_or_answer_executions(modules):
    acting = {"states:StartExecution", "states:StopExecution", "states:SendTaskSuccess", "states:SendTaskFailure"}
    may = {name: actions(modules[name], 'aws_iam_role_policy.pipeline["relay"]') for name in ("it", *PLACES)}
    assert not (may["it"] | may["home"]) & (acting | {"dynamodb:GetItem"})
    assert acting | {"dynamodb:GetItem"} <= may["guest"]


def test_no_statement_allows_every_action_and_wildcards_have_a_reason(planned):
    for address in policies(planned):
        for statement in statements(planned, address):
            assert "*" not in json.dumps(statement["Action"])
            if "*" in json.dumps(statement["Resource"]):
                assert statement["Sid"] in WILDCARDS


def test_the_ladder_s_functions_are_named_one_by_one(planned):
    (moves,) = (
        s for s in statements(planned, 'aws_iam_role_policy.pipeline["rollback"]') if s["Sid"] == "MoveTheAlias"
    )
    prefix = "arn:aws:lambda:eu-west-1:123456789012:function:sample-"
    expected = {f"{prefix}{rung}{suffix}" for rung in ("staging", "prodeu", "produs") for suffix in ("", ":live")}
    assert set(moves["Resource"]) == expected


def resources(planned):
    """Return what the policies name: each resource by its policy and statement."""
    return {
        (address, statement["Sid"]): {statement["Resource"]}
        if isinstance(statement["Resource"], str)
        else set(statement["Resource"])
        for address in policies(planned)
        for statement in statements(planned, address)
    }


def test_functions_beside_the_project_s_own_are_reached_by_what_their_names_begin_with(planned, modules):
    own, many = resources(planned), resources(modules["many"])
    beside = {each for key in own for each in many[key] - own[key]}
    assert {each.partition("sample-")[2] for each in beside} == {
        f"{rung}-*{end}" for rung in ("staging", "prodeu", "produs") for end in ("", ":live", ":*", "/live")
    }
    assert [key for key in own if not own[key] <= many[key]] == []
    assert {sid for _, sid in many.keys() - own.keys()} == {
        *("StartChildren", "EndChildren", "RedriveChildren", "ReadMapRuns"),
    }


def test_without_the_project_s_own_function_no_policy_names_it(modules):
    named = {each for found in resources(modules["named"]).values() for each in found if "sample-staging" in each}
    assert named
    assert [each for each in named if "sample-staging-*" not in each] == []


@pytest.mark.parametrize(("call", "told"), [("it", None), ("many", "all"), ("named", "named")])
@pytest.mark.parametrize("verb", ["relay", "rollback", "validate"])
def test_the_functions_know_which_functions_may_be_targets(modules, call, told, verb):
    variables = modules[call][f'aws_lambda_function.pipeline["{verb}"]']["environment"][0]["variables"]
    assert variables.get("FUNCTIONS") == told
    assert "mailer" not in json.dumps(variables)


@pytest.mark.parametrize("call", ["many", "named"])
def test_items_of_named_functions_are_those_of_their_environments(modules, call):
    for address in policies(modules[call]):
        for statement in statements(modules[call], address):
            tests = {test: keys for test, keys in statement.get("Condition", {}).items() if "env#" in json.dumps(keys)}
            for test, keys in tests.items():
                assert test == "ForAllValues:StringLike"
                assert {"env#staging", "env#staging-*"} <= set(keys["dynamodb:LeadingKeys"])


def test_verify_reads_metrics_and_answers_only_on_a_ladder_that_compares_versions(modules):
    def allowed(call):
        found = {}
        for statement in statements(modules[call], 'aws_iam_role_policy.pipeline["verify"]'):
            found[statement["Sid"]] = statement
        return found

    usual, judging = allowed("it"), allowed("judging")
    assert set(judging) - set(usual) == {"ReadMetricsOfVersions"}
    assert (judging["ReadMetricsOfVersions"]["Action"], judging["ReadMetricsOfVersions"]["Resource"]) == (
        "cloudwatch:GetMetricData",
        "*",
    )
    changed = {sid for sid in usual if judging[sid] != usual[sid]}
    assert changed == {"ReadTheLedger"}
    keys = judging["ReadTheLedger"]["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert set(keys) == {"command#*", "climb#*"}
    moves = [
        address
        for address in policies(modules["judging"])
        if any("lambda:UpdateAlias" in str(each["Action"]) for each in statements(modules["judging"], address))
    ]
    assert moves == ['aws_iam_role_policy.pipeline["rollback"]']


ENVIRONMENTS = {"env#staging", "env#prodeu", "env#produs"}
LEDGER = {  # the partition keys under which each may do what
    'pipeline["validate"]': {
        "GetItem": {"digest#*", *ENVIRONMENTS},
        "PutItem": ENVIRONMENTS,
        "DeleteItem": ENVIRONMENTS,
    },
    'pipeline["verify"]': {"GetItem": {"command#*"}, "PutItem": {"command#*", "deployment#*"}},
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
        condition = statement["Condition"]
        (keys,) = (v for test, v in condition.items() if test.startswith("ForAllValues:"))
        told = keys["dynamodb:LeadingKeys"]
        if condition.get("ForAnyValue:StringEquals") == {"dynamodb:EnclosingOperation": "TransactWriteItems"}:
            # AWS states nowhere that a transaction's puts carry the keys: allowed either way, and nothing beside them
            assert role == "promotion"
            assert statement["Action"] == "dynamodb:PutItem"
            assert set(told) == ENVIRONMENTS
            assert "Null" not in condition
            continue
        assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}, "a request without keys would pass"
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


def invoked(planned, verb):
    return {
        resource
        for statement in statements(planned, f'aws_iam_role_policy.pipeline["{verb}"]')
        if statement["Action"] == "lambda:InvokeFunction"
        for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
    }


def test_a_ladder_in_one_place_reaches_no_other(planned):
    assert not invoked(planned, "relay") | invoked(planned, "rollback") | invoked(planned, "validate")
    assert "aws_lambda_permission.home[0]" not in planned


def test_home_may_ask_the_one_relay_of_another_place_and_nothing_else_there(modules):
    home = modules["home"]
    there = "arn:aws:lambda:eu-central-1:222222222222:function:sample-pipeline-relay"
    assert [arn for arn in invoked(home, "relay") if "222222222222" in arn] == [there]
    for address in policies(home):
        for statement in statements(home, address):
            told = json.dumps(statement["Resource"])
            assert "222222222222" not in told or statement["Sid"] == "AskOtherPlaces", address
    own = "arn:aws:lambda:eu-west-1:123456789012:function:sample-pipeline-relay"
    assert invoked(home, "validate") == invoked(home, "rollback") == {own}
    assert "produs" not in json.dumps([s["Resource"] for a in policies(home) for s in statements(home, a)])


def test_another_place_lets_in_home_s_relay_only_and_its_roles_are_apart_in_a_shared_account(modules):
    guest = modules["guest"]
    permission = guest["aws_lambda_permission.home[0]"]
    assert permission["principal"] == "arn:aws:iam::123456789012:role/sample-pipeline-relay"
    assert (permission["action"], permission["function_name"]) == ("lambda:InvokeFunction", "sample-pipeline-relay")
    assert modules["home"]['aws_iam_role.pipeline["relay"]']["name"] == "sample-pipeline-relay"
    roles = {value["name"] for address, value in guest.items() if address.startswith("aws_iam_role.")}
    assert all(name.endswith("-eu-central-1") for name in roles)
    for address in policies(guest):
        told = json.dumps([s["Resource"] for s in statements(guest, address)])
        assert "123456789012" not in told, "what is here may do nothing at home"


def test_both_sides_know_their_part_of_the_ladder(modules):
    def ladder(name, verb="validate"):
        variables = modules[name][f'aws_lambda_function.pipeline["{verb}"]']["environment"][0]["variables"]
        return json.loads(variables["LADDER"])

    assert ladder("home")["produs"] == {
        "alias": "live",
        "below": ["staging"],
        "elsewhere": True,
        "function": "sample-produs",
    }
    assert ladder("home") == ladder("home", "relay")
    assert ladder("guest") == {"produs": {"alias": "live", "below": [], "function": "sample-produs"}}


CALLS = {  # what the state machine calls directly, and the permission that it takes
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
    }
    assert actions(planned, "aws_iam_role_policy.promotion") == used | extra | by_the_way


def test_freezes_and_alarms_reach_the_functions_that_ask_them_with_the_permission_to(modules):
    def variables(name, verb):
        return modules[name][f'aws_lambda_function.pipeline["{verb}"]']["environment"][0]["variables"]

    def alarms_read(name, verb):
        (policy,) = (p for p in policies(modules[name]) if p == f'aws_iam_role_policy.pipeline["{verb}"]')
        return [r for s in statements(modules[name], policy) if s["Sid"] == "ReadAlarms" for r in s["Resource"]]

    assert variables("gated", "validate")["FREEZES"] == FREEZES
    assert variables("gated", "validate")["REQUIRE"] == "sbom,signature"
    for verb in ("validate", "verify"):
        assert json.loads(variables("gated", verb)["GATE_ALARMS"]) == ALARMS
        assert set(alarms_read("gated", verb)) == {
            f"arn:aws:cloudwatch:{region}:123456789012:alarm:*" for region in ("eu-west-1", "us-east-1")
        }
        assert not {"FREEZES", "GATE_ALARMS", "REQUIRE"} & variables("it", verb).keys()
    assert not alarms_read("it", "validate")


def test_the_net_catches_executions_that_were_cut_off(planned):
    pattern = json.loads(planned["aws_cloudwatch_event_rule.ended"].get("event_pattern") or "null")
    assert pattern is None or set(pattern["detail"]["status"]) == {"ABORTED", "FAILED", "TIMED_OUT"}
    assert planned["aws_lambda_permission.settle"]["principal"] == "events.amazonaws.com"


BAD = {
    "account": ({"account": "1234"}, "account must be 12 digits"),
    "retention": ({"log_retention_days": 31}, "log_retention_days must be a number of days"),
    "notify": ({"notify": ["nobody"]}, "notify must be e-mail addresses"),
    "packages": (
        {"packages": {"validate": PACKAGES["validate"]}},
        "packages must hold relay, rollback, validate and verify",
    ),
    "hash": ({"packages": PACKAGES | {"verify": {"key": "k", "sha256": "x"}}}, "packages must have a SHA-256"),
    "project": ({"project": "Sample"}, "project must be at most 24"),
    "region": ({"region": "Ireland"}, "region must be an AWS region"),
    "away": ({"elsewhere": {"produs": {"account": "1", "region": "eu-west-2"}}}, "elsewhere must give an account"),
    "home": ({"home": {"account": "1234", "region": "eu-west-1"}}, "home must give an account"),
    "nofunctions": ({"functions": {"main": False}}, "functions must name at least one function"),
    "function": ({"functions": {"names": ["Mailer"]}}, "functions must have names of lower-case letters"),
    "functions": ({"functions": {"names": ["mailer", "mailer"]}}, "functions must name each function once"),
    "norungs": ({"rungs": []}, "rungs must hold at least one environment each"),
    "emptyrung": ({"rungs": [["staging"], []]}, "rungs must hold at least one environment each"),
    "twice": ({"rungs": [["staging"], ["staging"]]}, "rungs must name each environment once"),
    "rungname": ({"rungs": [["Staging"]]}, "rungs must be environments"),
    "repository": ({"codepipeline": PIPELINE | {"repository": "orders"}}, "codepipeline.repository must be"),
    "provider": ({"codepipeline": PIPELINE | {"provider": "svn"}}, "codepipeline.provider must be github or gitlab"),
    "connection": ({"codepipeline": PIPELINE | {"connection_arn": "arn"}}, "codepipeline.connection_arn must be"),
    "builds": ({"codepipeline": PIPELINE | {"timeout_minutes": 1}}, "codepipeline.timeout_minutes must be"),
    "freezes": ({"freezes": "[]"}, "freezes must be the JSON that stepladder makes"),
    "require": ({"require": ["sbom", "nothing"]}, "require must be some of sbom, provenance, signature"),
    "threshold": ({"scan_threshold": "SEVERE"}, "scan_threshold must be CRITICAL"),
}


@pytest.fixture(scope="module")
def refusals(runner, make_root, write) -> str:
    """All bad calls in one run: Terraform reports every one."""
    return refused(runner, make_root, write, {name: variables for name, (variables, _) in BAD.items()})


def refused(runner, make_root, write, calls) -> str:
    code = "".join(
        write.call(f"bad{name}", "delivery", {"packages": PACKAGES, "rungs": RUNGS, **variables})
        for name, variables in calls.items()
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


@pytest.fixture(scope="module")
def second_refusals(runner, make_root, write) -> str:
    """Rules over two variables, to which Terraform comes only when those over one hold, and sizes of what is made."""
    here = {"produs": {"account": "123456789012", "region": "eu-west-1"}}
    pairs = [[f"production{n:02}" for n in range(k, k + 20)] for k in (0, 20)]
    away = {name: AWAY for rung in pairs for name in rung[1:]}
    calls = {
        "here": {"elsewhere": here},
        "unknown": {"elsewhere": {"nowhere": AWAY}},
        "alarms": {"gate_alarms": {"moon": ["checkout"]}},
        "large": {"rungs": pairs},
        "largeaway": {"rungs": pairs, "elsewhere": away},
    }
    return refused(runner, make_root, write, calls)


def test_alarms_guard_environments_of_the_ladder(second_refusals):
    assert "gate_alarms must name environments of the rungs" in second_refusals


def test_what_is_said_to_be_elsewhere_is_of_the_ladder_and_not_here(second_refusals):
    assert "elsewhere must name no environment that is here" in second_refusals
    assert "elsewhere must name environments of rungs" in second_refusals


def test_a_ladder_too_large_for_a_role_or_a_function_is_refused_in_numbers(second_refusals):
    """IAM allows a role 10,240 characters of inline policies, Lambda 4,096 bytes of variables."""
    sizes = re.findall(r"(\w+)'s policy takes (\d+) of the 10,240 characters", second_refusals)
    assert {"rollback", "promotion"} <= {who for who, _ in sizes}
    assert all(int(size) > 10_240 for _, size in sizes)
    variables = re.findall(r"(\w+)'s environment variables take (\d+) of the 4,096 bytes", second_refusals)
    assert {who for who, _ in variables} == {"relay", "validate"}
    assert all(int(size) > 4096 for _, size in variables)


def test_a_ladder_of_twelve_environments_fits(modules):
    assert modules["large"]["aws_sfn_state_machine.promotion"]["name"].startswith(LARGE["project"])
