"""The identity provider and the roles of CI jobs: there, and trusting the repository that the project is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from stepladder.core.aws import error_code
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, WARNING, Finding
from stepladder.forge import remote as remotes
from stepladder.forge import trust
from stepladder.forge.remote import GITHUB, Remote
from stepladder.forge.trust import TrustStatement
from stepladder.settings import ci_roles
from stepladder.settings.ci import GITHUB_ISSUER, Forge
from stepladder.settings.ci_roles import CiRole
from stepladder.settings.load import Settings

_MISSING = "NoSuchEntity"


def trusted(role: CiRole) -> tuple[TrustStatement, ...]:
    """Return the statements that the foundation makes for a role."""
    return tuple(
        statement for jobs in role.trusted for statement in trust.of_jobs(jobs.issuer, jobs.audience, jobs.subjects)
    )


def mismatch(settings: Settings, remote: Remote | None) -> str:
    """Return how the settings and the git remote name different repositories; empty when they agree."""
    if remote is None or remote.forge not in settings.ci.forges:
        return ""
    github, gitlab = settings.ci.github, settings.ci.gitlab
    name = github.repository if remote.forge == GITHUB else gitlab.project
    if remote.path.lower() == name.lower():
        return ""
    return f"ci.{remote.forge} names {name}, and the git remote is {remote.path}"


def repository(context: DoctorContext) -> Iterator[Finding]:
    """Yield that the settings name another repository than git's remotes, or one by its name alone.

    The clone of a fork has the project's own repository as a second remote.
    """
    settings = context.settings
    mismatches = [(each, mismatch(settings, each)) for each in remotes.every(context.root)]
    if mismatches and all(different for _, different in mismatches):
        remote, different = mismatches[0]
        text = f"{different}: jobs of the latter get no credentials"
        own = settings.ci.github.repository if remote.forge == GITHUB else settings.ci.gitlab.project
        fix = (
            "if the project has moved, name it under `stepladder.ci`, then `inv aws.bootstrap`; "
            f"if this is a fork: `git remote add upstream https://{remote.host}/{own}`"
        )
        yield Finding(ERROR, "stepladder.ci", text, fix)
    github = settings.ci.github
    if github.repository and not github.owner_id and github.issuer == GITHUB_ISSUER:
        text = f"{github.repository} is trusted by its name, which repositories made since 2026-07-15 don't send"
        command = f"gh api repos/{github.repository} --jq '.owner.id, .id'"
        yield Finding(WARNING, "stepladder.ci", text, f"add owner_id and repository_id, which `{command}` prints")


def providers(context: DoctorContext) -> Iterator[Finding]:
    """Yield which forge's identity provider the account lacks, or which audience it doesn't take."""
    if not context.has_foundation:
        return
    fix = context.restored_by("foundation")
    for forge in context.settings.ci.forges.values():
        yield from _provider(context, forge, fix)


def _provider(context: DoctorContext, forge: Forge, fix: str) -> Iterator[Finding]:
    issuer, names = forge.url.removeprefix("https://"), context.names
    arn = f"arn:{names.partition}:iam::{names.account}:oidc-provider/{issuer}"
    subject = context.named(f"identity provider {issuer}")
    provider = _read(lambda: context.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn))
    if provider is None:
        yield Finding(ERROR, subject, "the account has none, so no CI job gets credentials", fix)
    elif forge.audience not in provider["ClientIDList"]:
        command = f"aws iam add-client-id-to-open-id-connect-provider --client-id {forge.audience}"
        text = f"takes no tokens for {forge.audience}"
        yield Finding(ERROR, subject, text, f"`{command} --open-id-connect-provider-arn {arn}`")


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:
        if error_code(error) != _MISSING:
            raise
        return None


def roles(context: DoctorContext) -> Iterator[Finding]:
    """Yield which role of CI jobs is gone, or trusts others than the settings say: a renamed repository, a branch."""
    if not context.has_foundation:
        return
    fix = context.restored_by("foundation")
    own = [each for each in ci_roles.roles(context.settings) if each.account == context.names.account]
    for role in own:
        made = _read(lambda name=role.name: context.client("iam").get_role(RoleName=name))  # type: ignore[misc]
        if made is None:
            yield Finding(ERROR, role.name, "the role of CI jobs is gone", fix)
        elif trust.facts(trust.of_policy(made["Role"]["AssumeRolePolicyDocument"])) != trust.facts(trusted(role)):
            text = "trusts other jobs than the settings name, so theirs are refused"
            yield Finding(ERROR, role.name, text, fix)
