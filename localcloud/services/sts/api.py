"""STS: sessions of roles and users, with keys whose signatures the cloud verifies.

Whether a role's trust policy lets the caller assume it is decided before an action comes here, as for every call.
https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.access import gate, identities
from localcloud.access.callers import Caller, IssuedKey, root_of
from localcloud.authorization.documents import parse_policy
from localcloud.protocol.codec import ServiceError
from localcloud.services.sts import issuer_pages, web_identity
from localcloud.services.sts.issuer import TokenIssuer

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest, Cloud

_SHORTEST, _HOUR, _LONGEST = 900, 3600, 43_200
_PARTITION = "aws(?:-cn|-us-gov|-eusc|-iso(?:-[bef])?)?"
_ROLE = re.compile(rf"arn:{_PARTITION}:iam::\d{{12}}:role/.+")
_POLICY = re.compile(rf"arn:{_PARTITION}:iam::(?:\d{{12}}|aws):policy/.+")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")


def install(cloud: Cloud) -> None:
    """Register the actions, and the pages of the issuer of identity tokens."""
    issuer = TokenIssuer(cloud)
    cloud.route(issuer_pages.PREFIX, issuer_pages.IssuerPages(cloud, issuer))
    tokens = SessionTokens(cloud, issuer)
    cloud.action("sts", "AssumeRole")(tokens.assume_role)
    cloud.action("sts", "AssumeRoleWithWebIdentity")(tokens.assume_role_with_web_identity)
    cloud.action("sts", "GetCallerIdentity")(tokens.get_caller_identity)
    cloud.action("sts", "GetFederationToken")(tokens.get_federation_token)
    cloud.action("sts", "GetSessionToken")(tokens.get_session_token)


class SessionTokens:
    """The handlers."""

    def __init__(self, cloud: Cloud, issuer: TokenIssuer) -> None:
        self._cloud, self._issuer = cloud, issuer
        self._keys = cloud.access.keys

    def assume_role(self, request: AwsRequest) -> dict[str, Any]:
        """Return a session of a role. One that a role's session asks for lasts an hour at most."""
        params = request.params
        caller = _caller(request)
        chained = caller.key is not None and ":role/" in caller.key.identity
        tags = {str(tag["Key"]): str(tag["Value"]) for tag in params.get("Tags") or ()}
        source: dict[str, tuple[str, ...]] = {}
        if params.get("SourceIdentity"):
            source["aws:sourceidentity"] = (str(params["SourceIdentity"]),)
        return self._assumed(request, most=_HOUR if chained else _LONGEST, tags=tags, context=source)

    def assume_role_with_web_identity(self, request: AwsRequest) -> dict[str, Any]:
        """Return a session of a role to whoever has a token of a provider that the role trusts."""
        _check_names(request)
        token = web_identity.read(request, self._issuer)
        caller, circumstances = Caller(token.principal), gate.circumstances(request)
        for access in web_identity.accesses(request, token):
            if self._cloud.access.refusal(access, caller, token.account, circumstances):
                raise ServiceError("AccessDenied", f"Not authorized to perform {access.action}", 403)
        return {
            **self._assumed(request, most=_LONGEST, tags=token.tags, context=token.session_context),
            "SubjectFromWebIdentityToken": token.subject,
            "Audience": token.audience,
            "Provider": token.provider,
            **({"SourceIdentity": token.source_identity} if token.source_identity else {}),
        }

    def _assumed(
        self, request: AwsRequest, *, most: int, tags: dict[str, str], context: dict[str, tuple[str, ...]] | None = None
    ) -> dict[str, Any]:
        params = request.params
        arn, name = _check_names(request)
        role = identities.role(arn)
        longest = int(getattr(role, "max_session_duration", None) or _HOUR) if role is not None else _LONGEST
        key = self._keys.issue(
            arn,
            arn.split(":")[4],
            seconds=_duration(params.get("DurationSeconds"), _HOUR, min(most, longest)),
            session_name=name,
            policies=_policies(request),
            tags=tags,
            context=context,
        )
        session = identities.session(key) or identities.session_of_missing(key)
        return {
            "Credentials": _written(key),
            "AssumedRoleUser": {"AssumedRoleId": session.principal.user_id, "Arn": session.arn},
            **({"PackedPolicySize": 6} if key.policies else {}),
        }

    def get_session_token(self, request: AwsRequest) -> dict[str, Any]:
        """Return temporary credentials of a user or a root."""
        caller = _caller(request)
        if caller.key is not None:
            raise ServiceError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
        most = _HOUR if caller.principal.is_root else 129_600
        seconds = _duration(request.params.get("DurationSeconds"), min(most, _LONGEST), most)
        key = self._keys.issue(caller.principal.arn, request.account, seconds=seconds)
        return {"Credentials": _written(key)}

    def get_federation_token(self, request: AwsRequest) -> dict[str, Any]:
        """Return credentials of a federated user, who has at most the permissions of the caller."""
        caller = _caller(request)
        if caller.key is not None:
            raise ServiceError("AccessDenied", "Cannot call GetFederationToken with session credentials", 403)
        key = self._keys.issue(
            caller.principal.arn,
            request.account,
            seconds=_duration(request.params.get("DurationSeconds"), _LONGEST, 129_600),
            session_name=str(request.params["Name"]),
            federated_user=True,
            policies=_policies(request),
        )
        session = identities.session(key)
        return {
            "Credentials": _written(key),
            "FederatedUser": {
                "FederatedUserId": f"{request.account}:{key.session_name}",
                "Arn": session.arn if session else "",
            },
            "PackedPolicySize": 6,
        }

    def get_caller_identity(self, request: AwsRequest) -> dict[str, Any]:
        """Say who calls."""
        caller = _caller(request)
        principal = caller.principal
        return {"UserId": principal.user_id, "Account": principal.account or request.account, "Arn": caller.arn}


