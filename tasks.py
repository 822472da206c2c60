"""The tasks of this repository: those of a generated project, and what it takes to work on stepladder. No logic."""

import os
import shlex
from pathlib import Path

from checks import CHECKS
from stepladder.checks import must, run_all, tool
from stepladder.collections import namespace
from stepladder.collections.edge import task
from stepladder.console import Console
from stepladder.errors import StepladderError
from stepladder.process import run

ROOT = Path(__file__).resolve().parent
SOME_FAILED = 1  # pytest's exit code


@task
def check(_context):
    """Check the code: lint, format, types, Terraform, YAML, workflows, shell, Dockerfile."""
    run_all(CHECKS, ROOT, Console())


@task(help={"only": "arguments for pytest in place of the whole suite", "checks": "check the code first (default)"})
def test(context, only="", checks=True):
    """Check the code, then run every test."""
    if checks and not only:
        check(context)
    # One worker more than processors: many tests wait for a clock or for another process.
    chosen = shlex.split(only) or ["-n", str((os.cpu_count() or 1) + 1), "tests"]
    code = run([tool("pytest"), *chosen], cwd=ROOT, timeout=4000, attached=True).code
    if code == SOME_FAILED and not only:
        # A deadline missed on a crowded machine isn't a defect; what fails alone too is.
        Console().warn("some tests failed; each is run once more, alone")
        code = run(
            [tool("pytest"), "-v", "--last-failed", "--maxfail=10", "tests"], cwd=ROOT, timeout=1200, attached=True
        ).code
    if code:
        raise StepladderError("the tests failed")


@task(help={"output": "Folder of the demo, emptied first"})
def demo(_context, output=".stepladder/demo"):
    """Watch the whole path on this machine: scaffold, deploy, promote, roll back; no AWS account needed."""
    from stepladder.scaffold.demo import tell

    tell(Console(), ROOT, (ROOT / output).resolve())


@task(help={"only": "Names of the benchmarks to run, with commas between them"})
def bench(_context, only=""):
    """Measure stepladder beside its peers on this machine."""
    must(["python", "benchmarks/run.py", only], ROOT, timeout=3600, failed="a benchmark missed its goal")


ns = namespace()
for own in (bench, check, demo, test):
    ns.add_task(own)
