"""What the modules plan, with the real provider and no cloud: one plan of every kind of call, looked at in many ways.

Inventories (`inventories/*.yaml`) hold what a call plans: every address, the known values, the outputs. That of
`none` is whole; the others of `service` hold what differs from it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import iam_ci
import pytest
import yaml

from stepladder.core.names import ALIAS, Names
from stepladder.settings.load import load
from stepladder.settings.trigger_settings import tables
from stepladder.settings.triggers import variable
from stepladder.terraform import ci_variables
from stepladder.terraform.review import review

pytestmark = pytest.mark.terraform

INVENTORIES = Path(__file__).parent / "inventories"
BASE = "none"
CORS = {"allow_credentials": True, "allow_methods": ["GET"], "allow_origins": ["https://www.example.com"]}
SQS = {"batch_size": 100, "maximum_concurrency": 5, "window_seconds": 30}
PLACE = "eu-west-1:123456789012"
STREAM = f"arn:aws:dynamodb:{PLACE}:table/orders/stream/2026-01-01T00:00:00.000"
TOPIC = f"arn:aws:sns:{PLACE}:orders"
THEIRS = f"arn:aws:sqs:{PLACE}:theirs"
TRIGGERS: dict[str, dict[str, dict[str, Any]]] = {
    "dynamodb": {
        "this": {"stream_arn": STREAM},
        "big": {
            "stream_arn": STREAM,
            "filters": ['{"eventName":["INSERT"]}'],
            "on_failure_arn": [THEIRS],
            "retries": 3,
        },
    },
    "eventbridge": {
        "this": {"pattern": '{"source":["shop"]}'},
        "paid": {
            "bus": "orders",
            "dead_letter_arn": [THEIRS],
            "enabled": False,
            "input": '{"a":1}',
            "pattern": '{"detail-type":["paid"]}',
        },
    },
    "http-api": {
        "this": {"cors": {"allow_origins": ["https://example.org"]}},
        "open": {
            "authorization": "none",
            "burst_limit": 10,
            "rate_limit": 5,
            "routes": ["GET /orders/{id}", "$default"],
        },
    },
    "s3": {
        "this": {"bucket": {"uploads": "uploads"}, "prefix": "in/"},
        "gone": {"bucket": {"uploads": "uploads"}, "events": ["s3:ObjectRemoved:*"]},
        "images": {"bucket": {"images": "images"}, "suffix": ".png"},
    },
    "schedule": {
        "this": {"expression": "cron(0 6 * * ? *)"},
        "nightly": {"enabled": False, "input": '{"a":1}', "timezone": "Europe/Berlin"},
    },
    "sqs": {
        "this": SQS,
        "orders": {"enabled": False, "filters": ['{"body":{"kind":["order"]}}']},
        "theirs": {"queue_arn": [THEIRS]},
    },
    "sns": {
        "this": {"topic_arn": TOPIC},
        "large": {
            "dead_letter_arn": [THEIRS],
            "filter": '{"size":["large"]}',
            "filter_scope": "MessageBody",
            "topic_arn": TOPIC,
        },
    },
    "url": {"this": {}},
}
"""One without a name of each kind, and named ones."""
OF_EACH: dict[str, dict[str, dict[str, Any]]] = {
    "eventbridge": {"this": {"pattern": '{"source":["shop"]}'}, "paid": {"pattern": '{"source":["paid"]}'}},
    "http-api": {"this": {}},
    "s3": {"this": {"bucket": {"uploads": "uploads"}}},
    "schedule": {"this": {}, "nightly": {}},
    "sqs": {"this": {}, "orders": {}},
    "url": {"this": {}},
}
"""What is named after its function, of each kind."""
GUIDE = Path(__file__).parents[2] / "docs/guides/triggers.md"
OWN = {
    "aws_dynamodb_table.orders.stream_arn": STREAM,
    "aws_s3_bucket.files.bucket": "files",
    "aws_sns_topic.stock.arn": TOPIC,
    "aws_sqs_queue.lost.arn": THEIRS,
}
"""What the guide's references could be."""


def of_the_guide() -> list[Any]:
    """Return the entries of all examples in the guide, as one list; a function has one URL, so the last of them."""
    text = re.sub(r"\$\{(.*?)\}", lambda match: OWN[match[1]], GUIDE.read_text("utf-8"))
    examples = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]
    entries = [entry for example in examples if "environments" not in example for entry in example["triggers"]]
    return [entry for entry in entries if entry != "url-iam"]


def as_variable(entries: list[Any]) -> dict[str, Any]:
    """Return a list of triggers as the module gets it, from settings that are read."""
    place = {"account": "123456789012", "region": "eu-west-1"}
    raw = {"project": "sample", "environments": {"staging": place}, "rungs": ["staging"], "triggers": entries}
    settings = load(raw, Path())
    return variable(settings.triggers_of(settings.environment("staging")))


