"""A job's identity token: read as the forge gives it, for its claims. Nothing here prints or keeps the token itself."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

FILE, VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_TOKEN"
SIGSTORE_VARIABLE, SIGSTORE_AUDIENCE = "SIGSTORE_ID_TOKEN", "sigstore"
_URL, _BEARER = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_PARTS = 3


@dataclass(frozen=True)
class SigningToken:
    """A job's token for a signature, or the problem why there is none, and a hint. Its text is in no message."""

    text: str = field(default="", repr=False)
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True)
class IdToken:
    """The claims of a job's token and where it was read, or the problem why there is none, and a hint."""

    claims: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    problem: str = ""
    hint: str = ""


def claims_of(text: str) -> dict[str, Any] | None:
    """Return the claims of a JSON Web Token, unverified; None for a text that is none."""
    parts = text.strip().split(".")
    if len(parts) != _PARTS:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (RecursionError, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def _of_text(text: str, source: str, hint: str) -> IdToken:
    claims = claims_of(text)
    if claims is None:
        return IdToken(problem=f"{source} holds no identity token", hint=hint)
    return IdToken(claims, source)


def from_github(audience: str, *, is_fork: bool) -> IdToken:
    """Ask GitHub for the job's token, as `aws-actions/configure-aws-credentials` does."""
    text = _ask_github(audience, is_fork=is_fork)
    return text if isinstance(text, IdToken) else _of_text(text, "GitHub's answer", "run the job again")


def signing_from_github(*, is_fork: bool) -> SigningToken:
    """Ask GitHub for a token that Sigstore takes."""
    text = _ask_github(SIGSTORE_AUDIENCE, is_fork=is_fork)
    return _signing(text, "GitHub's answer", "run the job again")


def signing_from_gitlab() -> SigningToken:
    """Read the token that GitLab put into a variable for Sigstore, which cosign and sigstore-python read too.

    https://docs.gitlab.com/ci/yaml/signing_examples/
    """
    hint = f"give the job `id_tokens: {{{SIGSTORE_VARIABLE}: {{aud: {SIGSTORE_AUDIENCE}}}}}`"
    if text := os.environ.get(SIGSTORE_VARIABLE, ""):
        return _signing(text, SIGSTORE_VARIABLE, hint)
    return SigningToken(problem=f"GitLab gives this job no {SIGSTORE_VARIABLE}", hint=hint)


def may_ask_github() -> bool:
    """Whether GitHub gives this job tokens."""
    return bool(os.environ.get(_URL) and os.environ.get(_BEARER))


def _signing(text: str | IdToken, source: str, hint: str) -> SigningToken:
    read = text if isinstance(text, IdToken) else _of_text(text, source, hint)
    if isinstance(text, IdToken) or read.problem:
        return SigningToken(problem=read.problem, hint=read.hint)
    return SigningToken(text.strip())


def _ask_github(audience: str, *, is_fork: bool) -> str | IdToken:
    """Return the text of a token, or the problem.

    https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
    """
    from stepladder.forge.api import Api, ApiError

    url, bearer = os.environ.get(_URL, ""), os.environ.get(_BEARER, "")
    if not url or not bearer:
        return IdToken(
            problem="GitHub gives this job no identity token"
            + (": it runs for a pull request from a fork" if is_fork else ": it has no `id-token: write`"),
            hint="run it on a branch of the repository itself"
            if is_fork
            else "give the job `permissions: {id-token: write}`",
        )
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return IdToken(problem=f"{_URL} is no address: {error}", hint="run the job again")
    base = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    query = "&".join(filter(None, (parts.query, f"audience={quote(audience, safe='')}")))
    api = Api("GitHub", base, {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}, token=bearer)
    try:
        answer = api.call("GET", f"{parts.path}?{query}")
    except ApiError as error:
        problem = str(error).replace(bearer, "***")
        return IdToken(problem=f"GitHub gave no identity token: {problem}", hint="run the job again")
    value = answer.get("value") if isinstance(answer, dict) else None
    return str(value or "")


def from_gitlab() -> IdToken:
    """Read the token that GitLab put into a variable, or that the job wrote into the file which the SDKs read."""
    hint = f"give the job `id_tokens: {{{VARIABLE}: {{aud: $CI_SERVER_URL}}}}`"
    if path := os.environ.get(FILE, ""):
        try:
            return _of_text(Path(path).read_text(), f"the file that {FILE} names", hint)
        except (OSError, UnicodeDecodeError):
            return IdToken(problem=f"the file that {FILE} names can't be read", hint="write it in the same job")
    if text := os.environ.get(VARIABLE, ""):
        return _of_text(text, VARIABLE, hint)
    return IdToken(problem="GitLab gives this job no identity token: it has no `id_tokens:`", hint=hint)
