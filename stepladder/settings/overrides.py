"""The environment variables that override settings: `INVOKE_STEPLADDER_FUNCTION_MEMORY_MB` and its like.

Invoke reads them itself (https://docs.pyinvoke.org/en/stable/concepts/configuration.html#env-vars) and leaves aside,
silently, any that no key has the name of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stepladder.core.similar import did_you_mean

PREFIX = "INVOKE_STEPLADDER_"


def overridable(raw: Mapping[str, Any], prefix: str = PREFIX) -> Iterator[str]:
    """Yield the names of the variables that override the keys of `raw`, as Invoke makes them."""
    for key, value in raw.items():
        name = f"{prefix}{str(key).upper()}"
        if isinstance(value, Mapping):
            yield from overridable(value, f"{name}_")
        else:
            yield name


def unknown(raw: Mapping[str, Any], variables: Iterable[str]) -> list[str]:
    """Return a problem for each of these variables that looks like an override and is no setting's."""
    known = set(overridable(raw))
    return [
        f"{name} is set, and no setting has that name; "
        f"{did_you_mean(name, known) or 'each key of invoke.yaml has a variable of its name'}"
        for name in sorted(variables)
        if name.startswith(PREFIX) and name not in known
    ]
