"""The local cloud itself: how soon it is ready, how quickly it invokes, how much memory it has.

.venv/bin/python benchmarks/cloud.py [rounds]
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import progress
from alone import print_tables
from measure import Command, environment
from projects import new, tool
from tables import Goal, Row, Spread, Table, told

from localcloud import daemon

READY_SECONDS, WARM_MS, MEMORY_MB = 3.0, 10.0, 250.0
CALLS, UNCOUNTED = 200, 10


def measure(work: Path, rounds: int) -> Iterator[Table]:
    """Yield the one table."""
    starts = []
    for number in progress.counted(rounds, "start of a local cloud"):
        daemon.down(work / f"cloud{number - 1}")
        begun = time.perf_counter()
        info, _ = daemon.up(work / f"cloud{number}", leashed=True)
        starts.append(time.perf_counter() - begun)
    try:
        progress.show("a project's first deploy")
        project, env = new(work / "project"), environment(**info.env(region="eu-west-1"))
        Command([tool(project, "inv"), "deploy", "--env", "staging"], project, env).run()
        yield itself(info, starts)
    finally:
        daemon.down(work / f"cloud{rounds}")


def itself(info: daemon.CloudInfo, starts: Sequence[float]) -> Table:
    """Return what the cloud costs."""
    client = lambda_client(info)
    progress.show("warm invocations")
    warm = Spread(tuple(invocation(client) * 1000 for _ in range(CALLS))[UNCOUNTED:])
    ready, weight = Spread(tuple(starts)), memory(info.pid)
    rows = (
        Row(("ready to answer", f"{ready.text()} s"), {"seconds": ready.figures}),
        Row(("a warm invocation of a trivial handler", f"{warm.text(1)} ms"), {"milliseconds": warm.median}),
        Row(("memory, after Terraform's apply and a release", f"{weight:.0f} MB"), {"megabytes": weight}),
    )
    goals = (
        Goal(
            "ready",
            f"in less than {READY_SECONDS:.0f} s",
            f"{told(ready.median, READY_SECONDS)} s",
            ready.median < READY_SECONDS,
        ),
        Goal(
            "a warm invocation",
            f"less than {WARM_MS:.0f} ms",
            f"{told(warm.median, WARM_MS, 1)} ms",
            warm.median < WARM_MS,
        ),
        Goal("memory", f"less than {MEMORY_MB:.0f} MB", f"{told(weight, MEMORY_MB, 0)} MB", weight < MEMORY_MB),
    )
    notes = (f"Invocations counted: {len(warm.figures)}.",)
    return Table("cloud", "The local cloud", ("what", "measured"), rows, notes, goals)


def lambda_client(info: daemon.CloudInfo) -> Any:
    """Return a client of the local cloud."""
    import boto3

    keys = {"aws_access_key_id": info.env()["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "local"}
    return boto3.client("lambda", region_name="eu-west-1", endpoint_url=info.url, **keys)


def invocation(client: Any) -> float:
    """Return the seconds of one invocation through the alias."""
    begun = time.perf_counter()
    answer = client.invoke(FunctionName="hello-staging", Qualifier="live", Payload=b'{"name": "Ada"}')
    answer["Payload"].read()
    if "FunctionError" in answer:
        raise RuntimeError("the function failed")
    return time.perf_counter() - begun


def memory(pid: int) -> float:
    """Return a process's resident memory in MB (proc(5))."""
    match = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(match[1]) / 1024 if match else float("nan")


if __name__ == "__main__":
    print_tables(measure)
