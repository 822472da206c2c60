"""The handlers of projects."""

from __future__ import annotations

import re
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.scoped_store import ScopedStore
from localcloud.services.codebuild.model import FIELDS, BuildRegion, Project

PRINCIPAL = "codebuild.amazonaws.com"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,254}")


class BuildProjects:
    """The handlers of everything but builds."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions = ScopedStore(cloud, "codebuild", BuildRegion)

    def _region(self, request: AwsRequest) -> BuildRegion:
        return self._regions.of(request.account, request.region)

    @handles
    def create_project(self, request: AwsRequest) -> dict[str, Any]:
        """Make a project."""
        params, region, name = request.params, self._region(request), str(request.params["name"])
        if not _NAME.fullmatch(name):
            raise _invalid(f"Project name is invalid: {name}")
        arn = region.arn("project", name)
        given = {field: params[field] for field in FIELDS if params.get(field) is not None}
        self._check(given, arn, request.account)
        now = self._cloud.clock.utcnow()
        with self._regions.lock:
            if name in region.projects:
                raise ServiceError("ResourceAlreadyExistsException", f"Project already exists: {arn}")
            project = Project(arn, name, now, given, now, badge=bool(params.get("badgeEnabled")))
            region.projects[name] = project
        return {"project": project.describe()}

    @handles
    def update_project(self, request: AwsRequest) -> dict[str, Any]:
        """Change a project. Builds that run keep what they began with."""
        params = request.params
        with self._regions.lock:
            project = self._region(request).project(str(params["name"]))
            given = project.given | {field: params[field] for field in FIELDS if params.get(field) is not None}
            self._check(given, project.arn, request.account)
            project.given, project.modified = given, self._cloud.clock.utcnow()
            project.badge = bool(params.get("badgeEnabled", project.badge))
        return {"project": project.describe()}

    @handles
    def update_project_visibility(self, request: AwsRequest) -> dict[str, Any]:
        """Keep a project's visibility; nothing here is public."""
        project = self._region(request).project(str(request.params["projectArn"]))
        project.visibility = str(request.params["projectVisibility"])
        return {"projectArn": project.arn, "projectVisibility": project.visibility}

    @handles
    def batch_get_projects(self, request: AwsRequest) -> dict[str, Any]:
        """Return projects by their names or ARNs."""
        region, named = self._region(request), [str(name) for name in request.params["names"]]
        known = {name: region.projects.get(name.rpartition("/")[2]) for name in named}
        return {
            "projects": [project.describe() for project in known.values() if project],
            "projectsNotFound": [name for name, project in known.items() if project is None],
        }

    @handles
    def list_projects(self, request: AwsRequest) -> dict[str, Any]:
        """List the names of projects."""
        return {"projects": sorted(self._region(request).projects)}

    @handles
    def delete_project(self, request: AwsRequest) -> dict[str, Any]:
        """Delete a project with its builds. One that isn't there is no error."""
        region, name = self._region(request), str(request.params["name"]).rpartition("/")[2]
        with self._regions.lock:
            if region.projects.pop(name, None):
                for build_id in [each.id for each in region.builds.values() if each.project == name and each.ended]:
                    del region.builds[build_id]
        return {}

    def _check(self, given: dict[str, Any], arn: str, account: str) -> None:
        role = str(given.get("serviceRole") or "")
        if (given["artifacts"]["type"] == "CODEPIPELINE") != (given["source"]["type"] == "CODEPIPELINE"):
            raise _invalid("When artifacts type is set to CODEPIPELINE, source type must also be CODEPIPELINE")
        if not role.startswith("arn:"):
            raise _invalid("Invalid service role: Service role account ID does not match caller's account")
        if self._cloud.access.trusts(ServiceCaller(PRINCIPAL, arn, account, role)):
            raise _invalid(f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}")


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidInputException", message)
