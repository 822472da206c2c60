"""Promotions on a local cloud: what is beyond waiting, many services at once, many functions in one promotion.

    .venv/bin/python benchmarks/promotions.py [rounds]

Whole processes of `inv promote` and `inv rollback` over two rungs, staging and production.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import progress
from alone import print_tables
from projects import ROOT
from promoted_project import FAILING, IDLE, Execution, PromotedProject, Took, clouds, execution, timed
from tables import Goal, Row, Spread, Table, told

sys.path += [str(ROOT / "docs")]

import cloud_images
import costs

from stepladder.core.errors import ExitCode

ROUNDS, MANY_ROUNDS = 3, 2  # of what takes many seconds, at most
CANARY = {"INVOKE_STEPLADDER_PROMOTION_DEPLOYMENT": "Canary10Percent5Minutes"}  # what a project has by default
BAKE = 300.0  # seconds that it takes
SLOW, FAST = 30, 120  # speeds of the cloud's clock
PROMOTE_SECONDS, ROLLBACK_SECONDS = 5.0, 1.5
SERVICES, SPEED = (1, 10, 100), 60
MANY_RATIO, MANY_PROCESSORS = 3.0, 4  # ten services at once beside one, and what that needs where nothing waits
FUNCTIONS, FUNCTIONS_SPEED = (1, 10, 100), 5
CALLS_RATIO = 1.1  # of a promotion among a hundred to one alone
DOLLARS = costs.price("million state transitions") / 1e6


def measure(work: Path, rounds: int) -> Iterator[Table]:
    """Yield the three tables."""
    client = cloud_images.runtime(work / "runtime")
    with clouds(work / "cloud") as cloud:

        def project(number: int) -> PromotedProject:
            return PromotedProject(cloud, work / f"service{number}", client)

        services = [project(0)]
        yield alone(services[0], rounds)
        progress.show(f"making {max(SERVICES)} services")
        with ThreadPoolExecutor(2) as pool:
            services += pool.map(project, range(1, max(SERVICES) + 1))
        yield at_once(services, min(rounds, MANY_ROUNDS))
    yield many_functions(work, client)


# what is beyond waiting


def alone(service: PromotedProject, rounds: int) -> Table:
    """Promote one service all at once and by a canary at two speeds of the clock, and roll it back."""
    ways: Mapping[str, Callable[[], Took]] = {
        "all at once": lambda: promoted(service),
        f"canary of five minutes, on a clock {SLOW} times as fast": lambda: promoted(service, SLOW, **CANARY),
        f"the same, {FAST} times as fast": lambda: promoted(service, FAST, **CANARY),
        "inv rollback": lambda: timed([service], "rollback", "--env", "production"),
    }
    first = promoted(service)
    runs: dict[str, list[Took]] = {way: [] for way in ways}
    for _ in progress.counted(min(rounds, ROUNDS), "one service"):
        for way, run in ways.items():
            runs[way].append(run())
    at_once, _, fast, back = runs.values()
    beyond = seconds(fast).median - BAKE / FAST
    rows = [row("all at once, the first: cold functions", [first], 0.0)]
    baked = (0.0, BAKE / SLOW, BAKE / FAST, 0.0)
    rows += [row(way, took, bake) for (way, took), bake in zip(runs.items(), baked, strict=True)]
    goals = [
        Goal("a promotion all at once", f"in less than {PROMOTE_SECONDS:g} s", said(at_once), below(at_once)),
        Goal("the first one", f"in less than {PROMOTE_SECONDS:g} s", said([first]), below([first])),
        Goal(
            "a canary's promotion beyond its bake",
            f"less than {PROMOTE_SECONDS:g} s",
            f"{told(beyond, PROMOTE_SECONDS)} s",
            beyond < PROMOTE_SECONDS,
        ),
        Goal(
            "a rollback",
            f"in less than {ROLLBACK_SECONDS:g} s",
            said(back, ROLLBACK_SECONDS),
            below(back, ROLLBACK_SECONDS),
        ),
    ]
    notes = (
        "Beyond the bake is what the command, the state machine, its functions and CodeDeploy take.",
        "What differs beyond the bake between the two speeds of the clock is waiting, as between two polls.",
        "Processor seconds are those of the command, and those of the cloud with the functions that it runs.",
        f"Runs of each: {len(back)}.",
    )
    head = ("promotion", "seconds", "of them baking", "beyond", "processor, command", "processor, cloud", "calls", "MB")
    return Table("promotion", "One promotion: what is beyond waiting", head, tuple(rows), notes, tuple(goals))


def promoted(service: PromotedProject, speed: float = 1, **extra: str) -> Took:
    """Promote a new image; the clock has its own speed again afterwards."""
    service.ship()
    return clocked([service], speed, **extra)


def clocked(services: Sequence[PromotedProject], speed: float = 1, *flags: str, code: int = 0, **extra: str) -> Took:
    """Promote what the lowest rungs have, on a clock of this speed."""
    cloud = services[0].made.cloud
    cloud.speed(speed)
    try:
        return timed(services, "promote", *flags, code=code, **extra)
    finally:
        cloud.speed(1)


def seconds(runs: Sequence[Took]) -> Spread:
    """Return the runs' seconds."""
    return Spread(tuple(run.seconds for run in runs))


