"""Read several rungs, or functions of them, at once: one that can't be read says why, and hides no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from stepladder.core import accounts
from stepladder.core.aws import known_error
from stepladder.core.errors import NotReadyError, StepladderError
from stepladder.releases.rung import Rung

T = TypeVar("T")
_AT_ONCE = 16


def read(
    rungs: Sequence[Rung], one: Callable[[Rung], T], unread: Callable[[str, str], T]
) -> tuple[list[T], StepladderError | None]:
    """Return what `one` reads of each rung, in order, and what stands in the way of all of them, if anything does.

    That is: nothing answers, or the credentials don't work or are another account's. `unread` makes the result of a
    rung that can't be read, from its target's key and the reason.
    """
    silent: list[StepladderError] = []

    def guarded(rung: Rung) -> T:
        try:
            return one(rung)
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            if isinstance(known, NotReadyError) or known.kind == accounts.WRONG:
                silent.append(known)
            return unread(rung.target, known.message)

    with ThreadPoolExecutor(min(max(1, len(rungs)), _AT_ONCE), thread_name_prefix="rungs") as pool:
        results = list(pool.map(guarded, rungs))
    return results, silent[0] if silent and len(silent) == len(rungs) else None
