"""What it means to a person when no AWS credentials work: none, expired, wrong, or a login that AWS refused.

By class and error code, never by text: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from typing import Any

from stepladder.core import terminal
from stepladder.core.ci import in_ci
from stepladder.core.display import cut, one_line
from stepladder.core.errors import NotReadyError

WEB_IDENTITY = "AssumeRoleWithWebIdentity"
LOGINS = frozenset({WEB_IDENTITY, "AssumeRole"})
"""Operations that the SDK calls by itself to get credentials, on behalf of any other call."""

_LONGEST = 300
_ROLE = r"arn:[a-z-]+:iam::\d{12}:role/"
_NONE = frozenset({"NoAuthTokenError", "NoCredentialsError", "PartialCredentialsError"})
_PROFILE = frozenset(
    {
        "ConfigNotFound",
        "ConfigParseError",
        "InfiniteLoopConfigError",
        "InvalidConfigError",
        "ProfileNotFound",
        "UnknownCredentialError",
        "UnknownTokenProviderError",
    }
)
_SSO = frozenset({"SSOError", "SSOTokenLoadError", "TokenRetrievalError", "UnauthorizedSSOTokenError"})
_SSO_CODES = frozenset({"ForbiddenException", "UnauthorizedException"})
_SSO_OPERATION = "GetRoleCredentials"
_LOGIN = frozenset({"LoginError", "LoginInsufficientPermissions", "LoginRefreshRequired", "LoginTokenLoadError"})
_SOURCE = frozenset({"CredentialRetrievalError", "MetadataRetrievalError"})
_MFA = "RefreshWithMFAUnsupportedError"  # the second call after a code was not given, or after an hour
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_CLOCK = frozenset({"RequestTimeTooSkewed"})
_WRONG = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def unusable(error: Exception, code: str) -> NotReadyError | None:
    """Say why there are no credentials that work, if that is it. `code` is AWS's error code, or empty."""
    kind, operation = type(error).__name__, getattr(error, "operation_name", "")
    if _lacks_role(kind, operation):
        role = os.environ.get("AWS_ROLE_ARN", "")
        return NotReadyError(
            f"this job has no role to log in as: AWS_ROLE_ARN is {f'{role!r}, no ARN of a role' if role else 'empty'}",
            kind="no-credentials",
            hint="set the forge's variable for this job's environment: `inv aws.bootstrap` prints the command; "
            "a protected one reaches jobs of protected branches only",
        )
    if operation in LOGINS or _lacks_token(error, kind):
        return _of_login(error, operation, code)
    if kind in _SSO or (operation == _SSO_OPERATION and code in _SSO_CODES | _EXPIRED):
        return NotReadyError(
            f"there are no AWS credentials that work ({code or kind}): the SSO login has expired, or is refused",
            kind="no-credentials",
            hint=f"log in: `aws sso login{_profile()}`",
        )
    if isinstance(error, OSError) and error.filename and error.filename == _program():
        return NotReadyError(
            f"the profile's credential_process can't be started ({error.filename}: {error.strerror})",
            kind="no-credentials",
            hint="install it, or name another profile by `AWS_PROFILE`",
        )
    return _no_mfa_code() if kind == _MFA else _of_class(error, kind) or _of_code(code)


def _of_login(error: Exception, operation: str, code: str) -> NotReadyError:
    """Explain a login that AWS refused: with a job's identity token, or as the role of an environment."""
    answer = f"{code}: {_message(error)}" if code else _text(error)
    if operation == "AssumeRole":
        return NotReadyError(
            f"these credentials may not assume the environment's role ({answer})",
            kind="no-credentials",
            hint="let the role under `stepladder.environments` trust whom `aws sts get-caller-identity` shows",
        )
    role = os.environ.get("AWS_ROLE_ARN", "").rpartition("/")[2] or "AWS_ROLE_ARN"
    return NotReadyError(
        f"AWS refuses this job's identity token for {role} ({answer})",
        kind="no-credentials",
        hint="`inv ci.identity` shows what the role expects beside what the token says",
    )


