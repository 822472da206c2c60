"""`inv diagnose`: name the cause of a failed release or promotion."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    positional=["release"],
    prints="stepladder.report.causes:Diagnosis",
    reads_only=True,
    help={
        "release": "Release or promotion: its id, its name, or the beginning of one; default: the newest failure.",
        "env": "Environment of the failures; default: all.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def diagnose(c: Any, release: str = "", env: str = "", json: bool = False) -> None:
    """Explain why a release or promotion failed; exit 0 the cause is named, 2 no such release, 6 it is unknown."""
    from stepladder.commands.diagnose import diagnose as run
    from stepladder.commands.primary import state_machine

    machine = state_machine(c, "inv diagnose", as_json=json)
    record = run(machine, release, env)
    if json:
        machine.console.json(record)
