"""A project that `inv promote` promotes on a local cloud, without Terraform, and what a run of its tasks takes.

What Terraform makes is made by API, in the tests' own way (tests/support/cloud_project.py), and recorded as applied.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml
from measure import PeakMemory, environment
from projects import INVOKE, ROOT

sys.path += [str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "support")]

import cloud_alarms
from cloud_project import CloudProject
from live_project import SERVICE as TEMPLATE_SERVICE
from running_cloud import RunningCloud

from localcloud import daemon
from stepladder.promotion import delivery
from stepladder.releases.plan import SERVICE
from stepladder.terraform import inputs_hash

INLINE = 10  # functions of a rung that one execution's history holds (terraform/modules/delivery/machine.tf)
TEMPLATE = TEMPLATE_SERVICE.parent
FAILING = "search"
SOURCE = """
# {number}
def handler(event, context):
    if {failing!r} and context.invoked_function_arn.endswith("-production-{failing}:live"):
        raise ValueError("no index named orders")
    return {{"statusCode": 200}}
"""
IDLE = 160  # environments of functions that the cloud keeps
_TASKS = "from stepladder.collections import namespace\n\nns = namespace()\n"
_DEADLINE = 900.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Took:
    """What tasks that ran at once took: seconds of the clock, of the processor for them and for the cloud.

    The cloud's seconds include those of the functions that it runs. `megabytes` is the most that one task used.
    """

    seconds: float
    commands: float
    cloud: float
    megabytes: float
    calls: int

    @property
    def processor(self) -> float:
        """Seconds of the processor, of everything."""
        return self.commands + self.cloud


class PromotedProject:
    """A project that is on both rungs, with its own function and the named ones."""

    def __init__(self, cloud: RunningCloud, folder: Path, client: Path, functions: Sequence[str] = ()) -> None:
        folder.mkdir()
        many = len(functions) >= INLINE
        self.made = CloudProject(cloud, folder, runtime=client, functions=functions, distributed=many).build()
        self.env = environment(**cloud.env)
        self._number = 0
        for root in (delivery.ROOT, SERVICE):  # what the settings are compared with; all is made by API
            shutil.copytree(TEMPLATE / root, folder / "terraform" / root)
        (folder / "tasks.py").write_text(_TASKS)
        (folder / "invoke.yaml").write_text(yaml.safe_dump({"stepladder": self.made.given}))
        rung = self.made.rung()
        delivery.record(rung, inputs_hash(rung.settings, rung.environment, delivery.ROOT), "plan")

    def ship(self, failing: str = "") -> None:
        """Put a new image on the lowest rung, of which the function `failing` fails in production behind its alias."""
        self._number += 1
        self.made.ship(SOURCE.format(number=self._number, failing=failing))

    @contextlib.contextmanager
    def started(
        self, task: Sequence[str], extra: Mapping[str, str]
    ) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        """Start a task, with additions to its environment; yield it and the file that its output goes to."""
        with tempfile.TemporaryFile() as output:
            child = subprocess.Popen(
                [INVOKE, *task],
                cwd=self.made.root,
                env={**self.env, **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            overdue = threading.Timer(_DEADLINE, child.kill)
            overdue.start()
            try:
                yield child, output
            finally:
                overdue.cancel()
                if child.returncode is None:
                    child.kill()
                    child.wait()


@contextlib.contextmanager
def clouds(folder: Path) -> Iterator[RunningCloud]:
    """Run a local cloud that this process points at."""
    kept = dict(os.environ)
    # With fewer, the functions of a hundred services would start again and again
    info, _ = daemon.up(folder, environ={"STEPLADDER_LAMBDA_MOST_IDLE": str(IDLE)}, leashed=True)
    os.environ.update(info.env())
    # Latency here is that of a machine which runs a hundred functions at once
    cloud_alarms.KINDS["latency"] = ("Duration", {"ExtendedStatistic": "p99"}, 600_000)
    try:
        yield RunningCloud(info)
    finally:
        daemon.down(folder)
        os.environ.clear()
        os.environ.update(kept)


def timed(projects: Sequence[PromotedProject], *task: str, code: int = 0, **extra: str) -> Took:
    """Run a task in all projects at once. Raises `RuntimeError` when one ends with another exit code."""
    cloud = projects[0].made.cloud
    cloud.reset_calls()
    its, begun = of_tree(cloud.info.pid), time.perf_counter()
    usages: list[resource.struct_rusage] = []
    with contextlib.ExitStack() as stack:
        peak = stack.enter_context(PeakMemory())
        running = [stack.enter_context(project.started(task, extra)) for project in projects]
        for child, _ in running:
            peak.add(child.pid)
        for child, output in running:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            usages.append(usage)
            if child.returncode != code:
                output.seek(0)
                said = output.read().decode()[-2000:]
                raise RuntimeError(f"inv {' '.join(task)} ended with {child.returncode}: {said}")
        if "--detach" in task:
            for project in projects:
                await_end(project)
        seconds = time.perf_counter() - begun
    return Took(
        seconds,
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        of_tree(cloud.info.pid) - its,
        peak.megabytes,
        len(cloud.calls()),
    )


@dataclass(frozen=True)
class Execution:
    """What the state machine did for one promotion. Child executions are those of Maps over many targets."""

    events: int
    children: int
    most: int
    transitions: int
    input_bytes: int


def execution(project: PromotedProject) -> Execution:
    """Read the newest promotion's histories."""
    client, machine = project.made.client("stepfunctions"), project.made.machine
    newest = client.list_executions(stateMachineArn=machine)["executions"][0]["executionArn"]
    own = list(_events(client, newest))
    children = [
        list(_events(client, child["executionArn"]))
        for run in client.list_map_runs(executionArn=newest)["mapRuns"]
        for child in client.list_executions(mapRunArn=run["mapRunArn"], maxResults=1000)["executions"]
    ]
    return Execution(
        len(own),
        len(children),
        max(map(len, children), default=0),
        sum(kind.endswith("StateEntered") for events in (own, *children) for kind in events),
        len(client.describe_execution(executionArn=newest)["input"]),
    )


def await_end(project: PromotedProject) -> None:
    """Wait for the newest promotion. Raises `RuntimeError` unless it succeeds."""
    client, machine, end = project.made.client("stepfunctions"), project.made.machine, time.monotonic() + _DEADLINE
    while (newest := client.list_executions(stateMachineArn=machine, maxResults=1)["executions"][0]) and (
        newest["status"] == "RUNNING" and time.monotonic() < end
    ):
        time.sleep(1)
    if newest["status"] != "SUCCEEDED":
        raise RuntimeError(f"the promotion of {project.made.name} is {newest['status']}")


def _events(client: Any, arn: str) -> Iterator[str]:
    """Yield the kinds of an execution's events."""
    for page in client.get_paginator("get_execution_history").paginate(executionArn=arn, includeExecutionData=False):
        yield from (event["type"] for event in page["events"])


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
