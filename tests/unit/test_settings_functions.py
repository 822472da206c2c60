"""Several functions of one project: what `functions` may say, and the view of each."""

from __future__ import annotations

import copy
import re
import time
from pathlib import Path
from typing import Any

import pytest

from stepladder.core.errors import BadInputError, ExitCode
from stepladder.core.names import split_target
from stepladder.settings import functions, secrets
from stepladder.settings.load import Settings, load

ACCOUNT = "123456789012"
PLACE = {"account": ACCOUNT, "region": "eu-west-1"}
BASE: dict[str, Any] = {
    "project": "hello",
    "triggers": ["url-iam"],
    "function": {"memory_mb": 256, "handler": "app.handler", "environment": {"LEVEL": "INFO", "NAME": "hello"}},
    "environments": {
        "staging": PLACE,
        "production": PLACE | {"function": {"memory_mb": 512, "log_level": "WARN", "environment": {"LEVEL": "WARN"}}},
    },
}


def read(named: object, **changes: Any) -> Settings:
    return load(copy.deepcopy(BASE) | {"functions": named} | changes, Path())


def problems(named: object, **changes: Any) -> tuple[str, ...]:
    with pytest.raises(BadInputError) as caught:
        read(named, **changes)
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    return tuple(caught.value.problems)


def test_a_project_with_one_function_is_its_own_view() -> None:
    settings = load(BASE, Path())
    assert settings.function_names == ("",)
    assert settings.of_function("") is settings
    assert settings.whole is settings
    assert (settings.names("staging").target, settings.names("staging").function) == ("staging", "hello-staging")


def test_a_view_has_one_functions_settings_where_the_projects_own_are() -> None:
    mailer = {
        "function": {"memory_mb": 1024, "environment": {"NAME": "mailer"}},
        "triggers": [{"kind": "sqs", "name": "letters"}],
        "environments": {"production": {"function": {"timeout_seconds": 60}, "triggers": []}},
    }
    settings = read({"mailer": mailer, "daily-report": {}})
    assert settings.function_names == ("", "mailer", "daily-report")
    view = settings.of_function("mailer")
    assert (view.name_of_function, view.whole) == ("mailer", settings)
    assert view.of_function("").function == settings.function
    staging, production = view.environment("staging"), view.environment("production")
    assert (staging.function.memory_mb, staging.function.timeout_seconds) == (1024, 15)
    assert (production.function.memory_mb, production.function.timeout_seconds) == (1024, 60)
    assert staging.function.environment == {"LEVEL": "INFO", "NAME": "mailer"}
    assert production.function.environment == {"LEVEL": "WARN", "NAME": "mailer"}
    assert production.function.log_level == "WARN"
    assert [each.label for each in view.triggers_of(staging)] == ["sqs letters"]
    assert view.triggers_of(production) == ()
    assert view.smoke.path == "tests/smoke/mailer"
    names = view.names("production")
    assert (names.target, names.function) == ("production-mailer", "hello-production-mailer")
    assert names.alarms[0] == "hello-production-mailer-errors"
    assert names.log_group == "/aws/lambda/hello-production-mailer"
    assert names.codedeploy_application == "hello-production-mailer"
    assert (names.repository, names.ledger_table) == ("hello", "hello-releases")
    assert split_target(settings.of_function("daily-report").names("staging").target) == ("staging", "daily-report")


def test_a_function_has_no_trigger_that_it_does_not_name_in_an_old_project_either() -> None:
    settings = read({"mailer": {}}, triggers="", trigger="sqs", function={"queue": {"batch_size": 5}})
    view = settings.of_function("mailer")
    assert view.triggers_of(view.environment("staging")) == ()
    assert settings.triggers_of(settings.environment("staging"))[0].kind == "sqs"
    assert view.environment("staging").function.queue.batch_size == 10


