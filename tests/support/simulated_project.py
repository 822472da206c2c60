"""A project that a simulation drives: real commands and a real state machine on the local cloud, whose clock stands.

Between two steps cloud time hardly passes, so what a promotion has come to stays as it is and can be observed. A
command lets it run. Every step ends with what was promised being compared with what is.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import in_process
from cloud_project import CloudProject
from simulated_commands import ENVIRONMENTS, LAST, PATIENCE, Ended, Infrastructure, SimulatedCommands

from localcloud import daemon
from stepladder.commands import status
from stepladder.core import git
from stepladder.core.clock import stamp
from stepladder.ledger import lock as locks
from stepladder.ledger import schema
from stepladder.ledger.schema import InfraRecord, ReleaseEntry
from stepladder.promotion import observe
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.invariants import Moment, Violation, violations
from stepladder.promotion.observation import Observation
from stepladder.releases import rung as rungs
from stepladder.releases import sources
from stepladder.settings import load as settings_module

STILL, WALKING, RUNNING = 0.01, 200.0, 600.0
"""Speeds of the cloud's clock: between steps, while a command runs, while something is waited for."""
GOOD = "def handler(event, context):\n    return {'statusCode': 200, 'body': %r}\n"
FIRST_IMAGES = ("good", "better")
SOURCES = {
    "good": GOOD % "good",
    "better": GOOD % "better",
    "best": GOOD % "best",
    "broken": "def handler(event, context):\n    raise ValueError('broken')\n",
    "broken in traffic": """
def handler(event, context):
    if context.invoked_function_arn.endswith('-production:live'):
        raise ValueError('broken behind the alias')
    return {'statusCode': 200}
""",
}
WAYS = {
    "at once": {"deployment": "AllAtOnce"},
    "by canary": {"deployment": "Canary10Percent30Minutes"},
    "with approval": {"deployment": "AllAtOnce", "rungs": {"production": {"approval": True}}},
}
_COMMIT = "c0ffee" + "0" * 34
_ROUNDS = 4


class BrokenPromiseError(AssertionError):
    """A promise was broken."""


