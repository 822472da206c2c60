"""What the function may do: statements and policy files, and what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import project

from stepladder.core.errors import BadInputError
from stepladder.settings import policy
from stepladder.settings.load import Settings
from stepladder.terraform import roots

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
READ = {"actions": ["dynamodb:GetItem"], "resources": [TABLE]}
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE}],
}


def permitted(root: Path, *permissions: Any, **function: Any) -> Settings:
    return project(root, function={"permissions": list(permissions), **function})


def given(settings: Settings, environment: str = "staging") -> Any:
    return roots.variables(roots.root(settings, environment, "service"))


def policy_file(root: Path, document: Any = DOCUMENT, name: str = "orders.json") -> str:
    path = root / "policies" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return f"policies/{name}"


def problems(root: Path, *permissions: Any, **function: Any) -> str:
    with pytest.raises(BadInputError) as caught:
        permitted(root, *permissions, **function)
    return "\n".join(caught.value.problems)


def test_statements_and_files_become_one_policy(tmp_path: Path) -> None:
    own = {
        "sid": "Write",
        "actions": "dynamodb:PutItem",
        "resources": "${aws_dynamodb_table.orders.arn}",
        "conditions": {"Bool": {"aws:SecureTransport": True}, "StringLike": {"aws:PrincipalTag/team": ["a*", "b"]}},
    }
    assert given(permitted(tmp_path, own, policy_file(tmp_path)))["permissions"] == [
        {
            "sid": "Write",
            "effect": "Allow",
            "actions": ["dynamodb:PutItem"],
            "resources": ["${aws_dynamodb_table.orders.arn}"],
            "conditions": {
                "Bool": {"aws:SecureTransport": ["true"]},
                "StringLike": {"aws:PrincipalTag/team": ["a*", "b"]},
            },
        },
        {"sid": "Read", "effect": "Allow", "actions": ["dynamodb:GetItem"], "resources": [TABLE], "conditions": {}},
    ]


def test_a_project_without_permissions_gives_terraform_none(tmp_path: Path) -> None:
    variables = given(permitted(tmp_path))
    assert (variables["permissions"], variables["managed_policies"]) == ([], {})


def test_an_environment_has_permissions_of_its_own(tmp_path: Path) -> None:
    where = {"account": "123456789012", "region": "us-east-1"}
    settings = permitted(tmp_path, READ)
    environments = {"staging": where, "production": where | {"function": {"permissions": []}}}
    settings = project(tmp_path, function={"permissions": [READ]}, environments=environments)
    assert (len(given(settings)["permissions"]), given(settings, "production")["permissions"]) == (1, [])


@pytest.mark.parametrize("action", ["*", "dynamodb:*", "s3:Get*", "s3:GetObjec?"])
def test_an_action_with_a_wildcard_needs_its_reason(tmp_path: Path, action: str) -> None:
    wide = {"sid": "Wide", "actions": [action], "resources": [TABLE]}
    assert f"function.permissions[0] (Wide).actions is {action!r}" in problems(tmp_path, wide)
    assert policy.REASON in problems(tmp_path, wide)
    permitted(tmp_path, wide | {"reason": "the tool asks for everything"})
    permitted(tmp_path, wide | {"effect": "Deny"})


@pytest.mark.parametrize(
    ("resource", "wide"),
    [
        ("*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:::*/*", True),
        ("arn:aws:s3:::bucket/*", False),
        ("arn:aws:dynamodb:us-east-1:123456789012:*", True),
        ("arn:aws:dynamodb:us-east-1:123456789012:table/*", True),
        ("arn:aws:dynamodb:*:123456789012:table/orders", False),
        (f"{TABLE}/index/*", False),
        ("arn:aws:sqs:us-east-1:123456789012:*", True),
        ("arn:aws:sqs:us-east-1:123456789012:orders-*", False),
        ("arn:aws:logs:us-east-1:123456789012:log-group:*", True),
        ("arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/x:*", False),
        ("arn:aws:iam::123456789012:role/*", True),
        ("arn:*:*:*:*:*", True),
        ("${aws_s3_bucket.orders.arn}/*", False),
        ("arn:aws:s3:::home/${aws:username}/*", False),
    ],
)
def test_a_resource_that_is_all_of_a_kind_needs_its_reason(tmp_path: Path, resource: str, *, wide: bool) -> None:
    statement = {"actions": ["s3:GetObject"], "resources": [resource]}
    if wide:
        assert f"function.permissions[0].resources is {resource!r}" in problems(tmp_path, statement)
        statement["reason"] = "there is no resource to name"
    permitted(tmp_path, statement)


def test_an_action_that_its_service_does_not_have_needs_a_reason(tmp_path: Path) -> None:
    mistyped = READ | {"actions": ["dynamodb:GetItem", "dynamodb:PutItm", "made-up:Anything"]}
    found = problems(tmp_path, mistyped)
    assert "function.permissions[0].actions is 'dynamodb:PutItm'; allowed: did you mean `dynamodb:PutItem`?" in found
    assert len(found.splitlines()) == 1
    permitted(tmp_path, mistyped | {"reason": "it was announced today"})
    permitted(tmp_path, READ | {"actions": ["dynamodb:getitem", "s3:ListBucket", "lambda:InvokeFunction"]})


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("dynamodb:GetItem", "function.permissions[0] is 'dynamodb:GetItem'; allowed: a statement"),
        (7, "function.permissions[0] is 7; allowed: a statement"),
        ({}, "function.permissions[0].actions is None"),
        (READ | {"actions": []}, "function.permissions[0].actions is []"),
        (READ | {"resources": []}, "function.permissions[0].resources is []"),
        (READ | {"actions": ["GetItem"]}, "function.permissions[0].actions is 'GetItem'"),
        (READ | {"actions": [7]}, "function.permissions[0].actions is 7"),
        (READ | {"resources": ["orders"]}, "function.permissions[0].resources is 'orders'"),
        (READ | {"resources": ["arn:aws:dynamodb:us-east-1:12345:table/x"]}, "function.permissions[0].resources is"),
        (
            READ | {"resources": ["arn:aws-cn:s3:::x"]},
            "environments.staging.function.permissions is 'arn:aws-cn:s3:::x'",
        ),
        (READ | {"sid": "Read Orders"}, "function.permissions[0] (Read Orders).sid is 'Read Orders'"),
        (READ | {"sid": 0}, "function.permissions[0].sid is 0; allowed: letters and digits"),
        (READ | {"conditions": []}, "function.permissions[0].conditions is []; allowed: operators"),
        (READ | {"effect": "allow"}, "function.permissions[0].effect is 'allow'; allowed: Allow, Deny"),
        (READ | {"resource": TABLE}, "function.permissions[0].resource is not a setting; did you mean `resources`?"),
        (READ | {"reason": " "}, "function.permissions[0].reason is ' '"),
        (READ | {"conditions": {"StringEqual": {"a": "b"}}}, "did you mean `StringEquals`?"),
        (READ | {"conditions": {"StringEquals": {}}}, "function.permissions[0].conditions.StringEquals is {}"),
        (READ | {"conditions": {"Null": {"a": []}}}, "function.permissions[0].conditions.Null.a is []"),
        (
            {"file": "policies/none.json"},
            "function.permissions[0] is 'policies/none.json'; allowed: a file that exists",
        ),
        ({"file": "policies/none.json", "reason": "x"}, "function.permissions[0].reason is not a setting"),
        ("policies/../invoke.yaml", "function.permissions[0] is 'policies/../invoke.yaml'"),
        ("/etc/passwd.json", "function.permissions[0] is '/etc/passwd.json'"),
    ],
)
def test_an_entry_that_iam_would_refuse_is_refused_here(tmp_path: Path, entry: Any, problem: str) -> None:
    assert problem in problems(tmp_path, entry)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "policies/orders.json:1: is not JSON"),
        ("[]", "allowed: a policy document of IAM"),
        (DOCUMENT | {"Statement": []}, "allowed: a policy document of IAM"),
        (DOCUMENT | {"Version": "2008-10-17"}, ".Version is '2008-10-17'; allowed: 2012-10-17"),
        (DOCUMENT | {"Comment": "x"}, ".Comment is 'x'; allowed: the elements Id, Statement, Version"),
        (
            {"Statement": [{"NotAction": "s3:*", "Effect": "Allow"}]},
            "Statement[0].NotAction is 's3:*'; allowed: Action:",
        ),
        ({"Statement": [{"Action": "s3:GetObject", "Resource": TABLE}]}, "Statement[0].Effect is None"),
        ({"Statement": {"Principal": "*", "Action": "s3:GetObject"}}, "Statement[0].Principal is '*'"),
        ({"Statement": [{"Sid": "All", "Action": "s3:*", "Resource": "*"}]}, "Statement[0] (All).actions is 's3:*'"),
    ],
)
def test_a_file_that_is_no_policy_is_named_with_what_is_wrong(tmp_path: Path, document: Any, problem: str) -> None:
    assert problem in problems(tmp_path, policy_file(tmp_path, document))


def test_the_reason_of_a_files_statement_stands_beside_the_file(tmp_path: Path) -> None:
    statement = {"Sid": "Trace", "Effect": "Allow", "Action": "xray:PutTraceSegments", "Resource": "*"}
    name = policy_file(tmp_path, DOCUMENT | {"Statement": statement})
    assert "Statement[0] (Trace).resources is '*'" in problems(tmp_path, name)
    permitted(tmp_path, {"file": name, "reasons": {"Trace": "X-Ray has no resources"}})
    assert "reasons.Trac is 'x'" in problems(tmp_path, {"file": name, "reasons": {"Trac": "x"}})
    assert "did you mean `Trace`?" in problems(tmp_path, {"file": name, "reasons": {"Trac": "x"}})


def test_a_file_that_leads_out_of_the_project_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(DOCUMENT))
    root = tmp_path / "project"
    (root / "policies").mkdir(parents=True)
    (root / "policies/link.json").symlink_to(outside)
    assert "a file inside the project" in problems(root, "policies/link.json")


def test_two_statements_of_one_sid_and_a_policy_that_is_too_long_are_refused(tmp_path: Path) -> None:
    assert "2 statements with the sid Read" in problems(tmp_path, READ | {"sid": "Read"}, READ | {"sid": "Read"})
    many = [f"made-up:Action{number}" for number in range(600)]
    assert "a policy of 1" in problems(tmp_path, READ | {"actions": many})
    assert f"at most {policy.LONGEST} characters" in problems(tmp_path, READ | {"actions": many})


def test_managed_policies_are_attached_by_names_that_do_not_hang_on_their_order(tmp_path: Path) -> None:
    arns = ["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess", "${aws_iam_policy.orders.arn}"]
    expected = {arns[0]: arns[0], "aws_iam_policy.orders.arn": arns[1]}
    assert given(permitted(tmp_path, managed_policies=arns))["managed_policies"] == expected
    assert given(permitted(tmp_path, managed_policies=arns[::-1]))["managed_policies"] == expected


@pytest.mark.parametrize(
    ("arns", "problem"),
    [
        (["AmazonS3FullAccess"], "function.managed_policies is 'AmazonS3FullAccess'; allowed: ARNs"),
        (["arn:aws:iam::aws:role/x"], "function.managed_policies is 'arn:aws:iam::aws:role/x'"),
        (["arn:aws-cn:iam::aws:policy/x"], "environments.staging.function.managed_policies is 'arn:aws-cn:iam"),
        (["arn:aws:iam::210987654321:policy/x"], "policies of AWS or of account 123456789012"),
        (["arn:aws:iam::aws:policy/x"] * 2, "each policy once"),
        ([f"arn:aws:iam::aws:policy/x{number}" for number in range(11)], "is '11 policies'; allowed: at most 10"),
        ("arn:aws:iam::aws:policy/x", "function.managed_policies is 'arn:aws:iam::aws:policy/x'; allowed: a list"),
    ],
)
def test_a_managed_policy_that_aws_would_not_attach_is_refused(tmp_path: Path, arns: Any, problem: str) -> None:
    assert problem in problems(tmp_path, managed_policies=arns)
