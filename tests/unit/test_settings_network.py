"""The settings of the network, of asynchronous calls and of concurrency: what they may be, beside what."""

import copy
import re
import textwrap
from pathlib import Path

import pytest
import yaml

from stepladder.core.errors import BadInputError
from stepladder.settings import load

PLACE = {"account": "123456789012", "region": "eu-west-1"}
GOOD = {"project": "hello", "environments": {"staging": PLACE, "production": PLACE}}
VPC = {"subnets": ["subnet-0123456789abcdef0", "subnet-0123abcd"], "security_groups": ["sg-0123456789abcdef0"]}
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:failures"
AT_ONCE = {"rungs": {"production": {"deployment": "AllAtOnce"}}}

WRONG = {
    "subnets without security groups": (
        {"vpc": {"subnets": VPC["subnets"]}},
        (
            "stepladder.function.vpc.security_groups is empty while function.vpc.subnets is not; "
            "allowed: subnets and security_groups together, or neither"
        ),
    ),
    "security groups without subnets": (
        {"vpc": {"security_groups": VPC["security_groups"]}},
        "stepladder.function.vpc.subnets is empty while function.vpc.security_groups is not",
    ),
    "a subnet that is no id": (
        {"vpc": VPC | {"subnets": ["private-a"]}},
        "stepladder.function.vpc.subnets is ['private-a']; allowed: a list of ids like subnet-0123456789abcdef0",
    ),
    "one subnet that is no list": ({"vpc": VPC | {"subnets": "subnet-0123abcd"}}, "a list of ids like subnet-"),
    "a subnet among the security groups": ({"vpc": VPC | {"security_groups": ["subnet-0123abcd"]}}, "ids like sg-"),
    "a subnet twice": ({"vpc": VPC | {"subnets": ["subnet-0123abcd"] * 2}}, "allowed: at most 16, each once"),
    "more security groups than Lambda takes": (
        {"vpc": VPC | {"security_groups": [f"sg-0123456{n}" for n in range(6)]}},
        "allowed: at most 5, each once",
    ),
    "IPv6 that is text": ({"vpc": VPC | {"ipv6": "yes"}}, "stepladder.function.vpc.ipv6 is 'yes'; allowed: true or"),
    "an unknown key of the VPC": (
        {"vpc": {"subnet_ids": []}},
        "function.vpc.subnet_ids is not a setting; did you mean",
    ),
    "less storage than there always is": ({"ephemeral_storage_mb": 511}, "a whole number from 512 to 10240"),
    "an unknown way of tracing": ({"tracing": "active"}, "function.tracing is 'active'; allowed: Active, PassThrough"),
    "three retries": ({"async": {"retries": 3}}, "function.async.retries is 3; allowed: a whole number from 0 to 2"),
    "an event kept for a second": ({"async": {"maximum_age_seconds": 1}}, "a whole number from 60 to 21600"),
    "a destination that is a table": (
        {"async": {"on_failure": "arn:aws:dynamodb:eu-west-1:123456789012:table/failures"}},
        "async.on_failure is 'arn:aws:dynamodb:eu-west-1:123456789012:table/failures'; allowed: the ARN of a standard",
    ),
    "a destination that is a FIFO queue": ({"async": {"on_failure": f"{QUEUE}.fifo"}}, "a standard SQS queue"),
    "a destination that is a name": ({"async": {"on_success": "failures"}}, "a standard SQS queue"),
    "two destinations": ({"async": {"on_failure": [QUEUE, QUEUE]}}, "allowed: the ARN of"),
    "successes to a bucket": ({"async": {"on_success": "arn:aws:s3:::records"}}, "async.on_success is"),
    "a destination in another region": (
        {"async": {"on_failure": QUEUE.replace("eu-west-1", "us-east-1")}},
        (
            "stepladder.environments.staging.function.async.on_failure is "
            "'arn:aws:sqs:us-east-1:123456789012:failures'; allowed: an ARN in the environment's region, eu-west-1"
        ),
    ),
    "the function as its own destination": (
        {"async": {"on_failure": "arn:aws:lambda:eu-west-1:123456789012:function:hello-staging:live"}},
        "environments.staging.function.async.on_failure is 'arn:aws:lambda:eu-west-1:123456789012:function:hello-s",
    ),
    "IPv6 without a VPC": (
        {"vpc": {"ipv6": True}},
        "environments.staging.function.vpc.ipv6 is True; allowed: false where vpc.subnets is empty",
    ),
    "provisioned concurrency beside a canary": (
        {"provisioned_concurrency": 2},
        (
            "stepladder.environments.production.function.provisioned_concurrency is 2 while traffic of production "
            "shifts by Canary10Percent5Minutes; allowed: 0, or promotion.rungs.production.deployment: AllAtOnce"
        ),
    ),
    "more provisioned than reserved": (
        {"provisioned_concurrency": 3, "reserved_concurrency": 2},
        "provisioned_concurrency is 3; allowed: at most environments.staging.function.reserved_concurrency (2)",
    ),
    "provisioned below none": ({"provisioned_concurrency": -1}, "a whole number from 0 to 100000"),
}


