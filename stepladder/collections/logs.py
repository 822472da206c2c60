"""`inv logs`: what an environment's function and the pipeline wrote."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.logs:LoggedLine",
    reads_only=True,
    help={
        "env": "Environment to show.",
        "function": "Name of a function to show, `main` for the own one; may be given several times; default: the own.",
        "since": "Time to begin at: how long ago (15m, 2h, 1d), or when (2026-11-26T08:15, UTC); default: 15m.",
        "follow": "Wait for more, and show it as it comes, until Ctrl-C.",
        "errors": "Show errors only, with their stack.",
        "whole_log": "Show every line that Lambda adds to the log; default: time and memory only.",
        "json": "Print one JSON document a line.",
    },
    iterable=["function"],
    auto_shortflags=False,
)
def logs(
    c: Any,
    env: str,
    since: str = "",
    follow: bool = False,
    errors: bool = False,
    whole_log: bool = False,
    json: bool = False,
    function: Any = None,
) -> None:
    """Show the logs of the function, the pipeline's functions and the promotions in one time line."""
    from stepladder.commands.logs import show
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv logs", as_json=json)
    show(rung, function or (), since=since, follow=follow, errors=errors, whole=whole_log)