def test_functions_share_an_image_and_its_handler_unless_one_has_a_folder_of_its_own() -> None:
    settings = read({"mailer": {}, "poller": {"image": {"context": "functions/poller"}}})
    own, mailer, poller = (settings.of_function(name) for name in settings.function_names)
    assert own.image == mailer.image != poller.image
    assert mailer.function.handler == mailer.environment("production").function.handler == "app.handler"
    assert poller.function.handler == poller.environment("production").function.handler == ""


@pytest.mark.parametrize("spelling", ["function/", "./function", "function"])
def test_a_folder_that_is_spelled_otherwise_is_the_same_image(spelling: str) -> None:
    settings = read({"mailer": {"image": {"context": spelling}}})
    mailer = settings.of_function("mailer")
    assert mailer.image == settings.image
    assert mailer.function.handler == mailer.environment("production").function.handler == "app.handler"
    two = read({"a": {"image": {"context": "functions/a/"}}, "b": {"image": {"context": "./functions/a"}}})
    assert two.of_function("a").image == two.of_function("b").image != two.image
    odd = read({"mailer": {}}, image={"context": "function/"})
    assert odd.of_function("mailer").image == odd.image


def test_a_targets_key_that_is_given_for_an_environment_is_taken_apart() -> None:
    settings = read({"daily-report": {}})
    for each in (settings, settings.of_function("daily-report")):
        with pytest.raises(BadInputError, match="no environment 'staging-daily-report'") as caught:
            each.environment("staging-daily-report")
        assert caught.value.hint.startswith("did you mean `--env staging --function daily-report`? known environments")
    with pytest.raises(BadInputError) as caught:
        settings.environment("staging-daily")
    assert caught.value.hint.startswith("did you mean `staging`?")


def test_a_project_may_have_no_function_but_those_with_a_name() -> None:
    settings = read({"mailer": {}, "poller": {}}, main=False)
    assert settings.function_names == ("mailer", "poller")
    with pytest.raises(BadInputError, match="no function 'main'"):
        settings.of_function("")