def ci_of(project: str, rungs: list[str], region: str, functions: Any = None, **github: Any) -> dict[str, Any]:
    """Return whose jobs may act, as the foundation's module gets it, of a project that both forges have."""
    place = {"account": "123456789012", "region": region}
    raw = {
        "ci": {
            "github": {"repository": "acme/orders", "owner_id": "1", "repository_id": "2", **github},
            "gitlab": {"project": "acme/shop/orders", "url": "https://git.example.com/gitlab/"},
        },
        "environments": dict.fromkeys(rungs, place),
        "functions": functions or {},
        "previews": {"enabled": True},
        "project": project,
        "rungs": rungs,
        "triggers": [
            "http-api",
            "url",
            *({"kind": "sqs", "name": name * 24} for name in "qr"),
            {"kind": "schedule", "name": "s" * 24},
            {"kind": "eventbridge", "name": "e" * 24, "bus": "orders", "pattern": {"source": ["shop"]}},
            {"kind": "s3", "bucket": "uploads"},
            {"kind": "sns", "topic_arn": f"arn:aws:sns:{region}:123456789012:orders"},
        ],
    }
    variables: dict[str, Any] = ci_variables.foundation(load(raw, Path()), rungs[0])["ci"]
    return variables


def ci_elsewhere() -> dict[str, Any]:
    """Return what the foundation's module gets in another location than the lowest rung's: its images are copies."""
    environments = {
        "staging": {"account": "123456789012", "region": "eu-central-1"},
        "production": {"account": "123456789012", "region": "eu-west-1"},
    }
    github = {"repository": "acme/orders"}
    raw = {"project": "sample", "rungs": list(environments), "environments": environments, "ci": {"github": github}}
    variables: dict[str, Any] = ci_variables.foundation(load(raw, Path()), "production")["ci"]
    return variables


CONNECTION = f"arn:aws:codeconnections:{PLACE}:connection/0d7a5b6c-1111-4222-8333-444455556666"


def codepipeline_alone() -> dict[str, Any]:
    """Return what the foundation's module gets of a project whose only pipeline is AWS's own."""
    place = {"account": "123456789012", "region": "eu-west-1"}
    away = {**place, "account": "222222222222", "role_arn": "arn:aws:iam::222222222222:role/deployer"}
    own = {"enabled": True, "repository": "acme/orders", "connection_arn": CONNECTION}
    environments = {"staging": place, "qa": place, "production": away}
    raw = {"project": "sample", "rungs": list(environments), "environments": environments, "codepipeline": own}
    return ci_variables.foundation(load(raw, Path()), "staging")


