"""`inv aws.*`: an AWS account, before a project is in it."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.infrastructure:BootstrapRecord",
    help={
        "env": "Environment whose account to prepare; default: every account that the credentials reach.",
        "yes": "Make it without a question.",
        "dry_run": "Print what would be made and what it costs; change nothing.",
        "write_settings": "Write the settings of the forge to invoke.yaml.",
        "json": "Print one JSON document at the end.",
    },
    auto_shortflags=False,
)
def bootstrap(
    c: Any, env: str = "", yes: bool = False, dry_run: bool = False, write_settings: bool = False, json: bool = False
) -> None:
    """Make what the first pipeline needs: state, registry, ledger, roles of CI; show the cost and ask first."""
    from stepladder.commands.bootstrap import Bootstrap, BootstrapOptions, opener
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    console = Console(as_json=json, label="dry run:" if dry_run else "")
    options = BootstrapOptions(env, confirmed=yes, dry_run=dry_run, write_settings=write_settings)
    settings = from_context(c)
    Bootstrap(settings, console, options, opener(settings, console)).run()
