"""A project's own check of an answer: a function in a Python file beside the cases.

It runs in a process of its own with the standard library and nothing else. On the machine that deploys it gets no
environment variables, but it runs as the user, as the project's tests do: that is no sandbox. In a promotion it runs in
a function of the pipeline whose role may do nothing (function/check), and never with the pipeline's credentials. That
function carries this file, which imports the standard library, `core.python_tree` and `core.records` only.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stepladder.core import python_tree
from stepladder.core.records import dataclass

SECONDS = 10.0
"""For how long a check may run."""
LARGEST = 100_000
"""Characters of a file of checks."""
_NAME = r"([\w-]+\.py):([A-Za-z_]\w*)"
_SHOWN = 300
_RUNNER = """
import contextlib, inspect, json, os, resource, sys, traceback

out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
given = json.load(sys.stdin)
with contextlib.suppress(OSError, ValueError):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


def text_of(error):
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == given["file"]]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else lines[-1] if lines else None
    place = f" ({given['file']}:{line})" if line else ""
    if isinstance(error, AssertionError):
        return f"{str(error) or 'an assertion failed'}{place}"
    if isinstance(error, SystemExit):
        return f"it called exit({error.code}){place}; a check returns or raises"
    if isinstance(error, ModuleNotFoundError):
        return f"it imports {error.name}, which is not there{place}; a check has the standard library only"
    return f"{type(error).__name__}: {error}{place}"


def problems():
    space = {"__name__": "smoke_checks", "__file__": given["file"]}
    exec(compile(given["source"], given["file"], "exec"), space)
    check = space.get(given["function"])
    if not callable(check):
        return [f"there is no function {given['function']} in {given['file']}"]
    wanted = len(inspect.signature(check).parameters)
    result = check(*[given["answer"], given["captured"]][: min(max(wanted, 1), 2)])
    if result is None or result is True or result == []:
        return []
    lines = [result] if isinstance(result, str) else result
    if isinstance(lines, (list, tuple)) and all(isinstance(line, str) for line in lines):
        return list(lines)
    return [f"it returned {result!r:.80}; allowed: None, a text, or a list of texts"]


try:
    found = problems()
except BaseException as error:
    found = [text_of(error)]
with contextlib.suppress(Exception):
    sys.stdout.flush()
out.write(json.dumps(found))
out.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class OwnCheck:
    """A check function, with the text of its file."""

    file: str
    function: str
    source: str

    @property
    def name(self) -> str:
        """How a case names it."""
        return f"{self.file}:{self.function}"


Checker = Callable[[OwnCheck, Any, Mapping[str, Any]], list[str]]
"""Runs a check on an answer with what was captured; returns a line for each problem."""


def find(name: Any, sources: Mapping[str, str]) -> OwnCheck | str:
    """Return the check of a name, or what is wrong with it. `sources` are the Python files beside the cases."""
    match = re.fullmatch(_NAME, name) if isinstance(name, str) else None
    if not match:
        return f"check is {name!r}; allowed: a file and a function, such as checks.py:check_total"
    file, function = match.groups()
    if file not in sources:
        return f"check {name}: there is no {file} beside the cases"
    source = sources[file]
    if len(source) > LARGEST:
        return f"check {name}: {file} has {len(source)} characters; allowed: {LARGEST}"
    try:
        tree = python_tree.parse(source, file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        too_deep = isinstance(error, (RecursionError, MemoryError))
        return f"check {name}: {file} is not Python: {'it is nested too deeply' if too_deep else error}"
    if not any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body):
        return f"check {name}: {file} has no function {function}"
    return OwnCheck(file, function, source)


def run(check: OwnCheck, answer: Any, captured: Mapping[str, Any]) -> list[str]:
    """Run a check in a process of its own; return a line for each problem."""
    given: dict[str, Any] = {"file": check.file, "function": check.function, "source": check.source}
    given |= {"answer": answer, "captured": dict(captured)}
    with tempfile.TemporaryDirectory(prefix="smoke-check-") as folder, tempfile.TemporaryFile() as printed:
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _RUNNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
        ) as process:
            try:
                written, _ = process.communicate(json.dumps(given, default=str).encode(), timeout=SECONDS)
            except subprocess.TimeoutExpired:
                written = None
            finally:
                _end(process)
        lines = _result(written, process.returncode)
        printed.seek(0)
        tail = printed.read(1_000_000).decode(errors="replace").strip()
    if lines and tail:
        lines.append(f"it printed: {tail[-_SHOWN:]}")
    return [f"check {check.name}: {line}" for line in lines]


def _result(written: bytes | None, code: int) -> list[str]:
    if written is None:
        return [f"it did not end within {SECONDS:g} s"]
    try:
        lines: list[str] = json.loads(written)
    except ValueError:
        return [f"it ended its own process ({f'signal {-code}' if code < 0 else f'exit code {code}'})"]
    return [line[:_SHOWN] for line in lines[:10]]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the check and whatever it has started; its pipes may be held open by what is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    """Return the environment of a check: nothing that names or opens anything of AWS."""
    kept = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}


def read_sources(folder: Path) -> dict[str, str]:
    """Return the Python files of a folder of cases, those that are text."""
    sources = {}
    for path in sorted(folder.glob("*.py")):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            sources[path.name] = path.read_text("utf-8")
    return sources
