"""Work on several things at once, and one error of those that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, wait
from typing import Protocol, TypeVar

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


class Attempted(Protocol):
    """One of several things that are worked on at once. `error` is how it failed."""

    error: Exception | None

    @property
    def label(self) -> str:
        """The thing as people read it."""
        ...


P = TypeVar("P", bound=Attempted)


def tried(parts: Iterable[P], act: Callable[[P], None], pool: Executor, *, stop: bool = False) -> list[P]:
    """Act on several things at once, note in each how it failed, and return those that did.

    With `stop`, those that haven't begun when one fails don't begin. All that began have ended when this returns or
    raises.
    """
    chosen, halted = list(parts), threading.Event()

    def run(part: P) -> None:
        if halted.is_set():
            return
        try:
            act(part)
        except Exception as error:  # noqa: BLE001 - the caller raises it, with the others
            part.error = error
            if stop:
                halted.set()

    futures = [pool.submit(run, part) for part in chosen]
    try:
        wait(futures)
    except BaseException:
        halted.set()
        wait(futures)
        raise
    for future in futures:
        future.result()  # what is no error of the thing's ends the run as it is
    return [part for part in chosen if part.error]


def attempt(parts: Iterable[P], act: Callable[[P], None], pool: Executor, *, stop: bool = False) -> None:
    """Act as `tried` does, and raise one error for all that failed."""
    if failed := tried(parts, act, pool, stop=stop):
        raise combined([(part.label, part.error) for part in failed if part.error])
