"""`inv destroy`: take an environment, or the whole project, out of AWS."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.destroy_all:Record",
    help={
        "env": "Environment to destroy.",
        "all": "Destroy every environment, the delivery, the foundation and their states, in every account and region.",
        "confirm": "Name of the environment, or with --all of the project, in place of typing it on a terminal.",
        "dry_run": "Print what would be lost; destroy nothing.",
        "skip_ladder": "Destroy a rung although higher rungs stand on it.",
        "json": "Print one JSON record.",
    },
    auto_shortflags=False,
)
def destroy(
    c: Any,
    env: str = "",
    all: bool = False,  # noqa: A002 - it is the flag's name
    confirm: str = "",
    dry_run: bool = False,
    skip_ladder: bool = False,
    json: bool = False,
) -> None:
    """Destroy an environment, or all of the project, with its data; show what will be lost and ask for its name."""
    from stepladder.commands.destroy import DestroyOptions
    from stepladder.commands.destroy_all import run
    from stepladder.core.console import Console
    from stepladder.settings import load

    console = Console(as_json=json, label="dry run:" if dry_run else "")
    record = run(load.from_context(c), console, DestroyOptions(confirm, dry_run, skip_ladder), env, everything=all)
    if json:
        console.json(record)
