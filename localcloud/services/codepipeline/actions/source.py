"""CodeStarSourceConnection: a commit of a repository behind a connection.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from localcloud import repositories
from localcloud.authorization.model import AccessRequest
from localcloud.cloud import ServiceError
from localcloud.repositories import RepositoryError, SourceCommit
from localcloud.services.codepipeline.context import ActionContext, FailedAction

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

CLONE = "CODEBUILD_CLONE_REF"


def run(context: ActionContext) -> None:
    """Store the commit, or a reference to a clone of it."""
    given = context.action.configuration
    connection, repository, branch = given["ConnectionArn"], given["FullRepositoryId"], given["BranchName"]
    _check_permission(context, connection, repository, branch)
    provider = _provider(context, connection)
    try:
        folder = context.cloud.repositories.folder(connection, repository)
        named = context.execution.revisions.get(context.action.action) or repositories.head(folder, branch)
        if not named:
            raise FailedAction(f"[{provider}] No Branch [{branch}] found for FullRepositoryName [{repository}]")
        commit = repositories.commit_of(folder, named)
        body = _artifact(context, folder, commit)
    except RepositoryError as error:
        raise FailedAction(f"[{provider}] {error}") from None
    for artifact in context.action.declaration["outputArtifacts"]:
        context.put(str(artifact["name"]), body, commit.id)
        _record(context, str(artifact["name"]), commit, provider)
    _leave_variables(context, commit, provider)


def _check_permission(context: ActionContext, connection: str, repository: str, branch: str) -> None:
    service = connection.split(":")[2]
    keys = {"fullrepositoryid": (repository,), "branchname": (branch,), "provideraction": ("GetBranch",)}
    needed = AccessRequest(
        f"{service}:UseConnection", connection, {f"{service}:{name}": value for name, value in keys.items()}
    )
    access = context.cloud.access
    if access.trusts(context.caller) or access.refusal(needed, access.named(context.caller), context.account):
        message = f"Unable to use Connection: {connection}. The provided role does not have sufficient permissions."
        raise FailedAction(message, "PermissionError")


def _provider(context: ActionContext, connection: str) -> str:
    """Return the connection's forge. A connection that isn't there, or reaches nothing, fails the action."""
    shown = describe(context.cloud, connection)
    if not shown or shown["ConnectionStatus"] != "AVAILABLE":
        status = shown["ConnectionStatus"] if shown else "not there"
        raise FailedAction(f"Connection {connection} is not available: it is {status}", "ConfigurationError")
    return str(shown["ProviderType"])


def describe(cloud: Cloud, connection: str) -> dict[str, str]:
    """Return a connection as GetConnection does, or nothing when it isn't there."""
    _, _, service, region, account, *_ = connection.split(":")
    try:
        shown: dict[str, str] = cloud.call(
            service, "GetConnection", {"ConnectionArn": connection}, region=region, account=account
        )["Connection"]
    except ServiceError:
        return {}
    return shown


def _artifact(context: ActionContext, folder: Path, commit: SourceCommit) -> bytes:
    given = context.action.configuration
    if given.get("OutputArtifactFormat") != CLONE:
        return repositories.archive(folder, commit.id)
    reference = {
        "connection": given["ConnectionArn"],
        "repository": given["FullRepositoryId"],
        "branch": given["BranchName"],
        "commit": commit.id,
    }
    return json.dumps(reference).encode()


def _record(context: ActionContext, artifact: str, commit: SourceCommit, provider: str) -> None:
    given = context.action.configuration
    link = f"https://{context.region}.console.aws.amazon.com/codesuite/settings/connections/redirect"
    link += f"?connectionArn={given['ConnectionArn']}&referenceType=COMMIT"
    link += f"&FullRepositoryId={quote(given['FullRepositoryId'], safe='/')}&Commit={commit.id}"
    message = json.dumps({"ProviderType": provider, "CommitMessage": commit.message})
    context.action.external_id, context.action.external_url = commit.id, link
    context.action.summary = message
    context.execution.sources[context.action.action] = {
        "name": artifact,
        "revisionId": commit.id,
        "revisionSummary": message,
        "revisionUrl": link,
    }


def _leave_variables(context: ActionContext, commit: SourceCommit, provider: str) -> None:
    given = context.action.configuration
    context.action.variables = {
        "AuthorDate": commit.date,
        "AuthorDisplayName": commit.author,
        "AuthorEmail": commit.email,
        "AuthorId": "",
        "BranchName": given["BranchName"],
        "CommitId": commit.id,
        "CommitMessage": commit.message,
        "ConnectionArn": given["ConnectionArn"],
        "FullRepositoryName": given["FullRepositoryId"],
        "ProviderType": provider,
    }
