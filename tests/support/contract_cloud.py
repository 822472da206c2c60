"""Another endpoint than the local cloud of the session, for contract tests: AWS itself, or another emulator.

It has no pages of its own, no faults and no clock: a test that reaches for one is no contract test. What the tests
make is deleted in the end, newest first.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from typing import Any, NoReturn

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from running_cloud import make_role

from stepladder.core.aws import error_code

AWS = "aws"
"""The endpoint that means AWS itself, with the credentials of the environment."""
_PROPAGATION = 12.0  # seconds until a new role can be taken on AWS
_UNDO: dict[str, tuple[str, tuple[str, ...]]] = {
    "CreateApplication": ("delete_application", ("applicationName",)),
    "CreateBucket": ("delete_bucket", ("Bucket",)),
    "CreateDeploymentConfig": ("delete_deployment_config", ("deploymentConfigName",)),
    "CreateFunction": ("delete_function", ("FunctionName",)),
    "CreateRepository": ("delete_repository", ("repositoryName",)),
    "CreateRole": ("delete_role", ("RoleName",)),
    "CreateStateMachine": ("delete_state_machine", ("stateMachineArn",)),
    "CreateStateMachineAlias": ("delete_state_machine_alias", ("stateMachineAliasArn",)),
    "PublishStateMachineVersion": ("delete_state_machine_version", ("stateMachineVersionArn",)),
    "PutObject": ("delete_object", ("Bucket", "Key")),
    "PutRolePolicy": ("delete_role_policy", ("RoleName", "PolicyName")),
}
_MORE = {"delete_repository": {"force": True}}


class ContractCloud:
    """One account and region behind an endpoint (a URL, or `aws`)."""

    own = False

    def __init__(self, endpoint: str, account: str, region: str) -> None:
        self.url = "" if endpoint == AWS else endpoint
        self.account, self.region = account, region
        self._made: list[tuple[Any, str, dict[str, Any]]] = []

    def client(self, service: str, account: str = "", region: str = "", **config: Any) -> Any:
        """A botocore client; what it makes is remembered. The environment's credentials, else the account as key."""
        import botocore.session
        from botocore.config import Config

        if account not in ("", self.account):
            pytest.fail("a contract test has one account")
        own = {"endpoint_url": self.url, "verify": False} if self.url else {}
        if self.url and "AWS_ACCESS_KEY_ID" not in os.environ:
            own |= {"aws_access_key_id": self.account, "aws_secret_access_key": "local"}
        client = botocore.session.Session().create_client(
            service,
            region_name=region or self.region,
            config=Config(**{"retries": {"mode": "standard", "total_max_attempts": 5}, **config}),
            **own,
        )
        client.meta.events.register("provide-client-params.*.*", self._on_request)
        client.meta.events.register("after-call.*.*", functools.partial(self._answered, client))
        return client

    @functools.cached_property
    def role(self) -> str:
        """A role that Lambda, CodeDeploy and Step Functions may take, and that may do what the tests have them do."""
        return make_role(self)

    def check_account(self) -> None:
        """End the session unless the credentials are of the account that was named."""
        account = self.client("sts").get_caller_identity()["Account"]
        if account != self.account:
            pytest.exit(f"the credentials reach account {account}, and --account names {self.account}", returncode=4)

    def clean(self) -> None:
        """Delete what was made, newest first; what is gone already is no error, what can't be deleted is told last."""
        left = []
        for client, undo, params in reversed(self._made):
            try:
                getattr(client, undo)(**params, **_MORE.get(undo, {}))
            except (BotoCoreError, ClientError) as error:
                code = error_code(error) or type(error).__name__
                if not any(word in code for word in ("NotFound", "DoesNotExist", "NoSuch")):
                    left.append(f"{undo} {params}: {code}")
        if left:
            warnings.warn("left behind: " + "; ".join(left), stacklevel=1)

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("info", "calls", "reset_calls", "faults", "hits", "speed", "env"):
            pytest.fail(f"a contract test can't use the local cloud's own `{name}`")
        raise AttributeError(name)

    def _on_request(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["stepladder"] = dict(params)

    def _answered(
        self, client: Any, http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        undo, names = _UNDO.get(model.name, ("", ()))
        if not undo or http_response.status_code >= 300:
            return
        known = {**context.get("stepladder", {}), **parsed}
        self._made.append((client, undo, {name: known[name] for name in names}))
        if model.name in ("CreateRole", "PutRolePolicy") and not self.url:
            time.sleep(_PROPAGATION)
