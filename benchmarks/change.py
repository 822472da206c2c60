"""A change of one line to verified live, nothing changed, and the first deploy: stepladder beside its peers, by turns.

.venv/bin/python benchmarks/change.py [rounds]

The peers are the newest versions that their registries have, each in an environment of its own (`peers/`).
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import progress
from alone import print_tables
from change_tables import change_table, nothing_table
from contenders import WAYS, Contender, UnverifiedError, absent, of_peer, ours_name, project
from first_deploys import first_table
from peers import PEERS, Engine, NotRunnableError, Site, running, running_engine
from peers.installing import reason
from tables import Table

SLOW_SECONDS, SLOW_ROUNDS = 3.0, 3  # with nothing to do: what takes longer is run so often, and no more
LAUNCHERS = ("process", "container")
HOPS = 100
_versions: dict[str, str] = {}

FAIR = (
    "stepladder alone publishes a version, moves an alias, runs smoke cases, verifies and writes its ledger.",
    "`sam sync --code`, `osls deploy function` and `cdk --hotswap` change $LATEST and publish nothing.",
    "Each run is verified: the function's CodeSha256 changed, or, with nothing to do, did not.",
    "Each run begins a second after the run before, whose functions the cloud and the engine still start and end.",
    "The floors are scripts of forty lines, not rivals: no settings, checks, tests, lock or record.",
    "The AWS behind all is the local cloud, where a call takes milliseconds and CloudFormation costs nothing.",
    "On AWS a stack takes seconds to minutes: these rows say nothing about the gain of hotswap or Express mode.",
    "`sam deploy` and osls poll a stack every 5 s by default; one row polls ten times as often.",
    "Chalice waits twice for 5 s in botocore's waiters: functions are updated for a moment, as on AWS.",
    "The peers' images are the base and one file. stepladder's has a layer of packages, too, which is unchanged.",
    "Functions as processes stand on this machine's Python, without a base image. Only the layers builder makes those.",
    "The processor's seconds are those of the command and its children, without the engine's and the cloud's.",
)


def measure(work: Path, rounds: int) -> Iterator[Table]:
    """Yield the tables of a change, of nothing changed, and of first deploys."""
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(running_engine(make_folder(work / "engine")))
        sites = {
            launcher: stack.enter_context(running(make_folder(work / launcher), engine, launcher=launcher))
            for launcher in LAUNCHERS
        }
        contenders, firsts = ours(sites)
        contenders += rivals(sites["process"])
        rounds_of(contenders, rounds)
        notes = (*FAIR, built(engine), hop(sites["process"]), *(note for each in contenders for note in each.notes))
        slow = f"What takes longer than {SLOW_SECONDS:.0f} s with nothing to do is run {SLOW_ROUNDS} times."
        yield change_table(contenders, notes)
        yield nothing_table(contenders, (slow, *notes))
    with running_engine(make_folder(work / "engine-first")) as engine:
        yield first_table(work, engine, rounds, firsts)


def versions() -> dict[str, str]:
    """Return the peers' versions by their names."""
    return dict(_versions)


def ours(sites: dict[str, Site]) -> tuple[list[Contender], list[float]]:
    """Make and deploy stepladder's projects. Return them, and the seconds of the first deploys by layers."""
    contenders, firsts = [], []
    for builder, launcher in WAYS:
        site, name = sites[launcher], ours_name(builder, launcher)
        progress.show(f"the first deploy of {name}")
        try:
            made = project(site, site.work / f"project-{builder}", builder, launcher)
            seconds = made.deploy.run().seconds
            contenders.append(made.contender())
        except (NotRunnableError, RuntimeError) as error:
            contenders.append(absent(name, site, error, ours=True))
            continue
        if builder == "layers":
            firsts.append(seconds)
    return contenders, firsts


def rivals(site: Site) -> list[Contender]:
    """Install the peers, make their apps and their first deployments."""
    contenders = []
    for kind in PEERS:
        peer = kind()
        progress.show(f"{peer.name}: installing, and its first deployment")
        try:
            peer.install(site)
            peer.prepare(site)
            contenders.append(of_peer(peer, site))
        except NotRunnableError as error:
            contenders.append(absent(peer.name, site, error, version=peer.version))
        if peer.tool and peer.version:
            _versions[peer.tool.name] = peer.version
    return contenders


def rounds_of(contenders: Sequence[Contender], rounds: int) -> None:
    """Run all by turns: a change, then nothing changed, `rounds` times after one change as a warm-up."""
    for contender in contenders:
        attempt(contender, lambda each: each.run(change=True))
    for number in progress.counted(rounds, "a change, and nothing changed"):
        for contender in contenders:
            attempt(contender, lambda each: each.changed.append(each.run(change=True)))
            slow = any(sample.seconds > SLOW_SECONDS for sample in contender.unchanged)
            if not slow or number <= SLOW_ROUNDS:
                attempt(contender, lambda each: each.unchanged.append(each.run(change=False)))


def attempt(contender: Contender, step: Callable[[Contender], object]) -> None:
    """Take a step; a contender that fails is measured no more, and its row says why."""
    if contender.reason:
        return
    try:
        step(contender)
    except (RuntimeError, UnverifiedError) as error:
        contender.reason = f"failed: {reason(error)}"


def built(engine: Engine) -> str:
    """Say how `docker build` builds."""
    if not engine.host:
        return f"There is no container engine, so nothing that needs one ran: {engine.reason}"
    return f"`docker build` builds by {'BuildKit' if engine.buildkit else 'the classic builder'}, for all that run it."


def hop(site: Site) -> str:
    """Measure what the proxy adds to a call, and say so."""
    import urllib3

    pool = urllib3.PoolManager()
    added = []
    for _ in range(HOPS):
        begun = time.perf_counter()
        pool.request("GET", f"{site.cloud.url}/_stepladder/clock")
        between = time.perf_counter()
        pool.request("GET", f"{site.proxy}/_stepladder/clock")
        added.append((time.perf_counter() - between) - (between - begun))
    what = "osls, serverless, sam and cdk speak to the cloud through a proxy, which names the registry's address"
    return f"{what}; it adds {statistics.median(added) * 1000:.1f} ms to a call."


def make_folder(path: Path) -> Path:
    """Make a folder and return it."""
    path.mkdir(parents=True)
    return path


if __name__ == "__main__":
    print_tables(measure)
