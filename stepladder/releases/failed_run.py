"""What the ledger keeps of a failure besides its cause: its kind, the step that failed, and the tool's own words.

A command that fails before it has a version to release, in Terraform or in the build, gets an entry of its own: so its
cause is still known when its output has scrolled away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stepladder.core.aws import error_code, known_error
from stepladder.core.clock import stamp
from stepladder.core.errors import ExitCode, InterruptedRunError
from stepladder.core.process_identity import release_id as new_release_id
from stepladder.ledger import schema
from stepladder.ledger.schema import ReleaseEntry
from stepladder.ledger.words import NO_COMMIT
from stepladder.releases.rung import RECORDED, Rung
from stepladder.settings.redacted import redacted
from stepladder.terraform.events import Diagnostic

_CAUSE = 500  # characters that are kept of a cause
_DETAIL = 3000  # of what a tool said beside it
_LINE = 600
_STEP = "step"


@dataclass(frozen=True)
class FailureFacts:
    """What the ledger keeps of an error: `kind` names its entry in docs/errors.yaml, `detail` has a line for each."""

    cause: str
    kind: str = ""
    step: str = ""
    detail: str = ""


def facts(error: BaseException) -> FailureFacts:
    """Return what is to be kept of an error, without secrets."""
    step = str(vars(error).get(_STEP, ""))
    if isinstance(error, (KeyboardInterrupt, InterruptedRunError)):
        return FailureFacts("interrupted", InterruptedRunError.kind, step)
    known = known_error(error) if isinstance(error, Exception) else None
    cause = getattr(error, "message", "") or error_code(error) or repr(error)
    if known is None:
        return FailureFacts(redacted(cause)[:_CAUSE], "", step)
    lines = [*_diagnostics(error), *known.problems]
    if known is not error:  # the SDK's own, of which the cause is a code only
        lines = [known.message, known.hint]
    detail = "\n".join(" ".join(redacted(line).split())[:_LINE] for line in lines if line)
    return FailureFacts(redacted(cause)[:_CAUSE], known.kind, step, detail[:_DETAIL])


def _diagnostics(error: BaseException) -> list[str]:
    """Return Terraform's own errors, each with where it was."""
    given: tuple[Diagnostic, ...] = getattr(error, "diagnostics", ())
    return [": ".join(filter(None, (each.address or each.location, each.summary, each.detail))) for each in given]


def with_facts(entry: ReleaseEntry, error: BaseException) -> ReleaseEntry:
    """Return an entry with what is kept of an error, which needs no other then."""
    needs_no_entry(error)
    known = facts(error)
    return replace(entry, cause=known.cause, error_kind=known.kind, failed_step=known.step, detail=known.detail)


def needs_no_entry(error: BaseException) -> None:
    """Note of an error that the ledger, or the lock, says what it is about: `recorded` writes nothing then."""
    vars(error)[RECORDED] = True


@contextlib.contextmanager
def recorded(rung: Rung, kind: str, *, after: str = "", commit: str = "") -> Iterator[None]:
    """Write an entry for what fails in the block and has none, and let the error go on.

    A refusal, bad input and a tool that is missing get none: nothing had begun. A ledger that can't be written hides
    nothing. `after` is the id of the release that is live, behind which the new id sorts.
    """
    began = rung.clock.now()
    try:
        yield
    except BaseException as error:
        if _counts(error):
            with contextlib.suppress(Exception):
                rung.ledger.write(with_facts(_entry(rung, kind, began, after, commit), error))
        raise


def _counts(error: BaseException) -> bool:
    if vars(error).get(RECORDED):
        return False
    known = known_error(error) if isinstance(error, Exception) else None
    if known:
        return known.exit_code in {ExitCode.FAILED, ExitCode.INTERRUPTED}
    return isinstance(error, KeyboardInterrupt)


def _entry(rung: Rung, kind: str, began: float, after: str, commit: str) -> ReleaseEntry:
    now = rung.clock.now()
    return ReleaseEntry(
        release_id=new_release_id(now, after),
        environment=rung.target,
        kind=kind,
        version="",
        previous_version="",
        digest="",
        git_commit=commit or NO_COMMIT,
        requested_by=rung.requested_by,
        result=schema.FAILED,
        started_at=stamp(began),
        ended_at=stamp(now),
    )
