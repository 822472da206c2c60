"""Runs of real commands on one environment, in every order of their AWS calls, with a kill, and with leases that end.

What must hold: only who holds the lock moves the alias, unless its lease has run out; what the alias serves is named by
the ledger or by the lock; the lock is given back or runs out; who loses is refused with exit code 7 and has moved
nothing; and whatever happened, one more deploy ends well and leaves nothing.
"""

from __future__ import annotations

import collections
import copy
import itertools
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import schedules
from botocore.exceptions import BotoCoreError, ClientError
from fakes.deploy_harness import TABLE, DeployHarness, FakeAws, digest
from schedules import Choice, Gated, Limits, Run

from stepladder.commands import deploy as deploying
from stepladder.commands import rollback as rolling_back
from stepladder.commands.rollback import Rollback
from stepladder.core import process_identity
from stepladder.core.errors import ExitCode, LockedError
from stepladder.core.git import Commit
from stepladder.core.process_identity import Process
from stepladder.ledger import lock as locks
from stepladder.ledger.lock import LEASE
from stepladder.ledger.schema import CLOCK_SKEW
from stepladder.releases import rung as rungs
from stepladder.releases import sources

LOCK = ("env#staging", "lock")
PAST = LEASE + CLOCK_SKEW + 1


class AtOnce:
    """A pool that works in the caller's thread: a run is one line of calls."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, call: Any, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args))
        except Exception as error:  # noqa: BLE001 - as a pool keeps it
            future.set_exception(error)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@dataclass
class Scene:
    """An environment that runs version 1, and what each run is: a deploy of a source, or a rollback."""

    begun: DeployHarness
    commands: tuple[str, ...]
    one_machine: bool
    outcomes: collections.Counter[str]

    def make(self) -> Staging:
        return Staging(self)


class Staging:
    """The environment under several runs."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.harness = fresh(scene.begun)
        self.names: dict[int, str] = {}
        self.runs = [Run(number, self._body(number, command)) for number, command in enumerate(scene.commands)]
        self.movers: list[int] = []
        self._alias = self.harness.function.alias["RevisionId"]

    def _body(self, number: int, command: str) -> Any:
        def work() -> Any:
            ACTOR.number, ACTOR.ids = number, itertools.count(1)
            ACTOR.world = self
            own = copy.copy(self.harness)
            own.aws = FakeAws({s: Gated(c, self.runs[number], s) for s, c in self.harness.aws.clients.items()})
            return perform(own, command)

        return work

    @property
    def lock(self) -> dict[str, Any]:
        item = self.harness.table.tables[TABLE].get(LOCK, {})
        return {name: next(iter(value.values())) for name, value in item.items()}

    def holder(self) -> int | None:
        run = str(self.lock.get("run_id", ""))
        return int(run.partition("-")[0]) if run and int(self.lock["expires"]) else None

    def state(self) -> Any:
        function = self.harness.function
        return repr(
            (function.latest, function.versions, function.alias, self.harness.table.tables, self.harness.time.seconds)
        )

    def may_expire(self) -> bool:
        return self.holder() is not None

    def expire(self) -> None:
        self.harness.time.seconds += PAST

    def check(self, choice: Choice) -> None:
        """A move of the alias is the holder's, or that of one whose lease has run out."""
        revision = self.harness.function.alias["RevisionId"]
        if revision == self._alias:
            return
        self._alias = revision
        self.movers.append(choice[1])
        lapsed = self.harness.time.seconds >= START + PAST
        assert self.holder() == choice[1] or lapsed, f"run {choice[1]} moved the alias, {self.holder()} holds the lock"

    def end(self) -> None:
        for run in self.runs:
            if run.cut:
                continue
            self._check_outcome(run)
        holder = self.holder()
        assert holder is None or self.runs[holder].cut, f"run {holder} ended and kept the lock"
        assert self.is_named(), "the alias serves what neither ledger nor lock names"
        self._one_more()

    def _check_outcome(self, run: Run) -> None:
        self.scene.outcomes[str(getattr(run.error, "kind", "") or repr(run.error)) if run.error else "done"] += 1
        if run.error is None:
            return
        code = getattr(run.error, "exit_code", None)
        from_aws = isinstance(run.error, BotoCoreError | ClientError)  # a command's edge makes 1 or 6 of it
        assert code is not None or from_aws, f"run {run.number} ended with {run.error!r}"
        if isinstance(run.error, LockedError):
            assert code == ExitCode.LOCKED
        lapsed = self.harness.time.seconds >= START + PAST
        if run.number in self.movers and not lapsed:
            raise AssertionError(f"run {run.number} moved the alias and ended with {run.error!r}")

    def is_named(self) -> bool:
        version = self.harness.function.alias["FunctionVersion"]
        items = self.harness.items("")
        named = {item.get("version") for item in items}
        return version in named

    def _one_more(self) -> None:
        """Whatever happened, one more deploy ends well, and nothing is left."""
        self.harness.time.seconds += PAST
        ACTOR.number, ACTOR.ids, ACTOR.world = 9, itertools.count(1), self
        own = copy.copy(self.harness)
        own.source = "last"
        report = deploying.Deploy(own.rung(), own, own, deploying.DeployOptions(no_smoke=True)).run()
        assert report.result == "released", report
        assert self.harness.serves == digest("last")
        assert not self.lock, "the lock is left"
        current = self.harness.items("current")[0]
        assert current["version"] == self.harness.function.alias["FunctionVersion"]


ACTOR = threading.local()
START = 1_900_000_000.0


def perform(harness: DeployHarness, command: str) -> Any:
    if command == "rollback":
        return Rollback(harness.rung()).run()
    harness.source = command
    options = deploying.DeployOptions(no_smoke=True)
    return deploying.Deploy(harness.rung(), harness, harness, options).run()


