"""Work on several functions at once, and how it ends when one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, wait

from stepladder.commands.function_deploy import FunctionDeploy
from stepladder.core.errors import ExitCode, RolledBackError, StepladderError
from stepladder.core.several import combined

Act = Callable[[FunctionDeploy], None]


def attempt(functions: Iterable[FunctionDeploy], act: Act, pool: Executor, *, stop: bool = True) -> None:
    """Act on several functions at once, and note in each how it failed.

    With `stop`, those that haven't begun when one fails don't begin. All that began have ended when this returns or
    raises. Raises one error for all that failed.
    """
    chosen, halted = list(functions), threading.Event()

    def run(function: FunctionDeploy) -> None:
        if halted.is_set():
            return
        try:
            act(function)
        except Exception as error:  # noqa: BLE001 - raised below, with the others
            function.error = error
            if stop:
                halted.set()

    futures = [pool.submit(run, function) for function in chosen]
    try:
        wait(futures)
    except BaseException:
        halted.set()
        wait(futures)
        raise
    for future in futures:
        future.result()  # what is no error of the function's ends the run as it is
    if failed := [function for function in chosen if function.error]:
        raise combined([(function.label, function.error) for function in failed if function.error])


def give_up(functions: Sequence[FunctionDeploy], error: BaseException, pool: Executor) -> None:
    """Write down of every version that was prepared and gets no callers why it doesn't."""
    why: BaseException = error
    if isinstance(error, StepladderError):
        why = StepladderError(f"not released, because another function of this deploy failed: {error.message}")
    ready = [function for function in functions if function.ready and not function.error and not function.moved]
    wait([pool.submit(function.give_up, why) for function in ready])


def put_back(functions: Sequence[FunctionDeploy], error: Exception, pool: Executor) -> Exception:
    """Return every alias that this run has moved to what it served; return the error that says how all ended."""
    failed = [function for function in functions if function.error]
    moved = [function for function in functions if function.moved]
    give_up(functions, error, pool)
    why = f"returned, because another function of this deploy failed: {getattr(error, 'message', error)}"

    def undo(function: FunctionDeploy) -> None:
        try:
            function.put_back(why)
        except Exception as problem:  # noqa: BLE001 - the others are returned all the same
            function.error = problem

    wait([pool.submit(undo, function) for function in moved])
    stuck = [function for function in moved if function.error]
    returned = [function for function in moved if function.returned]
    errors = [(function.label, function.error) for function in (*failed, *stuck) if function.error]
    ended = combined(errors, [function.returned_line for function in returned])
    if not returned or not isinstance(ended, StepladderError) or ended.exit_code == ExitCode.ROLLBACK_FAILED:
        return ended
    return RolledBackError(ended.message, kind=ended.kind, hint=ended.hint, problems=ended.problems)
