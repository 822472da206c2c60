"""One check, and what it is of: the project, each account and region, or each environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import Finding

Scope = Literal["project", "location", "environment"]

PROJECT: Scope = "project"
"""Once; calls no AWS."""
LOCATION: Scope = "location"
"""Once for each account and region."""
ENVIRONMENT: Scope = "environment"
"""Once for each environment."""

Act = Callable[[DoctorContext], Iterable[Finding]]


@dataclass(frozen=True)
class DoctorCheck:
    """One check. What it raises says why it couldn't run, or not to its end; what it yielded before is kept."""

    name: str
    scope: Scope
    act: Act
    needs_caller: bool = True
    """Whether it has nothing to read without credentials of the environment's account."""
