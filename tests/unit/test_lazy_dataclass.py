"""Dataclasses whose methods are made late are what the standard library's are."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import pkgutil
import threading
from typing import ClassVar

import pytest

import stepladder
from stepladder.core.lazy_dataclass import dataclass


def is_made(kind: type) -> bool:
    return "__eq__" in vars(kind)


def test_nothing_is_made_before_the_first_instance():
    @dataclass(frozen=True)
    class Point:
        """A point."""

        x: int
        y: int = 0
        kind: str = ""  # a word that the decorator has too
        tags: list[str] = dataclasses.field(default_factory=list)
        count: ClassVar[int] = 3

    assert not is_made(Point)
    point = Point(1, tags=["a"])
    assert is_made(Point)
    assert (point, repr(point).partition(".")[2]) == (
        Point(1, tags=["a"]),
        "<locals>.Point(x=1, y=0, kind='', tags=['a'])",
    )
    assert point != Point(2)
    assert Point(1, kind="a") == dataclasses.replace(Point(1), kind="a")
    assert Point(1).tags is not Point(1).tags
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="'x'"):
        Point()  # type: ignore[call-arg]


def test_its_fields_can_be_asked_for_before_there_is_an_instance():
    @dataclass(frozen=True)
    class Setting:
        """A setting."""

        name: str = dataclasses.field(default="x", metadata={"why": "because"})

    assert dataclasses.is_dataclass(Setting)
    assert [(each.name, each.metadata["why"]) for each in dataclasses.fields(Setting)] == [("name", "because")]
    assert dataclasses.asdict(dataclasses.replace(Setting(), name="y")) == {"name": "y"}
    assert hash(Setting()) == hash(Setting("x"))


def test_a_class_inherits_from_one_that_is_not_made_yet():
    @dataclass(frozen=True)
    class Base:
        """A base."""

        a: int

    @dataclass(frozen=True)
    class Derived(Base):
        """Has one more."""

        b: int = 2

    class Plain(Base):
        """Has none of its own."""

    assert Derived(1) == Derived(a=1, b=2)
    assert Plain(5).a == 5
    assert Base(1) != Derived(1)


def test_options_and_post_init_are_the_standard_ones():
    @dataclass(kw_only=True, order=True)
    class Counted:
        """Counts."""

        n: int = 0
        doubled: int = dataclasses.field(init=False)

        def __post_init__(self):
            self.doubled = 2 * self.n

    with pytest.raises(TypeError):
        Counted(1)  # type: ignore[misc]
    assert Counted(n=1) < Counted(n=2)
    assert Counted(n=4).doubled == 8


def test_what_is_made_at_once_in_several_threads_is_made_once():
    @dataclass(frozen=True)
    class Thing:
        """A thing."""

        value: int

    made: list[Thing] = []
    barrier = threading.Barrier(8)

    def make() -> None:
        barrier.wait()
        made.append(Thing(1))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [Thing(1)] * 8


def test_a_class_whose_instances_are_made_in_another_way_is_left_to_the_standard_library():
    @dataclass
    class FailedError(Exception):
        """An error."""

        why: str

    assert is_made(FailedError)
    assert FailedError("x").why == "x"


def test_a_copy_is_equal_and_a_pickle_makes_the_class():
    @dataclass(frozen=True)
    class Thing:
        """A thing."""

        value: int

    fresh = Thing.__new__(Thing)  # what unpickling does
    assert is_made(Thing)
    assert copy.copy(Thing(1)) == Thing(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fresh.value = 1  # type: ignore[misc]


def test_every_class_of_stepladder_can_be_made():
    for module in pkgutil.walk_packages(stepladder.__path__, "stepladder."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and "__dataclass_fields__" in vars(value):
                assert dataclasses.fields(value) is not None
