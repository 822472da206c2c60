"""How many execution environments a local cloud keeps: a hundred functions must not take a hundred processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from localcloud.services.lambda_.execution.environments import InvocationWork
from localcloud.services.lambda_.execution.pool import Pool

WORK = InvocationWork("id", b"{}", "arn", "")


class Environment:
    """Takes invocations, and is killed."""

    def __init__(self, provisioned: int = 0) -> None:
        self.provisioned = provisioned
        self.uid, self.kept_ready, self.busy, self.is_old, self.dead = "", False, False, False, False
        self.idle_since, self.runs = 0.0, 0

    def run(self, _work: InvocationWork) -> None:
        self.runs += 1

    def kill(self) -> None:
        self.dead = True

    def enforce_memory(self) -> None:
        """Nothing is used."""


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(most_idle=3)
    yield made
    made.close()


def run(pool: Pool, uid: str, provisioned: int = 0) -> Environment:
    made: list[Environment] = []

    def make() -> Environment:
        made.append(Environment(provisioned))
        return made[0]

    maker: Callable[[], Environment] = make
    pool.run(uid, maker, WORK)  # type: ignore[arg-type]  # as much of an environment as the pool uses
    return made[0]


def test_the_environment_that_was_idle_longest_ends_when_too_many_are(pool: Pool) -> None:
    environments = [run(pool, f"function-{number}") for number in range(10)]
    assert [each.dead for each in environments] == [True] * 7 + [False] * 3
    assert [pool.count(f"function-{number}") for number in range(10)] == [0] * 7 + [1] * 3


def test_one_that_is_used_again_is_not_the_oldest(pool: Pool) -> None:
    first, second, third = (run(pool, name) for name in ("a", "b", "c"))
    pool.run("a", lambda: pytest.fail("it is warm"), WORK)
    fourth = run(pool, "d")
    assert (first.runs, first.dead, second.dead, third.dead, fourth.dead) == (2, False, True, False, False)


def test_provisioned_environments_stay(pool: Pool) -> None:
    ready = run(pool, "ready", provisioned=1)
    others = [run(pool, f"function-{number}") for number in range(5)]
    assert not ready.dead
    assert [each.dead for each in others] == [True, True, False, False, False]
