"""`inv unlock`: who holds an environment, and taking a dead run's lock away."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.releases:Unlock",
    help={
        "env": "Environment whose locks to show.",
        "function": "Name of a function whose lock to show, `main` for the own one; default: all.",
        "id": "Id of the lock to remove, as it is shown without this flag.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def unlock(c: Any, env: str, id: str = "", json: bool = False, function: str = "") -> None:  # noqa: A002 - it is the flag's name
    """Show who holds the locks of an environment and of its Terraform states; with --id remove one."""
    from stepladder.commands import unlock as locks
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv unlock", function=function or None, as_json=json, acting=bool(id))
    if id:
        locks.remove(rung, id)
    else:
        locks.show(rung)
