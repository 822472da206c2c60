"""AWS CodeBuild. Variables: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html."""

from __future__ import annotations

import os

from stepladder.forge.interface import Forge


class CodeBuild(Forge):
    """A build of AWS CodeBuild."""

    name = "AWS CodeBuild"

    def detect(self) -> bool:
        """Whether the build has an id."""
        return bool(os.environ.get("CODEBUILD_BUILD_ID"))

    def identity(self) -> str:
        """Return who started the build: a user, or a pipeline as `codepipeline/<name>`."""
        return os.environ.get("CODEBUILD_INITIATOR", "")

    def run(self) -> str:
        """Return the build's id."""
        return os.environ.get("CODEBUILD_BUILD_ID", "")

    def builder(self) -> str:
        """Return the project, as its builds' ARNs name it."""
        return os.environ.get("CODEBUILD_BUILD_ARN", "").rpartition(":")[0]


FORGE = CodeBuild()
