"""`/_stepladder/oidc/...`: identity tokens as a forge gives them to its CI jobs, and the issuers' public documents.

POST `tokens` {claims}: a token. POST `github/jobs` {claims}: the two variables by which a job of GitHub Actions asks
for tokens; GET `github/idtoken`: what they lead to. GET `<host and path>/.well-known/openid-configuration` and `jwks`:
what an issuer of that name publishes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from localcloud.cloud import Environ, Response, json_response
from localcloud.services.sts.issuer import ALGORITHM, TokenIssuer, unverified

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

PREFIX = "/_stepladder/oidc/"
GITHUB = "https://token.actions.githubusercontent.com"
_WELL_KNOWN = "/.well-known/"
_REQUESTS = "stepladder:github:idtoken"  # the audience of a token that may only ask for tokens
_JOB_SECONDS = 6 * 3600  # the longest job of a hosted runner


class _UnauthorizedError(Exception):
    """A bearer may not ask for tokens."""


class IssuerPages:
    """The WSGI app."""

    def __init__(self, cloud: Cloud, issuer: TokenIssuer) -> None:
        self._cloud, self._issuer = cloud, issuer

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        page, method = environ["PATH_INFO"].removeprefix(PREFIX), environ["REQUEST_METHOD"]
        try:
            response = self._posted(page, environ) if method == "POST" else self._read(page, method, environ)
        except _UnauthorizedError as error:
            response = json_response({"message": str(error)}, 401)
        except (ValueError, TypeError) as error:
            response = json_response({"error": str(error)}, 400)
        if response is None:
            response = json_response({"error": f"{method} {page}: no such page"}, 404)
        start_response(f"{response.status} X", [*response.headers.items(), ("Content-Length", str(len(response.body)))])
        return [response.body]

    def _posted(self, page: str, environ: Environ) -> Response | None:
        if page not in ("tokens", "github/jobs"):
            return None
        claims = json.loads(environ["wsgi.input"].read() or b"{}")
        if not isinstance(claims, dict):
            raise ValueError("claims must be a JSON object")  # noqa: TRY004 - answered with 400, as all bad input
        if page == "tokens":
            return json_response({"token": self._issuer.issue(claims)})
        return json_response(self._job({"iss": GITHUB, **claims}, self._origin(environ)))

    def _read(self, page: str, method: str, environ: Environ) -> Response | None:
        issuer, well_known, document = page.partition(_WELL_KNOWN)
        if method != "GET":
            return None
        if page == "github/idtoken":
            audience = parse_qs(environ["QUERY_STRING"]).get("audience", [""])[0]
            return json_response({"value": self._id_token(environ.get("HTTP_AUTHORIZATION", ""), audience)})
        if not issuer or not well_known:
            return None
        if document == "openid-configuration":
            return json_response(_configuration(issuer, f"{self._origin(environ)}{PREFIX}{issuer}{_WELL_KNOWN}jwks"))
        return json_response(self._issuer.public_keys()) if document == "jwks" else None

    def _origin(self, environ: Environ) -> str:
        host = environ.get("HTTP_HOST", "")
        return f"http://{host}" if host else self._cloud.url.rstrip("/")

    def _job(self, claims: dict[str, Any], origin: str) -> dict[str, str]:
        """Return a job's variables. The request token carries the job's claims, so nothing is kept.

        https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
        """
        if not claims.get("sub"):
            raise ValueError("missing: sub")
        ends = int(time.time()) + _JOB_SECONDS
        request = self._issuer.sign({"iss": self._cloud.url, "aud": _REQUESTS, "exp": ends, "job": claims})
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{origin}{PREFIX}github/idtoken?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": request,
        }

    def _id_token(self, authorization: str, audience: str) -> str:
        scheme, _, bearer = authorization.partition(" ")
        try:
            request = unverified(bearer if scheme.lower() == "bearer" else "")
            self._issuer.verify(request)
        except ValueError:
            raise _UnauthorizedError("the request token is invalid") from None
        if request.claims.get("aud") != _REQUESTS or request.claims["exp"] < time.time():
            raise _UnauthorizedError("the request token is expired, or isn't one")
        job: dict[str, Any] = request.claims["job"]
        owner = str(job.get("repository_owner") or str(job.get("repository", "")).partition("/")[0])
        return self._issuer.issue({**job, "aud": audience or f"https://github.com/{owner}".rstrip("/")})


def _configuration(issuer: str, keys: str) -> dict[str, Any]:
    """Return an issuer's metadata: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata."""
    return {
        "issuer": f"https://{issuer}",
        "jwks_uri": keys,
        "subject_types_supported": ["public"],
        "response_types_supported": ["id_token"],
        "scopes_supported": ["openid"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }
