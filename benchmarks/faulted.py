"""One deployment under a fault: run it, and see what it left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from injections import REASON, Injection
from measure import Command, without_folders

from localcloud import daemon

DEADLINE = 75.0
"""Seconds that a command may take."""
SLOW = 60.0
"""Seconds after which nobody would still wait."""
CONVERGES, REFUSES, WRONG = "converges", "refuses with the cause", "exit 0 and wrong"
UNMET = "the fault wasn't met"
GOOD = (CONVERGES, REFUSES)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LINE = 90
_SETTLE = 0.3
_PIPE = 10.0


@dataclass(frozen=True)
class Subject:
    """A way of deploying: one function, changed by `change`, deployed by `command`.

    Callers call the alias `alias`, or $LATEST where it is empty. `by_stack`: CloudFormation changes the function.
    """

    name: str
    cloud: daemon.CloudInfo
    client: Any
    function: str
    change: Callable[[], None]
    command: Callable[[], Command]
    alias: str = ""
    by_stack: bool = False
    pushes: bool = True
    ours: bool = False


@dataclass(frozen=True)
class State:
    """What a function has: the hash of $LATEST's code, whether its last update succeeded, the hash that callers get."""

    latest: str
    succeeded: bool
    serving: str


@dataclass(frozen=True)
class Outcome:
    """How a deployment under a fault ended. `left`: it failed, and $LATEST has other code than before."""

    word: str
    exit: int
    seconds: float
    is_new: bool
    is_right: bool
    left: bool
    line: str


def outcome(subject: Subject, injection: Injection) -> Outcome:
    """Change the code, deploy it under the fault, and return how that ended."""
    before = _state(subject)
    subject.change()
    begun = time.perf_counter()
    try:
        ended = _deploy(subject, injection)
    finally:
        subject.cloud.request("faults", "DELETE")
    time.sleep(_SETTLE)
    return judged(injection, before, _state(subject, before.serving), ended, time.perf_counter() - begun)


def heal(subject: Subject) -> None:
    """Deploy without a fault what an earlier one left undone, so that the next begins from a live function."""
    with contextlib.suppress(Exception):
        subject.change()
        _Child(subject.command()).ended()


@dataclass(frozen=True)
class Ended:
    """Exit codes (-1: it hung) and what was printed, of all runs that count. `met`: a call was hit by the fault."""

    exits: tuple[int, ...]
    text: str
    met: bool = True


def _deploy(subject: Subject, injection: Injection) -> Ended:
    if injection.fails:
        subject.cloud.request("lambda/fail", "POST", {"function": subject.function, "reason": REASON})
    if rules := injection.rules(by_stack=subject.by_stack):
        subject.cloud.request("faults", "POST", rules)
    if injection.twice:
        children = [_Child(subject.command()) for _ in range(2)]
        ends = [child.ended() for child in children]
        return Ended(tuple(code for code, _ in ends), "\n".join(text for code, text in ends if code) or ends[0][1])
    child = _Child(subject.command())
    if injection.kill:
        met = _kill_when_hit(subject, child, injection.kill)
        subject.cloud.request("faults", "DELETE")
        code, text = _Child(subject.command()).ended()
    else:
        code, text = child.ended()
        met = not rules or _is_hit(subject)
    return Ended((code,), text, met)


def _is_hit(subject: Subject) -> bool:
    return any(rule["hits"] for rule in subject.cloud.request("faults")["faults"])


def _kill_when_hit(subject: Subject, child: _Child, how: int) -> bool:
    """Send a signal to all of a command's processes, as a terminal does, once the update was made; return if it was."""
    is_hit, end = False, time.monotonic() + DEADLINE
    while time.monotonic() < end and child.runs and not is_hit:
        time.sleep(0.05)
        is_hit = _is_hit(subject)
    if is_hit:
        time.sleep(_SETTLE)
        child.signal(how)
    child.ended()
    return is_hit


def judged(injection: Injection, before: State, after: State, ended: Ended, seconds: float) -> Outcome:
    """Return the outcome that exit codes, output and the two states make."""
    is_new = after.latest != before.latest and after.succeeded
    is_live = is_new and after.serving == after.latest
    code = next((code for code in ended.exits if code), 0)
    left = code != 0 and not is_live and after.latest != before.latest
    is_right = is_live if code == 0 or is_live else after.serving == before.serving
    lines = [line.strip() for line in _ANSI.sub("", ended.text).splitlines() if line.strip()]
    refused = bool(re.search(injection.cause, ended.text)) and is_right and not left
    if injection.twice:  # one of them has to do it
        refused = refused and is_live and 0 in ended.exits
    if code == -1:
        word = f"hangs {DEADLINE:.0f} s"
    elif code == 0:
        word = CONVERGES if is_live else WRONG
    elif seconds > SLOW:
        word = f"hangs {seconds:.0f} s"
    else:
        word = REFUSES if refused else "fails"
    if left:
        word += ", $LATEST left changed"
    elif code and is_live and word == "fails":
        word += ", though live"
    if not ended.met:
        word = f"{UNMET} ({word})"
    return Outcome(word, code, seconds, is_new, is_right, left, _last(lines, injection.cause if code else "")[:_LINE])


def _last(lines: Sequence[str], cause: str) -> str:
    """Return the line that names the cause, an error before any other; without one the last."""
    named = [line for line in lines if cause and re.search(cause, line)]
    errors = [line for line in named if re.search("error|exception", line, re.IGNORECASE)]
    line = next(iter([*errors, *reversed(named), *reversed(lines)]), "")
    line = re.sub(r"\S+@\S+ (?=\(process)", "somebody ", line)  # whose lock it is: neither a person nor a machine
    return without_folders(line)


def _state(subject: Subject, before: str = "") -> State:
    client, name = subject.client, subject.function
    latest = client.get_function_configuration(FunctionName=name)
    end = time.monotonic() + DEADLINE
    while latest["LastUpdateStatus"] == "InProgress" and time.monotonic() < end:
        time.sleep(0.05)
        latest = client.get_function_configuration(FunctionName=name)
    succeeded = latest["LastUpdateStatus"] == "Successful"
    serving = latest["CodeSha256"] if succeeded else before  # a failed update leaves the code that runs
    if subject.alias:
        serving = client.get_function_configuration(FunctionName=name, Qualifier=subject.alias)["CodeSha256"]
    return State(latest["CodeSha256"], succeeded, serving)


class _Child:
    """A command as a process, with a group of its own."""

    def __init__(self, command: Command) -> None:
        self._process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,  # in the session of the run, which is ended as a whole
        )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def signal(self, how: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)

    def ended(self) -> tuple[int, str]:
        """Return exit code and output; -1 of one that took longer than it may."""
        try:
            text, _ = self._process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):  # what has left the group may hold the pipe
                return -1, self._process.communicate(timeout=_PIPE)[0]
            return -1, ""
        finally:
            self.signal(signal.SIGKILL)  # what it started, and left
        return self._process.returncode, text
