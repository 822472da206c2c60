"""Whether a CI job is at work: what only a person may decide is refused there."""

from __future__ import annotations

import os
from collections.abc import Callable

_NO = frozenset({"0", "false", "no"})
_OTHERS = ("JENKINS_URL", "TEAMCITY_VERSION", "TF_BUILD")
"""Variables of the jobs of Jenkins, TeamCity and Azure Pipelines, which set no `CI` and are no forge of ours."""

_detectors: list[Callable[[], bool]] = []


def detect_by(detector: Callable[[], bool]) -> None:
    """Have a function say whether a job is at work where `CI` doesn't: the forges know, and are above this module."""
    if detector not in _detectors:
        _detectors.append(detector)


def in_ci() -> bool:
    """Say whether `CI` is set to something true, as GitHub, GitLab and most others set it; `CI=false` is none.

    Where it isn't set, a variable of the provider's own decides. AWS CodeBuild and Jenkins set no `CI`.
    """
    value = os.environ.get("CI", "").strip().lower()
    if value:
        return value not in _NO
    return any(os.environ.get(name) for name in _OTHERS) or any(detector() for detector in _detectors)