LONGEST: dict[str, Any] = {
    "ci": ci_of("p" * 24, [name * 12 for name in "abcd"], "ap-southeast-1"),
    "codepipeline": {
        "connection_arn": CONNECTION,
        "deploys": "a" * 12,
        "promotes": "b" * 12,
        "repository": f"{'o' * 39}/{'r' * 100}",
    },
    "environments": [name * 12 for name in "abcd"],
    "previews": True,
    "project": "p" * 24,
    "region": "ap-southeast-1",
}
MAILER = {
    "mailer": {
        "triggers": [
            {"kind": "sqs", "name": "jobs"},
            {"kind": "eventbridge", "bus": "orders", "pattern": {"source": ["shop"]}},
            {"kind": "s3", "bucket": "letters"},
        ]
    }
}
CI_OF_TWO = ci_of("sample", ["staging", "production"], "eu-west-1", older_subject=True)

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "foundation": ("foundation", {}),
    "codepipeline": ("foundation", codepipeline_alone()),
    "ci": ("foundation", {"ci": CI_OF_TWO, "previews": True}),
    "longest": ("foundation", LONGEST),
    "cimany": (
        "foundation",
        {
            "ci": ci_of("sample", ["staging", "production"], "eu-west-1", MAILER, older_subject=True),
            "functions": True,
        },
    ),
    "longestmany": (
        "foundation",
        {
            **LONGEST,
            "ci": ci_of("p" * 24, [name * 12 for name in "abcd"], "ap-southeast-1", MAILER),
            "functions": True,
        },
    ),
    "elsewhere": ("foundation", {"ci": ci_elsewhere(), "environments": ["production"]}),
    "tidy": ("foundation", {"environments": ["prod"], "noncurrent_version_days": 90, "project": "tidy"}),
    BASE: ("service", {"trigger": "none"}),
    "url": ("service", {"trigger": "url"}),
    "iam": ("service", {}),
    "sqs": (
        "service",
        {"trigger": "sqs", "timeout_seconds": 20, "queue": SQS},
    ),
    "schedule": ("service", {"trigger": "schedule", "schedule": "cron(0 6 * * ? *)"}),
    "triggers": ("service", {"timeout_seconds": 20, "triggers": TRIGGERS}),
    "guide": ("service", {"triggers": as_variable(of_the_guide())}),
    "custom": (
        "service",
        {
            "alarms": {
                "error_rate_percent": 2.5,
                "latency_p99_ms": 900,
                "topic_arns": ["arn:aws:sns:eu-west-1:123456789012:releases"],
            },
            "architecture": "x86_64",
            "deployment": {"strategy": "linear", "percentage": 25, "interval_minutes": 2},
            "environment_variables": {"LOG_LEVEL": "DEBUG", "ODD": '${x} %{y} "z"'},
            "gate_alarms": ["checkout"],
            "log_level": "DEBUG",
            "log_retention_days": 365,
            "managed_policies": {"xray": "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"},
            "memory_mb": 1024,
            "permissions": [
                {
                    "actions": ["dynamodb:GetItem"],
                    "conditions": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/team}"]}},
                    "effect": "Allow",
                    "resources": ["arn:aws:dynamodb:eu-west-1:123456789012:table/orders"],
                    "sid": "ReadOrders",
                },
                {
                    "actions": ["s3:DeleteObject"],
                    "conditions": {},
                    "effect": "Deny",
                    "resources": ["*"],
                    "sid": None,
                },
            ],
            "reserved_concurrency": 10,
            "tracing": "Active",
            "trigger": "none",
        },
    ),
    "network": (
        "service",
        {
            "async": {
                "maximum_age_seconds": 600,
                "on_failure": ["arn:aws:s3:::records-of-failures"],
                "on_success": ["arn:aws:events:eu-west-1:123456789012:event-bus/default"],
                "retries": 0,
            },
            "deployment": {"strategy": "all-at-once"},
            "ephemeral_storage_mb": 1024,
            "provisioned_concurrency": 2,
            "triggers": {"url-iam": {"this": {"cors": CORS, "streaming": True}}},
            "vpc": {"ipv6": True, "security_groups": ["sg-0123456789abcdef0"], "subnets": ["subnet-0123abcd"]},
        },
    ),
    "secrets": (
        "service",
        {
            "secrets": {
                "API_KEY": "ssm:/sample/secrets/API_KEY",
                "FILE_KEY": "secretsmanager:sample/secrets/FILE_KEY",
                "SHARED": "secretsmanager:arn:aws:secretsmanager:eu-west-1:210987654321:secret:shared-AbC123",
                "SINGLE": "ssm:single",
            },
            "secrets_key": "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "trigger": "none",
        },
    ),
    "atonce": ("service", {"deployment": {"strategy": "all-at-once"}, "trigger": "none"}),
    "linear": ("service", {"deployment": {"strategy": "linear", "interval_minutes": 1}, "trigger": "none"}),
    "named": ("service", {"function": "mailer", "handler": "app.mailer.handler", "triggers": OF_EACH}),
}
LISTED = tuple(name for name in CALLS if not name.startswith(("longest", "elsewhere")))
"""The calls that have an inventory."""
FOUNDATIONS = tuple(name for name, (module, _) in CALLS.items() if module == "foundation")
SERVICES = tuple(name for name, (module, _) in CALLS.items() if module == "service")
UNKNOWN = "(known after apply)"


def named(call: str) -> str:
    """Return the name of a call's function."""
    return "-".join(filter(None, ("sample", call, CALLS[call][1].get("function"))))


class RootPlan(NamedTuple):
    """A plan, by call: values by address, outputs, and the modules' configuration; and the whole of it as JSON."""

    values: dict[str, dict[str, dict[str, Any]]]
    outputs: dict[str, dict[str, Any]]
    configuration: dict[str, list[dict[str, Any]]]
    document: dict[str, Any]

    def one(self, call: str, address: str) -> dict[str, Any]:
        return self.values[call][address]


@pytest.fixture(scope="module")
def planned(runner, make_root, write, module_source) -> RootPlan:
    names = {
        m: [o.split('"')[0] for o in _text(module_source, m).split('output "')[1:]] for m in ("foundation", "service")
    }
    code = "".join(write.call(name, *call) + write.outputs(name, names[call[0]]) for name, call in CALLS.items())
    root = make_root({"main.tf": write.provider + code})
    test = runner.test(root)
    test.setup(upgrade=False)
    plan = test.plan(output=True, refresh=False)
    found = RootPlan({name: {} for name in CALLS}, {name: {} for name in CALLS}, {}, plan._raw)
    for module in plan.root_module.child_modules.values():
        call = module["address"].removeprefix("module.")
        for resource in module["resources"]:
            if resource["mode"] == "managed":
                address = resource["address"].removeprefix(f"module.{call}.")
                found.values[call][address] = resource.get("values", {})
    for name, change in plan["output_changes"].items():
        call, output = name.split("__")
        found.outputs[call][output] = UNKNOWN if change["after_unknown"] is True else change["after"]
    for call, body in plan["configuration"]["root_module"]["module_calls"].items():
        found.configuration[call] = body["module"]["resources"]
    return found


def _text(modules: Path, module: str) -> str:
    return (modules / module / "outputs.tf").read_text(encoding="utf-8")


def readable(value: Any) -> Any:
    """Drop what says nothing (null, empty), and read JSON in strings."""
    if isinstance(value, dict):
        kept = {key: readable(item) for key, item in value.items() if key not in ("tags_all", "timeouts")}
        return {key: item for key, item in kept.items() if item not in (None, [], {}, "")}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        return readable(json.loads(value))
    return value


