"""What the service module grants a function for its secrets, decided by the local cloud's evaluator of IAM policies.

The policy is the one in the inventory of the module's plan, so that it is Terraform's own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.authorization.calls import accesses
from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import ApplicablePolicies, Principal

REGION, ACCOUNT = "eu-west-1", "123456789012"
TESTS = Path(__file__).resolve().parents[1]
GUIDE = TESTS.parent / "docs/guides/secrets.md"
INVENTORY = TESTS / "terraform/inventories/service-secrets.yaml"
POLICY = yaml.safe_load(INVENTORY.read_text("utf-8"))["values"]["aws_iam_role_policy.secrets[0]"]["policy"]
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = Principal(account=ACCOUNT, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/sample-secrets-function/f")
FILE_KEY = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:sample/secrets/FILE_KEY-AbC123"


class Reads:
    """What the evaluator reads of the stores: every secret exists, and is encrypted with one key."""

    def __call__(self, _service: str, action: str, params: Any, **_: str) -> Any:
        if action == "DescribeParameters":
            name = params["ParameterFilters"][0]["Values"][0]
            return {"Parameters": [{"Name": name, "Type": "SecureString", "KeyId": KEY}]}
        name = params["SecretId"]
        whole = name if name.startswith("arn:") else FILE_KEY.replace("sample/secrets/FILE_KEY", name)
        return {"ARN": whole, "KmsKeyId": KEY}


def denied(call: str, **params: Any) -> list[str]:
    """Return the actions that a call needs and the policy doesn't allow."""
    service, _, action = call.partition(":")
    policies = ApplicablePolicies(identity=(parse_policy(POLICY),))
    needed = accesses(service, action, params, REGION, ACCOUNT, Reads())
    assert needed
    return [each.action for each in needed if not decide(each, ROLE, policies, ACCOUNT).allowed]


@pytest.mark.parametrize("name", ["/sample/secrets/API_KEY", "single"])
def test_the_function_reads_and_decrypts_its_parameters(name: str) -> None:
    assert denied("ssm:GetParameter", Name=name, WithDecryption=True) == []


@pytest.mark.parametrize("name", ["sample/secrets/FILE_KEY", FILE_KEY])
def test_the_function_reads_and_decrypts_its_secrets(name: str) -> None:
    assert denied("secretsmanager:GetSecretValue", SecretId=name) == []


@pytest.mark.parametrize(
    ("call", "params"),
    [
        ("ssm:GetParameter", {"Name": "/sample/secrets/API_KEY2", "WithDecryption": True}),
        ("ssm:GetParameter", {"Name": "/sample/secrets", "WithDecryption": True}),
        ("ssm:GetParameter", {"Name": "/sample/production/API_KEY", "WithDecryption": True}),
        ("secretsmanager:GetSecretValue", {"SecretId": "sample/secrets/FILE_KEY-other"}),
        ("secretsmanager:GetSecretValue", {"SecretId": "sample/secrets/FILE"}),
    ],
)
def test_a_secret_beside_its_own_is_neither_read_nor_decrypted(call: str, params: dict[str, Any]) -> None:
    assert denied(call, **params) == [call, "kms:Decrypt"]


@pytest.mark.parametrize(
    ("call", "params"),
    [
        ("ssm:GetParameterHistory", {"Name": "/sample/secrets/API_KEY"}),
        ("ssm:GetParametersByPath", {"Path": "/sample/secrets"}),
        ("ssm:PutParameter", {"Name": "/sample/secrets/API_KEY", "Value": "x", "Type": "String"}),
        ("ssm:DescribeParameters", {}),
        ("secretsmanager:DescribeSecret", {"SecretId": "sample/secrets/FILE_KEY"}),
        ("secretsmanager:PutSecretValue", {"SecretId": "sample/secrets/FILE_KEY"}),
        ("kms:Decrypt", {"KeyId": KEY, "CiphertextBlob": b"x"}),
    ],
)
def test_the_function_may_do_nothing_else_with_them_and_use_the_key_for_nothing_else(
    call: str, params: dict[str, Any]
) -> None:
    assert denied(call, **params) == [call]


def named_in_guide(who: str) -> set[str]:
    """Return the actions that a row of the guide's table of permissions names."""
    (row,) = [line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith(f"| {who}")]
    actions, service = set(), ""
    for before, name in re.findall(r"`(?:([a-z]+):)?([A-Z][A-Za-z]+)`", row):
        service = before or service
        actions.add(f"{service}:{name}")
    return actions


def test_the_guide_names_exactly_the_permissions_that_the_commands_need() -> None:
    tags = [{"Key": "project", "Value": "sample"}]
    reads = {"ssm:DescribeParameters": {}, "secretsmanager:DescribeSecret": {"SecretId": "x"}}
    parameter = {"Name": "/x", "Value": "v", "Type": "SecureString", "KeyId": KEY}
    writes = [
        ("ssm:ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": "/x"}),
        ("ssm:PutParameter", {**parameter, "Tier": "Standard", "Overwrite": False, "Tags": tags}),
        ("ssm:PutParameter", {**parameter, "Tier": "Advanced", "Overwrite": True}),
        ("secretsmanager:CreateSecret", {"Name": "x", "SecretString": "v", "KmsKeyId": KEY, "Tags": tags}),
        ("secretsmanager:PutSecretValue", {"SecretId": "x", "SecretString": "v"}),
        ("secretsmanager:UpdateSecret", {"SecretId": "x", "SecretString": "v", "KmsKeyId": KEY}),
    ]
    assert {action for call, params in reads.items() for action in denied(call, **params)} == named_in_guide(
        "who deploys"
    )
    needed = {action for call, params in writes for action in denied(call, **params)}
    assert needed == named_in_guide("who sets values")
