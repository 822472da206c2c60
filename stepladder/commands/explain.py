"""`inv explain`: what a kind of error means, why it happens, and how to fix it; and what `--json` prints."""

from __future__ import annotations

from dataclasses import asdict

from stepladder.core import error_kinds
from stepladder.core.console import Console
from stepladder.core.error_kinds import ErrorKind
from stepladder.core.errors import BadInputError
from stepladder.core.similar import did_you_mean
from stepladder.core.tables import Column


def show(kind: str, console: Console) -> None:
    """Print one kind of error, or list them all when `kind` is empty; the brackets of a message may stay around it.

    Raises `BadInputError` for a kind that doesn't exist.
    """
    kinds = error_kinds.read()
    if not kind:
        _list(kinds, console)
        return
    name = kind.strip("[]").lower()
    if name not in kinds:
        raise BadInputError(
            f"there is no kind of error {kind!r}",
            kind="unknown-kind",
            hint=did_you_mean(name, kinds, before="inv explain ") or "`inv explain` lists the kinds of errors",
        )
    one = kinds[name]
    if console.as_json:
        console.json(asdict(one))
        return
    console.fields([("kind", one.kind), ("means", one.means), ("why", one.why), ("fix", one.fix)])


def show_schema(command: str, console: Console) -> None:
    """Print the JSON Schema of what a command prints with `--json`. Raises `BadInputError` where there is none."""
    from stepladder.commands import outputs

    console.data(outputs.published(command).rstrip())


def _list(kinds: dict[str, ErrorKind], console: Console) -> None:
    if console.as_json:
        console.json([asdict(each) for each in kinds.values()])
        return
    console.table([Column("kind"), Column("means", prose=True)], [(each.kind, each.means) for each in kinds.values()])
