"""The roles of CI jobs, and by which tokens each may be taken: what `terraform/modules/foundation` makes of `ci`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stepladder.core.names import Names
from stepladder.settings import previews
from stepladder.settings.ci import APPROVAL, Forge
from stepladder.settings.load import Settings

PLAN, DEPLOY, RELEASE, PREVIEW = ("plan", "deploy", "release", "preview")


@dataclass(frozen=True)
class TrustedJobs:
    """Jobs of one forge: their tokens' issuer, audience and subjects, of which one that ends in `*` is a pattern."""

    issuer: str
    audience: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class CiRole:
    """A role of CI jobs. `environment` is the one of the settings that it is for, or whose account it is in."""

    name: str
    purpose: str
    environment: str
    account: str
    arn: str
    trusted: tuple[TrustedJobs, ...]


def names_of(settings: Settings) -> frozenset[str]:
    """Return the names that CI roles of the project have, whether it has a forge now or not.

    They are compared whole: another project may be called as this one's roles begin.
    """
    every = [settings.names(name) for name in settings.environments]
    own = {names.ci_role(purpose) for names in every for purpose in (PLAN, DEPLOY, RELEASE)}
    return frozenset(own | {names.preview_role for names in every})


def roles(settings: Settings) -> tuple[CiRole, ...]:
    """Return the roles of all environments, in their order; none without a repository in `ci`."""
    return tuple(_roles(settings)) if settings.ci.forges else ()


def _roles(settings: Settings) -> Iterator[CiRole]:
    for name in settings.environments:
        names = settings.names(name)
        for purpose in (PLAN, DEPLOY, RELEASE):
            yield _role(settings, names, names.ci_role(purpose), purpose)
        if settings.previews.enabled and name == previews.base_name(settings):
            yield _role(settings, names, names.preview_role, PREVIEW)


def _role(settings: Settings, names: Names, name: str, purpose: str) -> CiRole:
    trusted = tuple(
        TrustedJobs(forge.url, forge.audience, _subjects(settings, forge, purpose, names.environment))
        for forge in settings.ci.forges.values()
    )
    return CiRole(name, purpose, names.environment, names.account, names.role_arn(name), trusted)


def _subjects(settings: Settings, forge: Forge, purpose: str, environment: str) -> tuple[str, ...]:
    branch = settings.ci.branch
    if purpose in {PLAN, PREVIEW}:
        return forge.of_branch(branch) + forge.of_pull_requests()
    return forge.of_environment(environment + (APPROVAL if purpose == RELEASE else ""), branch)