URL_WRONG = {
    "credentials for every origin": (
        {"cors": {"allow_origins": ["*"], "allow_credentials": True}},
        "triggers[0].cors.allow_credentials is True; allowed: false, or allow_origins that name each origin",
    ),
    "no origin": ({"cors": {"allow_methods": ["GET"]}}, "triggers[0].cors.allow_origins is"),
    "an empty list of origins": ({"cors": {"allow_origins": []}}, "allow_origins is []; allowed: at least one origin"),
    "an origin without its scheme": ({"cors": {"allow_origins": ["example.com"]}}, "origins like https://"),
    "a method that Lambda answers itself": (
        {"cors": {"allow_origins": ["*"], "allow_methods": ["OPTIONS"]}},
        "allow_methods is ['OPTIONS']; allowed: a list of GET, HEAD, POST, PUT, PATCH, DELETE or *",
    ),
    "an answer kept for two days": (
        {"cors": {"allow_origins": ["*"], "max_age_seconds": 172800}},
        "a whole number from 0 to 86400",
    ),
    "an unknown key": ({"cors": {"origins": ["*"]}}, "triggers[0].cors.origins is not a setting; did you mean"),
    "streaming that is text": ({"streaming": "yes"}, "triggers[0].streaming is 'yes'; allowed: true or false"),
}


def loaded(tmp_path, **changes):
    return load.load(copy.deepcopy(GOOD) | changes, tmp_path)


@pytest.mark.parametrize(("function", "message"), WRONG.values(), ids=WRONG)
def test_settings_of_network_and_size_that_are_wrong_are_refused(tmp_path, function, message):
    with pytest.raises(BadInputError) as caught:
        loaded(tmp_path, function=function)
    assert any(message in problem for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(("url", "message"), URL_WRONG.values(), ids=URL_WRONG)
@pytest.mark.parametrize("kind", ["url", "url-iam"])
def test_settings_of_a_function_url_that_are_wrong_are_refused(tmp_path, kind, url, message):
    with pytest.raises(BadInputError) as caught:
        loaded(tmp_path, triggers=[{"kind": kind} | url])
    assert any(message in problem for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    "raw",
    [
        {"function": {"vpc": VPC | {"subnets": ["subnet-1"]}}},
        {"triggers": [{"kind": "url", "cors": {"allow_origins": "*"}}]},
        {"triggers": [{"kind": "url", "cors": {}}]},
    ],
)
def test_what_hangs_on_a_wrong_value_is_no_second_problem(tmp_path, raw):
    with pytest.raises(BadInputError) as caught:
        loaded(tmp_path, **raw)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("header", [None, 1, True])
def test_a_header_is_text(tmp_path, header):
    with pytest.raises(BadInputError, match="not valid") as caught:
        loaded(tmp_path, triggers=[{"kind": "url", "cors": {"allow_origins": ["*"], "allow_headers": [header]}}])
    assert "allow_headers is" in caught.value.problems[0]


def test_they_become_the_modules_variables(tmp_path):
    function = {
        "vpc": VPC | {"ipv6": True},
        "async": {"retries": 0, "on_failure": QUEUE, "maximum_age_seconds": 60},
        "provisioned_concurrency": 2,
        "reserved_concurrency": 2,
    }
    made = loaded(tmp_path, function=function, promotion=AT_ONCE).environment("staging").function.variables
    assert made["vpc"] == VPC | {"ipv6": True}
    assert made["async"] == {"maximum_age_seconds": 60, "on_failure": [QUEUE], "on_success": [], "retries": 0}
    assert made["provisioned_concurrency"] == 2


def test_an_environment_may_leave_the_vpc_and_the_destination_that_the_others_have(tmp_path):
    production = {"vpc": {"subnets": [], "security_groups": []}, "async": {"on_failure": ""}}
    environments = {"staging": PLACE, "production": PLACE | {"function": production}}
    settings = loaded(tmp_path, function={"vpc": VPC, "async": {"on_failure": QUEUE}}, environments=environments)
    assert settings.environment("staging").function.vpc.subnets == tuple(VPC["subnets"])
    assert settings.environment("production").function.vpc.subnets == ()
    assert settings.environment("production").function.asynchronous.on_failure == ()


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sns:eu-west-1:123456789012:failures",
        "arn:aws:lambda:eu-west-1:123456789012:function:clean-up:live",
        "arn:aws-cn:events:eu-west-1:123456789012:event-bus/default",
        "arn:aws:s3:::records-of-failures",
    ],
)
def test_records_of_failures_go_to_every_kind_of_destination(tmp_path, arn):
    settings = loaded(tmp_path, function={"async": {"on_failure": arn}})
    assert settings.environment("staging").function.asynchronous.on_failure == (arn,)


def test_references_to_own_terraform_stand_for_ids_and_arns(tmp_path):
    vpc = {"subnets": ["${aws_subnet.a.id}", "subnet-0123abcd"], "security_groups": "${aws_security_group.own[*].id}"}
    function = {"vpc": vpc, "async": {"on_failure": "${aws_sqs_queue.failures.arn}"}}
    made = loaded(tmp_path, function=function).environment("staging").function.variables
    assert made["vpc"] == vpc | {"ipv6": False}
    assert made["async"]["on_failure"] == ["${aws_sqs_queue.failures.arn}"]


def test_provisioned_concurrency_is_for_rungs_whose_traffic_shifts_at_once(tmp_path):
    environments = {"staging": PLACE | {"function": {"provisioned_concurrency": 1}}, "production": PLACE}
    assert loaded(tmp_path, environments=environments).environment("staging").function.provisioned_concurrency == 1
    assert loaded(tmp_path, function={"provisioned_concurrency": 1}, promotion=AT_ONCE)


GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
EXAMPLES = {
    f"{page} {number}": textwrap.dedent(text)
    for page in ("network", "streaming", "custom-domain")
    for number, text in enumerate(
        re.findall(r"^ *```yaml\n(.*?)^ *```", (GUIDES / f"{page}.md").read_text("utf-8"), re.DOTALL | re.MULTILINE), 1
    )
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_of_the_guides_are_settings(tmp_path, example):
    assert loaded(tmp_path, **yaml.safe_load(example)["stepladder"])
