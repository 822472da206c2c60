"""What goes wrong before a task begins: Invoke reads `invoke.yaml` and INVOKE_* by itself and ends in a traceback.

`explain_startup` puts a hook in Python's last resort, so that a person reads what is wrong and CI gets exit code 2. An
unexpected exception keeps its traceback, with a line below it that says what that is.

`be_quick` tunes the garbage collector for a process of half a second, most of which makes modules that stay.
"""

from __future__ import annotations

import atexit
import gc
import os
import select
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from stepladder.core.errors import BadInputError, StepladderError
from stepladder.settings import invoke_yaml

_OBJECTS = 250_000  # a deploy of a changed handler makes 130,000; one collection of those is 30 ms, and frees 300
_PIPE_CLOSED = 128 + 13  # what a shell says of a program that SIGPIPE ended
_ENVIRONMENT_MODULE = "invoke.env"
_READERS = ("invoke.config", _ENVIRONMENT_MODULE)


def explain_startup() -> None:
    """Let errors that reach Python's last resort be explained."""
    sys.excepthook = _hook


def be_quick() -> None:
    """Collect garbage rarely, and not at all at the end: a quarter of what a command with nothing to do took.

    Reference counting frees nearly everything; what is left waits for a quarter of a million objects instead of 700. At
    exit `freeze` takes all objects out of the collector's sight, which would walk every module's once more.
    """
    gc.set_threshold(_OBJECTS, 50, 50)
    atexit.register(gc.freeze)


def explained(error: BaseException, trace: TracebackType | None) -> StepladderError | None:
    """Return what is wrong with the settings' file or variables; None when it is something else."""
    kinds = {f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}" for kind in type(error).__mro__}
    frames = [(frame.f_globals.get("__name__", ""), frame.f_locals) for frame, _ in traceback.walk_tb(trace)]
    if "error.YAMLError" in kinds or any(module in _READERS for module, _ in frames):
        problems = invoke_yaml.problems(_settings_file([scope for _, scope in frames]))
        if problems:
            return BadInputError(
                "the settings can't be read", kind="bad-settings", hint="fix `invoke.yaml`", problems=problems
            )
    variables = [scope for module, scope in frames if module == _ENVIRONMENT_MODULE]
    if variables:
        return _bad_variable(error, variables)
    merged = [scope for module, scope in frames if module == "invoke.config" and {"base", "updates"} <= scope.keys()]
    if merged:
        path = ".".join(str(scope["key"]) for scope in merged if "key" in scope)
        bad = merged[-1].get("value") if path else merged[-1]["updates"]
        allowed = "text, a number or a list" if isinstance(bad, dict) else "a mapping"
        return BadInputError(
            "the settings are not valid",
            kind="bad-settings",
            hint="fix them in `invoke.yaml`",
            problems=(f"{path or 'invoke.yaml'} is {bad!r}; allowed: {allowed}",),
        )
    return None


def _settings_file(scopes: list[dict[str, Any]]) -> Path:
    """Return the file that Invoke was reading, else the project's own."""
    from invoke import Config

    for scope in reversed(scopes):
        if "filepath" in scope:
            return Path(scope["filepath"])
    configs = [value for scope in scopes for value in scope.values() if isinstance(value, Config)]
    prefix = next((root for config in configs if (root := getattr(config, "_project_prefix", None))), "")
    return Path(f"{prefix}invoke.yaml")


def _bad_variable(error: BaseException, scopes: list[dict[str, Any]]) -> StepladderError:
    """Explain a variable whose text can't become what its key holds."""
    path, value, old = (next((s[name] for s in scopes[::-1] if name in s), None) for name in ("key_path", "new", "old"))
    if path is None:
        return BadInputError(
            f"INVOKE_* variables don't fit the settings: {error}",
            kind="bad-settings",
            hint="`env` lists variables; unset what isn't meant",
        )
    name = f"INVOKE_{'_'.join(path).upper()}"
    allowed = "nothing: a list can only stand in invoke.yaml" if isinstance(old, list) else "a number"
    problem = f"{name} is {value!r}; allowed: {allowed}"
    return BadInputError(
        "the settings are not valid", kind="bad-settings", hint=f"fix or unset `{name}`", problems=(problem,)
    )


def _nobody_reads() -> bool:
    """Say whether who read our output has gone, as `head` does; then nothing more is written there."""
    poll, output = select.poll(), sys.stdout.fileno()
    poll.register(output, 0)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # the flush at the end would complain
    return True


def _examined(error: StepladderError) -> StepladderError:
    """Let `inv doctor`, which never began, check what needs no settings; return how it ends."""
    from stepladder.commands.doctor import Doctor
    from stepladder.core.console import Console

    try:
        Doctor(Path.cwd(), error, Console(as_json="--json" in sys.argv)).run()
    except StepladderError as ended:
        return ended
    return error


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from stepladder.core.console import Console

    if issubclass(kind, KeyboardInterrupt):
        raise SystemExit(130)
    if issubclass(kind, BrokenPipeError) and _nobody_reads():
        raise SystemExit(_PIPE_CLOSED)
    console = Console()
    explained_error = explained(error, trace)
    if explained_error:
        ended = _examined(explained_error) if "doctor" in sys.argv[1:] else explained_error
        as_json = Console(as_json="--json" in sys.argv) if ended is not explained_error else console
        as_json.error(ended)
        raise SystemExit(int(ended.exit_code))
    sys.__excepthook__(kind, error, trace)
    console.line()
    console.error(
        StepladderError(
            f"unexpected {kind.__name__}: this is a bug in stepladder",
            kind="unexpected",
            hint="report it with the traceback above, unless that ends in your own `tasks.py`",
        )
    )
    raise SystemExit(1)