def inventory(planned: RootPlan, call: str) -> dict[str, Any]:
    values = {address: readable(value) for address, value in sorted(planned.values[call].items())}
    if call in SERVICES and call != BASE:
        environment, base = (planned.one(c, "aws_codedeploy_app.this")["name"] for c in (call, BASE))
        like = json.loads(json.dumps(inventory(planned, BASE)["values"]).replace(base, environment))
        values = {address: value for address, value in values.items() if like.get(address) != value}
    counts = Counter(address.split(".")[0] for address in planned.values[call])
    return {"counts": dict(sorted(counts.items())), "outputs": planned.outputs[call], "values": values}


@pytest.mark.parametrize("call", LISTED)
def test_a_call_plans_what_its_inventory_says(planned, call, regenerate, regenerate_hint):
    path = INVENTORIES / f"{CALLS[call][0]}-{call}.yaml".replace("foundation-foundation", "foundation")
    now = inventory(planned, call)
    if regenerate:
        path.write_text(yaml.safe_dump(now, width=120, sort_keys=True), encoding="utf-8")
    expected = yaml.safe_load(path.read_text(encoding="utf-8"))
    for part in ("counts", "outputs"):
        assert now[part] == expected[part], regenerate_hint
    assert set(now["values"]) == set(expected["values"]), regenerate_hint
    for address, value in expected["values"].items():
        assert now["values"][address] == value, f"{address}: {regenerate_hint}"


def test_a_review_names_every_resource_and_no_value_of_an_environment_variable(planned):
    made = review("service", "abc", planned.document)
    created = {f"module.{call}.{address}" for call, values in planned.values.items() for address in values}
    assert {change.address for change in made.changes} == created
    assert (made.counts.add, made.counts.change, made.counts.destroy) == (len(created), 0, 0)
    text = json.dumps(made.record())
    assert "environment[0].variables.ODD" in text
    assert "%{y}" not in text


def test_every_inventory_belongs_to_a_call():
    calls = {
        f"{module}-{call}".replace("foundation-foundation", "foundation")
        for call, (module, _) in CALLS.items()
        if call in LISTED
    }
    assert {path.stem for path in INVENTORIES.glob("*.yaml")} == calls


def test_the_foundation_is_named_as_the_tasks_name_it(planned):
    names = Names("sample", "none", "123456789012", "eu-west-1")
    one = planned.one
    assert one("foundation", 'aws_s3_bucket.this["state"]')["bucket"] == names.state_bucket
    assert one("foundation", 'aws_s3_bucket.this["artifacts"]')["bucket"] == names.artifacts_bucket
    assert one("foundation", "aws_dynamodb_table.ledger")["name"] == names.ledger_table
    assert one("foundation", "aws_ecr_repository.this")["name"] == names.repository


@pytest.mark.parametrize("call", SERVICES)
def test_a_service_is_named_as_the_tasks_name_it(planned, call):
    names = Names("sample", call, "123456789012", "eu-west-1", CALLS[call][1].get("function", ""))
    values = planned.values[call]
    assert values["aws_lambda_function.this"]["function_name"] == names.function
    assert values["aws_lambda_alias.live"]["name"] == ALIAS
    assert values["aws_cloudwatch_log_group.function"]["name"] == names.log_group
    assert values["aws_codedeploy_app.this"]["name"] == names.codedeploy_application
    assert values["aws_codedeploy_deployment_group.live"]["deployment_group_name"] == ALIAS
    assert values["aws_iam_role.function"]["name"] == f"{names.function}-function"
    assert values["aws_iam_role.codedeploy"]["name"] == f"{names.function}-codedeploy"
    alarms = {v["alarm_name"] for k, v in values.items() if k.startswith("aws_cloudwatch_metric_alarm.")}
    assert alarms == {f"{names.function}-{what}" for what in ("errors", "latency", "throttles")}
    watched = alarms.union(CALLS[call][1].get("gate_alarms", ()))
    assert set(values["aws_codedeploy_deployment_group.live"]["alarm_configuration"][0]["alarms"]) == watched


def test_every_name_of_one_of_several_functions_ends_its_environments_name_with_its_own(planned):
    names = {
        str(values[key])
        for values in planned.values["named"].values()
        for key in ("name", "function_name", "alarm_name", "app_name")
        if key in values and values[key] not in ("live", "own-resources", "shift-traffic", "call-the-alias", "$default")
    }
    assert len(names) > 10
    assert [name for name in names if "sample-named-mailer" not in name] == []
    assert planned.one("named", "aws_lambda_function.this")["image_config"][0]["command"] == ["app.mailer.handler"]
    assert planned.one(BASE, "aws_lambda_function.this")["image_config"] == []


def ci_statements(planned: RootPlan, call: str) -> dict[tuple[str, str], set[str]]:
    """Return what the policies of CI roles name: each resource by its policy and statement."""
    return {
        (address, statement["Sid"]): set(statement.get("Resource") or statement["NotResource"])
        for address, value in planned.values[call].items()
        if address.startswith("aws_iam_policy.ci[")
        for statement in json.loads(value["policy"])["Statement"]
    }


