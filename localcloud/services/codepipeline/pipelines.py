"""The handlers of pipelines."""

from __future__ import annotations

import re
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.scoped_store import ScopedStore
from localcloud.services.codepipeline import declarations
from localcloud.services.codepipeline.model import RUNNING, Pipeline, PipelineRegion, Transition

PRINCIPAL = "codepipeline.amazonaws.com"
_NAME = re.compile(r"[A-Za-z0-9.@_-]{1,100}")


class Pipelines:
    """The handlers of everything but executions."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions = ScopedStore(cloud, "codepipeline", PipelineRegion)

    def _region(self, request: AwsRequest) -> PipelineRegion:
        return self._regions.of(request.account, request.region)

    def _see(self, pipeline: Pipeline) -> None:
        """Note where its branches are: what was pushed before a pipeline was there starts nothing."""

    def _created(self, pipeline: Pipeline, caller: str) -> None:
        """Start what a new pipeline starts."""

    def _caller(self, request: AwsRequest) -> str:
        """Return the ARN of whoever calls."""
        return self._cloud.access.named(request.caller).arn if request.caller else ""

    @handles
    def create_pipeline(self, request: AwsRequest) -> dict[str, Any]:
        """Make a pipeline, which starts at once."""
        region, declared = self._region(request), request.params["pipeline"]
        name = str(declared["name"])
        if not _NAME.fullmatch(name):
            raise ServiceError("ValidationException", f"Invalid pipeline name: {name}")
        declaration = self._checked(declared, region) | {"version": 1}
        now = self._cloud.clock.utcnow()
        pipeline = Pipeline(region.arn(name), declaration, now, now)
        self._see(pipeline)  # before the watcher finds it, or its first commit would start it a second time
        with self._regions.lock:
            if name in region.pipelines:
                raise ServiceError("PipelineNameInUseException", f"A pipeline with the name '{name}' already exists")
            pipeline.tags.update({tag["key"]: tag["value"] for tag in request.params.get("tags") or ()})
            region.pipelines[name] = pipeline
        self._created(pipeline, self._caller(request))
        return {"pipeline": declaration, "tags": _tags(pipeline)}

    @handles
    def update_pipeline(self, request: AwsRequest) -> dict[str, Any]:
        """Change a pipeline. Executions that run are cancelled, as on AWS, and nothing starts."""
        region, declared = self._region(request), request.params["pipeline"]
        pipeline = region.pipeline(str(declared["name"]))
        declaration = self._checked(declared, region)
        with self._regions.lock:
            declaration["version"] = int(pipeline.declaration["version"]) + 1
            pipeline.declaration, pipeline.updated = declaration, self._cloud.clock.utcnow()
            for execution in pipeline.executions.values():
                if execution.status in RUNNING:
                    execution.cancelled = execution.abandon = True
        return {"pipeline": declaration}

    def _checked(self, declared: dict[str, Any], region: PipelineRegion) -> dict[str, Any]:
        declaration = declarations.complete(declared, region.region)
        role, arn = str(declaration.get("roleArn") or ""), region.arn(str(declaration["name"]))
        if self._cloud.access.trusts(ServiceCaller(PRINCIPAL, arn, region.account, role)):
            raise ServiceError(
                "InvalidStructureException", f"CodePipeline is not authorized to perform AssumeRole on role {role}"
            )
        return declaration

    @handles
    def get_pipeline(self, request: AwsRequest) -> dict[str, Any]:
        """Return a pipeline as it is now: older versions aren't kept."""
        pipeline = self._region(request).pipeline(str(request.params["name"]))
        if request.params.get("version") not in (None, pipeline.declaration["version"]):
            raise ServiceError("PipelineVersionNotFoundException", "The local cloud keeps the latest version only")
        metadata = {"pipelineArn": pipeline.arn, "created": pipeline.created, "updated": pipeline.updated}
        return {"pipeline": pipeline.declaration, "metadata": metadata}

    @handles
    def list_pipelines(self, request: AwsRequest) -> dict[str, Any]:
        """List pipelines."""
        shown = ("name", "version", "pipelineType", "executionMode")
        return {
            "pipelines": [
                {**{key: each.declaration[key] for key in shown}, "created": each.created, "updated": each.updated}
                for each in list(self._region(request).pipelines.values())
            ]
        }

    @handles
    def delete_pipeline(self, request: AwsRequest) -> dict[str, Any]:
        """Delete a pipeline; what runs of it is stopped. One that isn't there is no error."""
        with self._regions.lock:
            pipeline = self._region(request).pipelines.pop(str(request.params["name"]), None)
            for execution in pipeline.executions.values() if pipeline else ():
                if execution.status in RUNNING:
                    execution.status, execution.abandon = "Stopping", True
        return {}

    # -- transitions

    @handles
    def disable_stage_transition(self, request: AwsRequest) -> dict[str, Any]:
        """Let no execution enter a stage."""
        return self._turn(request, enabled=False)

    @handles
    def enable_stage_transition(self, request: AwsRequest) -> dict[str, Any]:
        """Let executions enter a stage again."""
        return self._turn(request, enabled=True)

    def _turn(self, request: AwsRequest, *, enabled: bool) -> dict[str, Any]:
        pipeline = self._region(request).pipeline(str(request.params["pipelineName"]))
        stage = str(request.params["stageName"])
        if stage not in pipeline.stage_names():
            raise ServiceError("StageNotFoundException", f"Pipeline '{pipeline.name}' has no stage '{stage}'")
        reason = str(request.params.get("reason") or "")
        now = self._cloud.clock.utcnow()
        pipeline.transitions[stage] = Transition(enabled, reason, self._caller(request), now)
        return {}

    # -- tags

    @handles
    def list_tags_for_resource(self, request: AwsRequest) -> dict[str, Any]:
        """List a pipeline's tags."""
        return {"tags": _tags(self._region(request).tagged(request.params["resourceArn"]))}

    @handles
    def tag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Tag a pipeline."""
        pipeline = self._region(request).tagged(request.params["resourceArn"])
        pipeline.tags.update({tag["key"]: tag["value"] for tag in request.params["tags"]})
        return {}

    @handles
    def untag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Untag a pipeline."""
        pipeline = self._region(request).tagged(request.params["resourceArn"])
        for key in request.params["tagKeys"]:
            pipeline.tags.pop(key, None)
        return {}


def _tags(pipeline: Pipeline) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pipeline.tags.items()]
