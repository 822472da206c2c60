"""A frozen dataclass of `core.records` does what one of `dataclasses` does."""

import copy
import dataclasses
import re
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from stepladder.core import records


def declared(decorator: Any) -> Any:
    """Return the same class, as a decorator makes it."""

    @decorator(frozen=True)
    class Service:
        """A service."""

        name: str
        port: int = 80
        labels: list[str] = field(default_factory=list)
        note: str = field(default="", compare=False)
        token: str = field(default="", repr=False)

        @property
        def address(self) -> str:
            return f"{self.name}:{self.port}"

    return Service


OURS, STANDARD = declared(records.dataclass), declared(dataclass)

BEHAVIOURS = {
    "what is equal": lambda made: [
        made("a") == made("a", 80),
        made("a") != made("b"),
        made("a", note="x") == made("a"),
        made("a", token="x") == made("a"),
        made("a") == SimpleNamespace(name="a", port=80, labels=[], token=""),
    ],
    "what is printed": lambda made: repr(made("a", note="n", token="secret")),
    "what is printed of one that holds itself": lambda made: repr(_holding_itself(made)),
    "the hash of a list": lambda made: hash(made("a")),
    "the hash of texts": lambda made: hash(made("a", labels=("x",))),
    "a field that is set": lambda made: setattr(made("a"), "port", 81),
    "a field that is deleted": lambda made: delattr(made("a"), "port"),
    "an attribute that is no field": lambda made: setattr(made("a"), "other", 1),
    "a value too few": lambda made: made(),
    "a value too many": lambda made: made("a", 1, [], "", "", 2),
    "a value that is no field": lambda made: made("a", other=1),
    "a copy with another value": lambda made: asdict(replace(made("a"), port=81)),
    "the fields": lambda made: [(each.name, each.type, each.default) for each in fields(made)],
    "a match": lambda made: made.__match_args__,
    "a property": lambda made: made("a").address,
    "a deep copy": lambda made: copy.deepcopy(made("a", labels=["x"])) == made("a", labels=["x"]),
    "two that share no list": lambda made: made("a").labels is made("a").labels,
}


def _holding_itself(made: Any) -> Any:
    labels: list[Any] = []
    service = made("a", labels=labels)
    labels.append(service)
    return service


def outcome(act: Any, made: Any) -> Any:
    """Return what a behaviour returns, or the error that it raises."""
    try:
        return act(made)
    except Exception as error:  # noqa: BLE001 - the error is compared
        return type(error), str(error)


@pytest.mark.parametrize("act", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_it_behaves_as_the_standard_librarys(act):
    assert outcome(act, OURS) == outcome(act, STANDARD)


def test_what_a_class_defines_itself_stays():
    @records.dataclass(frozen=True)
    class Secret:
        value: str

        def __repr__(self) -> str:
            return "Secret(hidden)"

    assert repr(Secret("x")) == "Secret(hidden)"


def test_any_other_option_makes_one_of_the_standard_library():
    @records.dataclass(frozen=True, kw_only=True)
    class Point:
        x: int

    with pytest.raises(TypeError, match="positional"):
        Point(1)  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Point(x=1).x = 2  # type: ignore[misc]


def test_only_init_is_compiled(monkeypatch):
    compiled: list[str] = []
    monkeypatch.setattr(
        dataclasses, "exec", lambda code, *scopes: (compiled.append(code), exec(code, *scopes)), raising=False
    )

    declared(records.dataclass)

    assert re.findall(r" def (__\w+__)\(", "".join(compiled)) == ["__init__"]
