"""Whether a CI job is at work: what only a person may decide is refused there."""

from __future__ import annotations

import os


def in_ci() -> bool:
    """Say whether `CI` is set to something true, as GitHub, GitLab and most others set it; `CI=false` is none."""
    return os.environ.get("CI", "").strip().lower() not in {"", "0", "false", "no"}
