"""The environment variables that override settings: `INVOKE_STEPLADDER_FUNCTION_MEMORY_MB` and its like.

Invoke reads them itself (https://docs.pyinvoke.org/en/stable/concepts/configuration.html#env-vars) and leaves aside,
silently, any that no key has the name of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stepladder.core.similar import did_you_mean

PREFIX = "INVOKE_STEPLADDER_"
_DEPLOYMENT = f"{PREFIX}PROMOTION_DEPLOYMENT"
_SWITCHES = frozenset({"", "0", "1", "on", "true", "yes"})


def overridable(raw: Mapping[str, Any], prefix: str = PREFIX) -> Iterator[tuple[str, Any]]:
    """Yield the variables that override the keys of `raw`, as Invoke names them, each with the value of its key."""
    for key, value in raw.items():
        name = f"{prefix}{str(key).upper()}"
        if isinstance(value, Mapping):
            yield from overridable(value, f"{name}_")
        else:
            yield name, value


def apply(raw: Mapping[str, Any], variables: Iterable[str]) -> dict[str, Any]:
    """Return the settings with the override that Invoke leaves aside: text in place of what may be a mapping too."""
    promotion = raw.get("promotion")
    if not isinstance(variables, Mapping) or _DEPLOYMENT not in variables or not isinstance(promotion, Mapping):
        return dict(raw)
    return {**raw, "promotion": {**promotion, "deployment": variables[_DEPLOYMENT]}}


def problems(raw: Mapping[str, Any], variables: Iterable[str]) -> list[str]:
    """Return a problem for each of these variables that looks like an override and is none, or says another thing.

    Where `variables` have values, those of true and false are checked: to Invoke any text but 0 and none is true.
    """
    known = dict(overridable(raw))
    texts = variables if isinstance(variables, Mapping) else {}
    flags = [name for name, value in known.items() if isinstance(value, bool) and name in texts]
    wrong = [
        f"{name} is {texts[name]!r}, which Invoke takes for true; allowed: 1 or 0"
        for name in flags
        if str(texts[name]).strip().lower() not in _SWITCHES
    ]
    return wrong + [
        f"{name} is set, and no setting has that name; "
        f"{did_you_mean(name, known) or 'each key of invoke.yaml has a variable of its name'}"
        for name in sorted(variables)
        if name.startswith(PREFIX) and name not in known
    ]