def fresh(begun: DeployHarness) -> DeployHarness:
    """Copy an environment as it is, so that a walk changes its own."""
    made = DeployHarness(begun.root)
    function = made.function
    function.latest, function.versions, function.alias = copy.deepcopy(
        (begun.function.latest, begun.function.versions, begun.function.alias)
    )
    function._ids = itertools.count(1000)
    made.table.tables = copy.deepcopy(begun.table.tables)
    made.time.seconds = START
    made.settings = begun.settings
    return made


def own_process() -> Process:
    number = getattr(ACTOR, "number", 0)
    world = getattr(ACTOR, "world", None)
    host = "machine" if world and world.scene.one_machine else f"machine-{number}"
    return Process(f"p{number}@{host}", host, f"boot of {host}", number, number + 1)


def lives(process: Process) -> bool | None:
    """Say whether a process lives; None where nobody can tell."""
    if process.host != own_process().host:
        return None
    world = ACTOR.world
    return process.pid < len(world.runs) and not (world.runs[process.pid].cut or world.runs[process.pid].ended)


def token(size: int) -> str:
    number = getattr(ACTOR, "number", 0)
    return f"{number}-{next(ACTOR.ids)}".ljust(size * 2, "0")


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """Return an environment after two deploys, with all chance taken out of what follows."""
    ACTOR.number, ACTOR.ids, ACTOR.world = 8, itertools.count(1), None
    for module in (deploying, rolling_back):
        monkeypatch.setattr(module, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(sources, "commit", lambda _settings: Commit("", ""))
    monkeypatch.setattr(locks, "this_process", own_process)
    monkeypatch.setattr(rungs, "this_process", own_process)
    monkeypatch.setattr(locks, "is_alive", lambda process: lives(process) is True)
    monkeypatch.setattr(locks, "is_dead", lambda process: lives(process) is False)
    monkeypatch.setattr(locks.secrets, "token_hex", token)
    monkeypatch.setattr(process_identity.secrets, "token_hex", token)
    monkeypatch.setattr(locks.EnvironmentLock, "_begin", lambda self: setattr(self, "held", True))
    harness = DeployHarness(tmp_path)
    for source in ("one", "two"):
        perform(harness, source)
        harness.time.seconds += 5
    return harness


DEPLOYS, BACK = ("three", "four"), ("three", "rollback")
DEFAULT = [
    pytest.param(DEPLOYS, True, Limits(), id="two deploys of one machine"),
    pytest.param(DEPLOYS, False, Limits(), id="two deploys of two machines"),
    pytest.param(DEPLOYS, False, Limits(cut=1), id="two deploys of two machines, one of which is killed"),
    pytest.param(BACK, True, Limits(cut=1), id="a deploy and a rollback of one machine, one of which is killed"),
    pytest.param(DEPLOYS, True, Limits(expire=1), id="two deploys of one machine, and the leases run out"),
]
LONG = [
    pytest.param(DEPLOYS, True, Limits(cut=1, lose=1), id="two deploys of one machine, a kill and a lost answer"),
    pytest.param(DEPLOYS, False, Limits(expire=1), id="two deploys of two machines, and the leases run out"),
    pytest.param(BACK, False, Limits(expire=1), id="a deploy and a rollback, and the leases run out"),
    pytest.param((*DEPLOYS, "rollback"), True, Limits(), id="three runs of one machine"),
]


def walked(
    begun: DeployHarness, commands: tuple[str, ...], one_machine: bool, limits: Limits
) -> tuple[schedules.Walked, collections.Counter[str]]:
    outcomes: collections.Counter[str] = collections.Counter()
    scene = Scene(begun, commands, one_machine, outcomes)
    return schedules.explore(scene.make, limits), outcomes


def tell(capsys: pytest.CaptureFixture[str], found: schedules.Walked, outcomes: collections.Counter[str]) -> None:
    ends = ", ".join(f"{number} {name}" for name, number in outcomes.most_common())
    with capsys.disabled():
        counts = f"{found.orders} orders of calls in {found.states} states, {found.steps} steps"
        print(f"\n{counts}; runs end: {ends}")  # noqa: T201 - how much was walked is what the test is for


@pytest.mark.parametrize(("commands", "one_machine", "limits"), DEFAULT)
def test_in_every_order_of_calls_the_lock_keeps_its_promises(
    begun: DeployHarness,
    commands: tuple[str, ...],
    one_machine: bool,
    limits: Limits,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, outcomes = walked(begun, commands, one_machine, limits)
    assert found.ends
    if limits == Limits():
        assert set(outcomes) == {"done", "locked"}, "without a fault a run ends well, or finds the lock held"
    tell(capsys, found, outcomes)


@pytest.mark.long("walks the orders of three runs, and of kills with lost answers; the default form has two runs")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("commands", "one_machine", "limits"), LONG)
def test_in_every_order_of_more_calls_the_lock_keeps_its_promises(
    begun: DeployHarness,
    commands: tuple[str, ...],
    one_machine: bool,
    limits: Limits,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, outcomes = walked(begun, commands, one_machine, limits)
    assert found.ends
    tell(capsys, found, outcomes)


def test_an_order_that_breaks_a_promise_is_told_call_by_call(begun: DeployHarness, monkeypatch: Any) -> None:
    monkeypatch.setattr(locks.EnvironmentLock, "is_over", lambda *_: True)  # it is taken from those who live
    with pytest.raises(AssertionError, match=r"run \d moved the alias[\s\S]*choices: "):
        walked(begun, DEPLOYS, one_machine=False, limits=Limits())
