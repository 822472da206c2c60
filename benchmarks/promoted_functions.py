"""Promote a project with many functions in a local cloud; print its drawing and what it cost.

    .venv/bin/python benchmarks/promoted_functions.py [functions] [--failing]

With `--failing` one function fails behind its alias, and all are put back. What Terraform would make is made by API.
Exit code 1 when the promotion does not end as it should.
"""

from __future__ import annotations

import argparse
import collections
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/unit")]

import cloud_alarms  # noqa: E402 - from the tests
import cloud_images  # noqa: E402
import in_process  # noqa: E402
from cloud_project import CloudProject  # noqa: E402
from running_cloud import RunningCloud  # noqa: E402

from localcloud import daemon  # noqa: E402
from stepladder.core.errors import ExitCode  # noqa: E402
from stepladder.promotion import render, watch  # noqa: E402
from stepladder.promotion.history import LadderView  # noqa: E402

PRICE = 0.025 / 1000  # US dollars a transition, us-east-1: https://aws.amazon.com/step-functions/pricing/
INLINE = 10  # functions of a rung that one execution's history holds (terraform/modules/delivery/machine.tf)
FAILING = "search"
_PICTURES = 3
_SOURCE = """
def handler(event, context):
    if {failing!r} and context.invoked_function_arn.endswith("-production-{failing}:live"):
        raise ValueError("no index named orders")
    return {{"statusCode": 200}}
"""


class Pictures:
    """Keeps what a terminal would show, at most one drawing a second."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self._last = 0.0

    def update(self, view: LadderView) -> None:
        """Draw the ladder as it is now."""
        if view.end or time.monotonic() - self._last > 1:
            self._last = time.monotonic()
            self.drawn.append("\n".join("".join(text for text, _ in row).rstrip() for row in render.rows(view, 30)))

    def close(self) -> None:
        """Nothing is left to draw."""

    def some(self) -> list[str]:
        """Return a few of them, the last one included."""
        count = len(self.drawn)
        return [self.drawn[count * number // (_PICTURES + 1)] for number in range(1, _PICTURES + 1)] + self.drawn[-1:]


def main(count: int, *, failing: bool) -> int:
    """Measure, print, and return the exit code."""
    # Latency here is that of a machine which runs a hundred functions at once
    cloud_alarms.KINDS["latency"] = ("Duration", {"ExtendedStatistic": "p99"}, 600_000)
    names = ([FAILING] + [f"number-{number}" for number in range(1, count)])[: count - 1]
    with daemon.running(environ={"STEPLADDER_LAUNCHER": "process"}) as info, tempfile.TemporaryDirectory() as folder:
        cloud = RunningCloud(info)
        with in_process.pointed_at(cloud, brief=2.0):
            cloud.speed(60 if count <= INLINE else 5)
            project = CloudProject(
                cloud,
                Path(folder),
                runtime=cloud_images.runtime(Path(folder)),
                functions=names,
                distributed=count > INLINE,
                deployment="Canary10Percent5Minutes" if count <= INLINE else "AllAtOnce",
            ).build()
            project.ship(_SOURCE.format(failing=FAILING if failing else ""))
            pictures = Pictures()
            watch.renderer = lambda _console: pictures  # type: ignore[assignment]
            cloud.reset_calls()
            started = time.monotonic()
            ended = project.promote()
            seconds = time.monotonic() - started
            calls = collections.Counter(cloud.calls())
            for drawing in pictures.some():
                print(drawing, end="\n\n")
            print(f"{ended.code}: {ended.message or 'promoted'}")
            _print_figures(project, seconds, calls)
    return int(ended.code != (ExitCode.ROLLED_BACK if failing else ExitCode.OK))


def _print_figures(project: CloudProject, seconds: float, calls: collections.Counter[str]) -> None:
    client = project.client("stepfunctions")
    newest = client.list_executions(stateMachineArn=project.machine)["executions"][0]["executionArn"]
    own = list(_events(client, newest))
    children = [
        list(_events(client, child["executionArn"]))
        for run in client.list_map_runs(executionArn=newest)["mapRuns"]
        for child in client.list_executions(mapRunArn=run["mapRunArn"], maxResults=1000)["executions"]
    ]
    transitions = sum(kind.endswith("StateEntered") for events in (own, *children) for kind in events)
    described = client.describe_execution(executionArn=newest)
    left = described.get("output") or described.get("cause") or ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{seconds:.0f} s, {peak:.0f} MB of the command at most, {calls.total()} calls of everything")
    print(
        f"{len(own)} events, {len(children)} child executions of {max(map(len, children), default=0)} events at most, "
        f"{transitions} transitions: {transitions * PRICE:.4f} US dollars"
    )
    print(f"input {len(described['input']):,} bytes, result {len(left):,} bytes")


def _events(client: Any, arn: str) -> Iterator[str]:
    """Yield the kinds of an execution's events."""
    for page in client.get_paginator("get_execution_history").paginate(executionArn=arn, includeExecutionData=False):
        yield from (event["type"] for event in page["events"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("functions", type=int, nargs="?", default=10)
    parser.add_argument("--failing", action="store_true")
    given = parser.parse_args()
    sys.exit(main(given.functions, failing=given.failing))
