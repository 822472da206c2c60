"""CodeBuild: Moto's builds succeed and run nothing."""

from __future__ import annotations

from localcloud.cloud import Cloud
from localcloud.services.codebuild.projects import BuildProjects


class CodeBuildApi(BuildProjects):
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        cloud.register("codebuild", self)


def install(cloud: Cloud) -> None:
    """Register the actions."""
    CodeBuildApi(cloud)
