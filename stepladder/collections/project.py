"""Tasks of a generated project that aren't about AWS: check it, test it, lock what its function needs."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task
def check(context: Any) -> None:
    """Check the project: settings, smoke cases, lock, Dockerfile, lint, format, Terraform."""
    from stepladder.commands import check as project
    from stepladder.core.console import Console
    from stepladder.settings.load import load_or_error, root_of

    project.check(load_or_error(context), Console(), root_of(context))


@task(
    help={
        "only": "Arguments for pytest; default: the whole suite.",
        "env": "Environment whose variables the function gets; default: the lowest rung.",
        "function": "Name of the function whose packages and variables to test with; default: the own one.",
    },
)
def test(context: Any, only: str = "", env: str = "", function: str = "") -> None:  # noqa: PT028 - a task, not a test
    """Test the handler against exactly the packages that function/requirements.txt locks."""
    from stepladder.commands import check as project
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    project.run_tests(from_context(context), Console(), only, env, function)


@task(
    help={
        "function": "Name of the function whose packages to lock, `main` for the own one; default: all.",
        "upgrade": "Lock the newest versions that requirements.in allows.",
        "check": "Check the lock and write nothing; exit 1 for a known vulnerability, 6 when that is unknown.",
        "json": "Print one JSON record of the check.",
    },
    prints="stepladder.commands.audit_report:LockCheckRecord",
)
def lock(context: Any, function: str = "", upgrade: bool = False, check: bool = False, json: bool = False) -> None:
    """Lock what function/requirements.in asks for, with hashes, for every platform; name known vulnerabilities."""
    from stepladder.commands.lock import run
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    run(from_context(context), Console(as_json=json), function, upgrade=upgrade, check=check)
