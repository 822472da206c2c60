"""CodeBuild, all of it: Moto's builds succeed and run nothing."""

from __future__ import annotations

import copy
from typing import Any
from uuid import uuid4

from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.services.codebuild.credentials import BuildCredentials
from localcloud.services.codebuild.engine import BuildEngine
from localcloud.services.codebuild.model import Build, BuildRegion, Project
from localcloud.services.codebuild.projects import BuildProjects

PIPELINES = "codepipeline.amazonaws.com"
OVERRIDES = {
    "artifactsOverride": ("artifacts",),
    "buildspecOverride": ("source", "buildspec"),
    "computeTypeOverride": ("environment", "computeType"),
    "encryptionKeyOverride": ("encryptionKey",),
    "environmentTypeOverride": ("environment", "type"),
    "imageOverride": ("environment", "image"),
    "logsConfigOverride": ("logsConfig",),
    "privilegedModeOverride": ("environment", "privilegedMode"),
    "secondaryArtifactsOverride": ("secondaryArtifacts",),
    "secondarySourcesOverride": ("secondarySources",),
    "serviceRoleOverride": ("serviceRole",),
    "sourceLocationOverride": ("source", "location"),
    "sourceTypeOverride": ("source", "type"),
    "timeoutInMinutesOverride": ("timeoutInMinutes",),
}
"""What a start may change of a project, and where that stands in it."""


class CodeBuildApi(BuildProjects):
    """The handlers of builds."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._engine = BuildEngine(cloud, BuildCredentials(cloud))
        cloud.register("codebuild", self)
        cloud.on_ready(self._end_interrupted)

    def _end_interrupted(self) -> None:
        for region in self._regions:
            for build in list(region.builds.values()):
                if build.ended is None:
                    self._engine.fail_interrupted(build)

    @handles
    def start_build(self, request: AwsRequest) -> dict[str, Any]:
        """Start a build of a project. Only a pipeline may start one whose source is a pipeline's."""
        params, region = request.params, self._region(request)
        with self._regions.lock:
            project = region.project(str(params["projectName"]))
            settings = _overridden(project, params)
            from_pipeline = isinstance(request.caller, ServiceCaller) and request.caller.service == PIPELINES
            if settings["source"]["type"] == "CODEPIPELINE" and not from_pipeline:
                raise ServiceError("InvalidInputException", "Project source type must not be CODEPIPELINE")
            self._check_limit(project, region)
            project.builds += 1
            build = self._made(project, region, settings, self._initiator(request))
            build.source_version = str(params.get("sourceVersion") or project.given.get("sourceVersion") or "")
            region.builds[build.id] = build
        self._engine.start(build)
        return {"build": build.describe()}

    def _made(self, project: Project, region: BuildRegion, settings: dict[str, Any], initiator: str) -> Build:
        unique = str(uuid4())
        logs = (settings.get("logsConfig") or {}).get("cloudWatchLogs") or {"status": "ENABLED"}
        logged, prefix = logs["status"] == "ENABLED", str(logs.get("streamName") or "")
        build_id = f"{project.name}:{unique}"
        return Build(
            id=build_id,
            arn=region.arn("build", build_id),
            project=project.name,
            number=project.builds,
            settings=settings,
            started=self._cloud.clock.utcnow(),
            initiator=initiator,
            group=str(logs.get("groupName") or f"/aws/codebuild/{project.name}") if logged else "",
            stream=(f"{prefix}/{unique}" if prefix else unique) if logged else "",
        )

    @staticmethod
    def _check_limit(project: Project, region: BuildRegion) -> None:
        limit = project.given.get("concurrentBuildLimit")
        running = sum(each.project == project.name and each.ended is None for each in region.builds.values())
        if limit and running >= int(limit):
            message = f"Cannot have more than {limit} builds in queue for the project {project.name}"
            raise ServiceError("AccountLimitExceededException", message)

    def _initiator(self, request: AwsRequest) -> str:
        caller = request.caller
        if isinstance(caller, ServiceCaller) and caller.service == PIPELINES:
            return f"codepipeline/{caller.source_arn.rpartition(':')[2]}"
        arn = self._cloud.access.named(caller).arn if caller else ""
        return arn.rpartition(":")[2].removeprefix("assumed-role/").removeprefix("user/")

    @handles
    def batch_get_builds(self, request: AwsRequest) -> dict[str, Any]:
        """Return builds by their ids or ARNs."""
        region, ids = self._region(request), [str(each) for each in request.params["ids"]]
        known = {build_id: region.builds.get(build_id.rpartition("/")[2]) for build_id in ids}
        return {
            "builds": [build.describe() for build in known.values() if build],
            "buildsNotFound": [build_id for build_id, build in known.items() if build is None],
        }

    @handles
    def list_builds(self, request: AwsRequest) -> dict[str, Any]:
        """List the ids of builds, newest first unless asked otherwise."""
        return {"ids": self._ids(request, None)}

    @handles
    def list_builds_for_project(self, request: AwsRequest) -> dict[str, Any]:
        """List the ids of a project's builds."""
        project = self._region(request).project(str(request.params["projectName"]))
        return {"ids": self._ids(request, project.name)}

    def _ids(self, request: AwsRequest, project: str | None) -> list[str]:
        builds = list(self._region(request).builds.values())
        ids = [build.id for build in builds if project in (None, build.project)]
        return ids if request.params.get("sortOrder") == "ASCENDING" else ids[::-1]

    @handles
    def stop_build(self, request: AwsRequest) -> dict[str, Any]:
        """Stop a build: its processes are killed. One that has ended stays as it is."""
        build = self._region(request).build(str(request.params["id"]))
        build.stop_requested = build.ended is None
        return {"build": build.describe()}


def _overridden(project: Project, params: dict[str, Any]) -> dict[str, Any]:
    settings = copy.deepcopy(project.describe())
    for name, path in OVERRIDES.items():
        if params.get(name) is not None:
            *outer, last = path
            (settings[outer[0]] if outer else settings)[last] = params[name]
    variables = {str(each["name"]): each for each in settings["environment"]["environmentVariables"]}
    variables |= {str(each["name"]): each for each in params.get("environmentVariablesOverride") or ()}
    settings["environment"]["environmentVariables"] = list(variables.values())
    return settings


def install(cloud: Cloud) -> None:
    """Register the actions."""
    CodeBuildApi(cloud)