def test_ci_roles_reach_functions_beside_the_project_s_own_by_what_their_names_begin_with(planned):
    own, many = ci_statements(planned, "ci"), ci_statements(planned, "cimany")
    beside = {each for key in own for each in many[key] - own[key]}
    ends = {each.rpartition("sample-staging-*")[2] for each in beside if "sample-staging" in each}
    assert ends == {
        *("", ":*", "/live", "/*", "-dead-letters", "codedeploy", "function", "schedule", "errors", "latency"),
        *("throttles", "canary-*", "linear-*"),
    }
    others = [each for each in beside if not re.search(r"sample-(staging|production)-\*|sample-promotion/", each)]
    assert others == ["arn:aws:s3:::letters"]
    assert {sid for _, sid in many.keys() - own.keys()} == {"ReadMapRuns"}
    previews = [key for key in own if "preview" in key[0]]
    assert [key for key in previews if own[key] != many[key]] == []


def test_who_promotes_into_another_location_may_copy_the_image_there_and_nowhere_else(planned):
    values = planned.values["elsewhere"]
    prefix = 'aws_iam_role_policy_attachment.ci["deploy-production:'
    attached = [key.removeprefix(prefix).removesuffix('"]') for key in values if key.startswith(prefix)]
    documents = tuple(json.loads(values[f'aws_iam_policy.ci["{name}"]']["policy"]) for name in attached)
    pushing = [s for each in documents for s in each["Statement"] if "ecr:PutImage" in s["Action"]]
    assert [statement["Resource"] for statement in pushing] == [[iam_ci.IMAGES]]
    for action in iam_ci.REGISTRY["inv promote: a repository that it copies to"]:
        resource = "*" if action == "ecr:GetAuthorizationToken" else iam_ci.IMAGES
        assert iam_ci.case_of("deploy-production", documents, action, resource, {}).decided().allowed, action
    assert [key for key in values if ":push-" in key and "deploy-production" not in key] == []
    assert len(attached) <= 10, "IAM attaches ten policies to a role"


def test_the_hook_that_codedeploy_may_call_is_named_as_the_tasks_name_it(planned):
    policy = json.loads(planned.one(BASE, "aws_iam_role_policy.codedeploy")["policy"])
    (hook,) = (s for s in policy["Statement"] if s["Sid"] == "CallTheHook")
    assert hook["Action"] == "lambda:InvokeFunction"
    assert hook["Resource"].endswith(":function:" + Names("sample", BASE, "", "").pipeline_function("verify"))


def references(resource: dict[str, Any], argument: str) -> list[str]:
    """Return what an argument refers to; `block.argument` looks into a block."""
    at = resource["expressions"]
    *path, last = argument.split(".")
    for step in path:
        at = at[step][0]
    return at.get(last, {}).get("references", [])


ALIAS_ARGUMENTS = {
    "aws_apigatewayv2_integration": "integration_uri",
    "aws_cloudwatch_event_target": "arn",
    "aws_lambda_function_event_invoke_config": "qualifier",
    "aws_lambda_provisioned_concurrency_config": "qualifier",
    "aws_lambda_event_source_mapping": "function_name",
    "aws_lambda_function_url": "qualifier",
    "aws_lambda_permission": "qualifier",
    "aws_scheduler_schedule": "target.arn",
    "aws_sns_topic_subscription": "endpoint",
}
"""Where a kind of trigger must name the alias."""

CALL_NOTHING = {
    "aws_apigatewayv2_api",
    "aws_apigatewayv2_route",
    "aws_apigatewayv2_stage",
    "aws_cloudformation_stack",  # the permission of a public URL, in a test of its own
    "aws_cloudwatch_event_rule",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_s3_bucket_notification",  # in a dynamic block, which a plan doesn't show; in a test of its own
    "aws_sqs_queue",
}
"""What else triggers are made of."""

MAY_NAME_THE_FUNCTION = {
    "aws_lambda_alias": "it is the alias",
    "aws_lambda_function_event_invoke_config": "beside the qualifier",
    "aws_lambda_provisioned_concurrency_config": "beside the qualifier",
    "aws_lambda_function_url": "beside the qualifier",
    "aws_lambda_permission": "beside the qualifier",
}


@pytest.mark.parametrize("call", SERVICES)
def test_every_trigger_and_permission_names_the_alias(planned, call):
    for resource in planned.configuration[call]:
        argument = ALIAS_ARGUMENTS.get(resource["type"])
        if argument:
            assert any(r.startswith("aws_lambda_alias.live") for r in references(resource, argument)), resource[
                "address"
            ]


def test_every_resource_of_a_trigger_is_known_to_name_the_alias_or_to_call_nothing(module_source):
    files = sorted((module_source / "service").glob("trigger_*.tf"))
    types = {each for path in files for each in re.findall(r'^resource "(\w+)"', path.read_text("utf-8"), re.MULTILINE)}
    assert types - ALIAS_ARGUMENTS.keys() == CALL_NOTHING


