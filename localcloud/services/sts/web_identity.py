"""Tokens of OpenID Connect providers, as a CI job has one.

The token's own signature isn't verified: the provider's keys are on the internet. Its claims are compared as on AWS.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.authorization.model import AccessRequest, Principal
from localcloud.protocol.codec import ServiceError

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest

REFUSED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
_CLAIMS = ("aud", "sub", "amr", "azp", "oaud")


@dataclass(frozen=True)
class WebIdentityToken:
    """A token's claims, and the provider that the role's account has for its issuer."""

    principal: Principal
    account: str
    provider: str
    subject: str
    audience: str
    context: dict[str, tuple[str, ...]]

    @property
    def session_context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that the session keeps."""
        return {"aws:federatedprovider": (self.principal.federated,), **self.context}


def read(request: AwsRequest) -> WebIdentityToken:
    """Read the token of a request. Raises InvalidIdentityToken and ExpiredTokenException."""
    claims = _claims(str(request.params["WebIdentityToken"]))
    issuer = str(claims.get("iss", "")).removeprefix("https://")
    parts = str(request.params["RoleArn"]).split(":")
    account = parts[4] if len(parts) > 4 and parts[4] else request.account  # noqa: PLR2004 - an ARN's account
    arn = f"arn:{parts[1] if len(parts) > 1 else 'aws'}:iam::{account}:oidc-provider/{issuer}"
    provider = _provider(account, arn)
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for https://{issuer}")
    audiences = claims.get("aud", "")
    audiences = [audiences] if isinstance(audiences, str) else list(audiences)
    audience = str(claims.get("azp") or (audiences[0] if audiences else ""))
    if provider.client_id_list and audience not in provider.client_id_list:
        raise _invalid("Incorrect token audience")
    if float(claims.get("exp", 0)) < time.time():
        raise ServiceError("ExpiredTokenException", "Token expired: current date/time must be before expiration", 400)
    values = {name: claims[name] for name in _CLAIMS if name in claims}
    context = {
        f"{issuer}:{name}".lower(): tuple(map(str, value)) if isinstance(value, list) else (str(value),)
        for name, value in {**values, "aud": audience}.items()
    }
    subject = str(claims.get("sub", ""))
    return WebIdentityToken(Principal(federated=arn), account, f"https://{issuer}", subject, audience, context)


def access(role: str, token: WebIdentityToken) -> AccessRequest:
    """Return what the role's trust policy must allow."""
    return AccessRequest("sts:AssumeRoleWithWebIdentity", role, token.context)


def _claims(token: str) -> dict[str, Any]:
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        claims = None
    if not isinstance(claims, dict):
        raise _invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
    return claims


def _provider(account: str, arn: str) -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[account][arn.split(":")[1]].open_id_providers.get(arn)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidIdentityToken", message, 400)