@dataclass
class SimulatedProject(SimulatedCommands):
    """One project at a time; `begin` brings it to a beginning, with a new one where the last can't be brought there."""

    root: Path = field(kw_only=True)
    runtime: Path = field(kw_only=True)
    steps: int = 0
    beginnings: int = 0
    failed: bool = False
    edited: set[str] = field(default_factory=set)
    ever_edited: set[str] = field(default_factory=set)
    _began: dict[str, str] = field(default_factory=dict)
    _marked: dict[str, str] = field(default_factory=dict)
    _step_began: str = ""
    _number: int = 0
    _clean: bool = False

    # the beginning

    def begin(self, *, released: bool = True, skew: float = 0.0) -> None:
        """Bring staging, and production when it is `released`, to their second release; nothing else is there."""
        self.beginnings += 1
        self.cloud.faults()
        self.cloud.speed(RUNNING)
        for changed in (
            self.settings,
            self.edited,
            self.ever_edited,
            self.forced,
            self.runs,
            self._began,
            self._marked,
        ):
            changed.clear()
        self.skew, self.patience = 0.0, LAST
        self._step_began = stamp(self.cloud_now())
        if not self._clean:
            self._build()
        self._clean = self.failed = False
        self._restore(released=released)
        self.skew, self.patience = skew, PATIENCE
        self.since = self.cloud_now()
        self.cloud.speed(STILL)

    def _build(self) -> None:
        self._number += 1
        folder = self.root / f"project-{self._number}"
        folder.mkdir(parents=True)
        self.project = CloudProject(self.cloud, folder, runtime=self.runtime).build()
        self.images = {}
        self.ways = {
            name: replace_promotion(self.project.settings, way, folder, self.project.name) for name, way in WAYS.items()
        }
        for environment in ENVIRONMENTS:
            self.project.forget(environment)
            Infrastructure(self.rung(environment), "one").ensure("service", None, _Step())
            for root in ("service", "foundation"):
                self._record_infra(environment, root)
        for image in FIRST_IMAGES:
            for ended in (self.deploy("staging", image), self.promote()):
                assert ended.code == 0, ended
        self.first = {name: self.project.alias(name)[0] for name in ENVIRONMENTS}
        self.items = self._items()

    def _record_infra(self, environment: str, root: str) -> None:
        rung = self.rung(environment)
        latest = rung.function.read()
        record = InfraRecord(
            Infrastructure(rung, "one").inputs_hash(root),
            "plan",
            "2026-11-21T00:00:00Z",
            config_hash=latest.config_hash if latest and root == "service" else "",
        )
        rung.ledger.record_infra(environment if root == "service" else None, record)

    def _restore(self, *, released: bool) -> None:
        """Bring functions, aliases and ledger back to where they were after the first releases."""
        table, database = f"{self.project.name}-releases", self.project.client("dynamodb")
        for item in self._items():
            database.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
        revisions = {}
        for environment in ENVIRONMENTS:
            client, name = self.project.client("lambda", environment), self.project.function(environment)
            client.update_function_code(FunctionName=name, ImageUri=self.image(FIRST_IMAGES[-1]))
            self.project.wait(name)
            client.update_function_configuration(FunctionName=name, Environment={"Variables": {"SETTING": "one"}})
            self.project.wait(name)
            gone = environment == "production" and not released
            revisions[environment] = client.update_alias(
                FunctionName=name,
                Name="live",
                FunctionVersion="$LATEST" if gone else self.first[environment],
                RoutingConfig={"AdditionalVersionWeights": {}},
            )["RevisionId"]
        for item in self.items:
            environment = item["pk"]["S"].removeprefix("env#")
            if environment == "production" and not released and item["sk"]["S"] != "infra":
                continue
            newer = {"alias_revision": {"S": revisions[environment]}} if item["sk"]["S"] == "current" else {}
            database.put_item(TableName=table, Item=item | newer)

    def _items(self) -> list[dict[str, Any]]:
        pages = (
            self.project.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=f"{self.project.name}-releases", ConsistentRead=True)
        )
        return [item for page in pages for item in page["Items"]]

    def image(self, name: str) -> str:
        """Return the reference of an image, which is pushed at its first use."""
        if name not in self.images:
            self.images[name] = self.project.push(SOURCES.get(name) or GOOD % name)
            tag = hashlib.sha1(f"{self.project.name} {name}".encode()).hexdigest()
            self.tag(name, tag)
        return self.images[name]

    def tag(self, name: str, tag: str) -> None:
        """Tag an image."""
        ecr, repository, digest = self.project.client("ecr"), self.project.name, self.digest(name)
        images = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
        if images:
            with suppress(ecr.exceptions.ImageAlreadyExistsException):
                ecr.put_image(repositoryName=repository, imageManifest=images[0]["imageManifest"], imageTag=tag)

    def digest(self, name: str) -> str:
        """Return an image's digest."""
        return self.images[name].rpartition("@")[2] if name in self.images else self.image(name).rpartition("@")[2]

    def tried(self) -> str:
        """Say how much was tried."""
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        return f"simulation: {self.steps} steps from {self.beginnings} beginnings; commands: {ends}"

    def cloud_now(self) -> float:
        return float(self.cloud.info.request("clock")["now"])

    # what else happens

    def then(self, step: Any) -> None:
        """Play a step and compare."""
        with self.step():
            step.play(self)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Let the clock go during a step; then wait until it stands, and compare."""
        self.steps += 1
        self._step_began = stamp(self.cloud_now())
        self.runs.clear()
        self.failed = True
        self.cloud.speed(WALKING)
        yield
        self.cloud.speed(STILL)
        with self.healthy():
            self.check()
        self.failed = False

    def fault(self, kind: str, call: str, *, skip: int = 0, count: int = 1) -> None:
        """Break the next calls of one action."""
        service, _, action = call.partition(":")
        rule = {"service": service, "action": action, "kind": kind, "skip": skip, "count": count, "seconds": 0.2}
        self.cloud.info.request("faults", "POST", [rule])

    def edit(self, environment: str, back: int) -> None:
        """Move an alias by hand, `back` versions from the newest; `inv status` must say so."""
        name, client = self.project.function(environment), self.project.client("lambda", environment)
        published = client.list_versions_by_function(FunctionName=name)["Versions"][1:]
        version = published[-1 - back % len(published)]["Version"]
        client.update_alias(
            FunctionName=name, Name="live", FunctionVersion=version, RoutingConfig={"AdditionalVersionWeights": {}}
        )
        self.edited.add(environment)
        self.ever_edited.add(environment)
        (shown,) = status.read([self.rung(environment)])
        current = self.rung(environment).ledger.snapshot(environment).current
        if not shown.problem and current and current.version != version and not shown.drift:
            raise BrokenPromiseError(
                f"inv status says nothing of version {version}, on which {environment} was put by hand"
            )

    def alarm(self, environment: str) -> None:
        """Let an alarm fire."""
        if self.project.alarm_state(environment) != "ALARM":
            self.project.fire(environment)

    def abort(self) -> None:
        """Stop every promotion as the console of AWS would."""
        for arn in self.running():
            self.project.client("stepfunctions").stop_execution(executionArn=arn)

    def advance(self, seconds: float) -> None:
        """Let time pass, for the cloud and for leases."""
        table, database = f"{self.project.name}-releases", self.project.client("dynamodb")
        with self.healthy():
            for environment in ENVIRONMENTS:
                with suppress(database.exceptions.ConditionalCheckFailedException):
                    database.update_item(
                        TableName=table,
                        Key=schema.LOCK.key(environment=environment),
                        UpdateExpression="SET expires = expires - :passed",
                        ConditionExpression="expires > :passed",
                        ExpressionAttributeValues={":passed": {"N": str(int(seconds))}},
                    )
        self.cloud.info.request("clock", "POST", {"advance": seconds})

    def running(self) -> list[str]:
        return self.project.running()

    # what is compared

    def observe(self) -> Observation:
        seen = observe.observe(StateMachine(self.rung("staging")), since=self.since)
        now = stamp(self.cloud_now())
        seen = replace(
            seen,
            rungs=tuple(replace(r, releases=tuple(map(self._timed, r.releases))) for r in seen.rungs),
            marks={d: replace(mark, marked_at=self._marked.setdefault(d, now)) for d, mark in seen.marks.items()},
        )
        self._marked = {digest: at for digest, at in self._marked.items() if digest in seen.marks}
        recorded = {rung.environment for rung in seen.rungs if rung.current and rung.current.version == rung.version}
        self.edited -= {name for name in self.edited & recorded if not self.running()}
        return replace(
            seen,
            runs=tuple(self.runs),
            edited=frozenset(self.edited),
            ever_edited=frozenset(self.ever_edited),
            forced=frozenset(self.forced),
        )

    def _timed(self, entry: ReleaseEntry) -> ReleaseEntry:
        """Return an entry with times of the cloud's clock; a command writes its own machine's."""
        if entry.kind == schema.PROMOTE:
            return entry
        return replace(entry, started_at=self._began.setdefault(entry.release_id, self._step_began))

    def check(self, moment: Moment | None = None) -> None:
        """Wait until nothing moves, then compare with what is promised at this moment."""
        self.settle()
        running = bool(self.running())
        broken = self._broken(moment or (Moment.ALWAYS if running else Moment.AT_REST))
        if broken:
            raise BrokenPromiseError("\n".join(map(str, broken)))

    def _broken(self, moment: Moment) -> tuple[Violation, ...]:
        """Observe until two looks agree: a function of the pipeline may be at work."""
        deadline = time.monotonic() + 60
        while (broken := violations(self.observe(), moment)) and time.monotonic() < deadline:
            again = violations(self.observe(), moment)
            if broken == again:
                time.sleep(0.5)  # a recovery that an event began is under way, perhaps
                if violations(self.observe(), moment) == broken:
                    return broken
        return broken

    def settle(self) -> None:
        """Wait until each promotion waits: for the clock, or for a person."""
        before: Any = None
        for _ in range(400):
            now = [self._open_tasks(arn) for arn in self.running()]
            if now == before and not any(open_tasks for _, open_tasks in now):
                return
            before = now
            time.sleep(0.03)

    def _open_tasks(self, arn: str) -> tuple[int, int]:
        """Return how many events an execution's history has, and how many tasks that something works on."""
        states, events, more = self.project.client("stepfunctions"), [], {}
        while True:
            answer = states.get_execution_history(executionArn=arn, maxResults=1000, **more)
            events += answer["events"]
            if "nextToken" not in answer:
                break
            more = {"nextToken": answer["nextToken"]}
        kinds = [str(event["type"]) for event in events]
        begun = sum(kind in ("TaskScheduled", "LambdaFunctionScheduled") for kind in kinds)
        ended = sum(kind in _TASK_ENDS for kind in kinds)
        waiting = sum(kind == "TaskSubmitted" for kind in kinds)
        answered = sum(
            kind in ("TaskSucceeded", "TaskFailed", "TaskTimedOut") and _of_token(events, event)
            for kind, event in zip(kinds, events, strict=True)
        )
        return len(events), begun - ended - (waiting - answered)

    # the end

    def converge(self) -> None:
        """Break nothing any more, run one more command of each kind, and compare with what is promised then."""
        self.skew, self.patience = 0.0, LAST
        self.calm()
        self._finish_promotions()
        self.advance(120.0)  # leases of commands that were killed elsewhere
        self._step_began = stamp(self.cloud_now())
        self.runs.clear()
        self._number += 1
        name = f"last {self._number}"
        ended = self._follow_hints(lambda: self.deploy("staging", name), "staging")
        assert ended.code == 0, f"a good image can't be deployed: {ended}"
        ended = self._follow_hints(self.promote, "production")
        assert ended.code == 0, f"a good image can't be promoted: {ended}"
        self.check(Moment.AFTER_ONE_MORE_RUN)
        for environment in ENVIRONMENTS:
            assert self.project.digest(environment) == self.digest(name)
        self._clean = True

    def calm(self) -> None:
        """Let AWS work again, and alarms be silent."""
        self.cloud.faults()
        self.cloud.speed(RUNNING)
        for environment in ENVIRONMENTS:
            for kind in ("errors", "latency", "throttles"):
                if self.project.alarm_state(environment, kind) == "ALARM":
                    self.project.calm(environment, kind)
        self.advance(180.0)
        deadline = time.monotonic() + LAST
        while any(self.project.alarm_state(environment) == "ALARM" for environment in ENVIRONMENTS):
            assert time.monotonic() < deadline, "the alarm stays"
            time.sleep(0.05)

    def _finish_promotions(self) -> None:
        deadline = time.monotonic() + LAST
        while self.running():
            assert time.monotonic() < deadline, "a promotion does not end"
            with suppress(AssertionError):
                self.decide(approve=True)
            time.sleep(0.05)

    def _follow_hints(self, act: Callable[[], Ended], environment: str) -> Ended:
        """Run a command, and what it says is to be done first."""
        for _ in range(_ROUNDS):
            ended = act()
            if ended.code == 0:
                break
            if "inv rollback" in ended.hint:
                self.rollback(environment, bad=False)
        return ended


