"""Measure stepladder beside its peers on this machine, in one run, and print medians, ratios and goals.

    .venv/bin/invoke bench

Ratios are what counts: seconds depend on the machine and on what else it does. Exit code 1 when a goal is missed.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import Command, Run, environment, median, side_by_side

from localcloud import daemon

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
INVOKE = str(Path(sys.executable).parent / "invoke")
COOKIECUTTER = str(Path(sys.executable).parent / "cookiecutter")
ANSWERS = {"project_name": "hello", "python_version": f"3.{sys.version_info.minor}", "trigger": "none", "ci": "both"}
QUICK, SLOW = 15, 7  # runs of each
RATIO = 1.3
NOTHING_SECONDS, NOTHING_CALLS = 0.5, 2
CHANGE_SECONDS = 1.2
PROMOTE_SECONDS, ROLLBACK_SECONDS = 5.0, 1.5
MANY_RATIO = 3.0  # of ten services promoted at once to one
READY_SECONDS = 3.0
WARM_MS = 10.0
MEMORY_MB = 250.0


@dataclass(frozen=True)
class Result:
    """One line of the table; `missed` when the goal wasn't met."""

    what: str
    ours: str
    goal: str = ""
    missed: bool = False
    peer: str = ""
    ratio: str = ""
    processor: str = ""


