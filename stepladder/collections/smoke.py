"""`inv smoke`: run the project's smoke cases on what is live."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import ONE_FUNCTION, task


@task(
    prints="stepladder.commands.outputs.releases:Smoke",
    help={
        "env": "Environment to test.",
        "function": ONE_FUNCTION,
        "version": "Version to test; default: what the alias serves.",
        "json": "Print one JSON record.",
    },
    auto_shortflags=False,
)
def smoke(c: Any, env: str, version: str = "", json: bool = False, function: str = "") -> None:
    """Run the smoke cases on what an environment serves; exit 1 when one fails; release and record nothing."""
    from stepladder.releases import live_smoke
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv smoke", function=function, as_json=json)
    record = live_smoke.smoke(rung, version)
    if json:
        rung.console.json(record)
