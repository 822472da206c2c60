"""Every validation of the modules' variables refuses what it should: all in one run of Terraform, one file a case."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.terraform

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sample"
PERMISSION = {"actions": ["s3:GetObject"], "conditions": {}, "effect": "Allow", "resources": ["*"], "sid": ""}
TOO_LONG = {"LONG": "x" * 4096}
SUBJECTS = {"branch": [], "environments": {}, "pull_requests": []}
PIPELINE = {"deploys": "staging", "promotes": "production", "repository": "acme/orders"}


def issuer(url: str = "https://gitlab.com", provider: str = "create", **subjects: object) -> dict:
    """Return the settings of CI that trust one issuer."""
    return {"issuers": {"gitlab": {"audience": url, "provider": provider, "subjects": SUBJECTS | subjects, "url": url}}}


REFUSED = {
    "foundation": [
        ("account", "12345678901"),
        ("account", "12345678901a"),
        ("ci", issuer("https://gitlab.com/")),
        ("ci", issuer(provider="any")),
        ("ci", issuer(branch=["project_path:acme/*:ref_type:branch:ref:main"])),
        ("ci", issuer(environments={"staging": ["repo:acme/orders:environment:?"]})),
        ("ci", issuer(pull_requests=["project_path:*:ref_type:branch:ref:*"])),
        ("codepipeline", PIPELINE | {"repository": "orders"}),
        ("codepipeline", PIPELINE | {"role_arns": ["arn:aws:iam::123456789012:role/*"]}),
        ("environments", []),
        ("environments", ["staging", "*"]),
        ("noncurrent_version_days", -1),
        ("project", "Sample"),
        ("project", "a--b"),
        ("project", "a" * 25),
        ("region", "europe"),
    ],
    "service": [
        ("account", "1234567890123"),
        ("alarms", {"error_rate_percent": 0}),
        ("alarms", {"error_rate_percent": 100}),
        ("alarms", {"latency_p99_ms": 900001}),
        ("alarms", {"minimum_invocations": 0}),
        ("alarms", {"minimum_invocations": 1.5}),
        ("alarms", {"periods": 0}),
        ("alarms", {"throttles": -1}),
        ("alarms", {"topic_arns": ["arn:aws:sqs:eu-west-1:123456789012:queue"]}),
        ("architecture", "amd64"),
        ("async", {"maximum_age_seconds": 59}),
        ("async", {"on_failure": ["arn:aws:sqs:eu-west-1:123456789012:records.fifo"]}),
        ("async", {"on_failure": ["arn:aws:s3:::records", "arn:aws:s3:::others"]}),
        ("async", {"on_success": ["arn:aws:s3:::records"]}),
        ("async", {"on_success": ["arn:aws:sns:eu-west-1:123456789012:a", "arn:aws:sns:eu-west-1:123456789012:b"]}),
        ("async", {"retries": 3}),
        ("deployment", {"strategy": "blue-green"}),
        ("deployment", {"percentage": 0}),
        ("deployment", {"percentage": 100}),
        ("deployment", {"interval_minutes": 0}),
        ("deployment", {"strategy": "linear", "percentage": 10, "interval_minutes": 300}),
        ("environment", "s"),
        ("environment", "pre-production"),
        ("environment_variables", {"1ST": "x"}),
        ("environment_variables", {"X": "a name of one letter"}),
        ("environment_variables", {"AWS_REGION": "eu-west-1"}),
        ("environment_variables", TOO_LONG),
        ("ephemeral_storage_mb", 511),
        ("function", "Mailer"),
        ("gate_alarms", ["alarm"] * 8),
        ("handler", "two words"),
        ("handler", "h" * 129),
        ("image_uri", f"{IMAGE}:latest"),
        ("image_uri", f"{IMAGE}@sha256:0123"),
        ("log_level", "info"),
        ("log_retention_days", 31),
        ("managed_policies", {"read": "ReadOnlyAccess"}),
        ("memory_mb", 127),
        ("memory_mb", 10241),
        ("permissions", [PERMISSION | {"actions": []}]),
        ("permissions", [PERMISSION | {"effect": "allow"}]),
        ("permissions_boundary", "boundary"),
        ("project", "1st"),
        ("provisioned_concurrency", -1),
        ("queue", {"batch_size": 11}),
        ("queue", {"batch_size": 10001, "window_seconds": 1}),
        ("queue", {"max_receive_count": 0}),
        ("queue", {"maximum_concurrency": 1}),
        ("queue", {"window_seconds": 301}),
        ("region", "eu-west"),
        ("reserved_concurrency", -2),
        ("schedule", "every hour"),
        ("schedule", "rate(0 minutes)"),
        ("schedule", "cron()"),
        ("schedule", "cron(0 6 * * *)"),
        ("schedule", "cron(0 6 * * * *)"),
        ("schedule", "at(2026-12-31)"),
        ("secrets", {"1ST": "ssm:/x"}),
        ("secrets", {"API_KEY": "vault:x"}),
        ("secrets", {"API_KEY": "ssm:a b"}),
        ("secrets_key", "alias/mine"),
        ("timeout_seconds", 0),
        ("timeout_seconds", 901),
        ("tracing", "active"),
        ("trigger", "http"),
        ("triggers", {"sqs": {"Jobs": {}}}),
        ("triggers", {"sqs": {"jobs": {}}, "schedule": {"jobs": {}}}),
        ("triggers", {"url": {"this": {}}, "url-iam": {"this": {}}}),
        ("triggers", {"url": {"this": {"cors": {"allow_origins": ["*"], "allow_credentials": True}}}}),
        ("triggers", {"url-iam": {"this": {"cors": {"allow_origins": ["*"], "allow_methods": ["OPTIONS"]}}}}),
        ("triggers", {"sqs": {"this": {"batch_size": 11}}}),
        ("triggers", {"schedule": {"this": {"expression": "daily"}}}),
        ("triggers", {"dynamodb": {"this": {"stream_arn": "orders"}}}),
        ("triggers", {"eventbridge": {"this": {"pattern": "{"}}}),
        ("triggers", {"http-api": {"this": {"routes": ["/orders"]}}}),
        ("triggers", {"s3": {"this": {"bucket": {}}}}),
        ("triggers", {"sns": {"this": {"topic_arn": "orders"}}}),
        ("vpc", {"security_groups": ["default"], "subnets": ["subnet-0123abcd"]}),
        ("vpc", {"security_groups": [f"sg-0123456{number}" for number in range(6)], "subnets": ["subnet-0123abcd"]}),
        ("vpc", {"security_groups": ["sg-0123abcd"], "subnets": ["private"]}),
        (
            "vpc",
            {"security_groups": ["sg-0123abcd"], "subnets": [f"subnet-01234{number}" for number in range(100, 117)]},
        ),
        ("vpc", {"subnets": ["subnet-0123abcd"]}),
    ],
}
# Terraform compares one variable with another only once all of them are valid by themselves: so in a run of their own.
REFUSED_TOGETHER = {
    "service": [
        ("function", "f" * 50),
        ("function", "f" * 35, {"triggers": {"sqs": {"t" * 24: {}}}}),
        ("alarms", {"error_rate_percent": 10}),  # no less than the default canary's share
        ("provisioned_concurrency", 1),  # beside the default canary
        ("provisioned_concurrency", 2, {"deployment": {"strategy": "all-at-once"}, "reserved_concurrency": 1}),
        ("secrets", {"API_KEY": f"ssm:/{'x' * 4096}"}),
        ("secrets", {"API_KEY": "ssm:/x"}, {"environment_variables": {"API_KEY": "x"}}),
    ]
}
ACCEPTED = {
    "service": [
        {"alarms": {"error_rate_percent": 50}, "deployment": {"strategy": "all-at-once"}},
        {"alarms": {"error_rate_percent": 4}, "deployment": {"strategy": "canary", "percentage": 5}},
        {"deployment": {"strategy": "linear", "percentage": 10, "interval_minutes": 288}},
        {"schedule": "at(2026-12-31T23:59:59)"},
        {"schedule": "cron(0 6 ? * MON-FRI *)", "environment_variables": {"POWERTOOLS_SERVICE_NAME": "sample"}},
    ],
}


class Refusals(NamedTuple):
    """What Terraform said: messages by the case's file, and of nothing in particular."""

    by_case: dict[str, set[str]]
    other: list[str]


