"""All of CodeDeploy in one account and region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from localcloud.cloud import ServiceError
from localcloud.services.codedeploy.model import Deployment
from stepladder.core.names import partition_of


@dataclass
class CodeDeployRegion:
    """Applications, groups, configurations and deployments, each by its name or id."""

    account: str
    region: str
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of an application or a deploymentgroup."""
        return f"arn:{partition_of(self.region)}:codedeploy:{self.region}:{self.account}:{kind}:{name}"

    def application(self, name: str | None) -> dict[str, Any]:
        """Return an application, or raise CodeDeploy's error."""
        if not name:
            raise ServiceError("ApplicationNameRequiredException", "Application name is required")
        if name not in self.applications:
            raise ServiceError("ApplicationDoesNotExistException", f"No application found for name: {name}")
        return self.applications[name]

    def group(self, application: str | None, name: str | None) -> dict[str, Any]:
        """Return a group, or raise CodeDeploy's error."""
        self.application(application)
        if not name:
            raise ServiceError("DeploymentGroupNameRequiredException", "Deployment group name is required")
        group = self.groups.get((str(application), name))
        if group is None:
            raise ServiceError("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
        return group

    def config(self, name: str) -> dict[str, Any]:
        """Return a configuration, or raise CodeDeploy's error."""
        if name not in self.configs:
            raise ServiceError("DeploymentConfigDoesNotExistException", f"No Deployment Configuration named {name}")
        return self.configs[name]

    def deployment(self, deployment_id: str | None) -> Deployment:
        """Return a deployment, or raise CodeDeploy's error."""
        if not deployment_id:
            raise ServiceError("DeploymentIdRequiredException", "Deployment id is required")
        if deployment_id not in self.deployments:
            raise ServiceError("DeploymentDoesNotExistException", f"The deployment {deployment_id} could not be found")
        return self.deployments[deployment_id]
