"""Which route of an HTTP API a request takes.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html: the most specific match
wins, a greedy variable comes after every other, `$default` last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

DEFAULT = "$default"
_VARIABLE = re.compile(r"\{([\w.:-]+)(\+?)\}")
_STATIC, _SINGLE, _GREEDY = range(3)
_LAST: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class RouteMatch:
    """A route (Moto's object), and the values of its path's variables."""

    route: Any
    variables: dict[str, str] = field(default_factory=dict)


def select(routes: Iterable[Any], method: str, path: str) -> RouteMatch | None:
    """Return the route for a request, or None. `path` is decoded, and without the stage."""
    best: tuple[tuple[int, ...], RouteMatch] | None = None
    for route in routes:
        wanted, _, pattern = str(route.route_key).partition(" ")
        if wanted == DEFAULT:
            rank, variables = _LAST, dict[str, str]()
        elif wanted in (method, "ANY") and (matched := _match(pattern, path)):
            rank, variables = (0, *matched[0], int(wanted == "ANY")), matched[1]
        else:
            continue
        if best is None or rank < best[0]:
            best = rank, RouteMatch(route, variables)
    return best[1] if best else None


def _match(pattern: str, path: str) -> tuple[list[int], dict[str, str]] | None:
    """Return how specific a match is, segment by segment, and its variables."""
    wanted, given = pattern.strip("/").split("/"), path.removeprefix("/").split("/")
    specificity: list[int] = []
    variables: dict[str, str] = {}
    for index, segment in enumerate(wanted):
        variable = _VARIABLE.fullmatch(segment)
        if variable and variable[2]:
            rest = "/".join(given[index:])
            return ([*specificity, _GREEDY], {**variables, variable[1]: rest}) if rest else None
        if index >= len(given) or (not variable and given[index] != segment):
            return None
        if variable:
            if not given[index]:
                return None
            variables[variable[1]] = given[index]
        specificity.append(_SINGLE if variable else _STATIC)
    return (specificity, variables) if len(given) == len(wanted) else None