def main(only: str = "") -> int:
    """Run the benchmarks, print the table, return the exit code."""
    known = {"listing": listing, "scaffolding": scaffolding, "cloud": local_cloud, "promote": promoting}
    chosen = only.split(",") if only else list(known)
    if unknown := set(chosen) - set(known):
        sys.exit(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="stepladder-bench-") as name:
        results = [result for each in chosen for result in known[each](Path(name))]
    head = ("what", "stepladder", "peer", "ratio", "processor", "goal", "")
    rows = [head, *((r.what, r.ours, r.peer, r.ratio, r.processor, r.goal, "MISSED" * r.missed) for r in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return int(any(result.missed for result in results))


def compared(what: str, ours: list[Run], peer: list[Run], goal: str, *, ratio: float = 0, seconds: float = 0) -> Result:
    """Return the line of a comparison, whose goal is a ratio or seconds. Smoke cases' own time isn't ours."""
    own = statistics.median(run.seconds - smoke_seconds(run.said) for run in ours)
    times = own / median(peer)
    missed = bool((ratio and times > ratio) or (seconds and own > seconds))
    processor = f"{median(ours, 'processor'):.2f} / {median(peer, 'processor'):.2f} s"
    return Result(what, f"{own:.3f} s", goal, missed, f"{median(peer):.3f} s", f"{times:.2f}", processor)


def listing(work: Path) -> Iterator[Result]:
    """`inv --list` in a project, beside a tasks.py of one task, both by the project's own environment."""
    project = new(work / "listing")
    one = work / "one"
    one.mkdir()
    (one / "tasks.py").write_text("from invoke import task\n\n\n@task\ndef hello(c):\n    print('hello')\n")
    ours, peer = side_by_side(
        QUICK, *(Command([tool(project, "inv"), "--list"], folder, environment()) for folder in (project, one))
    )
    yield compared("inv --list / a file of one task", ours, peer, f"<= {RATIO}x", ratio=RATIO)


def scaffolding(work: Path) -> Iterator[Result]:
    """`inv new`, beside cookiecutter's own command on the same template."""
    output = work / "scaffolding"
    answers = work / "answers.json"
    answers.write_text(json.dumps(ANSWERS))
    mine = [INVOKE, "new", "--no-input", "--answers", str(answers), "--output", str(output)]
    its = [COOKIECUTTER, str(ROOT), "--directory", "template", "--no-input", "--output-dir", str(output)]

    def empty() -> None:
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()

    ours, peer = side_by_side(
        SLOW,
        Command(mine, ROOT, environment(), empty),
        Command([*its, *(f"{key}={value}" for key, value in ANSWERS.items())], ROOT, environment(), empty),
    )
    yield compared("inv new / cookiecutter", ours, peer, f"<= {RATIO}x", ratio=RATIO)


def local_cloud(work: Path) -> Iterator[Result]:
    """Start a local cloud, then deploy to it."""
    starts = []
    for number in range(SLOW):
        daemon.down(work / f"cloud{number - 1}")
        begun = time.perf_counter()
        info, _ = daemon.up(work / f"cloud{number}")
        starts.append(time.perf_counter() - begun)
    try:
        ready = statistics.median(starts)
        yield Result("local cloud ready", f"{ready:.2f} s", f"< {READY_SECONDS:.0f} s", ready >= READY_SECONDS)
        yield from deployments(work, info)
    finally:
        daemon.down(work / f"cloud{SLOW - 1}")


def deployments(work: Path, info: daemon.CloudInfo) -> Iterator[Result]:
    """Deploy from nothing, with nothing changed, and after a change; then invoke warm, and weigh the cloud."""
    project, env = new(work / "deployments"), environment(**info.env(region="eu-west-1"))
    deploy = Command([tool(project, "inv"), "deploy", "--env", "staging"], project, env)
    yield Result("inv deploy, from nothing (Terraform's time)", f"{deploy.run().seconds:.0f} s")
    client = lambda_client(info)
    image = peer_function(client)

    calls = counted(info, deploy)
    reads = Command([tool(project, "python"), str(HERE / "peer_reads.py"), "hello"], project, env)
    ours, peer = side_by_side(QUICK, deploy, reads)
    what = f"inv deploy, nothing changed ({calls} calls) / the bare calls"
    limit = NOTHING_SECONDS if calls <= NOTHING_CALLS else sys.float_info.min
    yield compared(what, ours, peer, f"<= {NOTHING_SECONDS} s, {NOTHING_CALLS} calls", seconds=limit)

    handler = project / "function" / "app" / "handler.py"
    source = handler.read_text()
    changed = Command(deploy.argv, project, env, lambda: void(handler.write_text(f"{source}\n# {time.time()}\n")))
    calls = counted(info, changed)
    images = itertools.cycle([image_of(client), image])
    argv = [tool(project, "python"), str(HERE / "peer_deploy.py"), "peer", image]
    bare = Command(argv, work, env, lambda: argv.__setitem__(-1, next(images)))
    ours, peer = side_by_side(SLOW, changed, bare)
    what = f"inv deploy, new handler ({calls} calls), without smoke cases / the bare calls"
    yield compared(what, ours, peer, f"<= {CHANGE_SECONDS} s", seconds=CHANGE_SECONDS)

    warm = statistics.median([invocation(client) for _ in range(200)][10:]) * 1000
    yield Result("warm invocation", f"{warm:.1f} ms", f"< {WARM_MS:.0f} ms", warm >= WARM_MS)
    weight = memory(info.pid)
    yield Result("local cloud's memory after that", f"{weight:.0f} MB", f"< {MEMORY_MB:.0f} MB", weight >= MEMORY_MB)


def promoting(work: Path) -> Iterator[Result]:
    """Promote over two rungs, alone and ten at once, all at once and by the default canary; roll back."""
    import promotions

    found = promotions.measure(work)
    first, one, back, many = found.first, found.at_once.one, found.rollback, promotions.MANY

    def line(what: str, took: promotions.Took, limit: float) -> Result:
        return Result(
            what, f"{took.seconds:.2f} s", f"< {limit:g} s", took.seconds >= limit, processor=f"{took.processor:.2f} s"
        )

    yield line("inv promote, two rungs, no bake", one, PROMOTE_SECONDS)
    yield line("inv promote, the first time (functions start cold)", first, PROMOTE_SECONDS)
    yield line("inv rollback", back, ROLLBACK_SECONDS)
    for how, pair in (("all at once", found.at_once), (f"canary at {promotions.SPEED}x", found.canary)):
        yield Result(
            f"{many} inv promote at once / one ({how})",
            f"{pair.many.seconds:.2f} s",
            f"< {MANY_RATIO:.0f}x",
            pair.ratio >= MANY_RATIO,
            f"{pair.one.seconds:.2f} s",
            f"{pair.ratio:.2f}",
            f"{pair.many.processor:.2f} / {pair.one.processor:.2f} s",
        )


def void(_value: object) -> None:
    """Return nothing."""


def new(output: Path) -> Path:
    """Make a project with an environment of its own, as its README says, and return its folder."""
    output.mkdir(parents=True)
    answers = output / "answers.json"
    answers.write_text(json.dumps(ANSWERS))
    argv = [INVOKE, "new", "--no-input", "--answers", str(answers), "--output", str(output)]
    Command(argv, ROOT, environment()).run()
    project = output / "hello"
    uv = str(Path(sys.executable).parent / "uv")
    sync = [uv, "sync", "--quiet", "--python", sys.executable, "--reinstall-package", "stepladder"]
    Command(sync, project, {k: v for k, v in environment().items() if k != "VIRTUAL_ENV"}).run()
    return project


def tool(project: Path, name: str) -> str:
    """Return a program of a project's own environment: what a user runs, without the byte code that bootstrap makes."""
    return str(project / ".venv" / "bin" / name)


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
    sys.exit(main(*sys.argv[1:2]))
