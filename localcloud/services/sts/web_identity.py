"""Tokens of OpenID Connect providers, as a CI job has one.

Their signatures are verified with the keys of the local cloud's own issuer, which stands for every forge's.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html. Where a comment says so, the
text of a refusal is this cloud's own: AWS's isn't known.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.authorization.calls.reference import actions
from localcloud.authorization.model import AccessRequest, Principal
from localcloud.protocol.codec import ServiceError
from localcloud.services.sts import session_tags
from localcloud.services.sts.issuer import (
    BadSignatureError,
    MalformedTokenError,
    TokenIssuer,
    UnknownKeyError,
    UnverifiedToken,
    unverified,
)

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest

ACTION = "AssumeRoleWithWebIdentity"
_OF_ALL = ("amr", "aud", "azp", "email", "oaud", "sub")
"""Claims that are condition keys whoever the issuer is. GitHub's, GitLab's and some others' have more."""
_REQUIRED = ("iss", "sub", "aud", "exp")
_TIMES = ("exp", "iat", "nbf")
_SOURCE = "https://aws.amazon.com/source_identity"
_SKEW = 300  # seconds that a forge's clock may be ahead
_OLDEST = 86_400  # seconds: AWS has refused older ones whatever they say of their end; the limit itself isn't published

_NO_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
_NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
    "documentation for requirements"
)
_UNSIGNED = "The web identity token that was passed could not be validated by AWS: its signature is invalid"  # own text


@dataclass(frozen=True)
class WebIdentityToken:
    """A verified token, and the provider that the role's account has for its issuer."""

    principal: Principal
    account: str
    provider: str
    subject: str
    audience: str
    context: dict[str, tuple[str, ...]]
    tags: dict[str, str]
    transitive: tuple[str, ...]
    source_identity: str

    @property
    def session_context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that the session keeps."""
        source = {"aws:sourceidentity": (self.source_identity,)} if self.source_identity else {}
        return {"aws:federatedprovider": (self.principal.federated,), **source, **self.context}


def read(request: AwsRequest, issuer: TokenIssuer) -> WebIdentityToken:
    """Read and verify the token of a request. Raises InvalidIdentityToken and ExpiredTokenException."""
    try:
        token = unverified(str(request.params["WebIdentityToken"]))
    except MalformedTokenError:
        raise _invalid(_NO_JWT) from None
    claims = token.claims
    for name in _REQUIRED:
        if claims.get(name) in (None, "", []):
            raise _invalid(f"Missing a required claim: {name}")
    parts = str(request.params["RoleArn"]).split(":")
    url, account = str(claims["iss"]), parts[4]
    arn = f"arn:{parts[1]}:iam::{account}:oidc-provider/{url.removeprefix('https://')}"
    provider = _provider(account, arn) if url.startswith("https://") else None
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for {url}")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    audience = str(claims.get("azp") or audiences[0])
    if audience not in provider.client_id_list:
        raise _invalid("Incorrect token audience")
    _check_times(claims)
    _check_signature(token, issuer)
    tags, transitive = session_tags.read(claims)
    return WebIdentityToken(
        principal=Principal(federated=arn),
        account=account,
        provider=arn,
        subject=str(claims["sub"]),
        audience=audience,
        context=_condition_keys(url.removeprefix("https://"), {**claims, "aud": audience}),
        tags=tags,
        transitive=transitive,
        source_identity=str(claims.get(_SOURCE, "")),
    )


def accesses(request: AwsRequest, token: WebIdentityToken) -> Iterator[AccessRequest]:
    """Yield what the role's trust policy must allow, one by one: the session, its tags, its source identity."""
    role = str(request.params["RoleArn"])
    context = {**token.context, "sts:rolesessionname": (str(request.params["RoleSessionName"]),)}
    if token.tags:
        context.update({f"aws:requesttag/{name.lower()}": (value,) for name, value in token.tags.items()})
        context["aws:tagkeys"] = tuple(token.tags)
        context["sts:transitivetagkeys"] = token.transitive
    if token.source_identity:
        context["sts:sourceidentity"] = (token.source_identity,)
    yield AccessRequest(f"sts:{ACTION}", role, context)
    if token.tags:
        yield AccessRequest("sts:TagSession", role, context)
    if token.source_identity:
        yield AccessRequest("sts:SetSourceIdentity", role, context)


def _check_times(claims: Mapping[str, Any]) -> None:
    """Refuse a token that has expired, is too old, or isn't valid yet (that text is this cloud's own)."""
    for name in _TIMES:
        if type(claims.get(name, 0)) is not int:
            raise _invalid(f"The claim {name} must be an integer")  # own text
    now = int(time.time())
    if claims["exp"] <= now:
        message = f"Token expired: current date/time {now} must be before the expiration date/time {claims['exp']}"
        raise ServiceError("ExpiredTokenException", message, 400)
    if now - claims.get("iat", now) > _OLDEST:
        raise ServiceError("ExpiredTokenException", f"Token too old: {now - claims['iat']}", 400)
    for name in ("nbf", "iat"):
        if claims.get(name, now) > now + _SKEW:
            raise _invalid(f"Token isn't valid yet: current date/time {now} must be after its {name} {claims[name]}")


def _check_signature(token: UnverifiedToken, issuer: TokenIssuer) -> None:
    try:
        issuer.verify(token)
    except UnknownKeyError:
        raise _invalid(_NO_KEY) from None
    except BadSignatureError:
        raise _invalid(_UNSIGNED) from None


def _condition_keys(issuer: str, claims: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the claims that are condition keys. AWS has no other: a policy that asks for one is never met.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
    """
    if "azp" in claims:  # a policy's `aud` is then the authorised party, and `oaud` the audience
        claims = {**claims, "oaud": claims["aud"]}
    keys: dict[str, tuple[str, ...]] = {}
    for name, value in claims.items():
        key = f"{issuer}:{name}".lower()
        values = value if isinstance(value, list) else [value]
        if (name in _OF_ALL or _of_issuers().fullmatch(key)) and all(isinstance(v, str | int) for v in values):
            keys[key] = tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
    return keys


@functools.cache
def _of_issuers() -> re.Pattern[str]:
    """Return what matches the condition keys of certain issuers: `token.actions.githubusercontent.com:actor`."""
    listed = (key.lower() for key in actions("sts")[ACTION.lower()].keys if not key.startswith(("aws:", "sts:")))
    return re.compile("|".join(re.sub(r"\\\$\\{[^}]*\\}", "[^:/]+", re.escape(key)) for key in listed))


def _provider(account: str, arn: str) -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[account][arn.split(":")[1]].open_id_providers.get(arn)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidIdentityToken", message, 400)
