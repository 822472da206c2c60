"""A release command: what it is sent, what its answer means, and that it is never sent twice in silence.

Standard library, the names and the ledger's schema only: the pipeline's verify function carries this file. The version
is invoked with the project's own event and

    {"stepladder": {"command": "migrate", "release": "20261126T...", "environment": "staging"}}

and has to answer an object with `"ok": true`. The run is in the ledger before the event is sent, by target, image and
command. One that is there with its answer lost is nobody's to repeat but a person's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol

from stepladder.core.names import split_target
from stepladder.ledger import schema
from stepladder.ledger.schema import SentCommand

MARKER = "stepladder"
"""The key of the event that names the command; no event of AWS's own services has it."""
_TIMED_OUT, _TIMED_OUT_TEXT = "Sandbox.Timedout", "Task timed out after"
_OVER = "the function's own timeout ended it (`function.timeout_seconds`)"
_KEPT = 500  # characters of an answer
_SHOWN = 200


@dataclass(frozen=True)
class ReleaseCommand:
    """A command by name, with the project's own part of its event, and the seconds that its answer is waited for."""

    name: str
    event: Mapping[str, Any] = field(default_factory=dict)
    wait_seconds: int = 300

    @property
    def key(self) -> str:
        """Name the command by its content: another event is another command."""
        content = json.dumps([self.name, self.event], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Occasion:
    """A version of an image that is about to get traffic on a target. `live` says that the image serves there already.

    Times are the ledger's; `now` returns them.
    """

    target: str
    digest: str
    version: str
    release_id: str
    requested_by: str
    now: Callable[[], str]
    execution_arn: str = ""
    live: bool = False


class NotSentError(Exception):
    """The event certainly started nothing: it never left, or AWS refused the request as such."""


class CommandFailedError(Exception):
    """The command failed, and its answer says so; nothing has moved."""


class CommandUnknownError(Exception):
    """Whether the command was done is unknown; a person has to find out."""


class CommandJournal(Protocol):
    """The command's item in the ledger."""

    def read(self) -> SentCommand | None:
        """Return the last run, or None."""
        ...

    def write(self, run: SentCommand, was: SentCommand | None) -> bool:
        """Write a run if `was` is still the last one; say whether it was."""
        ...


def carry_out(
    command: ReleaseCommand,
    occasion: Occasion,
    journal: CommandJournal,
    invoke: Callable[[Mapping[str, Any]], tuple[Any, str | None]],
) -> tuple[SentCommand | None, bool]:
    """Run a command unless it was done for this image; return its run (None for none), and whether it ran now.

    `invoke` sends an event once and returns the answer with the function's error. It raises `NotSentError` where
    nothing can have begun; whatever else it raises leaves the outcome unknown. Raises `CommandFailedError` and
    `CommandUnknownError`.
    """
    was = journal.read()
    if was is None and occasion.live:
        return None, False
    if was and was.outcome in (schema.SUCCEEDED, schema.DONE):
        return was, False
    if was and was.outcome == schema.BEGUN:
        raise CommandUnknownError(unknown(occasion.target, was))
    if was and was.outcome == schema.FAILED and was.release_id == occasion.release_id:
        raise CommandFailedError(_failed(occasion.target, was))
    begun = SentCommand(
        release_id=occasion.release_id,
        command=command.name,
        digest=occasion.digest,
        version=occasion.version,
        outcome=schema.BEGUN,
        requested_by=occasion.requested_by,
        began_at=occasion.now(),
        run_id=uuid.uuid4().hex,
        execution_arn=occasion.execution_arn,
    )
    if not journal.write(begun, was) and journal.read() != begun:  # the first answer of a write may be lost
        raise CommandUnknownError(
            f"another run sends release command {command.name} to {occasion.target} at this moment"
        )
    return _send(command, occasion, journal, begun, invoke), True


def event_of(command: ReleaseCommand, occasion: Occasion) -> dict[str, Any]:
    """Return the event; one of several functions is named by `function`."""
    environment, function = split_target(occasion.target)
    marker = {"command": command.name, "release": occasion.release_id, "environment": environment}
    return {**command.event, MARKER: marker | ({"function": function} if function else {})}


def _send(
    command: ReleaseCommand,
    occasion: Occasion,
    journal: CommandJournal,
    begun: SentCommand,
    invoke: Callable[[Mapping[str, Any]], tuple[Any, str | None]],
) -> SentCommand:
    try:
        result, error = invoke(event_of(command, occasion))
    except NotSentError as not_sent:
        _fail(journal, occasion, begun, f"it was not sent: {not_sent}")
    except Exception as lost:
        lost_run = replace(begun, answer=_cut(_reason(lost, command), _KEPT))
        _note(journal, lost_run, begun)
        raise CommandUnknownError(unknown(occasion.target, lost_run)) from lost
    why = failure(result, error)
    if why:
        _fail(journal, occasion, begun, why)
    done = replace(begun, outcome=schema.SUCCEEDED, ended_at=occasion.now(), answer=_cut(_json(result), _KEPT))
    if not journal.write(done, begun) and journal.read() != done:
        raise CommandUnknownError(
            f"release command {command.name} of {occasion.target} succeeded, and its item in the ledger has changed "
            "meanwhile"
        )
    return done


def _reason(lost: Exception, command: ReleaseCommand) -> str:
    """Say why an answer was lost."""
    if type(lost).__name__ == "ReadTimeoutError":  # botocore's; this file imports nothing of it
        return f"no answer within {command.wait_seconds} s"
    return f"the answer was lost: {type(lost).__name__}: {lost}"


def _fail(journal: CommandJournal, occasion: Occasion, begun: SentCommand, why: str) -> NoReturn:
    run = replace(begun, outcome=schema.FAILED, ended_at=occasion.now(), answer=_cut(why, _KEPT))
    _note(journal, run, begun)
    raise CommandFailedError(_failed(occasion.target, run))


def _note(journal: CommandJournal, run: SentCommand, was: SentCommand) -> None:
    with contextlib.suppress(Exception):  # what failed first is what matters; the item goes on saying that it began
        journal.write(run, was)


def failure(result: Any, error: str | None) -> str:
    """Say why an answer is not that of a command that succeeded; empty when it is."""
    if error:
        message = str(result.get("errorMessage") or "") if isinstance(result, Mapping) else ""
        over = f"; {_OVER}" if error == _TIMED_OUT or _TIMED_OUT_TEXT in message else ""
        return f"{error}: {_cut(message, _SHOWN)}{over}" if message else f"{error}{over}"
    if result is None:
        return 'it answered nothing (null), and has to answer {"ok": true}'
    if isinstance(result, Mapping) and result.get("ok") is True:
        return ""
    if isinstance(result, Mapping) and result.get("ok") is False:
        return f"it answered {_cut(_json(result), _SHOWN)}"
    return f'it answered {_cut(_json(result), _SHOWN)}, which is not {{"ok": true}}: does the handler know the command?'


def unknown(target: str, run: SentCommand) -> str:
    """Return the sentence about a run whose answer was lost."""
    lost = f" ({run.answer})" if run.answer else ""
    return (
        f"release command {run.command} of {target} began at {run.began_at} on version {run.version}, "
        f"and whether it was done is unknown{lost}"
    )


def ways_on(target: str) -> str:
    """Return the hint after a lost answer: the two ways on, as commands."""
    environment, function = split_target(target)
    flags = f"--env {environment} --function {function}" if function else f"--env {environment}"
    return (
        f"find out what it did: `inv logs {flags}`; if it was done: `inv ledger.command {flags} --mark done`; "
        f"if it may run again: `inv ledger.command {flags} --mark again`"
    )


def _failed(target: str, run: SentCommand) -> str:
    return f"release command {run.command} of {target} failed on version {run.version}: {run.answer}"


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
