"""Promote and roll back on a local cloud: one service, and ten at once, as whole processes.

    .venv/bin/invoke bench --only promote

What Terraform makes is made by API, in the tests' own way (tests/support/cloud_project.py), and recorded as applied, so
that a run costs no plan. Processor seconds are those of everything: the commands, the cloud, and the functions it runs.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import yaml
from measure import environment

ROOT = Path(__file__).resolve().parents[1]
INVOKE = str(Path(sys.executable).parent / "invoke")
sys.path += [str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "support")]

from cloud_project import GOOD, CloudProject, runtime  # noqa: E402 - the path comes first
from running_cloud import RunningCloud  # noqa: E402

from localcloud import daemon  # noqa: E402
from stepladder.promotion import delivery  # noqa: E402
from stepladder.terraform import inputs_hash  # noqa: E402

MANY = 10
ROUNDS = 3
CANARY = {"INVOKE_STEPLADDER_PROMOTION_DEPLOYMENT": "Canary10Percent5Minutes"}  # what a project has by default
SPEED = 60  # of the cloud's clock: five minutes take five seconds
_DEADLINE = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")
_TASKS = "from stepladder.collections import namespace\n\nns = namespace()\n"


@dataclass(frozen=True)
class Took:
    """Seconds of the clock, and of the processor for the commands and for the cloud with its functions."""

    seconds: float
    commands: float
    cloud: float

    @property
    def processor(self) -> float:
        """Seconds of the processor, of everything."""
        return self.commands + self.cloud


@dataclass(frozen=True)
class Pair:
    """One service's promotion, and those of ten services at once."""

    one: Took
    many: Took

    @property
    def ratio(self) -> float:
        """How many times one promotion's seconds ten at once take."""
        return self.many.seconds / self.one.seconds


@dataclass(frozen=True)
class Figures:
    """Medians of the warm rounds; `first` is the first promotion, whose functions start cold."""

    first: Took
    at_once: Pair
    canary: Pair
    rollback: Took


class Service:
    """A project that is on both rungs, as Terraform would have made it."""

    def __init__(self, cloud: RunningCloud, folder: Path, client: Path) -> None:
        folder.mkdir()
        self.project = CloudProject(cloud, folder, runtime=client).build()
        self.env = environment(**cloud.env)
        self.number = 0
        settings = self.project.settings
        place = {"account": daemon.ACCOUNT, "region": daemon.REGION}
        raw = {
            "project": self.project.name,
            "rungs": [list(rung) if len(rung) > 1 else rung[0] for rung in settings.rungs],
            "environments": dict.fromkeys(settings.ladder_environments, place),
            "architecture": "x86_64",
            "promotion": {"deployment": "AllAtOnce"},
        }
        root = folder / "terraform" / delivery.ROOT
        root.mkdir(parents=True)
        (root / "main.tf").write_text("# made by API in this benchmark\n")
        (folder / "tasks.py").write_text(_TASKS)
        (folder / "invoke.yaml").write_text(yaml.safe_dump({"stepladder": raw}))
        rung = self.project.rung()
        delivery.record(rung, inputs_hash(rung.settings, rung.environment, delivery.ROOT), "plan")

    def ship(self) -> None:
        """Put a new image on the lowest rung."""
        self.number += 1
        self.project.ship(GOOD % f"{self.project.name} {self.number}")

    def start(self, *task: str, **extra: str) -> subprocess.Popen[str]:
        """Start a task, with additions to its environment."""
        return subprocess.Popen(
            [INVOKE, *task],
            cwd=self.project.root,
            env={**self.env, **extra},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def measure(work: Path) -> Figures:
    """Promote and roll back on a cloud of its own; return the medians."""
    info, _ = daemon.up(work / "promotions")
    kept = dict(os.environ)
    os.environ.update(info.env())
    try:
        client = runtime(work / "runtime")
        services = [Service(RunningCloud(info), work / f"service{n}", client) for n in range(MANY + 1)]
        first, _, _ = a_round(info, services, back=False)
        rounds = [a_round(info, services) for _ in range(ROUNDS)]
        at_once, canary, backs = zip(*rounds, strict=True)
        return Figures(first.one, middle_pair(at_once), middle_pair(canary), middle(backs))
    finally:
        daemon.down(work / "promotions")
        os.environ.clear()
        os.environ.update(kept)


def a_round(info: daemon.CloudInfo, services: list[Service], *, back: bool = True) -> tuple[Pair, Pair, Took]:
    """Promote all at once and by a canary, one service and the others; roll back one when it has a release before."""
    pairs = []
    for speed, extra in ((1, {}), (SPEED, CANARY)):
        for service in services:
            service.ship()
        info.request("clock", "POST", {"speed": speed})
        one = timed(info.pid, services[:1], "promote", **extra)
        pairs.append(Pair(one, timed(info.pid, services[1:], "promote", **extra)))
        info.request("clock", "POST", {"speed": 1})
    return (
        pairs[0],
        pairs[1],
        timed(info.pid, services[:1], "rollback", "--env", "production") if back else pairs[0].one,
    )


def timed(pid: int, services: list[Service], *task: str, **extra: str) -> Took:
    """Run a task in all services at once; raise when one fails."""
    mine, its, begun = own_children(), of_tree(pid), time.perf_counter()
    running = [service.start(*task, **extra) for service in services]
    said = [child.communicate(timeout=_DEADLINE) for child in running]
    took = Took(time.perf_counter() - begun, own_children() - mine, of_tree(pid) - its)
    for child, (_, err) in zip(running, said, strict=True):
        if child.returncode:
            raise RuntimeError(f"inv {' '.join(task)} ended with {child.returncode}: {err[-2000:]}")
    return took


def middle(runs: Sequence[Took]) -> Took:
    """Return the medians."""
    return Took(*(statistics.median(getattr(run, each.name) for run in runs) for each in fields(Took)))


def middle_pair(pairs: Sequence[Pair]) -> Pair:
    """Return the medians of both sides."""
    return Pair(middle([pair.one for pair in pairs]), middle([pair.many for pair in pairs]))


def own_children() -> float:
    """Return the processor seconds of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_tree(pid: int) -> float:
    """Return the processor seconds of a process, of its children, and of those that it had (proc(5))."""
    return sum(sum(map(int, stat[11:15])) for stat in _tree(pid)) / _TICKS


def _tree(pid: int) -> Iterator[list[str]]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue  # it has ended meanwhile
        stat = text.rpartition(")")[2].split()
        if path.parent.name == str(pid) or stat[1] == str(pid):
            yield stat