def said(runs: Sequence[Took], limit: float = PROMOTE_SECONDS) -> str:
    """Return the runs' median as it is read beside a limit."""
    return f"{told(seconds(runs).median, limit)} s"


def below(runs: Sequence[Took], limit: float = PROMOTE_SECONDS) -> bool:
    """Say whether the runs' median is below a limit."""
    return seconds(runs).median < limit


def row(what: str, runs: Sequence[Took], bake: float) -> Row:
    """Return the line of a way to promote, of which `bake` seconds are waited for."""
    took = seconds(runs)
    commands, cloud = (Spread(tuple(getattr(run, each) for run in runs)).median for each in ("commands", "cloud"))
    calls, most = max(run.calls for run in runs), max(run.megabytes for run in runs)
    cells = (what, took.text(), f"{bake:.2f}", f"{took.median - bake:.2f}", f"{commands:.2f}", f"{cloud:.2f}")
    values = {"tool": what, "seconds": took.figures, "bake": bake, "processor": commands + cloud, "calls": calls}
    return Row((*cells, str(calls), f"{most:.0f}"), {**values, "megabytes": most})


# many services at once


def at_once(services: Sequence[PromotedProject], rounds: int) -> Table:
    """Promote one, ten and a hundred services at once; one and ten by a canary too."""
    kinds = [(size, "all at once", 1, {}) for size in SERVICES]
    kinds[2:2] = [(size, f"canary, clock at {SPEED}x", SPEED, CANARY) for size in SERVICES[:2]]
    kinds[-1] = (max(SERVICES), "all at once, detached", 1, {})
    runs: dict[tuple[int, str], list[Took]] = {}
    failed: list[Goal] = []
    for number in progress.counted(rounds, "many services"):
        for size, how, speed, extra in kinds:
            if size == max(SERVICES) and number > 1:
                continue
            chosen = services[1 : size + 1]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(PromotedProject.ship, chosen))
            task = ("--detach",) if size == max(SERVICES) else ()
            try:
                runs.setdefault((size, how), []).append(clocked(chosen, speed, *task, **extra))
            except RuntimeError as error:
                if not task:
                    raise
                failed.append(
                    Goal(f"{size} services at once", "all are promoted", " ".join(str(error).split())[-200:], met=False)
                )
                del runs[size, how]
    alone_by = {how: runs[1, how.partition(",")[0] if size == max(SERVICES) else how] for size, how in runs}
    rows = [service_row(size, how, took, alone_by[how]) for (size, how), took in runs.items()]
    goals = failed
    for (size, how), took in runs.items():
        ratio = seconds(took).median / seconds(alone_by[how]).median
        if size == SERVICES[1]:
            waits = how != "all at once"
            needs = "" if waits or (os.cpu_count() or 1) >= MANY_PROCESSORS else f"{MANY_PROCESSORS} processors"
            what = f"{size} at once, {how}, beside one"
            goals.append(
                Goal(what, f"at most {MANY_RATIO:g} times as long", told(ratio, MANY_RATIO), ratio <= MANY_RATIO, needs)
            )
        if size == max(SERVICES):
            calls = took[0].calls / size / max(run.calls for run in alone_by[how])
            what = f"calls of a promotion among {size} at once, beside one alone"
            goals.append(
                Goal(what, f"at most {CALLS_RATIO:g} times as many", told(calls, CALLS_RATIO), calls <= CALLS_RATIO)
            )
    notes = (
        "The machine is AWS too: the cloud and its functions share the processors with the commands.",
        "Where nothing waits, no more promotions go on than there are processors. A canary waits for most of its time.",
        f"Of {max(SERVICES)} services most functions start cold: the cloud keeps {IDLE} idle environments.",
        f"Nobody watches the {max(SERVICES)}: as many watchers would keep the cloud, which is one process, busy.",
        f"Runs of each: {rounds}; of {max(SERVICES)} services one.",
    )
    head = (
        "services",
        "how",
        "seconds",
        "beside one",
        "processor of each, command",
        "and cloud",
        "calls of each",
        "MB",
    )
    return Table("services", "Many services promoted at once", head, tuple(rows), notes, tuple(goals))


