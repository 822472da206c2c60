"""The local cloud itself, and `inv deploy` on it beside the bare calls of boto3.

.venv/bin/python benchmarks/cloud.py [rounds]
"""

from __future__ import annotations

import itertools
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import progress
from alone import print_tables
from measure import Command, Run, environment, side_by_side
from projects import new, tool
from tables import Goal, Row, Spread, Table

from localcloud import daemon

HERE = Path(__file__).resolve().parent
READY_SECONDS, WARM_MS, MEMORY_MB = 3.0, 10.0, 250.0
NOTHING_SECONDS, NOTHING_CALLS, CHANGE_SECONDS = 0.35, 2, 1.2
CALLS = 200
FLOORS = (
    "The bare calls are a floor, not a rival: they build and push nothing, test nothing, lock nothing, record nothing.",
    "The seconds of the smoke cases are taken off those of `inv deploy`; the bare calls run none.",
    "A call to the local cloud takes milliseconds. On AWS each adds its round trip, so the calls are what to compare.",
)


def measure(work: Path, rounds: int) -> Iterator[Table]:
    """Yield the table of `inv deploy` and the bare calls, then that of the cloud."""
    starts = []
    for number in progress.counted(rounds, "start of a local cloud"):
        daemon.down(work / f"cloud{number - 1}")
        begun = time.perf_counter()
        info, _ = daemon.up(work / f"cloud{number}", leashed=True)
        starts.append(time.perf_counter() - begun)
    try:
        project, env = new(work / "deployments"), environment(**info.env(region="eu-west-1"))
        yield floors(info, project, env, rounds)
        yield itself(info, starts)
    finally:
        daemon.down(work / f"cloud{rounds}")


def floors(info: daemon.CloudInfo, project: Path, env: dict[str, str], rounds: int) -> Table:
    """Deploy with nothing changed and after a change, beside boto3."""
    deploy = Command([tool(project, "inv"), "deploy", "--env", "staging"], project, env)
    progress.show("the first deploy")
    deploy.run()
    client = lambda_client(info)
    image = peer_function(client)

    nothing_calls = counted(info, deploy)
    reads = Command([tool(project, "python"), str(HERE / "peer_reads.py"), "hello"], project, env)
    nothing = side_by_side(rounds, deploy, reads, what="nothing changed")

    handler = project / "function" / "app" / "handler.py"
    source = handler.read_text()

    def change() -> None:
        handler.write_text(f"{source}\n# {time.time()}\n")

    changed = Command(deploy.argv, project, env, change)
    calls = counted(info, changed)
    images = itertools.cycle([image_of(client), image])
    argv = [tool(project, "python"), str(HERE / "peer_deploy.py"), "peer", image]
    bare = Command(argv, project, env, lambda: argv.__setitem__(-1, next(images)))
    change_runs = side_by_side(rounds, changed, bare, what="a new handler")

    rows = [row("nothing changed", nothing_calls, nothing), row("a new handler", calls, change_runs)]
    took = [Spread(tuple(each.values["seconds"])).median for each in rows]
    goals = [
        Goal("nothing changed", f"at most {NOTHING_SECONDS} s", f"{took[0]:.2f} s", took[0] <= NOTHING_SECONDS),
        Goal("nothing changed", f"{NOTHING_CALLS} calls", str(nothing_calls), nothing_calls <= NOTHING_CALLS),
        Goal("a new handler", f"at most {CHANGE_SECONDS} s", f"{took[1]:.2f} s", took[1] <= CHANGE_SECONDS),
    ]
    head = ("inv deploy", "seconds", "bare calls, seconds", "ratio", "processor", "bare calls, processor", "calls")
    title = "inv deploy beside the bare calls of boto3"
    return Table("floors", title, head, tuple(rows), FLOORS, tuple(goals))


def row(what: str, calls: int, runs: Sequence[Sequence[Run]]) -> Row:
    """Return the line of a comparison, without the smoke cases' own seconds."""
    ours, peer = runs
    spreads = [
        Spread(tuple(run.seconds - smoke_seconds(run.said) for run in ours)),
        Spread(tuple(run.seconds for run in peer)),
    ]
    processor = [Spread(tuple(run.processor for run in side)).median for side in runs]
    ratio = spreads[0].median / spreads[1].median
    cells = (what, spreads[0].text(), spreads[1].text(), f"{ratio:.2f}", *(f"{p:.2f}" for p in processor), str(calls))
    values = {"what": what, "seconds": spreads[0].figures, "peer": spreads[1].figures, "calls": calls}
    return Row(cells, values)


def itself(info: daemon.CloudInfo, starts: Sequence[float]) -> Table:
    """Return what the cloud costs."""
    ready = Spread(tuple(starts))
    client = lambda_client(info)
    progress.show("warm invocations")
    warm = statistics.median([invocation(client) for _ in range(CALLS)][10:]) * 1000
    weight = memory(info.pid)
    rows = (
        Row(("ready to answer", f"{ready.text()} s"), {"seconds": ready.figures}),
        Row(("a warm invocation of a trivial handler", f"{warm:.1f} ms"), {"milliseconds": warm}),
        Row(("memory after the deploys above", f"{weight:.0f} MB"), {"megabytes": weight}),
    )
    goals = (
        Goal("ready", f"in less than {READY_SECONDS:.0f} s", f"{ready.median:.2f} s", ready.median < READY_SECONDS),
        Goal("a warm invocation", f"less than {WARM_MS:.0f} ms", f"{warm:.1f} ms", warm < WARM_MS),
        Goal("memory", f"less than {MEMORY_MB:.0f} MB", f"{weight:.0f} MB", weight < MEMORY_MB),
    )
    return Table("cloud", "The local cloud", ("what", "measured"), rows, (), goals)


def lambda_client(info: daemon.CloudInfo) -> Any:
    """Return a client of the local cloud."""
    import boto3

    keys = {"aws_access_key_id": info.env()["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "local"}
    return boto3.client("lambda", region_name="eu-west-1", endpoint_url=info.url, **keys)


def image_of(client: Any) -> str:
    """Return the URI by digest of the image that the project's function has."""
    return str(client.get_function(FunctionName="hello-staging")["Code"]["ResolvedImageUri"])


def peer_function(client: Any) -> str:
    """Make a function with an alias for the bare calls, of the project's image, and return the image."""
    image = image_of(client)
    role = client.get_function_configuration(FunctionName="hello-staging")["Role"]
    client.create_function(FunctionName="peer", PackageType="Image", Code={"ImageUri": image}, Role=role)
    client.get_waiter("function_active_v2").wait(FunctionName="peer", WaiterConfig={"Delay": 1})
    version = client.publish_version(FunctionName="peer")["Version"]
    client.create_alias(FunctionName="peer", Name="live", FunctionVersion=version)
    return image


def counted(info: daemon.CloudInfo, command: Command) -> int:
    """Return how many AWS calls a run makes."""
    info.request("calls", "DELETE")
    command.run()
    return len(info.request("calls")["calls"])


def smoke_seconds(said: str) -> float:
    """Return what the smoke cases took, as a deployment says; nothing for any other command."""
    match = re.search(r"^✓ smoke .* ([\d.]+) s$", said, re.MULTILINE)
    return float(match[1]) if match else 0.0


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
