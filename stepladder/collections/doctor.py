"""`inv doctor`: what is wrong, and what fixes it. `stepladder/doctor/registered.py` lists the checks."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.doctor:DoctorRecord",
    help={
        "env": "Environment to check; default: all of them.",
        "fix": "Fix what can be fixed safely, and check again; list it and ask before.",
        "yes": "Fix it without a question.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def doctor(context: Any, env: str = "", fix: bool = False, yes: bool = False, json: bool = False) -> None:
    """Check tools, credentials, project and AWS; say what fixes each finding; exit 1 for errors, 6 for unchecked."""
    from stepladder.commands.doctor import Doctor, DoctorOptions
    from stepladder.core.console import Console
    from stepladder.settings.load import load_or_error, root_of

    options = DoctorOptions(environment=env, fix=fix, confirmed=yes)
    Doctor(root_of(context), load_or_error(context), Console(as_json=json), options).run()
