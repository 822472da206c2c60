"""Projects on the local cloud that promotions are broken on. Each is made once and promoted again and again."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import cloud_images
import in_process
import pytest
from cloud_project import BackgroundPromotion, CloudProject

from stepladder.promotion.audit import VIOLATED

SPEED = 200.0  # a five-minute canary takes 1.5 s
SLOW = 10.0  # it takes half a minute, which no machine is too busy to see
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def project_runtime(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return cloud_images.runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def make_project(
    cloud: Any, project_runtime: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., CloudProject]]:
    """Return a maker of projects, each made at most once; the clock runs fast meanwhile.

    No alarm fires for what an earlier test promoted.
    """
    made: dict[str, CloudProject] = {}

    def make(name: str, **settings: Any) -> CloudProject:
        if name not in made:
            made[name] = CloudProject(cloud, tmp_path_factory.mktemp(name), runtime=project_runtime, **settings).build()
        else:
            made[name].outlive_alarms()
        return made[name]

    with in_process.pointed_at(cloud, brief=2.0):
        cloud.speed(SPEED)
        make.made = made  # type: ignore[attr-defined]
        yield make


@pytest.fixture(autouse=True)
def no_faults_left(cloud: Any) -> Iterator[None]:
    cloud.faults()
    yield
    cloud.faults()


@pytest.fixture(autouse=True)
def every_promise_is_kept(request: pytest.FixtureRequest, cloud: Any, no_faults_left: None) -> Iterator[None]:
    """Audit each promotion that a test ran, whatever it broke; `by_hand` names the aliases that it moved itself."""
    make = request.getfixturevalue("make_project") if "make_project" in request.fixturenames else None
    yield
    if make is None:
        return
    cloud.faults()
    for project in make.made.values():
        for execution, judged in project.audits():
            broken = [f"{one.invariant.kind}: {one.seen}" for one in judged if one.state == VIOLATED]
            assert not broken, f"{execution.name}: {broken}"
        project.by_hand.clear()


@pytest.fixture
def midway(cloud: Any) -> Callable[..., Any]:
    """Return a context: a promotion, met while it shifts; the clock is slow until the block ends."""

    @contextlib.contextmanager
    def shifting(project: CloudProject, **request: Any) -> Iterator[BackgroundPromotion]:
        cloud.speed(SLOW)
        try:
            promotion = project.in_background(**request)
            eventually(lambda: project.alias()[1] != {})
            yield promotion
        finally:
            cloud.speed(SPEED)

    return shifting


@pytest.fixture
def slow_clock(cloud: Any) -> Iterator[None]:
    """Let cloud time pass slowly: what functions do in real time is to be seen on it."""
    cloud.speed(SLOW)
    yield
    cloud.speed(SPEED)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Return a maker of sources that never make the same image twice."""
    return lambda source: f"# {next(_numbers)} {time.time()}\n{source}"


class Before:
    """What a rung was like before a promotion, and what must be true after it."""

    def __init__(self, project: CloudProject, environment: str = "production") -> None:
        self.project, self.environment = project, environment
        self.alias, self.digest = project.alias(environment), project.digest(environment)

    def check_quiet(self) -> None:
        """Nothing is under way and nothing is held."""
        assert self.project.running() == []
        for environment in self.project.settings.ladder_environments:
            assert self.project.active_deployments(environment) == []
            assert self.project.alias(environment)[1] == {}, "weights were left behind"
            assert self.project.ledger(environment).snapshot(environment).lock is None, "the lock was left behind"

    def check_unmoved(self) -> None:
        assert self.project.alias(self.environment) == self.alias
        self.check_quiet()

    def newest(self) -> Any:
        return next(iter(self.project.ledger(self.environment).history(self.environment, limit=1)), None)


@pytest.fixture
def before() -> Callable[..., Before]:
    return Before


@contextlib.contextmanager
def faulty(cloud: Any, *rules: dict[str, Any]) -> Iterator[None]:
    cloud.faults(*rules)
    try:
        yield
    finally:
        cloud.faults()


def eventually(what: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is true; the time only bounds how long a defect is waited for."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    return eventually