def test_a_buckets_notifications_name_the_alias_and_are_one_resource(planned, module_source):
    text = (module_source / "service/trigger_s3.tf").read_text("utf-8")
    assert re.findall(r"lambda_function_arn = (.*)", text) == ["aws_lambda_alias.live.arn"]
    both = planned.one("triggers", 'aws_s3_bucket_notification.this["uploads"]')["lambda_function"]
    assert [(each["id"], each["filter_prefix"]) for each in both] == [
        ("sample-triggers-gone", ""),
        ("sample-triggers", "in/"),
    ]
    (one,) = planned.one("triggers", 'aws_s3_bucket_notification.this["images"]')["lambda_function"]
    assert (one["id"], one["filter_suffix"]) == ("sample-triggers-images", ".png")


def test_a_permission_is_for_one_source_of_one_account(planned):
    permissions = {
        address.removeprefix("aws_lambda_permission."): values
        for address, values in planned.values["triggers"].items()
        if address.startswith("aws_lambda_permission.") and ".url[" not in address
    }
    assert permissions['s3["images"]']["source_arn"] == "arn:aws:s3:::images"
    assert {permissions[f's3["{name}"]']["source_account"] for name in ("images", "uploads")} == {"123456789012"}
    assert permissions['sns["this"]']["source_arn"] == TOPIC
    statements = [each["statement_id"] for each in permissions.values()]
    assert len(set(statements)) == len(statements) == 8
    made = [r for r in planned.configuration["triggers"] if r["type"] == "aws_lambda_permission"]
    sources = {r["address"]: references(r, "source_arn") for r in made}
    assert "aws_cloudwatch_event_rule.this" in sources["aws_lambda_permission.eventbridge"]
    assert all(sources[f"aws_lambda_permission.{each}"] for each in ("http_api", "s3", "sns"))


def test_the_function_may_read_exactly_the_streams_of_its_triggers_and_tell_their_destinations(planned):
    policy = json.loads(planned.one("triggers", "aws_iam_role_policy.function")["policy"])
    by_resource = {str(each["Resource"]): set(listed(each["Action"])) for each in policy["Statement"]}
    assert by_resource[STREAM] == {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
    assert by_resource["*"] == {"dynamodb:ListStreams"}
    assert {"sns:Publish", "sqs:SendMessage"} in [set(listed(each["Action"])) for each in policy["Statement"]]


def test_an_http_api_takes_signed_requests_unless_it_is_open_and_browsers_questions_without_a_signature(planned):
    routes = {
        values["route_key"]: values["authorization_type"]
        for address, values in planned.values["triggers"].items()
        if address.startswith('aws_apigatewayv2_route.this["this ')
    }
    assert routes == {"$default": "AWS_IAM", "OPTIONS /{proxy+}": "NONE"}
    opened = planned.one("triggers", 'aws_apigatewayv2_route.this["open GET /orders/{id}"]')
    assert opened["authorization_type"] == "NONE"
    assert planned.one("triggers", 'aws_apigatewayv2_stage.this["this"]')["default_route_settings"] == []
    (limits,) = planned.one("triggers", 'aws_apigatewayv2_stage.this["open"]')["default_route_settings"]
    assert (limits["throttling_burst_limit"], limits["throttling_rate_limit"]) == (10, 5)


def test_the_guide_has_an_example_of_every_kind_and_each_can_be_planned(planned):
    kinds = {entry if isinstance(entry, str) else entry["kind"] for entry in of_the_guide()}
    assert kinds | {"url"} == set(tables())
    assert "aws_lambda_function_url" in {address.split(".")[0] for address in planned.values["guide"]}


ONE = {
    "schedule": ("aws_iam_role.schedule", "aws_iam_role_policy.schedule", "aws_scheduler_schedule.this"),
    "sqs": ("aws_lambda_event_source_mapping.queue", "aws_sqs_queue.dead_letters", "aws_sqs_queue.this"),
    "url": ("aws_cloudformation_stack.url", "aws_lambda_function_url.this", "aws_lambda_permission.url"),
}
"""What a trigger is made of, by its kind, which is the name of the call of a root that knows one trigger only."""


@pytest.mark.parametrize("kind", ONE)
def test_a_trigger_without_a_name_is_at_the_addresses_and_has_the_names_of_the_one_that_there_was(planned, kind):
    for address in ONE[kind]:
        before, now = (planned.one(call, f'{address}["this"]') for call in (kind, "triggers"))
        assert json.loads(json.dumps(before).replace(f"sample-{kind}", "sample-triggers")) == now, address


def test_a_named_trigger_has_its_name_behind_that_of_the_function(planned):
    one = planned.one
    assert one("triggers", 'aws_sqs_queue.this["orders"]')["name"] == "sample-triggers-orders"
    assert one("triggers", 'aws_sqs_queue.dead_letters["orders"]')["name"] == "sample-triggers-orders-dead-letters"
    nightly = one("triggers", 'aws_scheduler_schedule.this["nightly"]')
    assert (nightly["name"], nightly["state"]) == ("sample-triggers-nightly", "DISABLED")
    assert (nightly["schedule_expression_timezone"], nightly["target"][0]["input"]) == ("Europe/Berlin", '{"a":1}')


def test_a_queue_of_ones_own_is_read_and_not_made(planned):
    assert 'aws_sqs_queue.this["theirs"]' not in planned.values["triggers"]
    assert planned.one("triggers", 'aws_lambda_event_source_mapping.queue["theirs"]')["event_source_arn"] == THEIRS
    policy = json.loads(planned.one("triggers", "aws_iam_role_policy.function")["policy"])
    assert THEIRS in [statement["Resource"] for statement in policy["Statement"]]


def test_the_public_may_call_the_alias_and_only_through_its_url(planned):
    permission = planned.one("url", 'aws_lambda_permission.url["this"]')
    assert (permission["action"], permission["function_url_auth_type"]) == ("lambda:InvokeFunctionUrl", "NONE")
    template = json.loads(planned.one("url", 'aws_cloudformation_stack.url["this"]')["template_body"])
    (resource,) = template["Resources"].values()
    assert resource["Type"] == "AWS::Lambda::Permission"
    assert resource["Properties"] == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:sample-url:live",
        "InvokedViaFunctionUrl": True,
        "Principal": "*",
    }


