"""`inv explain`."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    reads_only=True,
    positional=["kind"],
    help={
        "kind": "Kind of error, as it stands in brackets behind a message; default: list all kinds.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def explain(_c: Any, kind: str = "", json: bool = False) -> None:
    """Explain a kind of error: what it means, why it happens, how to fix it."""
    from stepladder.commands import explain as command
    from stepladder.core.console import Console

    command.show(kind, Console(as_json=json))
