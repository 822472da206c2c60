"""`inv open`: pages of the AWS console."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import ONE_FUNCTION, task


@task(
    name="open",
    prints="stepladder.commands.open:Links",
    reads_only=True,
    positional=["what"],
    help={
        "what": "Name of the page: function, alias, logs, alarms, image, deployment, promotion, state-machine, ledger "
        "or url; default: list all.",
        "env": "Environment of the page; default: the lowest rung.",
        "function": ONE_FUNCTION,
        "json": "Print one JSON document; open no browser.",
    },
    auto_shortflags=False,
)
def open_(c: Any, what: str = "", env: str = "", function: str = "", json: bool = False) -> None:
    """Print the address of a page in the AWS console, and open it on a terminal with a display."""
    from stepladder.commands import open as command
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    environment = env or from_context(c).lowest
    command.show(opened(c, environment, "inv open", function=function, as_json=json), what)
