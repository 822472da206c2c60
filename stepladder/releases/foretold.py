"""A refusal under `--dry-run` says that it would be one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stepladder.core.errors import RefusedError


@contextlib.contextmanager
def refusals(*, dry_run: bool) -> Iterator[None]:
    """Say of a refusal that it would be one, when nothing but a look was asked for; it keeps its exit code."""
    try:
        yield
    except RefusedError as error:
        if not dry_run:
            raise
        raise RefusedError(f"would be refused: {error.message}", kind=error.kind, hint=error.hint) from error
