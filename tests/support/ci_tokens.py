"""What jobs of GitHub and GitLab say of themselves in identity tokens, and tokens that say so.

https://docs.github.com/en/actions/reference/security/oidc,
https://docs.gitlab.com/ci/secrets/id_token_authentication/#token-payload
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.config import Config

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
AUDIENCE = "sts.amazonaws.com"

_http = urllib3.PoolManager(retries=False)


def github(
    repository: str = "acme/orders",
    *,
    ref: str = "refs/heads/main",
    environment: str = "",
    event: str = "push",
    ids: tuple[str, str] | None = ("1", "2"),
    aud: str | None = AUDIENCE,
    **changes: Any,
) -> dict[str, Any]:
    """Claims of a job of GitHub Actions.

    `ids` are the owner's and the repository's: with them the subject is the immutable one, without them the older one.
    A job with an `environment` has that in its subject, one of a pull request has no ref in it.
    """
    owner, _, name = repository.partition("/")
    who = f"{owner}@{ids[0]}/{name}@{ids[1]}" if ids else repository
    of_event = "pull_request" if event == "pull_request" else f"ref:{ref}"
    claims = {
        "iss": GITHUB,
        "aud": aud,
        "sub": f"repo:{who}:" + (f"environment:{environment}" if environment else of_event),
        "actor": "ann",
        "event_name": event,
        "job_workflow_ref": f"{repository}/.github/workflows/ladder.yml@{ref}",
        "ref": ref,
        "ref_type": "branch",
        "repository": repository,
        "repository_id": (ids or ("1", "2"))[1],
        "repository_owner": owner,
        "repository_owner_id": (ids or ("1", "2"))[0],
        "run_attempt": "1",
        "run_id": "4711",
        "runner_environment": "github-hosted",
        "workflow": "ladder",
        **({"environment": environment} if environment else {}),
        **changes,
    }
    return {key: value for key, value in claims.items() if key != "aud" or value is not None}


def gitlab(
    project: str = "acme/orders",
    *,
    ref: str = "main",
    ref_type: str = "branch",
    environment: str = "",
    source: str = "push",
    url: str = GITLAB,
    aud: str | None = GITLAB,
    **changes: Any,
) -> dict[str, Any]:
    """Claims of a job of GitLab CI. `url` is the instance's, without a slash at its end, as its tokens have it.

    The subject names the ref, whatever the environment is; a merge request's job runs on the source branch.
    """
    claims = {
        "iss": url,
        "aud": aud,
        "sub": f"project_path:{project}:ref_type:{ref_type}:ref:{ref}",
        "namespace_path": project.rpartition("/")[0],
        "pipeline_id": "4711",
        "pipeline_source": source,
        "project_id": "22",
        "project_path": project,
        "ref": ref,
        "ref_path": f"refs/heads/{ref}" if ref_type == "branch" else f"refs/tags/{ref}",
        "ref_protected": "true",
        "ref_type": ref_type,
        "runner_environment": "gitlab-hosted",
        "user_login": "ann",
        **({"environment": environment, "environment_protected": "true"} if environment else {}),
        **changes,
    }
    return {key: value for key, value in claims.items() if key != "aud" or value is not None}


def post(cloud_url: str, page: str, claims: dict[str, Any]) -> dict[str, Any]:
    """Ask a page of the local cloud's issuer."""
    body = json.dumps(claims).encode()
    answer = _http.request("POST", f"{cloud_url.rstrip('/')}/_stepladder/oidc/{page}", body=body)
    result: dict[str, Any] = json.loads(answer.data)
    assert answer.status == 200, result
    return result


def token(cloud_url: str, claims: dict[str, Any]) -> str:
    """A token of the local cloud's issuer."""
    return str(post(cloud_url, "tokens", claims)["token"])


def session(cloud_url: str, role: str, claims: dict[str, Any], region: str = "eu-west-1") -> boto3.Session:
    """The credentials that a job with these claims gets as a role."""
    sts = boto3.client("sts", endpoint_url=cloud_url, region_name=region, config=Config(signature_version=UNSIGNED))
    answer = sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="job", WebIdentityToken=token(cloud_url, claims)
    )
    keys = answer["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=region)


def github_variables(cloud_url: str, claims: dict[str, Any]) -> dict[str, str]:
    """The variables by which a job of GitHub Actions asks for tokens with these claims, for any audience."""
    return {key: str(value) for key, value in post(cloud_url, "github/jobs", claims).items()}


def unsigned(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    """A token with a signature of one's own, or with none."""
    now = int(time.time())
    return f"{_encoded(header, {'exp': now + 300, 'iat': now, **claims})}.{_base64(signature)}"


def signed_with_public_key(claims: dict[str, Any], key_id: str, public_key: bytes) -> str:
    """A token whose signature takes the issuer's public key for a shared secret, as some verifiers do (HS256)."""
    text = unsigned(claims, {"alg": "HS256", "kid": key_id, "typ": "JWT"}).rpartition(".")[0]
    return f"{text}.{_base64(hmac.new(public_key, text.encode(), hashlib.sha256).digest())}"


def claims_of(text: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    body = text.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _encoded(*parts: dict[str, Any]) -> str:
    return ".".join(_base64(json.dumps(part).encode()) for part in parts)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
