"""AWS clients, made in one place and passed in.

Clients come from botocore's session, which boto3 wraps: the same client objects without the resource layer, a tenth
of a second sooner (docs/decisions). Endpoints, profiles and credentials are the SDK's own business: with
AWS_ENDPOINT_URL set, everything goes to the local cloud and nothing here knows.
"""

from __future__ import annotations

import functools
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from stepladder import __version__
from stepladder.core import credentials, endpoints
from stepladder.core.errors import NotReadyError, StepladderError

endpoint, is_loopback, is_real = endpoints.endpoint, endpoints.is_loopback, endpoints.is_real
_REDIRECT = 300  # a status from here on is an error, which botocore reads by its own rules
_TIMEOUT_CONNECT = 5
_TIMEOUT_READ = 70
_ATTEMPTS = 8  # botocore's standard mode stops after 3, which three throttles in a row exhaust


class Aws:
    """The clients of one region, each made once, at first use.

    With `role_arn` they act as that role, assumed from the credentials at hand and renewed before it runs out.
    `calls` lists every request sent as `service:Action`, retries not counted: the tests and `--verbose` read it.
    """

    def __init__(self, region: str, role_arn: str = "") -> None:
        self.region, self.role_arn = region, role_arn
        self.calls: list[str] = []
        self._clients: dict[tuple[str, float, float], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, *, lasting: float = 0, slack: float = _TIMEOUT_READ) -> Any:
        """Return the client of a service, for example `lambda`.

        `lasting` is how many seconds a request may rightly take whose effects must not be doubled: Lambda's Invoke,
        for as long as the function's timeout. The answer is waited for as long and `slack` seconds more, and the
        request is sent once: the SDK repeats what ran into its read timeout, and the function would run as often.
        """
        key = (service, lasting, slack)
        if made := self._clients.get(key):  # without waiting for one that is being made
            return made
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(service, lasting, slack)
            return self._clients[key]

    def _make(self, service: str, lasting: float, slack: float) -> Any:
        from botocore.config import Config

        if not self._clients and is_loopback(endpoint()):
            _check_local(endpoint())
        config = Config(
            connect_timeout=_TIMEOUT_CONNECT,
            read_timeout=slack + lasting,
            retries={"mode": "standard", "total_max_attempts": 1 if lasting else _ATTEMPTS},
            tcp_keepalive=bool(lasting),  # a NAT gateway forgets a silent connection after 350 s
            user_agent_extra=f"stepladder/{__version__}",
            max_pool_connections=20,
        )
        session = _assumed(self.role_arn, self.region, endpoint()) if self.role_arn else _session()
        client = session.create_client(service, region_name=self.region, config=config)
        client.meta.events.register("before-parse.*", _check_whole)
        client.meta.events.register("before-call.*", lambda model, **_: self.calls.append(f"{service}:{model.name}"))
        return client

    def account(self) -> str:
        """Return the caller's account id (one `sts:GetCallerIdentity`)."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def variables(self) -> dict[str, str | None]:
        """Return the environment variables that let a program act as we do; None takes one out, nothing with no role.

        The credentials in them last an hour at most, as AWS has it for a role that was assumed from a role.
        """
        if not self.role_arn:
            return {}
        credentials = _assumed(self.role_arn, self.region, endpoint()).get_credentials().get_frozen_credentials()
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_PROFILE": None,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.token,
        }

    def credentials(self) -> dict[str, str]:
        """Return what we act by as environment variables: the role, else a profile or keys; empty without any."""
        session = _assumed(self.role_arn, self.region, endpoint()) if self.role_arn else _session()
        held = session.get_credentials()
        if held is None:
            return {}
        frozen = held.get_frozen_credentials()
        values = {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        return {**values, **({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {})}


class GarbledAnswerError(Exception):
    """An answer of AWS's that was cut off or isn't what it says it is: botocore reads it as an empty one."""


def _check_whole(operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
    """Refuse an answer that says it is JSON and isn't: what was asked may have been done all the same."""
    headers, status = response_dict["headers"], response_dict["status_code"]
    if operation_model.has_streaming_output or "json" not in headers.get("content-type", "") or status >= _REDIRECT:
        return
    try:
        json.loads(response_dict["body"] or b"{}")
    except ValueError:
        raise GarbledAnswerError(f"the answer to {operation_model.name} is no whole answer") from None


