"""`inv diff`: what a deploy or a promotion would change."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.diff:EnvironmentDiff",
    reads_only=True,
    help={
        "env": "Environment that would change.",
        "function": "Name of the function to compare, `main` for the own one; default: all.",
        "promotion": "Show what a promotion would change, as is done anyway for a rung above the lowest.",
        "no_infra": "Skip Terraform, whose plans take the most time.",
        "build": "Build the image here, without pushing it, when only that shows its layers.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def diff(
    c: Any,
    env: str,
    function: str = "",
    promotion: bool = False,
    no_infra: bool = False,
    build: bool = False,
    json: bool = False,
) -> None:
    """Show what a deploy of these files, or a promotion, would change; exit 0 nothing, 2 something; change nothing."""
    from stepladder.commands import diff as command
    from stepladder.releases.rung import opened

    options = command.DiffOptions(function, promotion, not no_infra, build)
    command.show(opened(c, env, "inv diff", as_json=json), options)