def alone() -> dict[str, tuple[str, dict]]:
    """Return the cases whose value is wrong whatever the others are, by the name of their file."""
    return {
        f"refused_{module}_{number:02}_{variable}": (module, {variable: value})
        for module, pairs in REFUSED.items()
        for number, (variable, value) in enumerate(pairs)
    }


def together() -> dict[str, tuple[str, dict]]:
    """Return the cases whose value is wrong beside another, and those where nothing is."""
    refused = {
        f"refused_{module}_together_{number:02}_{variable}": (
            module,
            {variable: value, **(others[0] if others else {})},
        )
        for module, cases in REFUSED_TOGETHER.items()
        for number, (variable, value, *others) in enumerate(cases)
    }
    accepted = {
        f"accepted_{module}_{number:02}": (module, variables)
        for module, those in ACCEPTED.items()
        for number, variables in enumerate(those)
    }
    return refused | accepted


CASES = alone() | together()


@pytest.fixture(scope="module")
def refusals(runner, make_root, write) -> Refusals:
    """Plan all cases. An error of a module's variable points at the call, and so at the case's file."""
    found = Refusals({f"{name}.tf": set() for name in CASES}, [])
    for cases in (alone(), together()):
        files = {f"{name}.tf": write.call(name, *case) for name, case in cases.items()}
        root = make_root({"main.tf": write.provider, **files})
        assert runner.run(root, "init", "-no-color").code == 0
        done = runner.run(root, "plan", "-json", "-refresh=false")
        for line in done.out.splitlines():
            said = json.loads(line).get("diagnostic")
            if said and said["severity"] == "error":
                note(found, said)
    return found


def note(found: Refusals, said: dict) -> None:
    where = said.get("range", {}).get("filename", "")
    message = said["detail"].split("\n\nThis was checked by")[0].replace("\n", " ")
    if said["summary"] == "Invalid value for variable" and where in found.by_case:
        found.by_case[where].add(message)
    else:
        found.other.append(f"{where}: {said['summary']}: {said['detail']}")


def test_nothing_but_the_validations_complains(refusals):
    assert refusals.other == []


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_refused_by_a_message_that_begins_with_its_name(refusals, name):
    said = refusals.by_case[f"{name}.tf"]
    if name.startswith("accepted"):
        assert said == set()
    else:
        variable = next(iter(CASES[name][1]))
        assert said, f"{variable} took {CASES[name][1][variable]!r}"
        assert [message for message in said if not re.match(rf"{variable}\b", message)] == []


@pytest.mark.parametrize("module", REFUSED)
def test_every_validation_has_a_case_that_it_refuses(refusals, module, module_source: Path):
    text = (module_source / module / "variables.tf").read_text(encoding="utf-8")
    written = set(re.findall(r'error_message = "(.*)"$', text, re.MULTILINE))
    said = set().union(*(found for name, found in refusals.by_case.items() if f"_{module}_" in name))
    assert written - said == set()