WRONG: dict[str, tuple[object, str]] = {
    "functions that are a list": (["mailer"], "stepladder.functions is ['mailer']; allowed: a mapping of names"),
    "a function that is text": (
        {"mailer": "app.handler"},
        "stepladder.functions.mailer is 'app.handler'; allowed: a m",
    ),
    "a function that says nothing at all": (
        {"mailer": None},
        "stepladder.functions.mailer is None; allowed: a mapping",
    ),
    "a name with capitals": ({"Mailer": {}}, "stepladder.functions is 'Mailer'; allowed: names of lower-case letters"),
    "a name with an underscore": ({"my_mailer": {}}, "stepladder.functions is 'my_mailer'; allowed: names of lower-"),
    "a name that is a number": ({7: {}}, "stepladder.functions is 7; allowed: names of lower-case letters"),
    "an empty name": ({"": {}}, "stepladder.functions is ''; allowed: names of lower-case letters"),
    "the name of the project's own function": ({"main": {}}, "is 'main'; allowed: a name other than main"),
    "a name too long for the longest role": (
        {"m" * 37: {}},
        "allowed: at most 36 characters: hello-production-<name>-codedeploy is an IAM role, whose name may have 64",
    ),
    "an unknown setting": (
        {"mailer": {"memory": 1}},
        "stepladder.functions.mailer.memory is not a setting; allowed: f",
    ),
    "a value out of its range": (
        {"mailer": {"function": {"memory_mb": 64}}},
        "stepladder.functions.mailer.function.memory_mb is 64; allowed: a whole number from 128 to 10240",
    ),
    "a value out of its range in one environment": (
        {"mailer": {"environments": {"production": {"function": {"memory_mb": 64}}}}},
        "stepladder.functions.mailer.environments.production.function.memory_mb is 64; allowed",
    ),
    "an environment that the project has not": (
        {"mailer": {"environments": {"prodution": {}}}},
        "stepladder.functions.mailer.environments.prodution is not a setting; did you mean `production`?",
    ),
    "an account of its own": (
        {"mailer": {"environments": {"staging": {"account": ACCOUNT}}}},
        "stepladder.functions.mailer.environments.staging.account is not a setting; allowed: function, triggers",
    ),
    "the queue of old projects": (
        {"mailer": {"function": {"queue": {"batch_size": 5}}}},
        "stepladder.functions.mailer.function.queue is {'batch_size': 5}; allowed: an entry of the kind sqs in funct",
    ),
    "a trigger of another region": (
        {"mailer": {"triggers": [{"kind": "sqs", "queue_arn": f"arn:aws:sqs:eu-west-2:{ACCOUNT}:letters"}]}},
        "stepladder.functions.mailer.environments.staging.triggers (sqs).queue_arn is 'arn:aws:sqs:eu-west-2",
    ),
    "a trigger whose name leaves too much": (
        {"m" * 34: {"triggers": [{"kind": "schedule", "name": "every-morning"}]}},
        "(schedule every-morning).name is 'every-morning'; allowed: at most 12 characters: hello-production-mmmm",
    ),
    "an image outside the project": (
        {"mailer": {"image": {"context": "../mailer"}}},
        "stepladder.functions.mailer.image.context is '../mailer'; allowed: a path inside the project",
    ),
    "a secret for everybody to read": (
        {"mailer": {"function": {"environment": {"API_KEY": "hunter2-and-more"}}}},
        (
            "Put `API_KEY: ssm` under `functions.mailer.function.secrets` in its place, and give the value by "
            "`inv secrets.set API_KEY --env staging --function mailer`"
        ),
    ),
    "a secret that is an environment variable too": (
        {"mailer": {"function": {"secrets": {"LEVEL": "ssm"}}}},
        (
            "stepladder.functions.mailer.function.secrets.LEVEL is an environment variable too; take it out of "
            "`functions.mailer.function.environment`"
        ),
    ),
    "permissions of another partition": (
        {
            "mailer": {
                "function": {"permissions": [{"actions": ["s3:GetObject"], "resources": ["arn:aws-cn:s3:::a/*"]}]}
            }
        },
        "stepladder.functions.mailer.environments.staging.function.permissions is 'arn:aws-cn:s3:::a/*'; allowed",
    ),
    "more ready than may run": (
        {"mailer": {"function": {"reserved_concurrency": 1, "provisioned_concurrency": 2}}},
        (
            "stepladder.functions.mailer.environments.staging.function.provisioned_concurrency is 2; allowed: at most "
            "functions.mailer.environments.staging.function.reserved_concurrency (1)"
        ),
    ),
    "itself as the destination of what failed": (
        {
            "mailer": {
                "function": {
                    "async": {"on_failure": [f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:hello-staging-mailer"]}
                }
            }
        },
        "another function: a record that failed would come back to this one",
    ),
    "a reference to Terraform as its handler, which the image must hold before": (
        {"mailer": {"function": {"handler": "${local.handler}"}}},
        "stepladder.functions.mailer.function.handler is '${local.handler}'; allowed: a module and a function of the",
    ),
    "a reference to Terraform in its image": (
        {"mailer": {"image": {"base": "${local.base}"}}},
        "stepladder.functions.mailer.image.base is '${local.base}'; allowed",
    ),
    "a reference that does not end": (
        {"mailer": {"function": {"environment": {"TABLE": "${aws_dynamodb_table.orders.name"}}}},
        "stepladder.functions.mailer.function.environment.TABLE is",
    ),
}


@pytest.mark.parametrize(("named", "says"), WRONG.values(), ids=WRONG)
def test_functions_that_are_wrong_are_refused(named: object, says: str) -> None:
    assert says in "\n".join(problems(named))


def test_the_longest_names_are_those_that_the_terraform_module_takes() -> None:
    module = (Path(__file__).resolve().parents[2] / "terraform/modules/service/variables.tf").read_text("utf-8")
    whole, with_trigger = (
        int(number) for number in re.findall(r'\$\{var\.function\}(?:-\$\{name\})?"\) <= (\d+)', module)
    )
    name = "m" * (whole - len("hello-production-"))
    trigger = "t" * min(with_trigger - whole - 1, 24)
    longest = {name: {"triggers": [{"kind": "schedule", "name": trigger}]}}
    assert read(longest).of_function(name).names("production").function == f"hello-production-{name}"
    assert f"at most {len(name)} characters" in problems({f"{name}m": {}})[0]
    longer = {name: {"triggers": [{"kind": "schedule", "name": f"{trigger}t"}]}}
    assert f"at most {len(trigger)} characters" in problems(longer)[0]


def test_a_function_may_refer_to_the_projects_own_terraform() -> None:
    table = "${aws_dynamodb_table.orders.name}"
    settings = read({"mailer": {"function": {"environment": {"TABLE": table}}}})
    assert settings.of_function("mailer").environment("staging").function.environment["TABLE"] == table


def test_every_problem_of_every_function_is_listed_at_once() -> None:
    listed = problems({"a": {"function": {"memory_mb": 1}}, "b": {"image": {"keep": 1}}, "C": {}}, project="NO")
    assert len(listed) == 4


def test_what_is_wrong_with_the_project_is_said_once_and_not_of_each_function() -> None:
    function = {"environment": {"API_KEY": "hunter2-and-more"}, "vpc": {"ipv6": True}}
    alone = problems({}, function=function)
    assert problems({"mailer": {}, "poller": {}}, function=function) == alone


def test_a_project_without_its_own_function_needs_another() -> None:
    assert problems({}, main=False) == (
        "stepladder.main is False; allowed: true, unless `functions` has one: a project has at least one function",
    )


def test_secrets_of_a_function_are_its_own_and_the_projects() -> None:
    named = {"mailer": {"function": {"secrets": {"SMTP_KEY": "ssm"}}}}
    settings = read(named, function={"secrets": {"DATABASE_URL": "ssm"}})
    assert secrets.variables(settings.of_function("mailer"), "staging") == {
        "DATABASE_URL": "ssm:/hello/staging/DATABASE_URL",
        "SMTP_KEY": "ssm:/hello/staging/SMTP_KEY",
    }
    assert list(secrets.variables(settings, "staging")) == ["DATABASE_URL"]


@pytest.mark.parametrize(
    ("main", "names", "flag", "given"),
    [
        (True, ("mailer",), "", ""),
        (True, ("mailer",), "main", ""),
        (True, ("mailer",), "mailer", "mailer"),
        (False, ("mailer",), "", "mailer"),
        (False, ("mailer", "poller"), "poller", "poller"),
    ],
)
def test_a_command_is_about_the_function_that_it_names_or_the_projects_own(
    main: bool, names: tuple[str, ...], flag: str, given: str
) -> None:
    assert functions.given(read({name: {} for name in names}, main=main), flag) == given


def test_a_command_that_names_no_function_where_none_is_the_projects_own_lists_them() -> None:
    with pytest.raises(BadInputError) as caught:
        functions.given(read({"mailer": {}, "poller": {}}, main=False), "")
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    assert "mailer, poller" in caught.value.hint


def test_an_unknown_function_has_a_suggestion_and_the_names() -> None:
    with pytest.raises(BadInputError, match="no function 'mailr'") as caught:
        functions.given(read({"mailer": {}}), "mailr")
    assert caught.value.hint.startswith("did you mean `mailer`? functions: main, mailer")


def test_a_hundred_functions_are_read_in_a_moment() -> None:
    named = {f"f{number}": {"function": {"memory_mb": 512}, "triggers": ["sqs"]} for number in range(100)}
    began = time.process_time()
    assert len(read(named).function_names) == 101
    assert time.process_time() - began < 2
