"""Resources apart for each account and region, kept with the state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from localcloud.cloud import Cloud

T = TypeVar("T")


class ScopedStore(Generic[T]):
    """A `T` for each (account, region), made when first asked for. Saved under `name`, and so must pickle.

    `lock` guards all of them. It isn't saved.
    """

    def __init__(self, cloud: Cloud, name: str, make: Callable[[str, str], T]) -> None:
        self._make = make
        self._resources: dict[tuple[str, str], T] = {}
        self.lock = threading.RLock()
        cloud.on_save(name, lambda: self._resources)
        cloud.on_load(name, self._restore)

    def of(self, account: str, region: str) -> T:
        """Return the one of an account and region."""
        with self.lock:
            key = (account, region)
            if key not in self._resources:
                self._resources[key] = self._make(account, region)
            return self._resources[key]

    def __iter__(self) -> Iterator[T]:
        with self.lock:
            return iter(list(self._resources.values()))

    def _restore(self, saved: dict[tuple[str, str], T]) -> None:
        self._resources = saved
