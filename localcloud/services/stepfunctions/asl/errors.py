"""How a state fails."""

from __future__ import annotations


class StateError(Exception):
    """A state failed with an error name and a cause. Retry and Catch match the name."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause

    @property
    def details(self) -> dict[str, str | None]:
        """The fields of events and descriptions. Empty ones are None."""
        return {"error": self.error or None, "cause": self.cause or None}

    @property
    def catchable_by_all(self) -> bool:
        """Say whether States.ALL catches it: all but States.Runtime.

        AWS documents that it doesn't catch States.DataLimitExceeded either, and was recorded to.
        """
        return self.error != "States.Runtime"


class Aborted(Exception):  # noqa: N818 - an order
    """The execution was stopped, or a sibling branch failed."""


def runtime_error(cause: str) -> StateError:
    """Return States.Runtime: the definition and the data don't fit."""
    return StateError("States.Runtime", cause)
