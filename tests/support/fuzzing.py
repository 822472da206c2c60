"""Made-up and mutated inputs, and how many are tried: the same each time, or with `--long` many more by chance."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from repeatable import without_local_constants

LONG = 40  # times as many

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just({"": {}}),
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


def tried(
    request: pytest.FixtureRequest, strategy: SearchStrategy[Any], check: Callable[[Any], None], times: int
) -> None:
    """Check inputs of a strategy: some that never change, or with `--long` many."""
    long = bool(request.config.getoption("--long"))
    configured = settings(
        max_examples=times * LONG if long else times,
        derandomize=not long,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
        print_blob=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        if not long:
            without_local_constants(patch)
        configured(given(strategy)(check))()


@st.composite
def mutated(draw: Any, *documents: Any) -> Any:
    """Take a document of JSON, and put something else at some of its places."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(0, 3))):
        paths = list(_paths(document))
        if not paths:
            return copy.deepcopy(draw(values))
        holder, key = draw(st.sampled_from(paths))
        kind = draw(st.sampled_from(("replace", "replace", "remove", "copy")))
        if kind == "remove":
            del holder[key]
        elif kind == "copy":
            other, name = draw(st.sampled_from(paths))
            holder[key] = copy.deepcopy(other[name])
        else:
            holder[key] = copy.deepcopy(draw(values))
    return document


def _paths(document: Any) -> Any:
    if isinstance(document, dict):
        for key, value in document.items():
            yield document, key
            yield from _paths(value)
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield document, number
            yield from _paths(value)


@st.composite
def damaged(draw: Any, *contents: bytes) -> bytes:
    """Take bytes, and overwrite, cut or repeat some of them."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(("set", "cut", "insert", "end")))
        if kind == "set":
            content[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=16))
        else:
            del content[at:]
    return bytes(content)


@st.composite
def mixed(draw: Any, pieces: list[str], most: int = 12) -> str:
    """Put pieces of text together, with other letters among them."""
    parts = draw(st.lists(st.sampled_from(pieces) | st.text(max_size=4), max_size=most))
    return "".join(parts)


def bytes_of(document: Any) -> bytes:
    return json.dumps(document).encode()
