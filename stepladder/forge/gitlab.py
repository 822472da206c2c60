"""GitLab CI. Variables: https://docs.gitlab.com/ci/variables/predefined_variables/."""

from __future__ import annotations

import os

from stepladder.forge.interface import Forge


class GitLab(Forge):
    """A job of GitLab CI."""

    name = "GitLab"

    def detect(self) -> bool:
        """Whether GITLAB_CI says so."""
        return os.environ.get("GITLAB_CI") == "true"

    def identity(self) -> str:
        """Return the account that started the pipeline, or the manual job."""
        return os.environ.get("GITLAB_USER_LOGIN", "")


FORGE = GitLab()
