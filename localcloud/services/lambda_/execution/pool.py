"""The warm environments of all functions: reuse, retirement, idleness."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from localcloud.launchers.runtime_api import InvocationOutcome
from localcloud.services.lambda_.execution.environments import (
    ExecutionEnvironment,
    InvocationReport,
    InvocationWork,
    NotDelivered,
)

IDLE_SECONDS = 300.0
MOST_IDLE = 32
"""Idle environments that are kept at most: AWS's own cost no memory of this machine. Provisioned ones come on top."""
_POLL_SECONDS = 0.25  # between looks at memory and idleness


def _kill(environments: list[ExecutionEnvironment]) -> None:
    for environment in environments:
        environment.kill()


class Pool:
    """The environments of all functions, by the uid of the revision that they run."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS, most_idle: int = MOST_IDLE) -> None:
        self.idle_seconds = idle_seconds
        self.most_idle = most_idle
        self._idle: dict[str, list[ExecutionEnvironment]] = defaultdict(list)
        self._all: set[ExecutionEnvironment] = set()
        self._retired: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="lambda-pool").start()

    def run(self, uid: str, make: Callable[[], ExecutionEnvironment], work: InvocationWork) -> InvocationReport:
        """Run an invocation in a warm environment, or in a new one."""
        while True:
            environment = self._take(uid) or self._add(uid, make())
            try:
                return environment.run(work)
            except NotDelivered:
                continue
            finally:
                self._give_back(uid, environment)

    def warm(self, uid: str, environment: ExecutionEnvironment) -> InvocationOutcome | None:
        """Start an environment ahead of its first invocation; return why it could not be."""
        self._add(uid, environment)
        failed = environment.start()
        self._give_back(uid, environment)
        return failed

    def retire(self, uid: str) -> None:
        """End the environments of a revision: idle ones now, busy ones after their invocation."""
        with self._lock:
            self._retired.add(uid)
            ended = self._idle.pop(uid, [])
            self._all.difference_update(ended)
        if ended:  # the caller holds the store's lock, and an engine may take its time
            threading.Thread(target=_kill, args=(ended,), daemon=True, name="retire").start()

    def close(self) -> None:
        """End all."""
        self._stopped.set()
        with self._lock:
            ended, self._all = list(self._all), set()
            self._idle.clear()
        for environment in ended:
            environment.kill()

    def count(self, uid: str) -> int:
        """Return how many idle environments a revision has."""
        with self._lock:
            return len(self._idle[uid])

    def _take(self, uid: str) -> ExecutionEnvironment | None:
        with self._lock:
            idle = self._idle[uid]
            while idle:
                environment = idle.pop()
                if not environment.dead:
                    environment.busy = True
                    return environment
                self._all.discard(environment)
        return None

    def _add(self, uid: str, environment: ExecutionEnvironment) -> ExecutionEnvironment:
        environment.busy = True
        environment.uid = uid
        with self._lock:
            ready = sum(each.kept_ready for each in self._all if each.uid == uid)
            environment.kept_ready = ready < environment.provisioned
            self._all.add(environment)
        return environment

    def _give_back(self, uid: str, environment: ExecutionEnvironment) -> None:
        environment.idle_since = time.monotonic()
        with self._lock:
            environment.busy = False
            keep = not (environment.dead or environment.is_old or uid in self._retired or self._stopped.is_set())
            if keep:
                self._idle[uid].append(environment)
            else:
                self._all.discard(environment)
            surplus = self._surplus() if keep else None
        ended = surplus if keep else environment
        if ended is not None:
            ended.kill()

    def _surplus(self) -> ExecutionEnvironment | None:
        """Take out the environment that has been idle longest where too many are. The caller holds the lock."""
        idle = [each for environments in self._idle.values() for each in environments if not each.kept_ready]
        if len(idle) <= self.most_idle:
            return None
        oldest = min(idle, key=lambda each: each.idle_since)
        self._idle[oldest.uid].remove(oldest)
        self._all.discard(oldest)
        return oldest

    def _watch(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            oldest = time.monotonic() - self.idle_seconds
            with self._lock:
                busy = [e for e in self._all if e.busy]
                ended = [e for idle in self._idle.values() for e in idle if e.dead or e.idle_since < oldest]
                for uid, idle in list(self._idle.items()):
                    self._idle[uid] = [e for e in idle if e not in ended]
                self._all.difference_update(ended)
            for environment in ended:
                environment.kill()
            for environment in busy:
                environment.enforce_memory()
