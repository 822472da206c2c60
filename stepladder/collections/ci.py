"""`inv ci.*`: what a job of a forge does beside deploying."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

JSON = "Print one JSON document."


@task(help={"json": JSON}, auto_shortflags=False)
def comment(c: Any, json: bool = False) -> None:
    """Show on the pull request what it would do, from the reviews that `inv tf.plan --review` left."""
    from stepladder.commands.ci_comment import comment as show
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    show(from_context(c), Console(as_json=json))
