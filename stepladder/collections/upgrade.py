"""`inv project.upgrade`: bring the project to another version of stepladder."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    help={
        "to": "Version, tag or commit to upgrade to, or where another is; default: the newest one that can be reached.",
        "from_": "Version that made the project, where .cruft.json doesn't know it.",
        "dry_run": "Show what would change, and write nothing.",
        "allow_dirty": "Write into files whose changes aren't committed.",
        "resolved": "File in conflict that is as it should be now; may be given several times.",
        "json": "Print one JSON document.",
    },
    iterable=["resolved"],
    prints="stepladder.upgrade.report:UpgradeRecord",
    auto_shortflags=False,
)
def upgrade(
    c: Any,
    to: str = "",
    from_: str = "",
    dry_run: bool = False,
    allow_dirty: bool = False,
    resolved: list[str] | None = None,
    json: bool = False,
) -> None:
    """Change the project to another version of stepladder: modules, CI files, settings, pin; commit nothing."""
    from stepladder.core.console import Console
    from stepladder.settings.load import project_of
    from stepladder.upgrade.upgrade import UpgradeOptions
    from stepladder.upgrade.upgrade import upgrade as run

    options = UpgradeOptions(to, from_, dry_run, allow_dirty, tuple(resolved or ()))
    run(project_of(c), options, Console(as_json=json))
