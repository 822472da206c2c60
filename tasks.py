"""The tasks of this repository: those of a generated project, and what it takes to work on stepladder. No logic."""

from datetime import UTC, datetime
from pathlib import Path

from invoke import Collection

import release
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


@task(
    help={
        "only": "Names of the parts to measure, separated by commas; default: all.",
        "rounds": "Number of runs to count of each command; 1 is a trial.",
        "write": "Write the page and the pictures of a part or a trial, too; a whole run always does.",
    }
)
def bench(_context, only="", rounds=7, write=False):
    """Measure stepladder beside its peers on this machine, and write what was found to the documentation."""
    argv = ["python", "benchmarks/run.py", "--only", only, "--rounds", str(rounds), *(["--write"] if write else [])]
    must(
        argv,
        ROOT,
        timeout=14400,
        failed="a goal is missed, or something could not be measured: what stands above says which",
    )


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


@task(name="check", default=True, help={"tag": "Tag of the release, which must be on this commit."})
def release_check(_context, tag=""):
    """Check that every place names the same version; with --tag, that this commit is its release."""
    release.check(ROOT, Console(), tag)


@task(
    name="prepare",
    help={"version": "Version to prepare, such as 0.2.0.", "dry_run": "Show what would change, and write nothing."},
    auto_shortflags=False,
)
def release_prepare(_context, version, dry_run=False):
    """Write a version into every place, with what is unreleased as its changes; commit and tag nothing."""
    release.prepare(ROOT, Console(), version, datetime.now(UTC).date().isoformat(), dry_run=dry_run)


@task(name="build", help={"tag": "Tag of the release, which must be on this commit."})
def release_build(_context, tag=""):
    """Build the wheel and the source distribution into dist/, and try the wheel."""
    release.build(ROOT, Console(), tag)


@task(name="notes", help={"version": "Version whose changes to print; default: the present one."}, reads_only=True)
def release_notes(_context, version=""):
    """Print what the changelog says of a version."""
    release.notes(ROOT, Console(), version)


@task(name="publish")
def release_publish(_context):
    """Send dist/ to the package index, in a CI job that the index trusts."""
    release.publish(ROOT, Console())


@task(name="announce", help={"tag": "Tag of the release."})
def release_announce(_context, tag):
    """Make the release of a tag at GitHub, with its changes and the files of dist/."""
    release.announce(ROOT, Console(), tag)


ns = namespace()
for own in (bench, check, demo, docs, test):
    ns.add_task(own)
releases = Collection("release")
for own in (release_announce, release_build, release_check, release_notes, release_prepare, release_publish):
    releases.add_task(own)
ns.add_collection(releases)
