"""One error of several things that failed side by side."""

from __future__ import annotations

from collections.abc import Sequence

from stepladder.core.aws import known_error
from stepladder.core.errors import (
    BadInputError,
    ExitCode,
    LockedError,
    NotReadyError,
    RefusedError,
    RollbackFailedError,
    RolledBackError,
    StepladderError,
)

_CLASSES = (RollbackFailedError, RolledBackError, BadInputError, LockedError, NotReadyError, RefusedError)


def combined(failed: Sequence[tuple[str, Exception]], outcomes: Sequence[str] = ()) -> Exception:
    """Return one error of labels and what each failed with: the gravest first, a line for each other.

    `outcomes` are further lines. An error that stepladder doesn't explain is returned as it is, with its traceback.
    """
    known: list[tuple[str, StepladderError]] = []
    for label, error in failed:
        explained = known_error(error)
        if explained is None:
            return error
        known.append((label, explained))
    known.sort(key=lambda each: each[1].exit_code != ExitCode.ROLLBACK_FAILED)
    label, first = known[0]
    kind = next((one for one in _CLASSES if isinstance(first, one)), StepladderError)
    others = (f"{name}: {error.message}" for name, error in known[1:])
    return kind(
        f"{label}: {first.message}", kind=first.kind, hint=first.hint, problems=(*first.problems, *others, *outcomes)
    )