def _caller(request: AwsRequest) -> Caller:
    caller = request.caller
    return caller if isinstance(caller, Caller) else root_of(request.account, request.region)


def _check_names(request: AwsRequest) -> tuple[str, str]:
    """Return the role's ARN and the session's name. Raises ValidationError."""
    arn, name = _role(request), str(request.params["RoleSessionName"])
    if not _SESSION_NAME.fullmatch(name):
        raise _invalid("roleSessionName", name, "Member must satisfy regular expression pattern: [\\w+=,.@-]*")
    return arn, name


def _role(request: AwsRequest) -> str:
    arn = str(request.params["RoleArn"])
    if not _ROLE.fullmatch(arn):
        raise ServiceError("ValidationError", f"{arn} is invalid", 400)
    return arn


def _policies(request: AwsRequest) -> tuple[str, ...] | None:
    """Return the session's own policies. Raises MalformedPolicyDocument."""
    params = request.params
    texts: list[str] = []
    if params.get("Policy"):
        try:
            parse_policy(str(params["Policy"]))
        except ValueError:
            raise ServiceError("MalformedPolicyDocument", "The policy is not in the valid JSON format.", 400) from None
        texts.append(str(params["Policy"]))
    account = _role(request).split(":")[4] if params.get("RoleArn") else request.account
    for named in params.get("PolicyArns") or ():
        arn = str(named["arn"])
        text = identities.managed_policy(arn, account, arn.split(":")[1]) if _POLICY.fullmatch(arn) else None
        if text is None:
            raise ServiceError("InvalidParameterValue", f"PolicyArn {arn} does not exist or is not attachable.", 400)
        texts.append(text)
    return tuple(texts) or None


def _duration(given: Any, default: int, most: int) -> int:
    seconds = int(given or min(default, most))
    if seconds < _SHORTEST:
        constraint = f"Member must have value greater than or equal to {_SHORTEST}"
        raise _invalid("durationSeconds", str(seconds), constraint)
    if seconds > most:
        raise ServiceError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", 400
        )
    return seconds


def _written(key: IssuedKey) -> dict[str, Any]:
    return {
        "AccessKeyId": key.key_id,
        "SecretAccessKey": key.secret,
        "SessionToken": key.token,
        "Expiration": datetime.fromtimestamp(key.expires, UTC),
    }


def _invalid(name: str, value: str, constraint: str) -> ServiceError:
    message = f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {constraint}"
    return ServiceError("ValidationError", message, 400)
