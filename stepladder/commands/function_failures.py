"""How a deploy of several functions ends when one of them fails."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, wait

from stepladder.commands.function_deploy import FunctionDeploy
from stepladder.core.errors import ExitCode, RolledBackError, StepladderError
from stepladder.core.several import combined


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