@pytest.mark.parametrize("call", [call for call in SERVICES if call not in ("guide", "named", "triggers", "url")])
def test_nobody_is_let_in_unless_the_url_is_public(planned, call):
    kinds = {address.split(".")[0] for address in planned.values[call]}
    assert not kinds & {"aws_lambda_permission", "aws_cloudformation_stack"}


@pytest.mark.parametrize("call", SERVICES)
def test_nothing_but_the_alias_reaches_for_the_bare_function(planned, call):
    for resource in planned.configuration[call]:
        if "aws_lambda_function.this" in json.dumps(resource.get("expressions", {})):
            assert resource["type"] in MAY_NAME_THE_FUNCTION, resource["address"]


def test_alarms_watch_the_alias_and_take_silence_for_good(planned):
    for call in SERVICES:
        for address, alarm in planned.values[call].items():
            if not address.startswith("aws_cloudwatch_metric_alarm."):
                continue
            assert alarm["treat_missing_data"] == "notBreaching"
            metrics = [query["metric"][0] for query in alarm["metric_query"] if query["metric"]] or [alarm]
            for metric in metrics:
                name = named(call)
                assert metric["dimensions"] == {"FunctionName": name, "Resource": f"{name}:live"}


def test_terraform_publishes_no_version_and_leaves_the_alias_to_releases(planned):
    for call in SERVICES:
        assert planned.one(call, "aws_lambda_function.this")["publish"] is False
        assert planned.one(call, "aws_lambda_alias.live")["function_version"] == "$LATEST"


