"""`inv ci.identity`: what the trust policy of each CI role expects, beside what this job's identity token says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepladder.core import aws
from stepladder.core.aws import Aws
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.core.similar import did_you_mean
from stepladder.doctor.identity import trusted
from stepladder.forge import registered, trust
from stepladder.forge.claim_times import when
from stepladder.forge.id_token import IdToken
from stepladder.forge.trust import Comparison, TrustStatement
from stepladder.settings import ci_roles
from stepladder.settings.ci_roles import CiRole
from stepladder.settings.load import Settings

FROM_AWS, FROM_SETTINGS = "AWS", "settings"
_LISTED = ("iss", "aud", "sub")
_MISSING = "NoSuchEntity"


@dataclass(frozen=True)
class RoleReport:
    """One role: where its expectation comes from (`AWS` or `settings`), how the token compares, what else is wrong.

    `outdated` is set when the role in AWS trusts others than the settings would make.
    """

    role: CiRole
    source: str
    comparison: Comparison
    problem: str = ""
    outdated: bool = False

    @property
    def equal(self) -> bool:
        """Whether the role lets the token in."""
        return self.comparison.equal and not self.problem

    def record(self) -> dict[str, object]:
        """Return it as data."""
        return {
            "role": self.role.name,
            "arn": self.role.arn,
            "environment": self.role.environment,
            "source": self.source,
            "equal": self.equal,
            "problem": self.problem,
            "outdated": self.outdated,
            "claims": [
                {"claim": c.claim, "expected": list(c.expected), "actual": c.actual, "equal": c.equal, "why": c.why}
                for c in self.comparison.claims
            ],
        }


class NoRoleError(Exception):
    """A role isn't there; the message is for a person."""


class TrustPolicies:
    """Reads the trust policies of roles in AWS. What stands in the way of one account is asked for once."""

    def __init__(self, clients: Callable[[CiRole], Aws]) -> None:
        self._clients = clients
        self.problems: dict[str, str] = {}

    def read(self, role: CiRole) -> tuple[TrustStatement, ...] | None:
        """Return what a role in AWS trusts, None where it can't be read. Raises NoRoleError when there is none."""
        if role.account in self.problems:
            return None
        try:
            made = self._clients(role).client("iam").get_role(RoleName=role.name)["Role"]
        except Exception as error:
            if aws.error_code(error) == _MISSING:
                raise NoRoleError(f"the account {role.account} has no role {role.name}") from None
            known = error if isinstance(error, StepladderError) else aws.explain(error)
            if known is None:
                raise
            self.problems[role.account] = known.message
            return None
        if made["Arn"].split(":")[4] != role.account:
            self.problems[role.account] = f"these credentials are of the account {made['Arn'].split(':')[4]}"
            return None
        return trust.of_policy(made["AssumeRolePolicyDocument"])

    def provider_problem(self, role: CiRole, claims: Mapping[str, Any]) -> str:
        """Say why the account's identity provider takes no such token; empty where it does, or can't be read."""
        issuer = str(claims.get("iss", "")).removeprefix("https://")
        arn = f"{role.arn.partition(':role/')[0]}:oidc-provider/{issuer}"
        try:
            made = self._clients(role).client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        except Exception as error:
            if aws.error_code(error) == _MISSING:
                return f"the account {role.account} has no identity provider {issuer}"
            if aws.explain(error) is None:
                raise
            return ""
        audiences = trust.values_of(claims, "aud")
        if audiences and audiences[0] not in made["ClientIDList"]:
            return f"the identity provider {issuer} of {role.account} takes no tokens for {audiences[0]}"
        return ""


def show(
    settings: Settings,
    console: Console,
    *,
    clients: Callable[[CiRole], Aws],
    now: float,
    named: str = "",
    environment: str = "",
    audience: str = "",
) -> None:
    """Print it. Raises RefusedError when this job's token fits no role, and NotReadyError for a job without a token."""
    roles = _chosen(settings, named, environment)
    token = _token(settings, audience)
    policies = TrustPolicies(clients)
    reports = [_report(role, token, policies) for role in roles]
    problem = when(token.claims, now)
    record = _record(token, problem, reports)
    error = _outcome(token, problem, reports)
    if not console.as_json:
        _print(console, token, reports, policies)
    elif error is None:
        console.json(record)
    if error:
        error.record |= record
        raise error


