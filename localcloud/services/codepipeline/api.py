"""CodePipeline: executions of Moto's succeed and run nothing."""

from __future__ import annotations

from localcloud.cloud import Cloud
from localcloud.services.codepipeline.pipelines import Pipelines


class CodePipeline(Pipelines):
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        cloud.register("codepipeline", self)


def install(cloud: Cloud) -> None:
    """Register the actions."""
    CodePipeline(cloud)
