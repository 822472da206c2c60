"""Invoke's program, with its complaints about a command line explained: what there is, and what was probably meant.

Invoke has no hook for them. But `Program` is made to be subclassed, and the one behind `inv` and `invoke` is a module's
variable, which reads a project's tasks before it reads the rest of the command line: `explain_usage`, called by those
tasks, turns it into ours for what follows. Where there is no tasks.py nothing of ours is ever imported.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import invoke
from invoke.config import copy_dict, merge_dicts
from invoke.parser import Parser, ParserContext

from stepladder.collections.usage import explained_by, no_environment
from stepladder.core.errors import BadInputError
from stepladder.core.similar import did_you_mean, nearest

_UNKNOWN = r"(?s)No idea what (?P<token>.+) is!"
_NO_VALUE = r"Flag <Argument: (?P<name>[\w-]+).*> needed value"
_NOT_A_NUMBER = r"(?:invalid literal for int\(\)|could not convert string to float).*: (?P<value>['\"].*)"

_VALUES_BY_INPUT = ("inv secrets.set", "inv secrets.rotate")
"""Commands that read a secret's value from standard input: a word too many may be that value."""
_VALUE = ("", "--secret", "--secret-string", "--value")


class Program(invoke.Program):
    """Ends with our exit code 2 and a hint where Invoke ends with 1 and a few words."""

    def parse_tasks(self) -> None:
        """Read tasks and their flags."""
        with self._explained():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        """Do what comes before a task: `--help <task>`, `--list`. What goes on behind it runs tasks."""
        with self._explained():
            super().parse_cleanup()
        configure(self.collection)

    def _make_parser(self) -> Parser:
        """Return a parser that knows all tasks, and the flags of those that were typed.

        Invoke copies what its parser knows for each command; the flags of fifty tasks took a tenth of the shortest one.
        """
        if self.args.complete.value:
            return super()._make_parser()
        typed = {*self.core.unparsed, self.args.help.value}
        lenient = self.config.tasks.ignore_unknown_help
        contexts = []
        for name, aliases in self.collection.task_names.items():
            known = not typed.isdisjoint((name, *aliases))
            if known:
                flags = self.collection[name].get_arguments(ignore_unknown_help=lenient)
                contexts.append(ParserContext(name=name, aliases=aliases, args=flags))
            else:
                contexts.append(_Untyped(name=name, aliases=aliases))
        return Parser(initial=self.initial_context, contexts=contexts)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except invoke.ParseError as error:
            self._end(self._explain(str(error), error.context))
        except ValueError as error:  # Invoke's int() or float() of a flag's value
            match = re.fullmatch(_NOT_A_NUMBER, str(error))
            if not match:
                raise
            self._end(self._no_number(str(ast.literal_eval(match["value"]))))

    def _end(self, error: BadInputError) -> None:
        from stepladder.core.console import Console

        Console(as_json="--json" in self.argv).error(error, explained_by=explained_by(error))
        raise invoke.Exit(code=int(error.exit_code)) from None

    def _explain(self, message: str, context: Any) -> BadInputError:
        """Return our words for Invoke's; its own where we have none."""
        unknown, lacking = re.fullmatch(_UNKNOWN, message), re.match(_NO_VALUE, message)
        command = self._typed(context) if getattr(context, "name", None) else ""
        if unknown:
            token = str(ast.literal_eval(unknown["token"]))
            if not command:
                return _no_core_flag(token) if token.startswith("-") else self._no_task(token)
            return self._no_word(token, command, context)
        if lacking and lacking["name"] == "env":
            return no_environment(command, self._environments())
        if lacking:
            return BadInputError(
                f"--{lacking['name'].replace('_', '-')} of `{command}` needs a value",
                kind="bad-arguments",
                hint=f"`{command} --help` says what it is",
            )
        return BadInputError(
            message.strip(), kind="bad-arguments", hint="`inv --help` shows how tasks and flags are written"
        )

    def _no_word(self, token: str, command: str, context: Any) -> BadInputError:
        """Explain a word behind a task that it doesn't take."""
        flag = token.partition("=")[0] if token.startswith("-") else ""
        if command in _VALUES_BY_INPUT and flag in _VALUE:
            return _no_value_typed(command)
        if flag:
            return self._no_flag(flag, command, context.flag_names())
        more = "nothing more" if context.positional_args else "nothing"
        return self._no_argument(token, f"`{command}` takes {more} by position", command, context.flag_names())

    def _no_flag(self, token: str, command: str, flags: Iterable[str]) -> BadInputError:
        others = sorted(
            (self._typed(each) for each in self.collection.to_contexts() if token in each.flag_names()),
            key=lambda typed: (_noun(typed) != _noun(command), typed),
        )
        hint = f"`{others[0]}` has it" if others else did_you_mean(token, (f for f in flags if f.startswith("--")))
        return BadInputError(
            f"`{command}` has no flag {token}", kind="bad-arguments", hint=hint or f"`{command} --help` lists its flags"
        )

    def _no_argument(self, token: str, why: str, command: str, flags: Iterable[str]) -> BadInputError:
        """Explain a word behind a task that is neither a value of its flags nor the next task."""
        what = f"{why}, and there is no task {token!r}"
        environments, names = self._environments() if "--env" in flags else [], self._names()
        suggestion = nearest(token, [*environments, *names])
        if not environments or suggestion in names:
            return BadInputError(what, kind="bad-arguments", hint=self._meant(token))
        typed = f"`{command} --env {suggestion or environments[0]}`"
        return BadInputError(
            what, kind="bad-arguments", hint=f"an environment has a flag: {typed}; there are {', '.join(environments)}"
        )

    def _no_task(self, token: str) -> BadInputError:
        return BadInputError(f"there is no task {token!r}", kind="unknown-task", hint=self._meant(token))

    def _meant(self, token: str) -> str:
        names = self._names()
        task = names.get(nearest(token, names), "")
        return f"did you mean `inv {task}`?" if task else "`inv --list` lists the tasks"

    def _names(self) -> dict[str, str]:
        """Return what a person may type for each task: its name, or the last part of it."""
        whole = [alias for context in self.collection.to_contexts() for alias in (context.name, *context.aliases)]
        return {name.rpartition(".")[2]: name for name in whole} | {name: name for name in whole}

    def _no_number(self, value: str) -> BadInputError:
        typed = " ".join(self.core.unparsed)
        flag = re.search(rf"(--?[\w-]+)[ =]{re.escape(value)}(?: |$)", typed)
        return BadInputError(f"{flag[1] if flag else 'a flag'} is {value!r}; allowed: a number", kind="bad-arguments")

    def _typed(self, context: Any) -> str:
        """Return what a person types for a task: `inv status`, not `inv status.show`."""
        return f"inv {next((alias for alias in context.aliases if '.' not in alias), context.name)}"

    def _environments(self) -> list[str]:
        """Return the environments of the project's file, as it stands: the settings are checked by the task."""
        declared = self.config.get("stepladder", {}).get("environments", {})
        return list(declared) if hasattr(declared, "keys") else []