def _chosen(settings: Settings, named: str, environment: str) -> list[CiRole]:
    """Return the roles that are meant: the one that is named, or that AWS_ROLE_ARN names, or all."""
    if environment:
        settings.environment(environment)  # an unknown one is said first
    if not settings.ci.forges:
        raise BadInputError(
            "the settings name no repository whose jobs may act in AWS",
            kind="no-ci",
            hint=_suggested(registered.current().id_token("sts.amazonaws.com").claims),
        )
    roles = [each for each in ci_roles.roles(settings) if environment in ("", each.environment)]
    wanted = named or os.environ.get("AWS_ROLE_ARN", "")
    meant = [each for each in roles if wanted in ("", each.name, each.arn)]
    if meant or not named:  # AWS_ROLE_ARN may name any role
        return meant or roles
    names = [each.name for each in roles]
    hint = f"{did_you_mean(named, names)} there are {', '.join(names)}".strip()
    raise BadInputError(f"the settings make no role {named}", kind="bad-arguments", hint=hint)


def _suggested(claims: Mapping[str, Any]) -> str:
    """Say which settings would trust this job's repository."""
    if "repository_owner_id" in claims:
        ids = f'owner_id: "{claims["repository_owner_id"]}", repository_id: "{claims.get("repository_id")}"'
        return f"add to `invoke.yaml`: ci: {{github: {{repository: {claims.get('repository')}, {ids}}}}}"
    if "project_path" in claims:
        own = f"project: {claims['project_path']}, url: {claims.get('iss')}"
        return f"add to `invoke.yaml`: ci: {{gitlab: {{{own}}}}}"
    return "add to `invoke.yaml`: ci: {github: {repository: acme/orders}}, or ci: {gitlab: {project: acme/orders}}"


def _token(settings: Settings, audience: str) -> IdToken:
    forge = registered.current()
    of_forge = settings.ci.forges.get(forge.name.lower())
    return forge.id_token(audience or (of_forge.audience if of_forge else settings.ci.github.audience))


def _report(role: CiRole, token: IdToken, policies: TrustPolicies) -> RoleReport:
    made = trusted(role)
    problem = ""
    try:
        read = policies.read(role)
    except NoRoleError as error:
        read, problem = None, str(error)
    statements = made if read is None else read
    if read is not None and token.claims:
        problem = policies.provider_problem(role, token.claims)
    comparison = trust.compare(statements, token.claims) if token.claims else trust.expected(statements)
    outdated = read is not None and trust.facts(read) != trust.facts(made)
    return RoleReport(role, FROM_SETTINGS if read is None else FROM_AWS, comparison, problem, outdated)


def _record(token: IdToken, problem: str, reports: Sequence[RoleReport]) -> dict[str, object]:
    return {
        "token": {name: list(trust.values_of(token.claims, name)) for name in _LISTED} if token.claims else None,
        "source": token.source,
        "problem": token.problem or problem,
        "equal": [each.role.name for each in reports if each.equal],
        "roles": [each.record() for each in reports],
    }


def _print(console: Console, token: IdToken, reports: Sequence[RoleReport], policies: TrustPolicies) -> None:
    for account, why in policies.problems.items():
        console.line(f"the roles in {account} can't be read, so the settings say what is expected: {why}")
    if not registered.is_detected():
        console.line("no job of a forge runs here, so there is no token to compare")
    rows = [row for report in reports for row in _rows(report, compared=bool(token.claims))]
    head = ("role", "claim", "expected", "this job's token", "result")
    console.table(head if token.claims else head[:3], rows)
    for text in dict.fromkeys(report.problem for report in reports if report.problem):
        console.warn(text)
    for report in reports:
        if report.outdated:
            console.warn(f"{report.role.name} in AWS trusts others than the settings say: apply the foundation")


def _rows(report: RoleReport, *, compared: bool) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in report.comparison.claims:
        values = (report.role.name if not rows else "", row.claim, " or ".join(row.expected))
        result = "equal" if row.equal else row.why
        rows.append((*values, row.actual or "-", result) if compared else values)
    return rows or [(report.role.name, "-", "trusts no web identity", *(("-", "differs") if compared else ()))]


def _outcome(token: IdToken, problem: str, reports: Sequence[RoleReport]) -> StepladderError | None:
    """Return what the exit code comes from; None when a role takes the token, and where there is nothing to compare."""
    if token.problem:
        missing = NotReadyError(token.problem, kind="no-identity-token", hint=token.hint)
        return missing if registered.is_detected() else None
    if problem:
        return RefusedError(
            problem,
            kind="identity-differs",
            hint="start the job again: a token lasts minutes, so log in right before the first `inv`",
        )
    if any(each.equal for each in reports):
        return None
    what = "this role" if len(reports) == 1 else "any role"
    missing_in = [each.role.environment for each in reports if each.problem]
    if missing_in:
        return RefusedError(
            f"this job's token doesn't fit {what}, and AWS lacks what the foundation makes",
            kind="identity-differs",
            hint=f"make it: `inv tf.apply --env {missing_in[0]} --root foundation`",
        )
    return RefusedError(
        f"this job's token doesn't fit {what}",
        kind="identity-differs",
        hint="the last column says what to change in the job, or under `stepladder.ci`",
    )
