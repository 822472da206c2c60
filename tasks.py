"""The tasks of this repository: those of a generated project, and what it takes to work on stepladder. No logic."""

from pathlib import Path

import suite
from checks import CHECKS
from stepladder.collections import namespace
from stepladder.collections.task import task
from stepladder.commands.checks import must, run_all
from stepladder.core.console import Console

ROOT = Path(__file__).resolve().parent


@task
def check(_context):
    """Check the code: lint, format, types, Terraform, YAML, workflows, shell, Dockerfile."""
    run_all(CHECKS, ROOT, Console())


@task(
    help={
        "only": "Arguments for pytest; default: the whole suite.",
        "quick": "Run unit tests and quick bakes of the template only, without the checks.",
        "long": "Run the long forms too: all walks, corpora, browsers, every row of the fault tables.",
        "checks": "Check the code first (default).",
    }
)
def test(context, only="", quick=False, long=False, checks=True):
    """Check the code, then run every test."""
    if checks and not only and not quick:
        check(context)
    suite.run_tests(ROOT, only=only, quick=quick, long=long)


@task(help={"output": "Folder of the demo; it is emptied first."})
def demo(_context, output=".stepladder/demo"):
    """Watch the whole path on this machine: scaffold, deploy, promote, roll back; no AWS account needed."""
    from stepladder.demo.story import play_story

    play_story(Console(), ROOT, (ROOT / output).resolve())


@task(help={"only": "Names of the benchmarks to run, separated by commas."})
def bench(_context, only=""):
    """Measure stepladder beside its peers on this machine."""
    must(["python", "benchmarks/run.py", only], ROOT, timeout=3600, failed="a benchmark missed its goal")


@task(
    help={
        "check": "Read every page and follow every link inside the site; write nothing.",
        "links": "Request every link to another host.",
        "serve": "Build the site and serve it on this machine until Ctrl-C.",
        "port": "Port to serve at.",
    }
)
def docs(_context, check=False, links=False, serve=False, port=8000):
    """Build the site of the documentation into .stepladder/docs/html."""
    flags = [name for name, given in (("--check", check), ("--links", links), ("--serve", serve)) if given]
    must(["python", "docs/build.py", *flags, "--port", str(port)], ROOT, timeout=86400, failed="the docs are not right")


ns = namespace()
for own in (bench, check, demo, docs, test):
    ns.add_task(own)