class _Untyped(ParserContext):
    """A task that isn't on the command line, of which nothing changes while that is read."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> _Untyped:
        return self


def _no_value_typed(command: str) -> BadInputError:
    """Explain what stands behind the name of a secret, without repeating it: it may be the value."""
    return BadInputError(
        f"`{command}` takes the name of one secret by position, and never a value",
        kind="bad-arguments",
        hint=f"give the value on the standard input of `{command}`; one that was typed is in the shell's history now",
    )


def _noun(command: str) -> str:
    """Return what a command is about: `ledger` of `inv ledger.unmark`."""
    return command.partition(" ")[2].partition(".")[0]


def _no_core_flag(token: str) -> BadInputError:
    hint = "flags of a task stand behind its name; `inv --help` lists those that stand before it"
    return BadInputError(f"Invoke has no flag {token}", kind="bad-arguments", hint=hint)


def explain_usage() -> bool:
    """Make the program behind `inv` and `invoke` ours; say whether it is what reads the tasks now."""
    from invoke.main import program

    if type(program) is invoke.Program:
        program.__class__ = Program
    return isinstance(program, Program) and bool(program.argv)


def configure(collection: invoke.Collection) -> None:
    """Give a collection the defaults that make `INVOKE_STEPLADDER_*` work; what it has of its own stays.

    They are all settings, which `--list` and completion don't need.
    """
    from stepladder.settings.load import invoke_defaults

    collection.configure(merge_dicts({"stepladder": copy_dict(invoke_defaults())}, collection.configuration()))
