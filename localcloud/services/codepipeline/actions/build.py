"""CodeBuild: a build of a project, from one artifact or more.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
"""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloud import ServiceError
from localcloud.services.codepipeline.context import ActionContext, FailedAction

_POLL = 0.2


def run(context: ActionContext) -> None:
    """Start a build and wait until it ends."""
    action = context.action
    outputs = [str(each["name"]) for each in action.declaration["outputArtifacts"]]
    locations = {name: context.location(name) for name in outputs}
    try:
        build = context.call("codebuild", "StartBuild", _start(context, locations))["build"]
    except ServiceError as error:
        message = f"Error calling startBuild: {error.message} (Service: AWSCodeBuild; Error Code: {error.code})"
        raise FailedAction(message, "PermissionError" if "AccessDenied" in error.code else "JobFailed") from None
    _show(context, build)
    while not build["buildComplete"]:
        context.wait(_POLL)
        try:
            build = context.call("codebuild", "BatchGetBuilds", {"ids": [build["id"]]})["builds"][0]
        except ServiceError as error:
            raise FailedAction(f"Error calling batchGetBuilds: {error.message}", "PermissionError") from None
        except IndexError:
            raise FailedAction(f"The build {action.external_id} is gone") from None
        _show(context, build)
    exported = build.get("exportedEnvironmentVariables") or ()
    action.variables = {str(each["name"]): str(each["value"]) for each in exported}
    if build["buildStatus"] != "SUCCEEDED":
        raise FailedAction(_reason(build))
    if len(locations) > 1 or build.get("artifacts", {}).get("location"):
        action.outputs.update(locations)


def _start(context: ActionContext, locations: dict[str, tuple[str, str]]) -> dict[str, Any]:
    action = context.action
    given, inputs = action.configuration, action.inputs
    if not inputs:
        raise FailedAction("A CodeBuild action needs an input artifact", "ConfigurationError")
    primary = given.get("PrimarySource") or next(iter(inputs))
    if primary not in inputs:
        raise FailedAction(f"PrimarySource {primary} is no input artifact", "ConfigurationError")
    bucket, key = inputs[primary]
    params: dict[str, Any] = {
        "projectName": given["ProjectName"],
        "sourceTypeOverride": "CODEPIPELINE",
        "sourceLocationOverride": f"{bucket}/{key}",
        "sourceVersion": f"arn:aws:s3:::{bucket}/{key}",
        "secondarySourcesOverride": [
            {"type": "CODEPIPELINE", "location": f"{bucket}/{key}", "sourceIdentifier": name}
            for name, (bucket, key) in inputs.items()
            if name != primary
        ],
        "artifactsOverride": {"type": "CODEPIPELINE"},
        "environmentVariablesOverride": _variables(given.get("EnvironmentVariables") or "[]"),
    }
    outputs = [
        {"type": "CODEPIPELINE", "location": bucket, "path": key, "artifactIdentifier": name}
        for name, (bucket, key) in locations.items()
    ]
    if len(outputs) == 1:
        params["artifactsOverride"] = {"type": "CODEPIPELINE", "location": outputs[0]["location"]}
        params["artifactsOverride"]["path"] = outputs[0]["path"]
    elif outputs:
        params["secondaryArtifactsOverride"] = outputs
    return params | ({"encryptionKeyOverride": context.key_id} if context.key_id else {})


def _variables(text: str) -> list[dict[str, str]]:
    try:
        given = json.loads(text)
        return [{**each, "type": each.get("type") or "PLAINTEXT"} for each in given]
    except (ValueError, AttributeError, TypeError):
        message = "EnvironmentVariables is no JSON list of objects with name, value and type"
        raise FailedAction(message, "ConfigurationError") from None


def _show(context: ActionContext, build: dict[str, Any]) -> None:
    action, region = context.action, context.region
    action.external_id = str(build["id"])
    action.external_url = (
        f"https://console.aws.amazon.com/codebuild/home?region={region}#/builds/{build['id']}/view/new"
    )
    action.log_stream = str((build.get("logs") or {}).get("cloudWatchLogsArn") or "")


def _reason(build: dict[str, Any]) -> str:
    """Return why a build failed, as CodePipeline words it."""
    text = f"Build terminated with state: {build['buildStatus']}"
    for phase in build["phases"]:
        for each in phase.get("contexts") or ():
            if each.get("message"):
                return f"{text}. Phase: {phase['phaseType']}, Code: {each['statusCode']}, Message: {each['message']}"
    return text
