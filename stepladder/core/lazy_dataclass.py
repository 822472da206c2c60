"""`dataclass` as the standard library has it, whose methods are made when the first instance is.

The standard one writes and compiles six methods for each frozen class at import, 0.4 ms. A command imports two hundred
such classes and makes instances of a third (docs/decisions, lazy dataclasses).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]
_FIELDS = "__dataclass_fields__"
_making = threading.RLock()


class _Unmade:
    """Stands for the fields of a class until it is made, and makes it for whoever asks for them."""

    def __init__(self, kind: Any, options: dict[str, Any]) -> None:
        self._kind, self._options, self._is_made = kind, options, False

    def make(self) -> None:
        """Make the class what `dataclasses.dataclass` makes of it, once."""
        with _making:  # another thread waits here, before it has an instance
            if not self._is_made:
                dataclasses.dataclass(**self._options)(self._kind)
                self._kind.__new__ = _new
                self._is_made = True

    def __get__(self, _instance: object, owner: type) -> Any:
        """Return the fields."""
        self.make()
        return getattr(owner, _FIELDS)


def _new(kind: type, /, *_values: object, **_named: object) -> Any:
    """Return an instance that `__init__` gets next: what a class has without a `__new__`, which can't be taken away."""
    return object.__new__(kind)


def _lazy(kind: Any, options: dict[str, Any]) -> Any:
    if options.get("slots") or any("__new__" in vars(base) for base in kind.__mro__[:-1] if not _is_ours(base)):
        return dataclasses.dataclass(**options)(kind)
    unmade = _Unmade(kind, options)

    def __new__(of: type, /, *_values: object, **_named: object) -> Any:  # noqa: N807 - it is the class's
        unmade.make()
        return object.__new__(of)

    kind.__new__ = __new__
    setattr(kind, _FIELDS, unmade)
    return kind


def _is_ours(base: type) -> bool:
    return getattr(vars(base).get("__new__"), "__module__", "") == __name__


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(kind: type | None = None, /, **options: Any) -> type | Callable[[type], type]:
        """Do as `dataclasses.dataclass` does, with its options; only later.

        Until then a default that is a `dataclasses.field` is that field when it is read from the class itself.
        """
        return _lazy(kind, options) if kind else lambda kind: _lazy(kind, options)
