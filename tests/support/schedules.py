"""Every order in which the AWS calls of several runs can happen, each run a real command on a thread of its own.

A run stops before each of its calls. What happens next is chosen here: one run makes its call, or is cut off there for
good, or its call takes effect, its answer is lost and it is sent again, or time passes until all leases have run out.
The tree of choices is walked depth first. Two prefixes that lead to the same state (what AWS holds, what each run was
answered, the time) have the same future, which is walked once.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

Choice = tuple[str, int]
"""What happens, and to which run: `step`, `cut`, `lose` or `expire`."""

DEADLINE = 20.0  # real seconds until a run that makes no call is held to hang


class CutError(BaseException):
    """Ends a run where it stands, as a kill does: none of its further calls is made."""


class HangsError(AssertionError):
    """A run neither ended nor made a call."""


@dataclass
class Run:
    """One run of a command. `answers` is all that it knows of the world; `pending` the call before which it stands."""

    number: int
    body: Callable[[], Any]
    answers: list[str] = field(default_factory=list)
    pending: str = ""
    lose: bool = False
    cut: bool = False
    ended: bool = False
    outcome: Any = None
    error: BaseException | None = None
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopped: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def start(self) -> None:
        threading.Thread(target=self._work, daemon=True).start()
        self.wait()

    def wait(self) -> None:
        if not self.stopped.acquire(timeout=DEADLINE):
            raise HangsError(f"run {self.number} after {self.answers}")

    def _work(self) -> None:
        try:
            self.outcome = self.body()
        except CutError:
            pass
        except BaseException as error:  # noqa: BLE001 - how it ended is what is looked at
            self.error = error
        self.ended = True
        self.pending = ""
        self.stopped.release()

    def gate(self, name: str, call: Callable[[], Any]) -> Any:
        """Stop before a call, and make it when the run goes on."""
        if self.cut:
            raise CutError
        self.pending = name
        self.stopped.release()
        self.go.acquire()
        if self.cut:
            raise CutError
        if self.lose:  # as botocore does, which sends it again
            self.lose = False
            self.answers.append(f"{name}: no answer")
            with contextlib.suppress(Exception):
                call()
        try:
            answer = call()
        except Exception as error:
            self.answers.append(f"{name}: {error!r}")
            raise
        self.answers.append(f"{name}: {answer!r}")
        return answer

    def resume(self) -> None:
        self.go.release()
        self.wait()


@dataclass
class Gated:
    """A client whose calls are those of a run."""

    client: Any
    run: Run
    service: str

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.client, name)
        if not callable(value):
            return value
        return lambda **given: self.run.gate(f"{self.service}:{name}", functools.partial(value, **given))


class System(Protocol):
    """What the runs work on: made anew for each walk."""

    runs: list[Run]

    def state(self) -> Any:
        """Return all that AWS holds, and the time; hashable."""

    def may_expire(self) -> bool:
        """Say whether there is a lease that could run out."""

    def expire(self) -> None:
        """Let time pass until every lease has run out."""

    def check(self, choice: Choice) -> None:
        """Raise `AssertionError` when what just happened breaks a promise."""

    def end(self) -> None:
        """Raise `AssertionError` when all runs have ended, or were cut off, in a way that breaks a promise."""


@dataclass
class Limits:
    """How often what is rare may happen in one walk."""

    cut: int = 0
    lose: int = 0
    expire: int = 0


@dataclass
class Walked:
    """How much was walked. `orders` is how many whole orders of calls the states stand for."""

    states: int = 0
    ends: int = 0
    steps: int = 0
    orders: int = 0


def explore(make: Callable[[], System], limits: Limits) -> Walked:
    """Walk every order. A broken promise is raised with the choices that lead there."""
    walk = Walk(limits)
    waiting: list[list[Choice]] = [[]]
    while waiting:
        prefix = waiting.pop()
        system = make()
        for run in system.runs:
            run.start()
        walk.begin()
        try:
            waiting += walk.to_the_end(system, prefix)
        except AssertionError as error:
            raise AssertionError(f"{error}\n\n{_message(system, walk.path)}") from error
        finally:
            _release(system)
    walk.walked.states, walk.walked.orders = len(walk.seen), _orders(walk.following)
    return walk.walked


@dataclass
class Walk:
    """All walks together: what was seen, and the one under way."""

    limits: Limits
    walked: Walked = field(default_factory=Walked)
    seen: set[int] = field(default_factory=set)
    following: dict[int, set[int]] = field(default_factory=dict)
    path: list[Choice] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        self.path, self.used = [], dict.fromkeys(("step", "cut", "lose", "expire"), 0)

    def to_the_end(self, system: System, prefix: list[Choice]) -> Iterator[list[Choice]]:
        """Walk a prefix, then on as long as the states are new; yield the prefixes that branch off."""
        for choice in prefix[:-1]:
            self._take(system, choice)
        key = self._key(system)
        if prefix:
            key = self._follow(system, prefix[-1], key)
        while key not in self.seen:
            self.seen.add(key)
            choices = list(_choices(system, self.limits, self.used))
            if not choices:
                self.walked.ends += 1
                system.end()
                return
            yield from ([*self.path, other] for other in choices[1:])
            key = self._follow(system, choices[0], key)

    def _follow(self, system: System, choice: Choice, key: int) -> int:
        self._take(system, choice)
        after = self._key(system)
        self.following.setdefault(key, set()).add(after)
        return after

    def _take(self, system: System, choice: Choice) -> None:
        kind, number = choice
        self.used[kind] += 1
        self.walked.steps += 1
        self.path.append(choice)
        if kind == "expire":
            system.expire()
            return
        run = system.runs[number]
        run.cut, run.lose = kind == "cut", kind == "lose"
        run.resume()
        run.lose = False
        system.check(choice)

    def _key(self, system: System) -> int:
        runs = tuple((run.ended, run.cut, run.pending, tuple(run.answers)) for run in system.runs)
        return hash((system.state(), runs, tuple(self.used[kind] for kind in ("cut", "lose", "expire"))))


def _choices(system: System, limits: Limits, used: dict[str, int]) -> Iterator[Choice]:
    alive = [run for run in system.runs if not run.ended]
    for run in alive:
        yield ("step", run.number)
    for run in alive:
        if used["cut"] < limits.cut:
            yield ("cut", run.number)
        if used["lose"] < limits.lose and not run.pending.partition(":")[2].startswith(("get", "batch_get", "list")):
            yield ("lose", run.number)
    if alive and used["expire"] < limits.expire and system.may_expire():
        yield ("expire", -1)


def _orders(following: dict[int, set[int]]) -> int:
    """Count the whole orders that the states stand for: the paths of a graph without circles."""
    counted: dict[int, int] = {}
    for start in following:
        stack = [start]
        while stack:
            key = stack[-1]
            left = [after for after in following.get(key, ()) if after not in counted]
            if left:
                stack += left
                continue
            counted[stack.pop()] = sum(counted[after] for after in following.get(key, ())) or 1
    reached = {after for each in following.values() for after in each}
    return sum(number for key, number in counted.items() if key not in reached)


def _message(system: System, path: list[Choice]) -> str:
    lines = [f"choices: {path}"]
    for run in system.runs:
        lines.append(f"run {run.number}: {run.outcome!r} {run.error!r} before {run.pending or 'nothing'}")
        lines += [f"    {answer[:160]}" for answer in run.answers]
    return "\n".join(lines)


def _release(system: System) -> None:
    """Let the threads of runs that still stand somewhere end."""
    for run in system.runs:
        if not run.ended:
            run.cut = True
            run.resume()