def service_row(size: int, how: str, runs: Sequence[Took], one: Sequence[Took]) -> Row:
    """Return the line of so many services."""
    took = seconds(runs)
    commands, cloud = (Spread(tuple(getattr(run, f) for run in runs)).median / size for f in ("commands", "cloud"))
    ratio, calls = took.median / seconds(one).median, round(max(run.calls for run in runs) / size)
    most = max(run.megabytes for run in runs)
    cells = (str(size), how, took.text(), f"{ratio:.2f}", f"{commands:.2f}", f"{cloud:.2f}", str(calls), f"{most:.0f}")
    return Row(cells, {"tool": how, "size": size, "seconds": took.figures, "calls": calls, "megabytes": most})


# many functions in one promotion


def many_functions(work: Path, client: Path) -> Table:
    """Promote a project of one, ten and a hundred functions; of many also with one that fails behind its alias."""
    rows, goals = [], []
    for size in FUNCTIONS:
        with clouds(work / f"cloud{size}") as cloud:
            progress.show(f"making {size} functions")
            names = [FAILING, *(f"number-{number}" for number in range(1, size))][: size - 1]
            project = PromotedProject(cloud, work / f"functions{size}", client, names)
            for failing in ("", FAILING)[: 2 if names else 1]:
                progress.show(f"{size} functions{', one fails' if failing else ''}")
                project.ship(failing)
                code = ExitCode.ROLLED_BACK if failing else ExitCode.OK
                what = f"{size} functions, one fails," if failing else f"{size} functions"
                wanted = "are all rolled back" if failing else "are promoted"
                try:
                    took, done = clocked([project], FUNCTIONS_SPEED, code=int(code)), execution(project)
                except RuntimeError as error:
                    goals.append(Goal(what, wanted, " ".join(str(error).split())[-200:], met=False))
                    continue
                rows.append(functions_row(size, failing, took, done))
                goals.append(Goal(what, wanted, "yes", met=True))
    notes = (
        f"All at once, on a clock {FUNCTIONS_SPEED} times as fast; once each. More than ten targets begin 1.5 s apart.",
        "Functions start cold: each gets a new version. Their processor seconds are in those of the cloud.",
        f"More than ten functions of a rung are child executions. A transition costs ${DOLLARS:.6f}, in children too.",
        "Where one fails, all are rolled back and verified, and the command ends with exit code 3.",
    )
    head = ("functions", "ended", "seconds", "processor, command", "and cloud", "MB", "calls")
    head += ("transitions", "price", "events", "child executions", "of events at most", "input, bytes")
    return Table("functions", "Many functions in one promotion", head, tuple(rows), notes, tuple(goals))


def functions_row(size: int, failing: str, took: Took, done: Execution) -> Row:
    """Return the line of a promotion of so many functions."""
    ended = "all rolled back: one fails" if failing else "promoted"
    price = done.transitions * DOLLARS
    cells = (str(size), ended, f"{took.seconds:.1f}", f"{took.commands:.1f}", f"{took.cloud:.1f}")
    cells += (f"{took.megabytes:.0f}", f"{took.calls:,}", f"{done.transitions:,}", f"${price:.4f}", f"{done.events:,}")
    cells += (f"{done.children:,}", f"{done.most:,}", f"{done.input_bytes:,}")
    values = {"tool": ended, "size": size, "seconds": [took.seconds], "processor": took.processor, "calls": took.calls}
    return Row(cells, {**values, "megabytes": took.megabytes, "transitions": done.transitions, "dollars": price})


if __name__ == "__main__":
    print_tables(measure)
