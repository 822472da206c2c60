"""Why a claim of a job's identity token isn't what a trust policy expects, in words for the job's author.

GitHub: https://docs.github.com/en/actions/reference/security/oidc. GitLab:
https://docs.gitlab.com/ci/secrets/id_token_authentication/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_GITHUB = r"repo:(?P<owner>[^/:@]+)(?:@(?P<oid>\d+))?/(?P<name>[^/:@]+)(?:@(?P<rid>\d+))?:(?P<rest>.+)"
_GITLAB = r"project_path:(?P<project>[^:]+):ref_type:(?P<type>[^:]+):ref:(?P<ref>.+)"


@dataclass(frozen=True)
class _Subject:
    """A subject in its parts: whose job (with the ids that are in it), and what the job is of."""

    who: str
    ids: str
    rest: str


def why(claim: str, expected: Sequence[str], actual: Sequence[str], claims: Mapping[str, Any]) -> str:
    """Say why a claim differs from all that is expected."""
    value = ", ".join(actual)
    if not actual:
        return f"the token has no claim {claim}"
    if any(value.lower() == each.lower() for each in expected):
        return "differs by upper and lower case only"
    if claim == "iss":
        return _issuer(expected, value)
    if claim == "aud":
        return _audience(expected, claims)
    if claim == "sub":
        return min((_subject(each, value) for each in expected), key=_weight)[1]
    return "differs"


def _weight(reason: tuple[int, str]) -> int:
    return reason[0]


def _issuer(expected: Sequence[str], value: str) -> str:
    if value.rstrip("/") in {each.rstrip("/") for each in expected}:
        where = "the token's" if value.endswith("/") else "the provider's"
        return f"differs by the slash at the end of {where}: IAM compares every letter, so make the provider without it"
    return "another forge's token"


def _audience(expected: Sequence[str], claims: Mapping[str, Any]) -> str:
    wanted = expected[0]
    if "project_path" in claims:
        return f"the token is for another audience: write `aud: {wanted}` under `id_tokens:`"
    return f"the token is for another audience: the login's step needs `audience: {wanted}`"


def _subject(expected: str, value: str) -> tuple[int, str]:
    """Say how a subject differs from one that is expected, and how far away it is."""
    want, have = _parsed(expected), _parsed(value)
    if want is None or have is None:
        return 9, "the forge gives its tokens another form of subject than the usual one: reset its customisation there"
    if want.who != have.who and not (want.ids and want.ids == have.ids):
        renamed = "" if want.ids and have.ids else ", or the repository was renamed"
        return 8, f"another repository's token{renamed}: {have.who} is not {want.who}"
    if want.who != have.who:
        return 4, f"the repository was renamed or moved: {want.who} is {have.who} now; change it in `ci` and apply"
    if want.ids and have.ids and want.ids != have.ids:
        return 7, f"another repository of the same name: its ids are {have.ids}, and not {want.ids}"
    if want.rest != have.rest:
        return (2, _rest(want.rest, have.rest)) if want.ids == have.ids else (3, _forms(want, have))
    return 1, _forms(want, have)


def _forms(want: _Subject, have: _Subject) -> str:
    other = f"; besides, {_rest(want.rest, have.rest)}" if want.rest != have.rest else ""
    if have.ids:
        owner, repository = have.ids.split("/")
        return (
            "the token has GitHub's immutable subject with the ids, and the older form is expected: set "
            f'`ci.github.owner_id: "{owner}"` and `repository_id: "{repository}"`, and apply{other}'
        )
    return (
        "the token has GitHub's older subject without ids, and the immutable one is expected: set "
        f"`ci.github.older_subject: true` and apply, or switch the repository to immutable subjects{other}"
    )


def _rest(want: str, have: str) -> str:
    """Say why the job is another one than expected: by its environment, its branch, or its event."""
    wanted, had = want.partition(":"), have.partition(":")
    if wanted[0] == "environment" and had[0] == "environment":
        return f"the job runs in the forge's environment {had[2]}, and the role is for {wanted[2]}"
    if wanted[0] == "environment":
        return f"the job has no `environment: {wanted[2]}`, so its subject names {_job(have)}"
    if had[0] == "environment":
        return f"the job has `environment: {had[2]}`, which stands in its subject in place of {_job(want)}"
    return f"the job is of {_job(have)}, and the role is for {_job(want)}"


def _job(rest: str) -> str:
    kind, _, value = rest.partition(":")
    if kind == "pull_request":
        return "a pull request"
    if value.startswith("refs/tags/") or kind == "tag":
        return f"the tag {value.removeprefix('refs/tags/')}"
    return f"the branch {value.removeprefix('refs/heads/')}" if value != "*" else "any branch"


def _parsed(subject: str) -> _Subject | None:
    if parts := re.fullmatch(_GITHUB, subject):
        ids = f"{parts['oid']}/{parts['rid']}" if parts["oid"] and parts["rid"] else ""
        return _Subject(f"{parts['owner']}/{parts['name']}", ids, parts["rest"])
    if parts := re.fullmatch(_GITLAB, subject):
        return _Subject(parts["project"], "", f"{parts['type']}:{parts['ref']}")
    return None
