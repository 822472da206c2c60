"""What a pipeline may be declared as: AWS's rules, and what the local cloud offers of its actions.

https://docs.aws.amazon.com/codepipeline/latest/userguide/pipeline-requirements.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.cloud import ServiceError

REQUIRED: dict[tuple[str, str], tuple[str, ...]] = {
    ("Source", "CodeStarSourceConnection"): ("ConnectionArn", "FullRepositoryId", "BranchName"),
    ("Build", "CodeBuild"): ("ProjectName",),
    ("Test", "CodeBuild"): ("ProjectName",),
    ("Invoke", "StepFunctions"): ("StateMachineArn",),
    ("Approval", "Manual"): (),
}
"""The actions that are offered, by category and provider, and what their configuration must have."""
NOT_OFFERED = "NotOfferedByLocalCloud"
_CONDITIONS = ("beforeEntry", "onSuccess")
_LEAST_STAGES = 2


def complete(declared: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Return a declaration with AWS's defaults. Raises the service's error for one that it refuses."""
    declaration = {"executionMode": "SUPERSEDED", "pipelineType": "V1", **declared}
    declaration["stages"] = [_stage(stage) for stage in declared.get("stages") or ()]
    _check(declaration, region)
    return declaration


def _stage(stage: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"runOrder": 1, "configuration": {}, "inputArtifacts": [], "outputArtifacts": []}
    return {**stage, "actions": [{**defaults, **action} for action in stage.get("actions") or ()]}


def _check(declaration: Mapping[str, Any], region: str) -> None:
    stages = declaration["stages"]
    if len(stages) < _LEAST_STAGES:
        raise _structure("Pipeline has only 1 stage(s). There should be a minimum of 2 stages in a pipeline")
    if declaration["pipelineType"] == "V1" and (
        declaration["executionMode"] != "SUPERSEDED" or declaration.get("variables") or declaration.get("triggers")
    ):
        raise _structure("Execution modes, variables and triggers need a pipeline of type V2")
    if not (declaration.get("artifactStore") or declaration.get("artifactStores")):
        raise _structure("Pipeline must have an artifactStore or artifactStores")
    _check_names("stage", [str(stage["name"]) for stage in stages])
    made: set[str] = set()
    for index, stage in enumerate(stages):
        _check_stage(stage)
        for action in sorted(stage["actions"], key=lambda each: each["runOrder"]):
            _check_stage_index(action, index)
            _check_offered(action, region)
            for artifact in action["inputArtifacts"]:
                if artifact["name"] not in made:
                    raise _structure(
                        f"Action {action['name']} has an input artifact {artifact['name']} that no earlier action makes"
                    )
            for artifact in action["outputArtifacts"]:
                if artifact["name"] in made:
                    raise _structure(f"Output artifact {artifact['name']} is made by more than one action")
                made.add(str(artifact["name"]))
    _check_triggers(declaration)


def _check_stage(stage: Mapping[str, Any]) -> None:
    _check_names("action", [str(action["name"]) for action in stage["actions"]])
    if not stage["actions"]:
        raise _structure(f"Stage {stage['name']} has no actions")
    failure = stage.get("onFailure") or {}
    if any(stage.get(name) for name in _CONDITIONS) or failure.get("conditions") or failure.get("result") == "ROLLBACK":
        raise _not_offered(f"conditions and rollbacks of stages, as {stage['name']} has them")


def _check_stage_index(action: Mapping[str, Any], index: int) -> None:
    is_source = action["actionTypeId"]["category"] == "Source"
    if is_source and index:
        raise _structure(f"Source action {action['name']} is only allowed in the first stage")
    if not is_source and not index:
        raise _structure(f"Pipeline should start with a stage that only contains source actions, not {action['name']}")


def _check_offered(action: Mapping[str, Any], region: str) -> None:
    kind = (str(action["actionTypeId"]["category"]), str(action["actionTypeId"]["provider"]))
    if kind not in REQUIRED:
        raise _not_offered(f"the action {kind[0]} by {kind[1]}")
    if str(action.get("region") or region) != region:
        raise _not_offered(f"actions in another region, as {action['name']} is")
    if action.get("roleArn"):
        raise _not_offered(f"roles of actions, as {action['name']} has one")
    if kind == ("Invoke", "StepFunctions") and action["outputArtifacts"]:
        raise _not_offered(f"output artifacts of state machines, as {action['name']} has one")
    for name in REQUIRED[kind]:
        if not action["configuration"].get(name):
            message = f"Action configuration for action '{action['name']}' is missing required configuration '{name}'"
            raise ServiceError("InvalidActionDeclarationException", message)


def _check_triggers(declaration: Mapping[str, Any]) -> None:
    sources = {str(action["name"]) for action in declaration["stages"][0]["actions"]}
    for trigger in declaration.get("triggers") or ():
        git = trigger["gitConfiguration"]
        if git["sourceActionName"] not in sources:
            raise _structure(f"Trigger names a source action that isn't there: {git['sourceActionName']}")
        if git.get("pullRequest") or any(each.get("tags") for each in git.get("push") or ()):
            raise _not_offered("triggers on pull requests and tags")


def _check_names(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _structure(f"The {what} name {name} is used more than once")
        seen.add(name)


def _structure(message: str) -> ServiceError:
    return ServiceError("InvalidStructureException", message)


def _not_offered(what: str) -> ServiceError:
    return ServiceError(NOT_OFFERED, f"the local cloud does not offer {what}")
