"""`inv explain`."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.infrastructure:Explain",
    reads_only=True,
    positional=["kind"],
    help={
        "kind": "Kind of error, as it stands in brackets behind a message; default: list all kinds.",
        "schema": "Name of the command whose JSON Schema to print.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def explain(_c: Any, kind: str = "", schema: str = "", json: bool = False) -> None:
    """Explain a kind of error: what it means, why it happens, how to fix it; or what a command prints as JSON."""
    from stepladder.commands import explain as command
    from stepladder.core.console import Console

    command.show_schema(schema, Console(as_json=json)) if schema else command.show(kind, Console(as_json=json))
