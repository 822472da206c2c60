"""The edge between Invoke and the library: errors become exit codes here and nowhere else."""

from __future__ import annotations

import errno
import functools
import signal
from collections.abc import Callable
from typing import Any

import invoke
from invoke.parser.parser import ParseMachine

from stepladder.collections import usage
from stepladder.core import aws, run_scope
from stepladder.core.errors import ExitCode, InterruptedRunError, NotReadyError, StepladderError

_DISK = {
    errno.EACCES: "allow this user to write there",
    errno.EDQUOT: "make room on the disk",
    errno.ENOSPC: "make room on the disk",
    errno.EROFS: "make the file system writable",
}
"""What a person may do about a disk that isn't ours to repair."""


ONE_FUNCTION = "Name of the function, `main` for the own one; default: the own one."
"""The help of `--function` where a command is about one function."""


class _Optional(invoke.Argument):
    """A positional argument that may be left out: no value while words are read, its default once they are."""

    all_read = False

    @property
    def value(self) -> Any:
        """What was typed."""
        return super().value if self.all_read or self.got_value else None

    @value.setter
    def value(self, typed: str) -> None:
        self.set_value(typed)


def _reading(method: Callable[..., None]) -> Callable[..., None]:
    """Wrap a method of Invoke's parser, which wants every positional argument, so that `_Optional` takes no flag."""

    @functools.wraps(method)
    def read(machine: Any, *token: str) -> None:
        if not token or token[0].startswith("-"):
            for argument in machine.context.positional_args if machine.context else ():
                if isinstance(argument, _Optional):
                    argument.all_read = True
        method(machine, *token)

    return read


for _name in ("handle", "complete_context"):  # a subclass would have no states: the machine's metaclass drops them
    setattr(ParseMachine, _name, _reading(getattr(ParseMachine, _name)))


class _Task(invoke.Task[Any]):
    """A task that keeps its help texts: Invoke takes them off when it makes the flags, and has none the next time.

    A positional argument with a default may be left out. `-e` is `--env` of every task that has it; before a task's
    name it is Invoke's own `--echo`.
    """

    help: dict[str, str]

    def __deepcopy__(self, _memo: dict[int, Any]) -> _Task:
        """Return the task: Invoke copies each of a project's to give it a name, and changes none."""
        return self

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        options: dict[str, Any] = super().arg_opts(name, default, taken_names)
        if name == "env" and "e" not in options["names"]:
            options["names"].append("e")
        return options

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[invoke.Argument]:
        kept = dict(self.help)
        try:
            arguments = list(super().get_arguments(ignore_unknown_help))
        finally:
            self.help = kept
        for argument in arguments:
            if argument.positional and argument.default is not None:
                argument.__class__ = _Optional
            if argument.kind is list:
                argument.raw_value = None  # Invoke takes its own empty list for a value that was typed
        return arguments


def task(*args: Any, reads_only: bool = False, prints: str = "", **kwargs: Any) -> Any:
    """Declare an Invoke task whose errors are explained and whose exit codes can be trusted.

    A flag `--json` of the task (parameter `json_`, or `json`) also makes its errors JSON; `prints` then names the type
    of what is printed: `module:Type`, as `stepladder.commands.outputs` reads it. Only what `positional` names
    is taken by position; a parameter without a default must be given by its flag. Invoke's own `--dry` is refused
    unless the task `reads_only`.
    """

    def declare(body: Callable[..., Any]) -> Any:
        command = usage.command_of(body, is_default=bool(kwargs.get("default")))
        guarded = _guarded(body, command, reads_only=reads_only)
        made = invoke.task(guarded, klass=_Task, **{"positional": [], **kwargs})
        made.reads_only, made.prints = reads_only, prints
        return made

    return declare(args[0]) if args and callable(args[0]) else declare


def _guarded(body: Callable[..., Any], command: str, *, reads_only: bool) -> Callable[..., Any]:
    @functools.wraps(body)
    def guarded(context: Any, *args: Any, **kwargs: Any) -> Any:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, _interrupt)
        try:
            if not reads_only:
                usage.refuse_dry(body, command, context, kwargs.get("env"))
            usage.check(body, command, context, args, kwargs)
            usage.name_preview(context, kwargs)
            with run_scope.opened():
                return body(context, *args, **kwargs)
        except StepladderError as error:
            if error.message:  # a person has ended what ends in no other way
                _explain(error, kwargs, usage.typed(body, command, args, kwargs))
            raise invoke.Exit(code=int(error.exit_code)) from error
        except KeyboardInterrupt:
            interrupted = InterruptedRunError("interrupted", hint="run the same command again to go on")
            _explain(interrupted, kwargs, usage.typed(body, command, args, kwargs))
            raise invoke.Exit(code=int(ExitCode.INTERRUPTED)) from None
        except Exception as error:
            explained = aws.explain(error) or _of_disk(error)
            if explained is None:
                raise
            _explain(explained, kwargs, usage.typed(body, command, args, kwargs))
            raise invoke.Exit(code=int(explained.exit_code)) from error

    return guarded


def _of_disk(error: Exception) -> StepladderError | None:
    """Return what a disk that is full or can't be written means to a person; None for any other exception."""
    if not isinstance(error, OSError) or error.errno not in _DISK:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return NotReadyError(
        f"{where}{error.strerror}", kind="disk", hint=f"{_DISK[error.errno]}, then run the same command again"
    )


def _explain(error: StepladderError, kwargs: dict[str, Any], typed: str) -> None:
    from stepladder.commands import job_page
    from stepladder.core.console import Console

    error.hint = usage.with_command(error.hint, typed)
    console = Console(as_json=bool(kwargs.get("json") or kwargs.get("json_")))
    console.error(error, explained_by=usage.explained_by(error))
    job_page.failed(console, typed, error)


def _interrupt(_signum: int, _frame: object) -> None:
    """Treat SIGTERM, which CI runners send, and SIGHUP, which a closed terminal sends, like Ctrl-C."""
    raise KeyboardInterrupt