_TASK_ENDS = (
    *("TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"),
    *("LambdaFunctionSucceeded", "LambdaFunctionFailed", "LambdaFunctionTimedOut"),
)


def _of_token(events: list[dict[str, Any]], event: dict[str, Any]) -> bool:
    """Say whether a task's end is that of one that had been submitted."""
    return str(events[event["previousEventId"] - 1]["type"]) == "TaskSubmitted"


class _Step:
    """A step that nobody sees."""

    def done(self, _text: str) -> None:
        """Be done."""


def replace_promotion(settings: Any, way: dict[str, Any], folder: Path, name: str) -> Any:
    """Return a project's settings with another way to promote."""
    at = {"account": daemon.ACCOUNT, "region": daemon.REGION}
    raw = {
        "project": name,
        "rungs": list(ENVIRONMENTS),
        "environments": {environment: dict(at) for environment in ENVIRONMENTS},
        "architecture": "x86_64",
        "promotion": way,
    }
    return settings_module.load(raw, folder)


@contextmanager
def simulated(cloud: Any, folder: Path, runtime: Path) -> Iterator[SimulatedProject]:
    """Return a project; this process is pointed at the cloud meanwhile."""
    project = SimulatedProject(cloud, root=folder, runtime=runtime)
    with in_process.pointed_at(cloud, brief=5.0) as patch:
        patch.setattr(sources, "commit", lambda _settings: git.Commit("", "no repository"))  # saves processes
        patch.setattr(locks, "this_process", project.identities.this_process)
        patch.setattr(locks, "is_alive", project.identities.is_alive)
        patch.setattr(locks, "is_dead", project.identities.is_dead)
        patch.setattr(rungs, "this_process", project.identities.this_process)
        yield project
