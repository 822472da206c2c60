"""What contract tests made in an account is deleted in the end, whatever one of the deletions meets."""

import pytest
from botocore.exceptions import ConnectionClosedError
from contract_cloud import ContractCloud
from fakes.errors import DENIED, error


class Client:
    def __init__(self):
        self.deleted, self.failures = [], {}

    def delete_function(self, *, FunctionName):  # noqa: N803 - AWS's name
        if FunctionName in self.failures:
            raise self.failures[FunctionName]
        self.deleted.append(FunctionName)


def test_what_can_not_be_deleted_is_told_after_all_else_was():
    there, client = ContractCloud("aws", "123456789012", "eu-west-1"), Client()
    for name in ("first", "denied", "gone", "cut", "last"):
        there._made.append((client, "delete_function", {"FunctionName": name}))
    client.failures = {
        "denied": DENIED,
        "gone": error("ResourceNotFoundException", 404),
        "cut": ConnectionClosedError(endpoint_url="https://lambda"),
    }
    with pytest.warns(UserWarning, match="left behind") as told:
        there.clean()
    assert client.deleted == ["last", "first"]
    (warning,) = told
    assert "'denied'}: AccessDeniedException" in str(warning.message)
    assert "'cut'}: ConnectionClosedError" in str(warning.message)
    assert "gone" not in str(warning.message)
