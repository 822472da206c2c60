"""Build, push and release a change of the handler with each builder, by turns, and print medians and their ratio.

    .venv/bin/python benchmarks/builders.py [rounds]

Both builders make the image on the same base, in a local cloud that runs functions in containers; what Terraform would
make is made by API, so that the time is that of image and release alone. Needs a Docker engine, or Debian and root to
start one. Exit code 1 when the docker builder takes more than twice as long.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/unit")]

import docker_engine  # noqa: E402 - from the tests
import pytest  # noqa: E402
from container_functions import ContainerFunctions  # noqa: E402
from docker_project import DockerProject  # noqa: E402
from running_cloud import RunningCloud  # noqa: E402

from localcloud import daemon  # noqa: E402
from stepladder.core import container_engine  # noqa: E402

ROUNDS = 7
LIMIT = 2.0


def main(rounds: int) -> int:
    """Measure, print, and return the exit code."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(docker_engine.running())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DOCKER_HOST", host)
        patch.setenv("STEPLADDER_LAUNCHER", "container")
        patch.delenv("CI", raising=False)
        base = docker_engine.base_image(host)
        cloud = RunningCloud(stack.enter_context(daemon.running()))
        functions = ContainerFunctions(cloud, base)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stepladder-bench-")))
        projects = {}
        for builder in ("docker", "layers"):
            projects[builder] = DockerProject(cloud, folder / builder, _architecture(), functions.base, builder)
            projects[builder].make()
        times: dict[str, list[float]] = {builder: [] for builder in projects}
        for number in range(rounds):
            for builder, project in projects.items():
                project.say(f"round {number}")
                began = time.perf_counter()
                done = project.inv("deploy", "--env", "staging")
                times[builder].append(time.perf_counter() - began)
                if done.code or project.answer() != f"round {number}":
                    sys.exit(f"the {builder} builder's change was not released:\n{done.err}")
    medians = {builder: statistics.median(taken) for builder, taken in times.items()}
    for builder, taken in times.items():
        print(f"{builder:7} {medians[builder]:6.2f} s  ({min(taken):.2f} to {max(taken):.2f}, {rounds} rounds)")
    ratio = medians["docker"] / medians["layers"]
    print(f"ratio   {ratio:6.2f}    (goal: at most {LIMIT:.0f})")
    return int(ratio > LIMIT)


def _architecture() -> str:
    found = container_engine.find()
    if found is None:
        sys.exit("no container engine answers")
    return found.architecture


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
