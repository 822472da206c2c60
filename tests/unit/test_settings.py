"""What `invoke.yaml` may say, and how everything that is wrong with it is explained at once."""

import copy
import re
from pathlib import Path

import pytest

from stepladder.core.errors import BadInputError, ExitCode
from stepladder.settings import function, load

GOOD = {
    "project": "hello",
    "environments": {
        "staging": {"account": "123456789012", "region": "eu-west-1"},
        "production": {"account": "210987654321", "region": "eu-west-1", "function": {"memory_mb": 512}},
    },
}

PLACE = {"account": "123456789012", "region": "eu-west-1"}

ROOT = Path(__file__).resolve().parents[2]
WRONG = {
    "a project with capitals": ({"project": "Hello"}, "stepladder.project is 'Hello'"),
    "a project longer than the bucket names allow": ({"project": "a" * 25}, "at most 24 characters"),
    "an unknown Python": ({"python": "3.9"}, "stepladder.python is '3.9'; allowed: 3.11, 3.12, 3.13, 3.14"),
    "an unknown architecture": ({"architecture": "sparc"}, "arm64, x86_64"),
    "an unknown trigger": ({"trigger": "email"}, "url, url-iam, sqs, schedule, none"),
    "too little memory": ({"function": {"memory_mb": 64}}, "stepladder.function.memory_mb is 64"),
    "memory that is text": ({"function": {"memory_mb": "big"}}, "a whole number from 128 to 10240"),
    "a timeout beyond Lambda's": ({"function": {"timeout_seconds": 901}}, "from 1 to 900"),
    "a variable that isn't text": (
        {"function": {"environment": {"LOG": 1}}},
        "stepladder.function.environment.LOG is 1; allowed: text; a number, true, false or a date belongs in quotes",
    ),
    "a variable whose name is too short": (
        {"function": {"environment": {"X": "1"}}},
        "stepladder.function.environment is 'X'; allowed: names like LOG_LEVEL: at least two letters, digits",
    ),
    "a variable that Lambda sets itself": (
        {"function": {"environment": {"AWS_REGION": "eu-west-1"}}},
        "stepladder.function.environment.AWS_REGION is 'eu-west-1'; allowed: a name that Lambda doesn't reserve",
    ),
    "variables beyond what Lambda keeps": (
        {"function": {"environment": {"LONG": "x" * 4000, "LONGER": "é" * 40}}},
        "stepladder.function.environment is '2 variables, 4103 bytes'; allowed: 4096 bytes together, as JSON",
    ),
    "an unknown log level": ({"function": {"log_level": "LOUD"}}, "stepladder.function.log_level is 'LOUD'"),
    "days that CloudWatch doesn't offer": ({"function": {"log_retention_days": 31}}, "allowed: 1, 3, 5, 7, 14, 30"),
    "a concurrency below none": ({"function": {"reserved_concurrency": -2}}, "a whole number from -1"),
    "an unknown alarm": ({"function": {"alarms": {"cost": 1}}}, "stepladder.function.alarms.cost is not a setting"),
    "alarms that are text": ({"function": {"alarms": "none"}}, "stepladder.function.alarms is 'none'"),
    "an error rate of none": ({"function": {"alarms": {"error_rate_percent": 0}}}, "a number above 0 and below 100"),
    "an error rate that is text": ({"function": {"alarms": {"error_rate_percent": "5"}}}, "above 0 and below 100"),
    "alarms over no period": ({"function": {"alarms": {"periods": 0}}}, "a whole number from 1 to 60"),
    "a latency beyond any timeout": ({"function": {"alarms": {"latency_p99_ms": 900001}}}, "from 0 to 900000"),
    "throttles below none": ({"function": {"alarms": {"throttles": -1}}}, "stepladder.function.alarms.throttles"),
    "alarms of no invocations": ({"function": {"alarms": {"minimum_invocations": 0}}}, "minimum_invocations is 0"),
    "a topic that is a queue": (
        {"function": {"alarms": {"topic_arns": ["arn:aws:sqs:eu-west-1:123456789012:queue"]}}},
        "a list of ARNs of SNS topics",
    ),
    "an alarm that a failing canary could not raise": (
        {"function": {"alarms": {"error_rate_percent": 10}}},
        "stepladder.environments.production.function.alarms.error_rate_percent is 10; allowed: less than the 10",
    ),
    "a batch that SQS collects only in a window": (
        {"function": {"queue": {"batch_size": 11}}},
        "stepladder.function.queue.batch_size is 11; allowed: at most 10 unless function.queue.window_seconds is more",
    ),
    "a concurrency of one batch, which SQS doesn't offer": (
        {"function": {"queue": {"maximum_concurrency": 1}}},
        "stepladder.function.queue.maximum_concurrency is 1; allowed: a whole number from 2 to 1000, or 0",
    ),
    "an unknown key of a trigger kind": (
        {"function": {"queue": {"batchsize": 5}}},
        "stepladder.function.queue.batchsize is not a setting; did you mean",
    ),
    "releases that keep too few images": (
        {"image": {"keep": 4}},
        "stepladder.image.keep is 4; allowed: a whole number",
    ),
    "a base that is no reference": ({"image": {"base": "a b"}}, "stepladder.image.base is 'a b'; allowed: an image"),
    "an unknown builder": ({"image": {"builder": "kaniko"}}, "auto, docker, layers"),
    "a context outside the project": ({"image": {"context": "../x"}}, "a path inside the project"),
    "an unknown key": ({"projct": "x"}, "stepladder.projct is not a setting"),
    "an unknown nested key": ({"image": {"colour": "red"}}, "stepladder.image.colour is not a setting"),
    "an unknown key of the smoke cases": ({"smoke": {"folder": "x"}}, "stepladder.smoke.folder is not a setting"),
    "smoke cases that are text": ({"smoke": "tests"}, "stepladder.smoke is 'tests'; allowed: a mapping"),
    "no environments": ({"environments": {}}, "at least one environment"),
    "an account that YAML read as a number": (
        {"environments": {"staging": {"account": 123456789012, "region": "eu-west-1"}}, "rungs": ["staging"]},
        "12 digits in quotes",
    ),
    "an environment with no region": (
        {"environments": {"staging": {"account": "123456789012"}}, "rungs": ["staging"]},
        "stepladder.environments.staging.region is None",
    ),
    "a role that is no ARN": (
        {"environments": {"staging": PLACE | {"role_arn": "deployer"}, "production": PLACE}},
        "stepladder.environments.staging.role_arn is 'deployer'; allowed: the ARN of a role in account 123456789012",
    ),
    "a role that is no ARN, in an account that is none": (
        {"environments": {"staging": PLACE | {"account": 12, "role_arn": "deployer"}, "production": PLACE}},
        "is 'deployer'; allowed: the ARN of a role in the environment's account, such as arn:aws:iam::<account>:role/",
    ),
    "a role of another account": (
        {"environments": {"staging": PLACE | {"role_arn": "arn:aws:iam::222222222222:role/x"}, "production": PLACE}},
        "stepladder.environments.staging.role_arn",
    ),
    "a rung that is no environment": ({"rungs": ["staging", "moon"]}, "stepladder.rungs is 'moon'"),
    "a rung that stands twice": ({"rungs": ["staging", "staging"]}, "each environment once"),
    "a schedule that is a sentence": ({"schedule": "daily"}, "rate(...), cron(...) or at(...)"),
    "a cron with five fields": ({"schedule": "cron(0 6 * * *)"}, "cron has six fields"),
    "a cron with no ? for the day": ({"schedule": "cron(0 6 * * * *)"}, "exactly one of day of month"),
    "a rate in seconds": ({"schedule": "rate(30 seconds)"}, "minutes, hours or days"),
    "a schedule that is no text": ({"schedule": 5}, "rate(...), cron(...) or at(...)"),
    "a mapping where text should be": ({"project": {}}, "stepladder.project"),
    "a section that is text": ({"function": "big"}, "stepladder.function is 'big'; allowed: a mapping"),
}


