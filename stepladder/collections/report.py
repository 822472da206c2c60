"""`inv report`: write a page about a release or a promotion."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    positional=["release"],
    reads_only=True,
    prints="stepladder.commands.report:ReportRecord",
    help={
        "release": "Release or promotion: its id, its name, or the beginning of one; default: the newest.",
        "env": "Environment of the newest release; default: any.",
        "output": "File to write; default: one named after the release in .stepladder/reports.",
        "open": "Show the page in a browser, on a terminal.",
        "json": "Print one JSON record.",
    },
    auto_shortflags=False,
)
def report(
    c: Any,
    release: str = "",
    env: str = "",
    output: str = "",
    open: bool = False,  # noqa: A002 - the flag's name
    json: bool = False,
) -> None:
    """Write one HTML page of a release or promotion: ladder, time line, traffic, path, cause; exit 2 no such one."""
    from stepladder.commands.primary import state_machine
    from stepladder.commands.report import report as write

    machine = state_machine(c, "inv report", as_json=json)
    record = write(machine, release, env, output, opens=open)
    if json:
        machine.console.json(record)
