"""The errors a user can meet, each with its exit code and a hint.

The library raises these; only the task's edge (`stepladder.collections.task`) turns them into an exit. The
idea that an exception carries its own exit code is click's.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a stepladder command's exit status means; CI may branch on these."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2  # settings, arguments, template answers
    DRIFT = 2
    ROLLED_BACK = 3  # the release failed and the rung is verified to be where it began
    REFUSED = 4  # nothing has moved: a check said no
    ROLLBACK_FAILED = 5  # a person must act now
    NOT_READY = 6  # a tool or the local cloud is missing
    LOCKED = 7  # somebody else is at work on the same environment
    INTERRUPTED = 130


class StepladderError(Exception):
    """Any failure that stepladder explains.

    `message` is one sentence without a full stop that says what is wrong. `hint` says what to do about it. `kind` names
    its entry in docs/errors.yaml; a class has one for all its errors that name none. `record` holds what `--json` adds.
    `problems` are further lines, one for each thing that is wrong.
    """

    exit_code: ExitCode = ExitCode.FAILED
    kind: str = "failed"

    def __init__(self, message: str, *, kind: str = "", hint: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or type(self).kind
        self.hint = hint
        self.problems = problems
        self.record: dict[str, object] = {}


class BadInputError(StepladderError):
    """Settings or arguments are wrong; `problems` lists every one of them."""

    exit_code = ExitCode.BAD_INPUT
    kind = "bad-input"


class RefusedError(StepladderError):
    """A check said no before anything had moved."""

    exit_code = ExitCode.REFUSED
    kind = "refused"


class DriftError(StepladderError):
    """A check has found that something isn't as it was left; the check itself went well."""

    exit_code = ExitCode.DRIFT
    kind = "drift"


class NotReadyError(StepladderError):
    """A tool is missing, or the local cloud doesn't answer."""

    exit_code = ExitCode.NOT_READY
    kind = "not-ready"


class RepositoryMissingError(NotReadyError):
    """The project's image repository isn't there: nobody made it yet, or somebody deleted it."""

    kind = "no-repository"


class LockedError(StepladderError):
    """Somebody else holds the environment's lock or Terraform's state lock."""

    exit_code = ExitCode.LOCKED
    kind = "locked"


class RolledBackError(StepladderError):
    """The release failed; the alias was verified to serve what it served before."""

    exit_code = ExitCode.ROLLED_BACK
    kind = "rolled-back"


class RollbackFailedError(StepladderError):
    """The release failed and so did putting things back."""

    exit_code = ExitCode.ROLLBACK_FAILED
    kind = "rollback-failed"


class InterruptedRunError(StepladderError):
    """A person or the CI runner asked us to stop."""

    exit_code = ExitCode.INTERRUPTED
    kind = "interrupted"
