"""Flag the commit of a pipeline at its forge. CodePipeline sets no commit status itself.

https://docs.github.com/en/rest/commits/statuses, https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from shared import aws

CONTEXT = "stepladder/codepipeline"
STATES = {"github": {True: "success", False: "failure"}, "gitlab": {True: "success", False: "failed"}}
_LONGEST = 140  # characters that GitHub takes
_TIMEOUT = 10


def flag(settings: Mapping[str, Any], execution: str, description: str, *, good: bool) -> str:
    """Set the status of the commit that a pipeline's execution is of; return what was done, as a sentence."""
    token = _token(settings["token"])
    if not token:
        return f"the commit was not flagged: the parameter {settings['token']} holds no token"
    commit = _commit(settings["name"], execution)
    if not commit:
        return "no commit was flagged: the source gave none"
    address, headers = _request(settings, commit, token)
    body = {"state": STATES[settings["provider"]][good], "context": CONTEXT, "description": description[:_LONGEST]}
    if urlsplit(address).scheme not in ("http", "https"):
        return f"the commit was not flagged: {address} is no address of a forge"
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        address, json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
        return f"commit {commit} is flagged {body['state']}"


def _request(settings: Mapping[str, Any], commit: str, token: str) -> tuple[str, dict[str, str]]:
    """Return the address of a commit's statuses, and the headers that authenticate."""
    repository = settings["repository"]
    if settings["provider"] == "gitlab":
        return f"{settings['api']}/projects/{quote(repository, safe='')}/statuses/{commit}", {"PRIVATE-TOKEN": token}
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    return f"{settings['api']}/repos/{repository}/statuses/{commit}", headers


def _token(name: str) -> str:
    try:
        return str(aws.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except Exception as error:
        if aws.code(error) != "ParameterNotFound":
            raise
        return ""


def _commit(pipeline: str, execution: str) -> str:
    answer = aws.client("codepipeline").get_pipeline_execution(pipelineName=pipeline, pipelineExecutionId=execution)
    revisions = answer["pipelineExecution"].get("artifactRevisions") or ()
    return next((str(each["revisionId"]) for each in revisions if each.get("revisionId")), "")