def _load(tmp_path, **changes):
    return load.load(copy.deepcopy(GOOD) | changes, tmp_path)


def test_settings_that_are_right_are_read(tmp_path):
    loaded = _load(tmp_path)
    assert loaded.project == "hello"
    assert loaded.ladder_environments == ("staging", "production")
    assert loaded.environment("production").function.memory_mb == 512
    assert loaded.environment("staging").function.memory_mb == 256


def test_the_settings_of_a_trigger_kind_may_differ_between_environments(tmp_path):
    one_by_one = {"queue": {"batch_size": 1, "maximum_concurrency": 2}}
    environments = {"staging": PLACE | {"function": one_by_one}, "production": PLACE}
    loaded = _load(tmp_path, function={"queue": {"batch_size": 5000, "window_seconds": 20}}, environments=environments)
    staging, production = (loaded.environment(name).function.variables["queue"] for name in environments)
    every = {"max_receive_count": 5, "window_seconds": 20}
    assert staging == every | {"batch_size": 1, "maximum_concurrency": 2}
    assert production == every | {"batch_size": 5000, "maximum_concurrency": 0}


def test_an_environment_may_have_a_role_to_assume(tmp_path):
    role = "arn:aws:iam::123456789012:role/deploy/er"
    loaded = _load(tmp_path, environments={"staging": PLACE, "production": PLACE | {"role_arn": role}})
    assert (loaded.environment("staging").role_arn, loaded.environment("production").role_arn) == ("", role)


def test_an_environment_inherits_variables_and_overrides_some(tmp_path):
    environments = copy.deepcopy(GOOD["environments"])
    environments["production"]["function"] = {"environment": {"LEVEL": "WARNING"}}
    loaded = _load(tmp_path, function={"environment": {"LEVEL": "DEBUG", "NAME": "x"}}, environments=environments)
    assert loaded.environment("production").function.environment == {"LEVEL": "WARNING", "NAME": "x"}


@pytest.mark.parametrize(("change", "says"), WRONG.values(), ids=WRONG)
def test_settings_that_are_wrong_are_refused(tmp_path, change, says):
    with pytest.raises(BadInputError) as caught:
        _load(tmp_path, **change)
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    assert says in "\n".join(caught.value.problems)


def test_the_names_that_lambda_reserves_are_those_that_the_module_refuses():
    module = (ROOT / "terraform/modules/service/variables.tf").read_text()
    refused = module.partition("setintersection(keys(var.environment_variables), [")[2].partition("]")[0]
    assert set(re.findall(r'"(\w+)"', refused)) == function.RESERVED


def test_every_problem_is_listed_at_once(tmp_path):
    with pytest.raises(BadInputError) as caught:
        _load(tmp_path, project="NO", python="2.7", trigger="x", function={"memory_mb": 1})
    assert len(caught.value.problems) == 4


def test_an_unknown_environment_names_the_known_ones(tmp_path):
    with pytest.raises(BadInputError, match="no environment 'prod'") as caught:
        _load(tmp_path).environment("prod")
    assert "staging, production" in caught.value.hint
