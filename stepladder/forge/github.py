"""GitHub Actions. Variables: https://docs.github.com/en/actions/reference/workflows-and-actions/variables."""

from __future__ import annotations

import os

from stepladder.forge.interface import Forge


class GitHub(Forge):
    """A job of GitHub Actions."""

    name = "GitHub"

    def detect(self) -> bool:
        """Whether GITHUB_ACTIONS says so."""
        return os.environ.get("GITHUB_ACTIONS") == "true"

    def identity(self) -> str:
        """Return the account that started the workflow."""
        return os.environ.get("GITHUB_ACTOR", "")


FORGE = GitHub()