@functools.cache
def _session() -> Any:
    import botocore.session

    from stepladder.core import aws_models

    session = botocore.session.get_session()
    aws_models.read_quickly(session)
    provider = session.get_component("credential_provider").get_provider("assume-role")
    provider._prompter = credentials.mfa_code  # noqa: SLF001 - the SDK's own waits for a person who may not be there
    return session


@functools.cache
def _assumed(role_arn: str, region: str, _endpoint: str) -> Any:
    """Return a session that acts as a role; STS is asked in the region where the role is to work."""
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    from stepladder.core import aws_models

    base = _session()
    own = base.get_credentials()
    if own is None:
        raise NotReadyError(
            f"there are no AWS credentials to assume {role_arn} with",
            kind="no-credentials",
            hint=credentials.login_hint(),
        )
    fetcher = AssumeRoleCredentialFetcher(
        functools.partial(base.create_client, region_name=region),
        own,
        role_arn,
        extra_args={"RoleSessionName": "stepladder"},
    )
    session = botocore.session.get_session()
    aws_models.read_quickly(session)
    assumed = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    session._credentials = assumed  # noqa: SLF001 - a session has no other way to take ones that renew themselves
    return session


def error_code(error: BaseException) -> str:
    """Return the AWS error code of an exception, or an empty string. Never match on text.

    The SDK logs in by itself, on behalf of any call. What AWS says to that is no answer to the call.
    """
    return "" if getattr(error, "operation_name", "") in credentials.LOGINS else _code(error)


def _code(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


ABSENT_IN_S3 = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound"})
"""How S3 says that a bucket or an object isn't there: a HEAD has no body, so its code is the status."""

_UNSENT = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"})
_UNANSWERED = frozenset(
    {"ResponseParserError", "ConnectionClosedError", "ReadTimeoutError", "ResponseStreamingError", "SSLError"}
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def is_unreachable(error: BaseException, *, unsent: bool = False) -> bool:
    """Say whether a request got no answer, and so may have taken effect; with `unsent`: whether it never left."""
    if isinstance(error, GarbledAnswerError):
        return not unsent
    kinds = _UNSENT if unsent else _UNSENT | _UNANSWERED
    return type(error).__module__ in ("botocore.exceptions", "botocore.parsers") and type(error).__name__ in kinds


def known_error(error: Exception) -> StepladderError | None:
    """Return an error of stepladder's as it is, and what `explain` says of any other exception."""
    return error if isinstance(error, StepladderError) else explain(error)


def explain(error: Exception) -> StepladderError | None:
    """Return what an exception of the SDK means to a person; None for any other exception.

    By class and error code, never by text. The operation is named, so that a denied one can be granted.
    """
    kind = type(error).__name__
    if isinstance(error, GarbledAnswerError):
        return NotReadyError(
            f"AWS can't be understood: {error}", kind="aws-unreachable", hint="run the same command again"
        )
    code = _code(error)
    if unusable := credentials.unusable(error, code):
        return unusable
    if type(error).__module__.partition(".")[0] != "botocore" and not code:
        return None
    if is_unreachable(error):
        return NotReadyError(
            f"AWS can't be reached: {error}", kind="aws-unreachable", hint="check the network and `AWS_ENDPOINT_URL`"
        )
    operation = getattr(error, "operation_name", "")
    if code in _DENIED:
        return StepladderError(
            f"these credentials may not call {operation} ({code})",
            kind="aws-denied",
            hint=f"AWS says: {_message(error)}",
        )
    return StepladderError(
        f"AWS refused {operation}: {code or kind}", kind="aws-refused", hint=_message(error) or str(error)
    )


def _message(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Message", ""))


LEAVE_LOCAL = "unset AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"
"""Undoes in a shell what `inv local.env` set and a real account doesn't go with: its address and made-up keys."""


def _check_local(url: str) -> None:
    """Fail at once when nothing listens at a loopback endpoint: the SDK would try for half a minute."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _TIMEOUT_CONNECT).close()
    except OSError as error:
        raise NotReadyError(
            f"the local cloud doesn't answer at {url} ({error.strerror or error})",
            kind="local-cloud-down",
            hint=f"start it with `inv local.up`; to work with AWS instead, open a new shell, or `{LEAVE_LOCAL}`",
        ) from None
