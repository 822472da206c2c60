"""What `function.secrets` may say, and which values `function.environment` may not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.core.errors import BadInputError
from stepladder.releases import variables as function_variables
from stepladder.settings import secret_values, secrets
from stepladder.settings.load import Settings, load

ACCOUNT, REGION = "123456789012", "eu-west-1"
PLACE = {"account": ACCOUNT, "region": REGION}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PLAIN = "hunter2-and-more"


def read(
    function: dict[str, Any] | None = None, production: dict[str, Any] | None = None, project: str = "hello"
) -> Settings:
    environments = {"staging": PLACE, "production": PLACE | {"region": "us-east-1", "function": production or {}}}
    return load({"project": project, "function": function or {}, "environments": environments}, Path())


def problems(function: dict[str, Any], production: dict[str, Any] | None = None, project: str = "hello") -> str:
    with pytest.raises(BadInputError) as caught:
        read(function, production, project)
    return "\n".join(caught.value.problems)


def of(text: str, environment: str = "staging") -> str:
    (secret,) = secrets.of(read({"secrets": {"API_KEY": text}}), environment)
    return secret.reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("ssm", "ssm:/hello/staging/API_KEY"),
        ("secretsmanager", "secretsmanager:hello/staging/API_KEY"),
        ("ssm:/payments/{env}/stripe", "ssm:/payments/staging/stripe"),
        ("ssm:/{account}/{region}/{project}/{name}", f"ssm:/{ACCOUNT}/{REGION}/hello/API_KEY"),
        ("ssm:single", "ssm:single"),
        ("secretsmanager:shared/github", "secretsmanager:shared/github"),
        ("secretsmanager:rds!db-1234", "secretsmanager:rds!db-1234"),
        (f"ssm:arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a/b", f"ssm:arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a/b"),
        ("secretsmanager:${aws_secretsmanager_secret.db.arn}", "secretsmanager:${aws_secretsmanager_secret.db.arn}"),
    ],
)
def test_one_line_names_a_place_for_every_environment(text: str, reference: str) -> None:
    assert of(text) == reference


def test_the_environments_own_secrets_add_to_those_of_the_project_and_replace_them() -> None:
    settings = read({"secrets": {"A_KEY": "ssm", "B_KEY": "ssm"}}, {"secrets": {"B_KEY": "ssm:/b", "C_KEY": "ssm"}})
    assert secrets.variables(settings, "staging") == {
        "A_KEY": "ssm:/hello/staging/A_KEY",
        "B_KEY": "ssm:/hello/staging/B_KEY",
    }
    assert secrets.variables(settings, "production") == {
        "A_KEY": "ssm:/hello/production/A_KEY",
        "B_KEY": "ssm:/b",
        "C_KEY": "ssm:/hello/production/C_KEY",
    }


def test_what_runs_the_function_here_gets_the_references_of_the_environment_that_is_named() -> None:
    settings = read({"environment": {"LOG": "x"}, "secrets": {"API_KEY": "ssm"}})
    assert function_variables.of(settings).values == {"LOG": "x", "API_KEY": "ssm:/hello/staging/API_KEY"}
    assert function_variables.of(settings, "production").values["API_KEY"] == "ssm:/hello/production/API_KEY"


def test_a_secret_of_another_account_or_of_terraform_is_told_from_ones_own() -> None:
    arn = f"secretsmanager:arn:aws:secretsmanager:{REGION}:999999999999:secret:shared-AbC123"
    made = "secretsmanager:${aws_secretsmanager_secret.db.arn}"
    own = f"ssm:arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a"
    read_ = secrets.of(read({"secrets": {"A_1": arn, "B_1": made, "C_1": own}}), "staging")
    assert [s.is_remote(ACCOUNT, REGION) for s in read_] == [True, False, False]
    assert [s.of_terraform for s in read_] == [False, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vault:x", "says no store; allowed: ssm, ssm:/path, secretsmanager or secretsmanager:name"),
        (PLAIN, "says no store"),
        ("ssm:", "says no store"),
        (5, "says no store"),
        (None, "says no store"),
        ("ssm:a/b", "is 'ssm:a/b' in staging; allowed: a path like"),
        ("ssm:/a//b", "allowed: a path like"),
        ("ssm:/a b", "allowed: a path like"),
        ("ssm:/a/", "allowed: a path like"),
        ("ssm:" + "/x" * 16, "at most 15 slashes"),
        ("ssm:/" + "x" * 1100, "1011 characters"),
        ("ssm:/aws/x", "a path that doesn't begin with aws or ssm"),
        ("ssm:/SSM-x/y", "a path that doesn't begin with aws or ssm"),
        ("secretsmanager:a b", "a name of at most 512 letters"),
        ("secretsmanager:" + "x" * 513, "a name of at most 512 letters"),
        (f"secretsmanager:arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/x", "an ARN of Secrets Manager"),
        (f"secretsmanager:arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:x", "whole with the six characters"),
        ("ssm:arn:aws:s3:::bucket", "an ARN of Parameter Store"),
        ("ssm:/{environment}/x", "{project}, {env}, {region}, {account}, {name} in braces"),
    ],
)
def test_a_place_that_no_store_has_is_refused(text: object, message: str) -> None:
    said = problems({"secrets": {"API_KEY": text}})
    assert message in said
    assert "function.secrets.API_KEY" in said
    assert PLAIN not in said, "what stands in place of a store may be the secret"


def test_a_project_whose_name_parameter_store_reserves_says_another_path() -> None:
    assert "doesn't begin with aws or ssm" in problems({"secrets": {"API_KEY": "ssm"}}, project="aws-bridge")
    settings = read({"secrets": {"API_KEY": "secretsmanager"}}, project="aws-bridge")
    assert secrets.variables(settings, "staging") == {"API_KEY": "secretsmanager:aws-bridge/staging/API_KEY"}


@pytest.mark.parametrize("name", ["1ST", "A-B", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "X"])
def test_a_secret_needs_a_name_that_a_variable_may_have(name: str) -> None:
    assert "names of at least two letters" in problems({"secrets": {name: "ssm"}})


def test_a_list_of_secrets_is_no_mapping() -> None:
    assert "such as API_KEY: ssm" in problems({"secrets": ["API_KEY"]})


def test_a_name_is_a_variable_or_a_secret() -> None:
    both = {"environment": {"REGION_NAME": "x"}, "secrets": {"REGION_NAME": "ssm"}}
    assert problems(both).count("is an environment variable too") == 1
    said = problems({"environment": {"REGION_NAME": "x"}}, {"secrets": {"REGION_NAME": "ssm"}})
    assert "environments.production.function.secrets.REGION_NAME" in said


@pytest.mark.parametrize(
    "value", ["ssm:sk_live_51Habcdefghijk", "secretsmanager:ghp_" + "a1" * 18, "postgres://u:pw@h/d"]
)
def test_a_secret_in_the_place_of_its_reference_is_refused_without_showing_it(value: str) -> None:
    said = problems({"secrets": {"API_KEY": value}})
    assert "It is where the value is, never the value" in said
    assert value.partition(":")[2] not in said


def test_a_variable_that_is_a_secret_already_is_not_advised_to_become_one() -> None:
    said = problems({"environment": {"API_KEY": "x"}, "secrets": {"API_KEY": "ssm"}})
    assert said == (
        "stepladder.function.secrets.API_KEY is an environment variable too; take it out of `function.environment`"
    )


def test_references_and_variables_share_what_lambda_keeps() -> None:
    long = {"environment": {"LONG": "x" * 4000}, "secrets": {"API_KEY": "ssm:/" + "x" * 100}}
    assert "and the references to secrets are 4129 bytes; allowed: 4096" in problems(long)


@pytest.mark.parametrize(
    "key", ["alias/mine", "1234abcd-12ab-34cd-56ef-1234567890ab", "${aws_kms_key.own.arn}", 5, [], {"a": 1}]
)
def test_a_key_is_named_by_its_arn(key: object) -> None:
    assert "the ARN of a KMS key" in problems({"secrets_key": key})


def test_a_key_may_differ_between_environments_or_name_each_ones_region() -> None:
    other = KEY.replace("1234abcd", "5678abcd").replace(REGION, "us-east-1")
    settings = read({"secrets_key": KEY}, {"secrets_key": other})
    assert (secrets.key_of(settings, "staging"), secrets.key_of(settings, "production")) == (KEY, other)
    everywhere = "arn:aws:kms:{region}:{account}:key/mrk-1234abcd12ab34cd56ef1234567890ab"
    settings = read({"secrets_key": everywhere})
    assert secrets.key_of(settings, "production") == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{everywhere[-36:]}"
    assert secrets.module_variables(settings, "staging")["secrets_key"].startswith(f"arn:aws:kms:{REGION}:{ACCOUNT}:")
    assert not secrets.key_of(read(), "staging")


def test_a_key_of_another_region_is_refused() -> None:
    said = problems({"secrets_key": KEY})
    assert f"stepladder.function.secrets_key is '{KEY}' in production; allowed: a key of its region, us-east-1" in said
    assert "in staging" not in said
    said = problems({}, {"secrets_key": KEY})
    assert said.startswith("stepladder.environments.production.function.secrets_key")


SECRET_NAMES = (
    *("PASSWORD", "DB_PASSWORD", "PGPASSWORD", "DB_PASSWORD_2", "MYSQL_ROOT_PASSWORD", "dbPassword", "SMTP_PASS"),
    *("TOKEN", "GITHUB_TOKEN", "AUTH_TOKEN", "SECRET", "CLIENT_SECRET", "JWT_SECRET", "SECRET_VALUE"),
    *("SECRET_KEY_BASE", "API_KEY", "APIKEY", "API_KEY_STRIPE", "PRIVATE_KEY", "SIGNING_KEY", "ENCRYPTION_KEY"),
    *("DJANGO_SECRET_KEY", "PASSPHRASE", "AWS_CREDENTIALS", "PASSWORD_LENGTH_TOKEN", "SECRET_KEY_PRIMARY"),
)
PLAIN_NAMES = (
    *("SECRET_NAME", "SECRET_ARN", "TOKEN_URL", "TOKEN_TTL_SECONDS", "PASSWORD_MIN_LENGTH", "PASSWORD_RESET_URL"),
    *("PASSWORD_POLICY", "MAX_TOKENS", "MAX_TOKEN", "TOKENIZER", "API_KEY_HEADER", "API_KEY_ID"),
    *("CREDENTIALS_PATH", "PARTITION_KEY", "SORT_KEY", "CACHE_KEY", "PUBLIC_KEY", "KMS_KEY_ID", "BYPASS"),
    *("PASS_THROUGH", "SECRETARY", "KEYBOARD", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "POWERTOOLS_SERVICE_NAME"),
    *(
        "SECRETS_MANAGER_TTL",
        "TOKEN_EXPIRES_IN",
        "PASSWORD_MIN_LENGTH_ADMIN",
        "PASSWORD_HASHERS",
    ),
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_variable_that_is_named_like_a_secret_holds_none(name: str) -> None:
    said = problems({"environment": {name: PLAIN}})
    assert f"stepladder.function.environment.{name} looks like a secret: its name says so" in said
    assert f"`inv secrets.set {name} --env staging`" in said
    assert "function.not_secret" in said
    assert PLAIN not in said


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_a_variable_that_describes_a_secret_is_none(name: str) -> None:
    assert not secret_values.is_secret_name(name)
    read({"environment": {name: PLAIN}})


@pytest.mark.parametrize(
    "value",
    [
        "",
        "true",
        "False",
        "0",
        "ssm:/hello/x",
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:x-AbC123",
        "https://issuer.example/token",
        "/run/secrets/db",
        "${aws_secretsmanager_secret.db.arn}",
    ],
)
def test_a_switch_or_a_place_is_no_secret_whatever_its_name(value: str) -> None:
    read({"environment": {"DB_PASSWORD": value}})


# Made up, and in pieces: scanners of this repository shall find none.
SHAPED = {
    "an AWS access key": "AKIA" + "IOSFODNN7EXAMPLE",
    "an AWS secret key": "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "a private key": "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIE\n-----END",
    "a token of GitHub": "ghp_" + "a1B2" * 9,
    "a token of GitLab": "glpat-" + "a1B2" * 5,
    "a token of Slack": "xoxb-" + "1234567890-abc",
    "a key of Stripe": "sk_live_" + "a1B2c3D4e5F6",
    "a key of Anthropic or OpenAI": "sk-proj-" + "a1B2" * 6,
    "a key of Google": "AIza" + "a1B2c" * 7,
    "a token of npm": "npm_" + "a1B2" * 9,
    "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.c2ln",
    "a password in a URL": "postgres://app:" + "hunter2@db.example:5432/app",
    "a password in a connection string": "host=db user=app " + "password=hunter2",
}


@pytest.mark.parametrize("shape", SHAPED)
def test_a_value_that_is_shaped_like_a_secret_is_refused_under_any_name(shape: str) -> None:
    said = problems({"environment": {"HARMLESS": SHAPED[shape]}})
    assert shape in said
    assert SHAPED[shape] not in said


@pytest.mark.parametrize(("what", "parts", "shape"), secret_values.SHAPES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_value_of_a_shape_is_recognised(what: str, parts: tuple[str, ...], shape: str, data: st.DataObject) -> None:
    value = data.draw(st.from_regex(shape))
    assert any(part in value for part in parts), what
    assert secret_values.shape_of(value)


@pytest.mark.parametrize(
    "value",
    [
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/hello@sha256:{'0' * 64}",
        "postgres://db.example:5432/app",
        "https://user@example.com/x",
        "https://example.com/a:b@c",
        "postgres://app:${PASSWORD}@db/app",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "sk-learn",
        "3f1d2c5e-6b7a-4c8d-9e0f-1a2b3c4d5e6f",
        "/opt/python/lib/python3.13/site-packages",
        "a,b,c=d;e=f",
    ],
)
def test_what_only_looks_random_is_no_secret(value: str) -> None:
    assert not secret_values.why("HARMLESS", value)


def test_a_reason_lets_a_value_pass_that_anybody_may_read() -> None:
    site = {"environment": {"SITE_TOKEN": "pk-public"}}
    reason = {"not_secret": {"SITE_TOKEN": "it is in the page that everybody gets"}}
    assert read(site | reason).function.environment == site["environment"]
    assert "the reason why the variable's value is no secret" in problems(site | {"not_secret": {"SITE_TOKEN": " "}})
    assert "a mapping of variables" in problems({"not_secret": ["SITE_TOKEN"]})
    assert "looks like a secret" in problems(site | {"not_secret": {"OTHER": "x"}})


def test_a_secret_of_the_project_is_told_once_and_one_of_an_environment_by_its_key() -> None:
    assert problems({"environment": {"DB_PASSWORD": PLAIN}}).count("looks like a secret") == 1
    said = problems({}, {"environment": {"DB_PASSWORD": PLAIN}})
    assert said.startswith("stepladder.environments.production.function.environment.DB_PASSWORD looks like a secret")
    both = problems({"environment": {"DB_PASSWORD": PLAIN}}, {"environment": {"DB_PASSWORD": "another-one"}})
    assert both.count("looks like a secret") == 2


@pytest.mark.parametrize("setting", ["environment", "secrets"])
@pytest.mark.parametrize("value", [PLAIN, f"API_KEY={PLAIN}", [f"API_KEY={PLAIN}"], [{"API_KEY": PLAIN}]])
def test_what_is_no_mapping_is_not_printed_since_it_may_hold_a_secret(setting: str, value: Any) -> None:
    message = problems({setting: value})
    assert f"stepladder.function.{setting} is " in message
    assert PLAIN not in message


def test_a_secret_that_is_wrong_for_another_reason_is_not_printed_either() -> None:
    said = problems({"environment": {"AWS_SECRET_ACCESS_KEY": PLAIN, "DB_PASSWORD": 12345678}})
    assert PLAIN not in said
    assert "12345678" not in said
    assert "Lambda doesn't reserve" in said
