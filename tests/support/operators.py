"""Operators at their terminals: commands in this process that are killed, interrupted, or take turns, call by call."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stepladder.core.aws import Aws
from stepladder.core.process_identity import Process, this_process

_READS = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "Head")
_PATIENCE = 60.0
_FIRST_PID = 2**22 + 1  # beyond what any kernel gives out
KILLED, INTERRUPTED = 137, 130


class Killed(BaseException):
    """SIGKILL: nothing after it reaches AWS, not even what a `finally` would send."""


@dataclass(frozen=True)
class Cut:
    """How a command is cut off: at which of its calls that change something, and whether that one still got through."""

    call: int
    how: str = "killed"  # or interrupted
    executed: bool = False

    @classmethod
    def parse(cls, text: str) -> Cut | None:
        """Read `killed before call 2` or `interrupted after call 3`; nothing of an empty text."""
        if not text:
            return None
        how, when, _, call = text.split()
        return cls(int(call), how, when == "after")


class Turns:
    """Who makes the next AWS call, by a list that is gone through again and again.

    One who sleeps or has ended is left out.
    """

    def __init__(self, order: Sequence[int]) -> None:
        self._order, self._at = list(order) or [0, 1], 0
        self._changed = threading.Condition()
        self._absent: set[int] = set()

    def take(self, operator: int) -> None:
        """Wait until it is this operator's turn."""
        with self._changed:
            self._absent.discard(operator)
            self._changed.wait_for(lambda: self._next() == operator, _PATIENCE)
            self._at += 1
            self._changed.notify_all()

    def leave(self, operator: int) -> None:
        """Let the others go on without this one until it calls again."""
        with self._changed:
            self._absent.add(operator)
            self._changed.notify_all()

    def _next(self) -> int:
        for number in range(self._at, self._at + len(self._order)):
            operator = self._order[number % len(self._order)]
            if operator not in self._absent:
                return operator
        return next(n for n in (0, 1) if n not in self._absent) if len(self._absent) < 2 else -1


class OperatorAws(Aws):
    """The clients of one command, which a `cut` cuts off. Each call takes a `turn`; who sleeps leaves it to others."""

    def __init__(
        self,
        region: str,
        cut: Cut | None = None,
        turn: Callable[[], None] = lambda: None,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(region)
        self._counting = threading.Lock()
        self.begin(cut, turn, leave)

    def begin(
        self, cut: Cut | None = None, turn: Callable[[], None] = lambda: None, leave: Callable[[], None] = lambda: None
    ) -> None:
        """Begin a command; clients of one that has ended by itself may be used again, which saves making them."""
        self.cut, self.turn, self.leave = cut, turn, leave
        self.changes: list[str] = []
        self.is_cut = False

    def _make(self, service: str, lasting: float, slack: float) -> Any:
        client = super()._make(service, lasting, slack)
        client.meta.events.register_first("before-send.*", self._before)
        client.meta.events.register_first("needs-retry.*", self._after)
        return client

    def _before(self, request: Any, event_name: str, **_: Any) -> None:
        if self.is_cut and self.cut and self.cut.how == "killed":
            raise Killed
        self.turn()
        action = event_name.rpartition(".")[2]
        if action.startswith(_READS):
            return
        with self._counting:
            self.changes.append(action)
            number = len(self.changes)
        if self.cut and number == self.cut.call and not self.cut.executed:
            self._end()

    def _after(self, **_: Any) -> None:
        if self.cut and self.cut.executed and not self.is_cut and len(self.changes) >= self.cut.call:
            self._end()

    def _end(self) -> None:
        if self.is_cut:
            return
        self.is_cut = True
        if self.cut and self.cut.how == "killed":
            raise Killed
        signal.raise_signal(signal.SIGINT)  # a real one: a command may put it off


class Identities:
    """Which process a command of this test is, for locks: each is one of its own, here or on another machine."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._numbers = itertools.count(_FIRST_PID)
        self._alive: set[int] = set()

    def begin(self, *, remote: bool = False) -> int:
        """Be a new process, and return its id."""
        pid, own = next(self._numbers), this_process()
        self._alive.add(pid)
        self._local.process = replace(own, pid=pid, started=1)
        if remote:
            self._local.process = Process(f"jo@far-{pid}", f"far-{pid}", "", pid, 1)
        return pid

    def end(self, pid: int) -> None:
        """Be dead."""
        self._alive.discard(pid)

    def this_process(self, _account: str = "") -> Process:
        """Return which process the running thread is."""
        process: Process = getattr(self._local, "process", None) or this_process()
        return process

    def is_alive(self, process: Process) -> bool:
        """Say whether a process provably lives: of another machine nobody knows."""
        return process.pid in self._alive and bool(process.boot_id)

    def is_dead(self, process: Process) -> bool:
        """Say whether a process is provably gone."""
        return process.pid >= _FIRST_PID and process.pid not in self._alive and bool(process.boot_id)