def _of_class(error: Exception, kind: str) -> NotReadyError | None:
    """Explain what the SDK says by itself, before anything is sent."""
    if kind == "MissingDependencyException":
        return NotReadyError(
            "the session of `aws login` can't be read without the package awscrt",
            kind="no-credentials",
            hint=_process_hint(),
        )
    if kind in _LOGIN:
        return NotReadyError(
            f"the session of `aws login` is no good any more: {_text(error)}",
            kind="no-credentials",
            hint=f"log in: `aws login{_profile()}`",
        )
    if kind in _PROFILE:
        return NotReadyError(
            f"there are no AWS credentials that work ({kind}): {_text(error)}",
            kind="no-credentials",
            hint="name another profile by `AWS_PROFILE`; `aws configure list-profiles` shows them",
        )
    if kind in _SOURCE:
        return NotReadyError(
            f"there are no AWS credentials that work ({kind}): {_text(error)}",
            kind="no-credentials",
            hint=f"fix the profile until `aws sts get-caller-identity{_profile()}` works",
        )
    if kind in _NONE:
        return NotReadyError(
            f"there are no AWS credentials that work ({kind})", kind="no-credentials", hint=login_hint()
        )
    return None


def _of_code(code: str) -> NotReadyError | None:
    """Explain what AWS says of the credentials that a call was signed with."""
    if code in _EXPIRED:
        return NotReadyError(
            f"there are no AWS credentials that work ({code}): they have expired",
            kind="no-credentials",
            hint=login_hint(),
        )
    if code in _CLOCK:
        return NotReadyError(
            f"there are no AWS credentials that work ({code}): this machine's clock is wrong",
            kind="no-credentials",
            hint="set it, then run the same command again",
        )
    if code in _WRONG:
        return NotReadyError(
            f"there are no AWS credentials that work ({code}): AWS doesn't know the key, or has another secret for it",
            kind="no-credentials",
            hint=login_hint(),
        )
    return None


def _lacks_role(kind: str, operation: str) -> bool:
    """Say whether a job has a token and no role: its forge has no value for the variable, or not for this job."""
    if not os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") or re.match(_ROLE, os.environ.get("AWS_ROLE_ARN", "")):
        return False
    return kind in {"InvalidConfigError", "ParamValidationError"} or operation == WEB_IDENTITY


def _lacks_token(error: Exception, kind: str) -> bool:
    """Say whether the file of a job's identity token can't be read, or is empty, which the SDK refuses to send."""
    path = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
    if not path:
        return False
    if isinstance(error, OSError):
        return bool(error.filename == path)
    return kind == "ParamValidationError" and not (os.path.isfile(path) and os.path.getsize(path) > 0)  # noqa: PTH113, PTH202


def login_hint() -> str:
    """Say how to log in: a person here, a job by its forge's token."""
    if in_ci():
        return "let the job log in before this step; `inv ci.identity` shows what each role expects of its token"
    return 'log in (`aws sso login`), set AWS_PROFILE, or for the local cloud: `eval "$(inv local.env)"`'


def mfa_code(prompt: str) -> str:
    """Ask for the code that a profile with `mfa_serial` wants. Raises `NotReadyError` where nobody can answer."""
    if not terminal.can_answer(sys.stderr):
        raise _no_mfa_code()
    return getpass.getpass(prompt, stream=sys.stderr)


def _no_mfa_code() -> NotReadyError:
    return NotReadyError(
        "the profile wants a code of its MFA device, and nobody can be asked for it here",
        kind="no-credentials",
        hint="get a session of it first, on a terminal: "
        f'`eval "$(aws configure export-credentials{_profile()} --format env)"`',
    )


def _program() -> str:
    """Return the program that the profile at hand has for its credentials; empty for none."""
    import botocore.session
    from botocore.exceptions import BotoCoreError

    try:
        words = str(botocore.session.get_session().get_scoped_config().get("credential_process", "")).split()
    except BotoCoreError:
        return ""
    return words[0] if words else ""


def _process_hint() -> str:
    """Name a profile by which everything takes the session of `aws login`, Terraform older than 1.15 too."""
    command = (
        f"aws configure export-credentials --profile {os.environ.get('AWS_PROFILE') or 'default'} --format process"
    )
    return (
        f"let the AWS CLI give it: `aws configure set credential_process '{command}' --profile stepladder`, then "
        "`export AWS_PROFILE=stepladder`; Terraform older than 1.15 needs that too"
    )


def _profile() -> str:
    name = os.environ.get("AWS_PROFILE", "")
    return f" --profile {name}" if name else ""


def _text(error: Exception) -> str:
    return cut(one_line(str(error)), _LONGEST)


def _message(error: Exception) -> str:
    response: Any = getattr(error, "response", {})
    return cut(one_line(str(response.get("Error", {}).get("Message", ""))), _LONGEST)
