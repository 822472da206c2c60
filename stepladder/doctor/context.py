"""What a check is given: the project, an environment of it, and reads of AWS that several checks share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stepladder.core.clock import Clock
from stepladder.core.errors import StepladderError
from stepladder.core.names import Names
from stepladder.doctor.finding import Finding
from stepladder.ledger.destruction import Destruction
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.rung import Rung
from stepladder.settings import functions
from stepladder.settings.load import Settings

T = TypeVar("T")
_AT_ONCE = 8


class SharedReads:
    """Reads that several checks need: each is made once, by whoever needs it first; an error is every reader's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Hashable, Future[Any]] = {}

    def once(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what `read` returned for this key, waiting for a reader that is at it."""
        with self._lock:
            future, is_first = self._made.get(key), False
            if future is None:
                future, is_first = self._made.setdefault(key, Future()), True
        if is_first:
            try:
                future.set_result(read())
            except BaseException as error:  # noqa: BLE001 - every reader gets it
                future.set_exception(error)
        result: T = future.result()
        return result


@dataclass(frozen=True)
class DoctorContext:
    """One project, and for a check of AWS one environment of it: of its account and region, or its own.

    `loaded` are the settings, or the error that reading them raised.
    """

    root: Path
    loaded: Settings | StepladderError
    at: Rung | None = None
    reads: SharedReads = field(default_factory=SharedReads)
    clock: Clock = field(default_factory=Clock)

    @property
    def settings(self) -> Settings:
        """The project's settings. Raises the error that reading them raised."""
        if isinstance(self.loaded, StepladderError):
            raise self.loaded
        return self.loaded

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments of the settings, the lowest rung first; none where they can't be read."""
        if isinstance(self.loaded, StepladderError):
            return ()
        return tuple(dict.fromkeys((*self.loaded.ladder_environments, *self.loaded.environments)))

    @property
    def rung(self) -> Rung:
        """The environment, with its clients and names."""
        if self.at is None:
            raise TypeError("this check is of no environment")
        return self.at

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.rung.environment

    @property
    def names(self) -> Names:
        """The derived AWS names of the project's own function in this environment."""
        return self.rung.names

    @property
    def location(self) -> str:
        """Account and region, for a person."""
        return f"{self.names.account} {self.names.region}"

    def named(self, name: str) -> str:
        """Return a name that each account and region has, with these where the project is in several."""
        used = {(each.account, each.region) for each in self.settings.environments.values()}
        return name if len(used) == 1 else f"{name} in {self.location}"

    def client(self, service: str) -> Any:
        """Return the client of a service there."""
        return self.rung.aws.client(service)

    def once(self, name: Hashable, read: Callable[[], T]) -> T:
        """Read what the checks of this account and region share."""
        return self.reads.once((self.names.account, self.names.region, name), read)

    def functions(self) -> tuple[Rung, ...]:
        """Return each function of the environment."""
        return tuple(self.rung.of_function(name) for name in functions.views(self.settings))

    def ledger(self) -> dict[str, Snapshot]:
        """Return what the ledger has of each function of the environment, by target."""
        targets = [each.target for each in self.functions()]
        return self.once(("ledger", self.environment), lambda: dict(self.rung.ledger.snapshots(targets)))

    def deployed(self) -> tuple[Rung, ...]:
        """Return the functions whose service was applied, or released: those whose resources must be there.

        Of an environment that is half destroyed there are none.
        """
        if self.destruction:
            return ()
        ledger = self.ledger()
        read = [(each, ledger[each.target]) for each in self.functions()]
        return tuple(each for each, snapshot in read if snapshot.infra or snapshot.current)

    def each(self, act: Callable[[Rung], Iterable[Finding]]) -> Iterator[Finding]:
        """Yield what is wrong with each deployed function, of several functions at once, in their order."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"doctor {self.environment}") as pool:
            for findings in pool.map(lambda rung: list(act(rung)), self.deployed()):
                yield from findings

    @property
    def destruction(self) -> Destruction | None:
        """What the ledger has of a destroy of the environment that began and has not ended."""
        return next((each.destroying for each in self.ledger().values() if each.destroying), None)

    @property
    def has_foundation(self) -> bool:
        """Whether the ledger is there: without it nothing was deployed, or the foundation is gone."""
        return any(snapshot.exists for snapshot in self.ledger().values())

    def restored_by(self, root: str) -> str:
        """Return what shows how a root differs from what is there, and what restores it."""
        flags = f"--env {self.environment} --root {root}"
        return f"`inv tf.plan {flags}` shows the difference, then `inv tf.apply {flags}`"
