"""Resources apart for each account and region, kept with the state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from localcloud.cloud import Cloud

T = TypeVar("T")


class Regional(Generic[T]):
    """A `T` for each (account, region), made when first asked for. Saved under `name`, and so must pickle.

    `lock` guards all of them; it isn't saved.
    """

    def __init__(self, cloud: Cloud, name: str, make: Callable[[str, str], T]) -> None:
        self._make = make
        self._found: dict[tuple[str, str], T] = {}
        self.lock = threading.RLock()
        cloud.on_save(name, lambda: self._found)
        cloud.on_load(name, self._restore)

    def of(self, account: str, region: str) -> T:
        """Return the one of an account and region."""
        with self.lock:
            key = (account, region)
            if key not in self._found:
                self._found[key] = self._make(account, region)
            return self._found[key]

    def __iter__(self) -> Iterator[T]:
        with self.lock:
            return iter(list(self._found.values()))

    def _restore(self, saved: dict[tuple[str, str], T]) -> None:
        self._found = saved