def statements(planned: RootPlan, call: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every statement of every policy that a call plans, with the resource's address and the argument's name."""
    for address, values in planned.values[call].items():
        for argument in ("assume_role_policy", "policy"):
            if f"{address.split('.')[0]}.{argument}" in POLICIES:
                assert values.get(argument), f"{argument} of {address} isn't known when a plan is read"
                for statement in json.loads(values[argument])["Statement"]:
                    yield address, argument, statement


@pytest.mark.parametrize("call", CALLS)
def test_no_policy_names_two_statements_alike(planned, call):
    """IAM refuses it, when the policy is made."""
    for address, values in planned.values[call].items():
        for argument in ("assume_role_policy", "policy"):
            if values.get(argument) and not address.startswith("aws_ecr_lifecycle_policy"):
                names = [each["Sid"] for each in json.loads(values[argument])["Statement"] if "Sid" in each]
                assert len(names) == len(set(names)), f"{address}: {sorted(names)}"


POLICIES = {
    "aws_ecr_repository_policy.policy",
    "aws_iam_role.assume_role_policy",
    "aws_iam_role_policy.policy",
    "aws_s3_bucket_policy.policy",
    "aws_sqs_queue.policy",
}
WILDCARDS = {
    "CreateNetworkInterfaces": "an interface has no id before it is created; a shared subnet is of another account",
    "ManageNetworkInterfaces": "AWS asks for the ids of all resources of EC2 here",
    "ReadTheNetwork": "Describe actions of EC2 take no resources",
    "SendRecordsOfFailures": "the objects of a bucket of records; Lambda wants to be let write all of it",
    "ReadProvisionedConcurrency": "AWS authorises it against aliases and versions, which are many",
    "ReadAlarms": "DescribeAlarms is authorised against the list of the account's alarms",
    "ListStreams": "ListStreams is authorised against the account's list of streams",
    "WriteOwnLog": "the streams of the function's own log group; Lambda names them",
    "WriteTraces": "X-Ray has no resources to name",
}


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize("call", CALLS)
def test_no_policy_allows_an_action_by_wildcard(planned, call):
    for address, _, statement in statements(planned, call):
        if statement["Effect"] == "Allow":
            assert [action for action in listed(statement["Action"]) if "*" in action] == [], address


@pytest.mark.parametrize("call", CALLS)
def test_policies_allow_what_they_name_and_say_why_not_where_they_do_not(planned, call):
    for address, argument, statement in statements(planned, call):
        if argument == "policy" and statement["Effect"] == "Allow" and statement.get("Sid") not in WILDCARDS:
            assert [arn for arn in listed(statement.get("Resource", [])) if "*" in arn] == [], address


@pytest.mark.parametrize("call", SERVICES)
def test_the_function_may_write_its_own_log_only(planned, call):
    policy = json.loads(planned.one(call, "aws_iam_role_policy.function")["policy"])
    (own,) = (s for s in policy["Statement"] if s.get("Sid") == "WriteOwnLog")
    group = f"arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/{named(call)}"
    assert own["Resource"] == f"{group}:log-stream:*"
    assert sorted(own["Action"]) == ["logs:CreateLogStream", "logs:PutLogEvents"]


def test_lambda_may_connect_the_function_to_its_vpc_and_the_function_itself_may_not(planned):
    policy = json.loads(planned.one("network", 'aws_iam_role_policy.network["this"]')["policy"])
    by_sid = {statement["Sid"]: statement for statement in policy["Statement"]}
    created = by_sid["CreateNetworkInterfaces"]["Resource"]
    assert created == [
        "arn:aws:ec2:eu-west-1:123456789012:network-interface/*",
        "arn:aws:ec2:eu-west-1:*:subnet/subnet-0123abcd",
        "arn:aws:ec2:eu-west-1:*:security-group/sg-0123456789abcdef0",
    ]
    denied = by_sid.pop("DenyTheFunctionItself")
    allowed = {action for statement in by_sid.values() for action in listed(statement["Action"])}
    assert (denied["Effect"], set(denied["Action"])) == ("Deny", allowed)
    function = "arn:aws:lambda:eu-west-1:123456789012:function:sample-network"
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": function}}


def test_lambda_may_send_records_to_the_destinations_only(planned):
    policy = json.loads(planned.one("network", 'aws_iam_role_policy.destinations["this"]')["policy"])
    bucket = "arn:aws:s3:::records-of-failures"
    assert [(each["Action"], each["Resource"]) for each in policy["Statement"]] == [
        (["s3:PutObject", "s3:ListBucket"], [f"{bucket}/*", bucket]),
        ("events:PutEvents", "arn:aws:events:eu-west-1:123456789012:event-bus/default"),
    ]


def test_nothing_is_kept_ready_of_a_function_that_was_never_released(planned):
    assert not [a for a in planned.values["network"] if a.startswith("aws_lambda_provisioned_concurrency_config")]
    assert planned.outputs["network"]["provisioned_concurrency"] == 0


@pytest.mark.parametrize("call", FOUNDATIONS)
def test_buckets_and_images_have_no_way_in_by_accident(planned, call):
    for key in ("state", "artifacts"):
        block = planned.one(call, f'aws_s3_bucket_public_access_block.this["{key}"]')
        assert [block[each] for each in block if each.startswith(("block_", "ignore_", "restrict_"))] == [True] * 4
        (deny,) = json.loads(planned.one(call, f'aws_s3_bucket_policy.this["{key}"]')["policy"])["Statement"]
        assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    (pull,) = json.loads(planned.one(call, "aws_ecr_repository_policy.this")["policy"])["Statement"]
    project = planned.one(call, "aws_ecr_repository.this")["name"]
    assert pull["Principal"] == {"Service": "lambda.amazonaws.com"}
    allowed = pull["Condition"]["StringLike"]["aws:SourceArn"]
    names = [arn.rpartition(":function:")[2] for arn in allowed]
    environments = CALLS[call][1].get("environments", ["production", "staging"])
    suffixes = ("", ":*", "-*") if CALLS[call][1].get("functions") else ("", ":*")
    assert names == [f"{project}-{name}{suffix}" for name in environments for suffix in suffixes]


def test_no_rule_expires_an_image_that_may_be_live(planned):
    """Of previews, which nobody promotes, more images are kept than all can serve: 100 at once, 30 days at most."""
    for call in FOUNDATIONS:
        rules = {address: value for address, value in planned.values[call].items() if "aws_ecr_lifecycle" in address}
        given = CALLS[call][1]
        assert set(rules) == ({'aws_ecr_lifecycle_policy.previews["this"]'} if given.get("previews") else set())
        for value in rules.values():
            assert value["repository"] == f"{given.get('project', 'sample')}-pr-images"
            (rule,) = json.loads(value["policy"])["rules"]
            selection = {"countNumber": 3000, "tagStatus": "tagged", "tagPatternList": ["*"]}
            assert selection.items() <= rule["selection"].items(), (
                "what refers to an image has no tag, and isn't counted"
            )


def test_the_functions_of_previews_alone_pull_the_images_of_previews(planned):
    policy = json.loads(planned.one("ci", 'aws_ecr_repository_policy.previews["this"]')["policy"])
    (pull,) = policy["Statement"]
    functions = "arn:aws:lambda:eu-west-1:123456789012:function:sample-pr-*"
    assert pull["Condition"]["StringLike"]["aws:SourceArn"] in (functions, [functions])
